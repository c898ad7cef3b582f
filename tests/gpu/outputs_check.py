"""Models whose runs cannot be CUDA graphs, on ONNX Runtime's CUDA provider: `tests/gpu/outputs_check.py [WHERE]`.

WHERE is `cuda:0`, or `host` to try the script. NMS within the model gives as many rows as it finds, padded it gives a
known number but waits for the GPU, and an operator that only the CPU has would be left out of a graph (odd_models.py);
then the bundled detector with NMS behind it, on pictures of its clip. Each finds on the GPU what it finds on the CPU,
run after run in every slot, and tells of graphs that were refused. Needs the repository's root on PYTHONPATH. Ends
with PASS, or FAIL and exit status 1.
"""

import sys
import tempfile
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import structlog

from streamd import bundled, config, infer, log, manifest
from streamd.clock import SystemClock
from streamd.decode import open_camera
from streamd.errors import StreamdError
from streamd.frames import Frame
from streamd.postprocess import HEADS
from streamd.postprocess.boxes import iou
from streamd.preprocess import HostPreprocess
from tests.gpu.ledger import end, say
from tests.gpu.odd_models import ODD, picture, street
from tests.gpu.on_host import opened

RUNS, FRAMES = 60, 30
ASSETS = bundled.folder("assets")
CLOSE = 2e-3  # of the small models' sums, which TF32 may round


def main(where="cuda:0"):
    log.setup("warning", "console")
    faults = []
    with tempfile.TemporaryDirectory() as name, opened(where, Path(name)):
        for kind, make in ODD.items():
            path = Path(name) / f"{kind}.onnx"
            path.write_bytes(make())
            faults += tried(kind, small, path)
        path = Path(name) / "street-nms.onnx"
        path.write_bytes(street(ASSETS / "street.onnx"))
        about = manifest.load(ASSETS / "street.onnx")
        found = (manifest.Output("found", (-1, -1, 6)),)
        manifest.save(manifest.Manifest("end2end", about.labels, about.input, outputs=found), path)
        faults += tried("street", detector, path)
    end(faults)


def tried(kind, check, path):
    """Both backends, what one of them did not do as it should, and whether graphs were refused."""
    with structlog.testing.capture_logs() as lines:
        try:
            backend, other = infer.load(path, device="cuda:0"), infer.load(path)
        except StreamdError as error:
            return [f"{kind}: {error}"]
    refused = [line["reason"][:110] for line in lines if line["event"] == "no CUDA graphs"]
    try:
        told, faults = check(backend, other)
    except StreamdError as error:
        told, faults = "failed", [str(error)]
    backend.close()
    other.close()
    say(kind, f"{told}; {refused[0] if refused else 'no graph was refused'}")
    return [f"{kind}: {fault}" for fault in faults]


def both(backend, other, run, rows):
    """What a run gives on either."""
    slot = run % len(backend.ring)
    backend.input(slot)[:] = rows
    backend.run(slot, 1)
    other.input(run % len(other.ring))[:] = rows
    other.run(run % len(other.ring), 1)
    return backend.outputs(slot, 1)[0].copy(), other.outputs(run % len(other.ring), 1)[0].copy()


def small(backend, other):
    rng, faults, lengths = np.random.default_rng(0), [], set()
    for run in range(RUNS):
        got, want = both(backend, other, run, picture(rng))
        lengths.add(got.shape[1])
        if got.shape != want.shape or not np.allclose(got, want, rtol=CLOSE, atol=CLOSE):
            faults.append(f"run {run} gives {got.shape}, the CPU {want.shape}: {got.ravel()[:6]} {want.ravel()[:6]}")
    return f"{RUNS} runs, outputs of {min(lengths)} to {max(lengths)} rows", faults


def detector(backend, other):
    """Detections of frames, matched: TF32 may bring one over the threshold and leave another under it."""
    spec = backend.manifest.input
    fill, head = HostPreprocess(spec), HEADS["end2end"](backend.manifest, confidence=0.25)
    row, counts, missed, found = np.empty((3, spec.height, spec.width), np.float32), [], 0, 0
    for run, frame in enumerate(frames()):
        place = fill(frame.picture, row)
        got, want = (head([values], [place])[0] for values in both(backend, other, run, row[None]))
        counts.append(len(got))
        found += len(want)
        missed += sum(not matched(got, want, index) for index in range(len(want)))
        missed += sum(not matched(want, got, index) for index in range(len(got)))
    told = f"{FRAMES} frames, {min(counts)} to {max(counts)} found, {missed} of {2 * found} unmatched"
    return told, ["they are not the CPU's"] * (missed > 0.02 * found or not found)


def matched(others, ours, index):
    same = others.class_ids == ours.class_ids[index]
    near = iou(others.boxes[same], ours.boxes[index][None]) if same.any() else np.zeros(0)
    return bool((near > 0.9).any())


def frames():
    """Frames of the bundled clip, decoded in software."""
    camera = config.Camera(uri=str(ASSETS / "street.mp4"), model="street", pace="asap")
    items = open_camera("check", camera, ASSETS, SystemClock()).frames(threading.Event())
    yield from islice((item for item in items if isinstance(item, Frame)), FRAMES)
    items.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
