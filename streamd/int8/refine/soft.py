"""AdaRound's soft rounding: each weight is between the codes below and above it, until the regulariser has decided.

W~ = s clip(floor(W / s) + h(V), -127, 127), h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1), and the regulariser
sum(1 - |2 h(V) - 1|^beta), whose beta falls from 20 to 2 by half a cosine once a fifth of the steps is done: before, V
moves freely. Source: Nagel et al. 2020, arXiv 2004.10568, equations 21 to 25; zeta = 1.1, gamma = -0.1.
"""

import math

import numpy as np
import torch
from torch import Tensor

from streamd.frames import F32
from streamd.int8.refine.fake import along
from streamd.int8.scales import I8, TOP

ZETA, GAMMA = 1.1, -0.1
FIRST, LAST, WARM_UP = 20.0, 2.0, 0.2


class SoftWeight:
    """The weight of one layer; `logits` is V, the only thing that is trained."""

    def __init__(self, weight: Tensor, scale: F32, axis: int) -> None:
        """`scale` has one value for each index of `axis` of `weight`. It begins as the weight itself: h(V) = frac."""
        self._own = scale
        self._scale = along(torch.from_numpy(scale).to(weight.device), axis, weight.ndim)
        exact = (weight / self._scale).clamp(-TOP, TOP)
        self.below = exact.floor()
        self._nearest = exact.round()
        part = exact - self.below
        self.logits = -torch.log((ZETA - GAMMA) / (part - GAMMA) - 1)
        self.logits.requires_grad_()

    def upward(self) -> Tensor:
        """Return h(V), 0 for the code below and 1 for the one above."""
        return torch.clamp(torch.sigmoid(self.logits) * (ZETA - GAMMA) + GAMMA, 0.0, 1.0)

    def soft(self, upward: Tensor) -> Tensor:
        """Return the weight with h(V), `upward`, as it is."""
        return torch.clamp(self.below + upward, -TOP, TOP) * self._scale

    def hard(self) -> Tensor:
        """Return the weight with h(V) decided."""
        return self._decided() * self._scale

    def nearest(self) -> Tensor:
        """Return the weight rounded to nearest."""
        return self._nearest * self._scale

    def codes(self, *, nearest: bool = False) -> tuple[I8, F32]:
        """Return what is written: the decided codes, or those of rounding to nearest, and their scales."""
        chosen = self._nearest if nearest else self._decided()
        return chosen.detach().cpu().numpy().astype(np.int8), self._own

    def _decided(self) -> Tensor:
        return torch.clamp(self.below + (self.upward() >= 0.5), -TOP, TOP)


def undecided(upward: Tensor, beta: float) -> Tensor:
    """Return the regulariser of h(V), `upward`: the sum over weights of 1 - |2 h(V) - 1|^beta."""
    return upward.numel() - (2 * upward - 1).abs().pow(beta).sum()


def beta(step: int, steps: int) -> float:
    """Return beta at `step` of `steps`; infinite, for no regulariser, during the warm-up."""
    start = WARM_UP * steps
    if step < start:
        return math.inf
    done = (step - start) / max(steps - start, 1)
    return LAST + 0.5 * (FIRST - LAST) * (1 + math.cos(math.pi * done))
