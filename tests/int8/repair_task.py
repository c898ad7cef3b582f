"""Which rows the table of repairs has, what one is done with, and how fast the files are."""

import json
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from streamd.int8 import data
from streamd.int8.session import Session
from streamd.score import latency, served

# row -> the row it starts from, and what is done then
ROWS = {
    "float": ("", "nothing"),
    "plain": ("", "plain"),
    "bias": ("plain", "corrected"),
    "adaround": ("plain", "adaround"),
    "bias, adaround": ("bias", "adaround"),
    "qat": ("plain", "qat"),
    "bias, qat": ("bias", "qat"),
    "partial": ("plain", "partial"),
    "partial, bias": ("partial", "corrected"),
    "partial, adaround": ("partial", "adaround"),
    "partial, qat": ("partial", "qat"),
    "partial, bias, qat": ("partial, bias", "qat"),
    "equalize": ("plain", "equalized"),
    "equalize, bias": ("equalize", "corrected"),
    "equalize, adaround": ("equalize", "adaround"),
    "equalize, qat": ("equalize", "qat"),
    "sensitivity": ("plain", "sensitivity"),
}
SLOW = ("adaround", "qat", "sensitivity", "partial")  # what is started first


@dataclass(frozen=True, slots=True)
class Task:
    """One model and its three sets of pictures; `choose` and `judge` are data sets where there are labels."""

    name: str
    model: Path
    learn: tuple[Path, ...]
    choose: Path
    judge: tuple[Path, ...]
    labelled: bool
    steps: int
    rounding_steps: int
    batch: int
    window: int
    target: float
    device: str
    threads: int


def time_files(task, out, until):
    """Time the CPU files that differ in speed, in turn on one core, if there is time and nothing else runs."""
    files = {"float": task.model} | {row: out / row / f"{task.model.stem}.cpu.onnx" for row in ("plain", "partial")}
    if (out / "speed.json").exists() or time.monotonic() > until or not all(path.exists() for path in files.values()):
        return
    pictures = [one.copy() for one in data.shown(data.find([task.choose]), 1)]
    with ExitStack() as stack:
        options = served.Options(threads=1)
        models = [stack.enter_context(closing(served.Served(path, options))) for path in files.values()]
        times = latency.measure(models, pictures)
    found = {name: round(one.median_ms, 2) for name, one in zip(files, times, strict=True)}
    (out / "speed.json").write_text(json.dumps(found))


def share_cores(threads):
    """Let every session of ONNX Runtime have so many threads: rows run side by side, and the default is all cores."""
    Session.__init__.__kwdefaults__["threads"] = threads
    usual = list(served.Options.__init__.__defaults__)
    usual[1] = threads  # batch, threads, ...
    served.Options.__init__.__defaults__ = tuple(usual)


def slug(row):
    return row.replace(", ", "-")
