"""An engine against ONNX Runtime on real frames: whatever a build changed that it should not have shows here.

Builders have been seen to make wrong engines without a word (NVIDIA/TensorRT issue 4813), and INT8 to find nothing.
The two models are any two backends; each goes through the daemon's own preprocessing and head.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamd.engine.deliver import deliver
from streamd.errors import ModelError
from streamd.frames import Picture
from streamd.infer import Backend, load
from streamd.manifest import Manifest
from streamd.score.agreement import MARGIN, Agreement, Tally
from streamd.score.served import Options, Served


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an engine must reach: detections matched at an IoU of 0.5, and the mean drift of their scores at most."""

    matched: float = 0.9
    drift: float = 0.05


def check(
    plan: bytes, described: Manifest, model: Path, pictures: Sequence[Picture], device: str, bounds: Bounds
) -> str:
    """Run the engine `plan` and the ONNX file `model`, and return a line that tells how well they agree.

    The engine lies in a folder of its own meanwhile, and runs at the usual batch of its profile.

    Raises:
        ModelError: they do not agree enough, or one of them cannot be run.
        DeviceError: there is no such GPU, or no memory left on it.
    """
    with tempfile.TemporaryDirectory(prefix="streamd-parity-") as folder:
        path = Path(folder) / "built.engine"
        deliver(plan, described, path)
        rows = described.built.profile[1] if described.built and described.built.profile else described.batch or 1
        with closing(load(path, batch=rows, device=device)) as engine, closing(load(model)) as reference:
            found = compare(engine, reference, pictures)
    return judge(model, found, bounds)


def compare(engine: Backend, reference: Backend, pictures: Sequence[Picture], confidence: float = 0.25) -> Agreement:
    """Return how far `engine` finds on `pictures` what `reference` finds; detections count from `confidence` on.

    Neither backend is closed. See streamd/score/agreement.py for what is counted.
    """
    found = [
        Served(Path(), Options(batch=backend.batch, confidence=max(0.0, confidence - MARGIN)), backend=backend)(
            pictures
        )
        for backend in (engine, reference)
    ]
    tally = Tally(confidence)
    for one, other in zip(*found, strict=True):
        tally.add(one, other)
    return tally.result()


def judge(path: Path, agreement: Agreement, bounds: Bounds) -> str:
    """Return a line that tells how well the engine agrees.

    Raises:
        ModelError: it does not agree enough.
    """
    drift = f"{agreement.drift_abs:.4f}" if agreement.drift_abs is not None else "-"
    said = (
        f"{agreement.matched50:.1%} of {agreement.detections} detections matched on {agreement.pictures} pictures, "
        f"scores drift by {drift}"
    )
    if agreement.matched50 < bounds.matched or (agreement.drift_abs or 0.0) > bounds.drift:
        raise ModelError(
            f"{path}: the engine does not find what its ONNX file finds: {said}; asked for are {bounds.matched:.0%} "
            f"and {bounds.drift:g}",
            mend="build it in FP16 or FP32, quantize on more pictures, or lower the bounds if this is what you want",
        )
    if not agreement.detections:
        return f"nothing was found on {agreement.pictures} pictures, by neither: name others with --check"
    return said
