"""What implicit INT8 is told: pictures for TensorRT's calibrators, or scales for its ranges."""

from collections.abc import Callable, Sequence
from pathlib import Path

from streamd import infer
from streamd.engine.ask import Ask
from streamd.engine.build import Implicit
from streamd.engine.calibrators import Feed, Staged
from streamd.errors import DataError
from streamd.gpu.device import open_gpu
from streamd.infer.library import Library
from streamd.int8 import cache, data, graph, saved, scales
from streamd.int8.placement import plan
from streamd.int8.thresholds import METHODS


def pictures(
    library: Library,
    ask: Ask,
    paths: Sequence[Path],
    frames: int,
    kept: Path | None,
    device: str,
    advance: Callable[[int], None] = lambda _: None,
) -> Implicit:
    """Return the pictures in `paths`, at most `frames` of them, as a calibrator wants them.

    `kept` is the cache: read where it is there, so that no picture is needed, and written otherwise.

    Raises:
        DataError: there are no pictures.
        ModelError: nobody can tell what the model takes.
        DeviceError: there is no such GPU.
    """
    if not paths and (kept is None or not kept.exists()):
        raise DataError("nothing to calibrate on", mend="name pictures with --data, or a --cache that is there")
    backend = infer.load(ask.model)
    spec, fixed = backend.manifest.input, backend.manifest.batch
    backend.close()
    rows = fixed or (ask.batch or (1, 4, 8))[1]
    shape = (rows, spec.channels, spec.height, spec.width)
    sources = data.find(paths) if paths else data.Sources()
    inputs = data.inputs(spec, data.shown(sources, frames), sources.batches)
    feed = Feed(
        ask.calibrator, library.version, inputs, rows, Staged(open_gpu(device), shape, spec.dtype), kept, advance
    )
    return Implicit(feed=feed)


def ranges(model: Path, kept: Path | None, calibration: Path | None, method: str) -> Implicit:
    """Return the scales of a cache, or those that `method` finds in what `streamd calibrate` wrote.

    Raises:
        DataError: neither is given, or they are not of this model.
        ModelError: the model cannot be read.
    """
    if calibration is not None:
        ready = graph.load(model)
        chosen = scales.choose(ready, plan(ready), saved.load(calibration), METHODS[method])
        return Implicit(scales=cache.known(chosen))
    if kept is None:
        raise DataError("no scales for --int8 dynamic-range", mend="give --cache, or --calibration")
    return Implicit(scales=cache.read(kept).scales)
