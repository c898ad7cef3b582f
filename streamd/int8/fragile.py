"""Depthwise layers that no single scale can serve, told from the ranges of their input's channels.

Activations have one scale a tensor. Where a layer mixes all channels, its weights make up for channels of small
range, and large ones dominate the answer anyhow. A depthwise layer does not mix: a channel whose largest value is
below two of the 127 codes arrives as 0, 1 or 2 and is lost for good. Stems that feed a depthwise layer are like that
(YOLOX-Nano: 31 % of the channels of its second layer's input; with that layer alone in float, agreement with the
float model rises from 0.72 to 0.94). Sources: channel-range ratios as the cause of collapse, in facts D.8; the
threshold is our own, well above what any other layer of that network loses, 3 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from streamd.int8.calibrate import Calibration
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement, depthwise

LOST = 2 / 127  # of the scale's range
MOST_LOST = 0.1  # of the channels


@dataclass(frozen=True, slots=True)
class Fragile:
    """A layer, and the share of its input's channels that INT8 loses."""

    layer: str
    tensor: str
    lost: float

    def __str__(self) -> str:
        return f"{self.layer} stays in float: of its input's channels, {self.lost:.0%} would have under 2 of 127 codes"


def find(graph: Graph, placement: Placement, calibration: Calibration) -> list[Fragile]:
    """Return the fragile ones of the quantized layers; a shared scale is that of the largest of its group."""
    channels = calibration.channels
    found = []
    for layer, tensor in depthwise(graph).items():
        if layer not in placement.layers or tensor not in channels:
            continue
        group: Iterable[str] = next((group for group in placement.groups if tensor in group), (tensor,))
        top = max(calibration.histograms[name].amax for name in group if name in calibration.histograms)
        lost = sum(value < LOST * top for value in channels[tensor]) / len(channels[tensor])
        if lost > MOST_LOST:
            found.append(Fragile(layer, tensor, lost))
    return found
