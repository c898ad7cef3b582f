"""From thresholds to scales: one for all tensors that share it, rounded to what float16 can hold.

The rounded value is used in both files, so that both have the same codes: x becomes clip(round(x / scale), -128, 127),
rounding halves to even. Weights have a scale for each output channel and use -127..127.

A scale that float16 would hold with less than its 11 bits, below 6.1e-5, stays as it is: both files carry scales in
float32, with which TensorRT computes whatever the type of the layers (half.py), and an integer layer multiplies sums
in int32 by them. Raising them would cost the codes of every layer whose weights are all below 127 times that, 0.0078.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamd.errors import DataError
from streamd.frames import F32
from streamd.int8.calibrate import Calibration
from streamd.int8.graph import Graph
from streamd.int8.placement import Placement
from streamd.int8.thresholds import Method

I8 = npt.NDArray[np.int8]
TOP = 127
SMALLEST = float(np.finfo(np.float16).tiny)  # the smallest normal float16, 6.1e-5; below it precision is lost
LEAST = 2.0**-60  # of a scale: the product of two is a normal float32, by which biases are divided
LARGEST = float(np.finfo(np.float16).max)
FAINT = float(np.finfo(np.float16).smallest_subnormal)
NOTABLE = 0.01  # of a tensor's values: what clips more is told
WIDEST_BIAS = 2**30  # in units of input scale times weight scale; int32 holds twice that


@dataclass(slots=True)
class Scales:
    """The scale of every quantized tensor, and the (low, high) of every layer's output, which the CPU file needs.

    `weights` has the codes (-127..127) and scales of layers whose weights are not to be rounded to nearest
    (streamd/int8/refine). `remarks` tells in words what was out of the ordinary.
    """

    activations: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    weights: dict[str, tuple[I8, F32]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def choose(graph: Graph, placement: Placement, calibration: Calibration, method: Method) -> Scales:
    """Choose the scales for `placement` by `method`; pictures keep their range, which is known and has no outliers.

    Raises:
        DataError: the calibration is of another model.
    """
    if graph.sha256 and calibration.model_sha256 and graph.sha256 != calibration.model_sha256:
        raise DataError(
            f"the calibration is of the model {calibration.model_sha256[:12]} (sha256), {graph.name} is "
            f"{graph.sha256[:12]}",
            mend="calibrate this model",
        )
    layers = set(placement.layers)
    outputs = [node.output[0] for node in graph.nodes if node.name in layers]
    missing = [name for name in (*placement.tensors, *outputs) if name not in calibration.histograms]
    if missing:
        raise DataError(f"the calibration has no tensor {missing[0]}", mend="calibrate this model again")
    amax = {name: method(calibration.histograms[name]) for name in placement.tensors}
    amax |= {name: calibration.histograms[name].amax for name in placement.pictures & amax.keys()}
    scales = share(placement, amax)
    scales.remarks += _clipped(scales, calibration)
    for name in outputs:
        histogram = calibration.histograms[name]
        largest = method(histogram)
        scales.bounds[name] = (max(histogram.minimum, -largest), min(histogram.maximum, largest))
    return scales


def _clipped(scales: Scales, calibration: Calibration) -> list[str]:
    shares = {n: calibration.histograms[n].beyond((TOP + 0.5) * scale) for n, scale in scales.activations.items()}
    notable = {name: part for name, part in shares.items() if part > NOTABLE}
    if not notable:
        return []
    worst = max(notable, key=lambda name: notable[name])
    return [f"{len(notable)} tensors have over 1 % of their values clipped, {worst} {notable[worst]:.0%}"]


def share(placement: Placement, amax: Mapping[str, float]) -> Scales:
    """Turn thresholds into scales: the largest of a group serves all of it; what no threshold is given for has none."""
    amax = dict(amax)
    for group in placement.groups:
        largest = max((amax[name] for name in group if name in amax), default=None)
        if largest is not None:
            amax |= dict.fromkeys(group, largest)
    scales = Scales()
    for name in placement.tensors:
        if name in amax:
            scales.activations[name] = rounded(amax[name] / TOP) if amax[name] else rounded(1 / TOP)
            if not amax[name]:
                scales.remarks.append(f"{name} is zero throughout: scaled for 1")
            elif amax[name] / TOP < FAINT:
                scales.remarks.append(f"{name} never exceeds {amax[name]:.2g}: float16 has less than 127 steps for it")
    return scales


def rounded(scale: float) -> float:
    """Return the normal float16 nearest to `scale`; the float32 nearest where it is below all of them."""
    return float(_rounded(np.asarray(scale, np.float64)))


def _rounded(scale: npt.NDArray[np.float64]) -> F32:
    half = np.minimum(scale, LARGEST).astype(np.float16).astype(np.float32)
    return np.where(scale < SMALLEST, np.maximum(scale, LEAST).astype(np.float32), half)


def quantize_weight(
    weight: F32, axis: int, bias: F32 | None = None, input_scale: float = 1.0, *, top: int = TOP
) -> tuple[I8, F32]:
    """Return the codes of `weight`, -top..top, and their scale for each index of `axis`.

    A channel whose bias would not fit into int32 gets a larger scale; one of zeros any.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.abs(weight).max(axis=others).astype(np.float64) / top
    if bias is not None and bias.size == scale.size:
        scale = np.maximum(scale, np.abs(bias.ravel()).astype(np.float64) / (input_scale * WIDEST_BIAS))
    own = _rounded(np.where(scale, scale, SMALLEST))
    along = own.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    return np.clip(np.rint(weight / along), -top, top).astype(np.int8), own
