"""What the detector is trained by: which cell answers for which truth, and how wrong it is.

Cells are assigned by task alignment (Feng et al. 2021, TOOD, arXiv 2108.07755): score^0.5 * IoU^6, the best ten per
truth. Boxes are scored by complete IoU (Zheng et al. 2020, arXiv 1911.08287) and by the distribution focal loss
(Li et al. 2020, arXiv 2006.04388), classes by cross-entropy against the alignment.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamd.scenes.network import REG_MAX, boxes

_TOP = 10
_REACH_PX = 4.0  # a truth smaller than this each way still owns the cells around its middle
BOX, KIND, SIDES = 7.5, 0.5, 1.5  # weights


@dataclass(frozen=True, slots=True)
class Targets:
    """Truths of a batch, padded to the most of one picture: boxes (N, M, 4) in pixels, kinds (N, M), real (N, M)."""

    boxes: Tensor
    kinds: Tensor
    real: Tensor


def loss(logits: tuple[Tensor, Tensor], targets: Targets, points: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss to minimise and its three terms (3): box, class, sides, all unweighted."""
    sides, kinds = logits[0].transpose(1, 2).float(), logits[1].transpose(1, 2).float()
    sides = sides.view(sides.shape[0], -1, 4, REG_MAX)
    found = boxes(sides, points, strides)
    with torch.no_grad():
        wanted, scores = assign(kinds.sigmoid(), found, targets, points)
    total = scores.sum().clamp(min=1.0)
    kind_loss = functional.binary_cross_entropy_with_logits(kinds, scores, reduction="sum") / total
    weight = scores.sum(2)
    box_loss = ((1 - ciou(found, wanted)) * weight).sum() / total
    reach = torch.cat((points - wanted[..., :2], wanted[..., 2:] - points), 2) / strides[:, None]
    side_loss = (_distribution(sides, reach) * weight).sum() / total
    whole = BOX * box_loss + KIND * kind_loss + SIDES * side_loss
    return whole, torch.stack((box_loss, kind_loss, side_loss)).detach()


def assign(scores: Tensor, found: Tensor, targets: Targets, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each cell the box it should find (N, A, 4) and the scores it should give (N, A, classes)."""
    n, m = targets.real.shape
    overlap = iou(targets.boxes[:, :, None], found[:, None]).clamp(min=0)  # N,M,A
    kind_score = scores.gather(2, targets.kinds[:, None].expand(n, scores.shape[1], m)).transpose(1, 2)
    middle, half = (
        (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2,
        (targets.boxes[..., 2:] - targets.boxes[..., :2]) / 2,
    )
    inside = ((points - middle[:, :, None]).abs() < half.clamp(min=_REACH_PX)[:, :, None]).all(3) & targets.real[
        ..., None
    ]
    aligned = torch.where(inside, kind_score.sqrt() * overlap**6 + 1e-12, 0.0)
    best = aligned.topk(_TOP, 2)
    chosen = (aligned >= best.values[..., -1:]) & inside
    rival = torch.where(chosen, overlap, -1.0)
    owner = rival.argmax(1)  # N,A
    chosen &= owner[:, None] == torch.arange(m, device=owner.device)[None, :, None]
    aligned = torch.where(chosen, aligned, 0.0)
    peak = aligned.amax(2, keepdim=True)
    reached = torch.where(chosen, overlap, 0.0).amax(2, keepdim=True)
    strength = (aligned / (peak + 1e-9) * reached).amax(1)  # N,A
    wanted = targets.boxes.gather(1, owner[..., None].expand(*owner.shape, 4))
    kind = functional.one_hot(targets.kinds.gather(1, owner), scores.shape[2])
    return wanted, kind * strength[..., None]


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of boxes (..., 4), broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    size = (high - low).clamp(min=0)
    both = size[..., 0] * size[..., 1]
    area_a, area_b = ((box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (a, b))
    return both / (area_a + area_b - both + 1e-7)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Return complete IoU: IoU, less the distance of the middles and the difference of the aspects."""
    overlap = iou(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    distance = (apart**2).sum(-1) / ((hull**2).sum(-1) + 1e-7)
    size_a, size_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-3), (b[..., 2:] - b[..., :2]).clamp(min=1e-3)
    turn = torch.atan(size_b[..., 0] / size_b[..., 1]) - torch.atan(size_a[..., 0] / size_a[..., 1])
    aspect = 4 / math.pi**2 * turn**2
    with torch.no_grad():
        share = aspect / (1 - overlap + aspect + 1e-7)
    return overlap - distance - share * aspect


def _distribution(sides: Tensor, reach: Tensor) -> Tensor:
    """Return the focal loss (N, A) of side logits (N, A, 4, REG_MAX) against distances in strides (N, A, 4)."""
    reach = reach.clamp(0, REG_MAX - 1.01)
    bins = torch.arange(REG_MAX, device=sides.device, dtype=torch.float32)
    wanted = (1 - (reach[..., None] - bins).abs()).clamp(min=0)  # the two nearest bins share it
    return -(wanted * sides.log_softmax(3)).sum(3).mean(2)
