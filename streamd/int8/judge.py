"""How far quantized files agree with the model they come from, as the daemon would serve them, and what INT8 saves."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

from streamd.errors import ModelError
from streamd.frames import Picture
from streamd.infer.session import SILENT
from streamd.preprocess.host import HostPreprocess
from streamd.score import latency
from streamd.score.agreement import MARGIN, Agreement, Tally
from streamd.score.evaluate import Row
from streamd.score.served import Options, Served

RUNS = 20


@dataclass(frozen=True, slots=True)
class Saving:
    """Milliseconds of a run: in floating point, and in INT8, where quantizing and dequantizing are counted apart."""

    floating: float
    integer: float
    quantize: float
    dequantize: float

    @property
    def total(self) -> float:
        """T_float - T_int8 - T_quantize - T_dequantize."""
        return self.floating - self.integer - self.quantize - self.dequantize

    def __str__(self) -> str:
        verdict = "" if self.total > 0 else ": INT8 is slower here, serve the float model"
        return (
            f"saving = {self.floating:.2f} float - {self.integer:.2f} INT8 - {self.quantize:.2f} quantize "
            f"- {self.dequantize:.2f} dequantize = {self.total:.2f} ms a frame{verdict}"
        )


class Judge:
    """Pictures that were not calibrated on, and what the float model finds on them.

    Detections count from `confidence` on; see streamd/score/agreement.py.
    """

    def __init__(self, reference: Path, pictures: Sequence[Picture], confidence: float = 0.25) -> None:
        """Run `reference`, the float model, once; raises ModelError when it cannot be used."""
        self.pictures = pictures
        self._confidence = confidence
        self._options = Options(confidence=max(0.0, confidence - MARGIN))
        with closing(Served(reference, self._options)) as served:
            self._expected = served(pictures)

    def few(self, most: int) -> "Judge":
        """Return a judge of at most `most` of the pictures, evenly chosen."""
        judge = Judge.__new__(Judge)
        stride = max(1, -(-len(self.pictures) // most))
        judge.pictures, judge._expected = self.pictures[::stride], self._expected[::stride]
        judge._confidence, judge._options = self._confidence, self._options
        return judge

    def agreement(self, model: Path) -> Agreement:
        """Return how far `model` finds what the float model found."""
        with closing(Served(model, self._options)) as served:
            return self._tallied(served)

    def rows(self, models: Sequence[Path], *, timed: bool = False) -> list[Row]:
        """Return a row for each of `models`, with its latency, the models in turn, if `timed`."""
        with ExitStack() as stack:
            served = [stack.enter_context(closing(Served(path, self._options))) for path in models]
            rows = [
                Row(
                    str(model.path),
                    model.manifest.head,
                    model.manifest.precision,
                    model.path.stat().st_size,
                    agreement=self._tallied(model),
                )
                for model in served
            ]
            if not timed:
                return rows
            times = latency.measure(served, self.pictures)
        return [replace(row, latency=(one,)) for row, one in zip(rows, times, strict=True)]

    def _tallied(self, served: Served) -> Agreement:
        tally = Tally(self._confidence)
        for one, other in zip(served(self.pictures), self._expected, strict=True):
            tally.add(one, other)
        return tally.result()


def saving(single: Path, integer: Path, picture: Picture) -> Saving:
    """Profile both files on one picture, in turn, so that what else the machine does falls on both.

    Raises:
        ModelError: a file cannot be used, or there is no room for the profiles.
    """
    with tempfile.TemporaryDirectory(prefix="streamd-profile-") as folder:
        profiled = [_Profiled(path, picture, Path(folder) / str(i)) for i, path in enumerate((single, integer))]
        for _ in range(RUNS):
            for one in profiled:
                one.run()
        floats, codes = (one.by_operator() for one in profiled)
    pairs = codes.get("QuantizeLinear", 0.0), codes.get("DequantizeLinear", 0.0)
    return Saving(sum(floats.values()), sum(codes.values()) - sum(pairs), *pairs)


class _Profiled:
    """A model that is fed with one picture, and tells where the time of a run goes."""

    def __init__(self, path: Path, picture: Picture, prefix: Path) -> None:
        with closing(Served(path, Options())) as served:
            spec, rows = served.manifest.input, max(served.manifest.batch, 1)
        row = np.empty((rows, spec.channels, spec.height, spec.width), spec.dtype)
        for one in row:
            HostPreprocess(spec)(picture, one)
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(prefix)
        options.log_severity_level = SILENT
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._feed = {spec.name: row}

    def run(self) -> None:
        self._session.run(None, self._feed)

    def by_operator(self) -> dict[str, float]:
        """End, and return the milliseconds of a run that each kind of operator takes: the median over runs."""
        profile = Path(self._session.end_profiling())
        try:
            events = json.loads(profile.read_text("utf-8"))
        except (OSError, ValueError) as error:  # ONNX Runtime says nothing of what it could not write
            raise ModelError(f"{profile}: ONNX Runtime's profile is cut off", mend="make room there") from error
        spent: dict[str, dict[str, list[float]]] = {}
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                spent.setdefault(event["args"]["op_name"], {}).setdefault(event["name"], []).append(event["dur"] / 1e3)
        return {kind: sum(float(np.median(times)) for times in nodes.values()) for kind, nodes in spent.items()}
