"""From a model and what is known of its tensors to two files, and the choice of a method by what it does to answers."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import onnx
from msgspec.structs import replace

from streamd import manifest as sidecars
from streamd import output
from streamd.errors import ModelError
from streamd.infer import files
from streamd.int8 import legacy, qdq, scales
from streamd.int8.calibrate import Calibration
from streamd.int8.graph import Graph
from streamd.int8.half import to_half
from streamd.int8.judge import Judge
from streamd.int8.placement import Placement
from streamd.int8.scales import Scales
from streamd.int8.thresholds import METHODS
from streamd.manifest import Manifest
from streamd.score.agreement import Agreement

Base = Literal["fp16", "fp32"]
VNNI = {"avx512_vnni", "avx_vnni", "asimddp"}  # instructions that multiply bytes into 32 bits; asimddp is ARM's


@dataclass(slots=True)
class Trial:
    """One method: its scales, and how far they agree with the float model; None where nothing was judged on."""

    method: str
    scales: Scales
    agreement: Agreement | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """What the best has most of: agreement, then a small drift of scores.

        Agreement at an IoU of 0.5 and of 0.9 count alike, as mean average precision asks for tight boxes too.
        """
        found = self.agreement
        return (round((found.matched50 + found.matched90) / 2, 3), -(found.drift_abs or 0.0)) if found else (0.0, 0.0)


@dataclass(slots=True)
class Workpiece:
    """A model under quantization: its file, its graph, what the daemon knows of it, and what is to be quantized.

    `repaired` is the same graph with other weights or biases (streamd/int8/bias.py), which the INT8 files then have.
    """

    path: Path
    graph: Graph
    manifest: Manifest
    placement: Placement
    about: dict[str, Any] = field(default_factory=dict)  # what goes into the manifests
    repaired: Graph | None = None

    def tensorrt(self, chosen: Scales, base: Base) -> onnx.ModelProto:
        """Return the file for TensorRT."""
        model = qdq.write(self.repaired or self.graph, self.placement, chosen, qdq.TENSORRT)
        if base == "fp32":
            return model
        return to_half(model, str(self.path), self.placement.head.decode)

    def cpu(self, chosen: Scales) -> onnx.ModelProto:
        """Return the file for ONNX Runtime on this machine's CPU."""
        profile = qdq.CPU if has_vnni() else qdq.CPU_WITHOUT_VNNI
        return qdq.write(self.repaired or self.graph, self.placement, chosen, profile)

    def save(self, model: onnx.ModelProto, path: Path, precision: Literal["fp16", "int8"] = "int8") -> Path:
        """Write a file and its manifest."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            output.write(path, model.SerializeToString())
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}", mend="make room, or name another folder") from error
        about = self.about if precision == "int8" else {}
        own = replace(self.manifest, precision=precision, sha256=files.sha256(path), built=None, quantization=about)
        sidecars.save(own, path)
        return path


def trials(
    piece: Workpiece,
    calibration: Calibration,
    methods: Sequence[str],
    judge: Judge | None,
    advance: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Try `methods`, the best first; without a judge in the order given.

    `advance` is called for every set of scales that was judged: one a method, and up to `legacy.POINTS` for legacy.

    Raises:
        DataError: the calibration is of another model.
    """
    done = []
    for name in methods:
        if name == "legacy" and judge is not None:
            trial = _legacy(piece, calibration, judge, advance)
        else:
            chosen = scales.choose(piece.graph, piece.placement, calibration, METHODS[name])
            trial = Trial(name, chosen, judged(piece, chosen, judge) if judge else None)
        advance()
        done.append(trial)
    return sorted(done, key=lambda trial: trial.rank, reverse=True) if judge else done


def judged(piece: Workpiece, chosen: Scales, judge: Judge) -> Agreement:
    """Return how far the TensorRT file with these scales agrees with the float model.

    It is run in float32: ONNX Runtime keeps its pairs as they are, so this is what TensorRT computes, to rounding.
    """
    with tempfile.TemporaryDirectory(prefix="streamd-quantize-") as folder:
        path = piece.save(piece.tensorrt(chosen, "fp32"), Path(folder) / "trial.onnx")
        return judge.agreement(path)


def keeper(graph: Graph, keep: Sequence[str], only: Sequence[str]) -> Callable[[onnx.NodeProto], bool]:
    """Return the rule of `--keep-float` and `--only`: names of nodes, or regular expressions that match a whole name.

    Raises:
        ModelError: one of them names no node.
    """
    kept = {name for pattern in keep for name in _named(graph, pattern)}
    chosen = {name for pattern in only for name in _named(graph, pattern)}
    return lambda node: node.name in kept or (bool(chosen) and node.name not in chosen)


def has_vnni(info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bytes without overflow; without it weights must make do with 7 bits."""
    try:
        text = info.read_text("utf-8", "replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in text.splitlines())
    flags = {flag for key, _, value in lines if key.strip().lower() in {"flags", "features"} for flag in value.split()}
    return bool(flags & VNNI)


def _legacy(piece: Workpiece, calibration: Calibration, judge: Judge, advance: Callable[[], None]) -> Trial:
    """Search the grid of sampleINT8; every point is judged on at most 8 pictures, the winner on all."""
    few = judge.few(8)
    seen: dict[tuple[float, float], Scales] = {}

    def score(cutoff: float, exponent: float) -> float:
        method = _at(cutoff, exponent)
        seen[cutoff, exponent] = scales.choose(piece.graph, piece.placement, calibration, method)
        found = judged(piece, seen[cutoff, exponent], few)
        advance()
        return found.matched50 - (found.drift_abs or 0.0)

    best = legacy.search(score)
    chosen = seen[best.cutoff, best.exponent]
    chosen.remarks.append(f"legacy: cutoff {best.cutoff:g}, quantile 1 - 10^-{best.exponent:g}")
    return Trial("legacy", chosen, judged(piece, chosen, judge))


def _at(cutoff: float, exponent: float) -> Callable[[Any], float]:
    return lambda histogram: legacy.threshold(histogram, cutoff, exponent)


def _named(graph: Graph, pattern: str) -> set[str]:
    names = {node.name for node in graph.nodes}
    try:
        found = {pattern} & names or {name for name in names if re.fullmatch(pattern, name)}
    except re.error as error:
        raise ModelError(
            f"{pattern!r}: neither a node nor a regular expression: {error}",
            mend="`streamd quantize --list` prints the names; put \\ before a sign that stands for itself",
        ) from error
    if not found:
        raise ModelError(
            f"{graph.name}: no node is named {pattern!r}", mend="`streamd quantize --list` prints the names"
        )
    return found


def about(trial: Trial, graph: Graph, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest tells of how the file was quantized."""
    agreement = {"agreement50": round(trial.agreement.matched50, 4)} if trial.agreement else {}
    return {"method": trial.method, "source_sha256": graph.sha256, **agreement, **extra}
