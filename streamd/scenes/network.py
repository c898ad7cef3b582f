"""A small anchor-free detector in torch: structurally the YOLOv8 family, written for this project.

Cross-stage-partial blocks (Wang et al. 2020, arXiv 1911.11929), a spatial pyramid pooling neck (He et al. 2015,
arXiv 1406.4729) of chained poolings, a path-aggregation network (Liu et al. 2018, arXiv 1803.01534), and a decoupled
head (Ge et al. 2021, arXiv 2107.08430) whose box sides are distributions over bins (Li et al. 2020, arXiv 2006.04388).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

REG_MAX = 16  # bins of one side's distance, in strides
STRIDES = (8, 16, 32)


class Unit(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(after, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, H / stride, W / stride)."""
        return functional.silu(self.norm(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 units, added to what came in."""

    def __init__(self, width: int, *, residual: bool) -> None:
        super().__init__()
        self.one, self.two = Unit(width, width, 3), Unit(width, width, 3)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped as `x`."""
        y: Tensor = self.two(self.one(x))
        return x + y if self.residual else y


class Partial(nn.Module):
    """Half of the channels go straight on; the other half through bottlenecks, each of whose outputs is kept."""

    def __init__(self, before: int, after: int, depth: int = 1, *, residual: bool = True) -> None:
        super().__init__()
        self.width = after // 2
        self.split = Unit(before, 2 * self.width)
        self.blocks = nn.ModuleList(Bottleneck(self.width, residual=residual) for _ in range(depth))
        self.join = Unit((2 + depth) * self.width, after)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, H, W)."""
        kept = list(self.split(x).split((self.width, self.width), 1))
        for block in self.blocks:
            kept.append(block(kept[-1]))
        joined: Tensor = self.join(torch.cat(kept, 1))
        return joined


class Pyramid(nn.Module):
    """Three 5x5 poolings in a chain, all kept: fields of 5, 9 and 13 cells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze, self.join = Unit(width, width // 2), Unit(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor shaped as `x`."""
        kept = [self.squeeze(x)]
        for _ in range(3):
            kept.append(functional.max_pool2d(kept[-1], 5, 1, 2))
        joined: Tensor = self.join(torch.cat(kept, 1))
        return joined


class Head(nn.Module):
    """For each level, a branch for the box's sides and one for the classes."""

    def __init__(self, classes: int, widths: Sequence[int], box_width: int, class_width: int) -> None:
        super().__init__()
        self.box = nn.ModuleList(_branch(width, box_width, 4 * REG_MAX) for width in widths)
        self.kind = nn.ModuleList(_branch(width, class_width, classes) for width in widths)
        for box, kind, stride in zip(self.box, self.kind, STRIDES, strict=True):
            nn.init.constant_(box[-1].bias, 1.0)
            nn.init.constant_(kind[-1].bias, math.log(5 / classes / (416 / stride) ** 2))

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return side logits (N, 4 * REG_MAX, A) and class logits (N, classes, A)."""
        return _rowed(self.box, levels), _rowed(self.kind, levels)


class Detector(nn.Module):
    """The whole network: pictures (N, 3, S, S) of R, G, B in 0..1; S a multiple of 32."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = 16, 32, 48, 80, 108
        self.stem = nn.Sequential(Unit(3, c1, 3, 2), Unit(c1, c2, 3, 2), Partial(c2, c2, 1))
        self.to8 = nn.Sequential(Unit(c2, c3, 3, 2), Partial(c3, c3, 2))
        self.to16 = nn.Sequential(Unit(c3, c4, 3, 2), Partial(c4, c4, 2))
        self.to32 = nn.Sequential(Unit(c4, c5, 3, 2), Partial(c5, c5, 1), Pyramid(c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up16 = Partial(c5 + c4, c4, 1, residual=False)
        self.up8 = Partial(c4 + c3, c3, 1, residual=False)
        self.down16, self.mix16 = Unit(c3, c3, 3, 2), Partial(c3 + c4, c4, 1, residual=False)
        self.down32, self.mix32 = Unit(c4, c4, 3, 2), Partial(c4 + c5, c5, 1, residual=False)
        self.head = Head(classes, (c3, c4, c5), 40, 32)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head returns."""
        p8 = self.to8(self.stem(x))
        p16 = self.to16(p8)
        p32 = self.to32(p16)
        n16 = self.up16(torch.cat((self.up(p32), p16), 1))
        n8 = self.up8(torch.cat((self.up(n16), p8), 1))
        n16 = self.mix16(torch.cat((self.down16(n8), n16), 1))
        n32 = self.mix32(torch.cat((self.down32(n16), p32), 1))
        levels: tuple[Tensor, Tensor] = self.head((n8, n16, n32))
        return levels


class Served(nn.Module):
    """The detector as it is served: norms folded into convolutions, boxes and scores in one tensor."""

    def __init__(self, detector: Detector, size: int) -> None:
        super().__init__()
        self.detector = folded(detector)
        points, strides = anchors(size, torch.device("cpu"))
        self.cells = len(points)
        self.points, self.strides, self.bins = (
            nn.Parameter(constant, requires_grad=False)
            for constant in (
                points.T[None].contiguous(),
                strides[None, None],
                torch.arange(REG_MAX, dtype=torch.float32).view(1, REG_MAX, 1, 1),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 4 + classes, A): centre x, y, width, height in input pixels, then scores 0..1."""
        sides, kinds = self.detector(images)
        shares = sides.view(-1, 4, REG_MAX, self.cells).transpose(1, 2).softmax(1)  # N,bins,4,A
        low, high = functional.conv2d(shares, self.bins).view(-1, 4, self.cells).split((2, 2), 1)
        near, far = self.points - low * self.strides, self.points + high * self.strides
        return torch.cat(((near + far) / 2, far - near, kinds.sigmoid()), 1)


def anchors(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the middle of each cell (A, 2: x, y in pixels) and its stride (A), finest level first."""
    points, strides = [], []
    for stride in STRIDES:
        line = (torch.arange(size // stride, device=device, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        points.append(torch.stack((x, y), 2).view(-1, 2))
        strides.append(torch.full((x.numel(),), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def boxes(sides: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Return boxes (N, A, 4: x1, y1, x2, y2 in pixels) of side logits (N, A, 4, REG_MAX)."""
    bins = torch.arange(REG_MAX, device=sides.device, dtype=torch.float32)
    reach = (sides.float().softmax(3) * bins).sum(3) * strides[:, None]
    return torch.cat((points - reach[..., :2], points + reach[..., 2:]), 2)


def folded(detector: Detector) -> Detector:
    """Return a copy with batch norms folded into convolutions (Jacob et al. 2018, arXiv 1712.05877, section 3.2)."""
    copy = Detector(detector.head.kind[0][-1].out_channels)
    copy.load_state_dict(detector.state_dict())
    copy.eval()
    for unit in copy.modules():
        if isinstance(unit, Unit) and isinstance(unit.norm, nn.BatchNorm2d):
            unit.conv = nn.utils.fuse_conv_bn_eval(unit.conv, unit.norm)
            unit.norm = nn.Identity()
    return copy


def _rowed(branches: nn.ModuleList, levels: Sequence[Tensor]) -> Tensor:
    """Return all levels' cells in one row (N, channels, A); sizes are plain integers so that ONNX sees constants."""
    maps = [branch(x) for branch, x in zip(branches, levels, strict=True)]
    return torch.cat([m.reshape(-1, int(m.shape[1]), int(m.shape[2]) * int(m.shape[3])) for m in maps], 2)


def _branch(before: int, width: int, after: int) -> nn.Sequential:
    return nn.Sequential(Unit(before, width, 3), Unit(width, width, 3), nn.Conv2d(width, after, 1))
