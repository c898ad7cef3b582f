"""Makes batches on the device: flips, scales and shifts pictures, stacks two on a canvas, varies light and colour.

Everything random comes from one seeded generator on the host, so a batch is the same on every device.
"""

import torch
from torch import Tensor
from torch.nn import functional

from streamd.scenes.loss import Targets

PAD = 114 / 255
_KEEP = 0.15  # share of a box that must remain after cropping
_SMALLEST_PX = 2.0


def plain(pictures: Tensor, boxes: Tensor, kinds: Tensor, size: int) -> tuple[Tensor, Targets]:
    """Return the pictures (N, 3, size, size) letterboxed in the middle, as the daemon does it."""
    rows = pictures.shape[1]
    top = (size - rows) // 2
    canvas = torch.full((len(pictures), 3, size, size), PAD, device=pictures.device)
    canvas[:, :, top : top + rows] = pictures.permute(0, 3, 1, 2).float() / 255
    shift = torch.tensor([0.0, top, 0.0, top], device=boxes.device)
    return canvas, Targets(boxes + shift, kinds.long().clamp(min=0), kinds >= 0)


def varied(
    pictures: Tensor, boxes: Tensor, kinds: Tensor, size: int, random: torch.Generator, *, stacked: bool
) -> tuple[Tensor, Targets]:
    """Return half as many canvases as pictures when `stacked`, one picture above another; else one for each."""
    n = len(pictures) // 2 if stacked else len(pictures)
    cut = torch.randint(int(size * 0.38), int(size * 0.62), (n,), generator=random)
    top, bottom = (torch.zeros(n), cut.float()) if stacked else (torch.zeros(n), torch.full((n,), float(size)))
    canvas, targets = _placed(pictures[:n], boxes[:n], kinds[:n], size, (top, bottom), random, stacked)
    if stacked:
        low, below = _placed(
            pictures[n : 2 * n],
            boxes[n : 2 * n],
            kinds[n : 2 * n],
            size,
            (bottom, torch.full((n,), float(size))),
            random,
            stacked,
        )
        under = (
            torch.arange(size, device=canvas.device)[None, None, :, None]
            >= bottom.to(canvas.device)[:, None, None, None]
        )
        canvas = torch.where(under, low, canvas)
        targets = Targets(
            *(torch.cat((getattr(targets, name), getattr(below, name)), 1) for name in ("boxes", "kinds", "real"))
        )
    return _coloured(canvas, random), trimmed(targets)


def trimmed(targets: Targets) -> Targets:
    """Return the targets with the real ones first and as few columns as the fullest picture needs."""
    order = targets.real.int().argsort(dim=1, descending=True, stable=True)
    most = max(int(targets.real.sum(1).max()), 1)
    order = order[:, :most]
    boxes = targets.boxes.gather(1, order[..., None].expand(*order.shape, 4))
    return Targets(boxes, targets.kinds.gather(1, order), targets.real.gather(1, order))


def _placed(
    pictures: Tensor,
    boxes: Tensor,
    kinds: Tensor,
    size: int,
    band: tuple[Tensor, Tensor],
    random: torch.Generator,
    stacked: bool,
) -> tuple[Tensor, Targets]:
    """Return each picture scaled, shifted and flipped on a canvas of its own, its truths cut to the rows of `band`."""
    n, rows, cols = pictures.shape[:3]
    device = pictures.device
    low, high = (0.75, 1.6) if stacked else (0.85, 1.25)
    scale = low * (high / low) ** torch.rand(n, generator=random)
    middle = (band[0] + band[1]) / 2
    dx = size / 2 - scale * cols / 2 + _spread(n, random) * (scale * cols - size).abs().clamp(min=20) / 2
    dy = (
        middle
        - scale * rows / 2
        + _spread(n, random) * (scale * rows - (band[1] - band[0])).abs().clamp(max=90 if stacked else 40) / 2
    )
    flip = torch.rand(n, generator=random) < 0.5
    scale, dx, dy, flip = (v.to(device) for v in (scale, dx, dy, flip))
    line = torch.arange(size, device=device) + 0.5
    x, y = (line[None] - dx[:, None]) / scale[:, None], (line[None] - dy[:, None]) / scale[:, None]
    x = torch.where(flip[:, None], cols - x, x)
    grid = torch.stack(torch.broadcast_tensors((x / cols * 2 - 1)[:, None, :], (y / rows * 2 - 1)[:, :, None]), 3)
    seen = functional.grid_sample(pictures.permute(0, 3, 1, 2).float() / 255 - PAD, grid, align_corners=False) + PAD
    mirrored = torch.stack((cols - boxes[..., 2], boxes[..., 1], cols - boxes[..., 0], boxes[..., 3]), 2)
    boxes = torch.where(flip[:, None, None], mirrored, boxes)
    whole = boxes * scale[:, None, None] + torch.stack((dx, dy, dx, dy), 1)[:, None]
    first, last = (b.to(device)[:, None] for b in band)
    cut = torch.stack(
        (
            whole[..., 0].clamp(0, size),
            whole[..., 1].clamp(first, last),
            whole[..., 2].clamp(0, size),
            whole[..., 3].clamp(first, last),
        ),
        2,
    )
    extent, before = (cut[..., 2:] - cut[..., :2]), (whole[..., 2:] - whole[..., :2])
    remains = extent.prod(2) / before.prod(2).clamp(min=1e-6)
    real = (kinds >= 0) & (remains > _KEEP) & (extent.amin(2) > _SMALLEST_PX)
    return seen, Targets(cut, kinds.long().clamp(min=0), real)


def _coloured(canvas: Tensor, random: torch.Generator) -> Tensor:
    """Vary exposure, contrast, saturation and the white point of each canvas."""
    n = len(canvas)
    exposure, contrast, saturation = (1 + 0.3 * _spread(n, random) for _ in range(3))
    white = 1 + 0.06 * torch.stack([_spread(n, random) for _ in range(3)], 1)
    exposure, contrast, saturation = (
        v.to(canvas.device)[:, None, None, None] for v in (exposure, contrast, saturation)
    )
    grey = canvas.mean(1, keepdim=True)
    canvas = grey + (canvas - grey) * saturation
    canvas = canvas * (exposure * white.to(canvas.device)[:, :, None, None])
    level = canvas.mean((1, 2, 3), keepdim=True)
    return (level + (canvas - level) * contrast).clamp(0, 1)


def _spread(n: int, random: torch.Generator) -> Tensor:
    """Return n values between -1 and 1."""
    return torch.rand(n, generator=random) * 2 - 1
