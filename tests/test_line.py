"""A model's line, laid on the CPU and on a GPU that is the host: the same clip, the same detections."""

import json
import shutil

import numpy as np
import pytest

from streamd import bundled, config
from streamd.clock import SystemClock
from streamd.daemon import Daemon
from streamd.errors import ModelError
from streamd.line import lay
from streamd.metrics import Metrics
from tests.benched import CLIP, Counting, cut

FRAMES = 12


def settings(folder, **model):
    tree = {
        "models": {"street": {"path": "bundled:street.onnx", "batch": 4, "confidence": 0.4, **model}},
        "cameras": {"street": {"uri": str(folder / "clip.mp4"), "model": "street", "pace": "asap"}},
        "publish": {"video": None},
    }
    return config.parse(json.dumps(tree).encode(), folder / "line.yaml", {})


class Sink(Counting):
    """Keeps what was found, by frame."""

    def __init__(self):
        super().__init__()
        self.found = []

    def detections(self, frames, found, labels, model):
        self.found += [(frame.seq, one) for frame, one in zip(frames, found, strict=True)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder with the first frames of the bundled clip."""
    if not CLIP.exists():
        pytest.skip("streamd/assets/street.mp4 is missing")
    return cut(tmp_path_factory.mktemp("line"), FRAMES)


def run(folder, **model):
    """The detections of the clip, by frame, and what was measured."""
    sink, clock = Sink(), SystemClock()
    metrics = Metrics(clock)
    daemon = Daemon(settings(folder, **model), sink, metrics, clock)
    daemon.start()
    while not daemon.tick():
        daemon.pipeline.wait(0.05)
    assert daemon.pipeline.error is None
    daemon.close()
    return sink.found, metrics.model("street")


@pytest.fixture(scope="module")
def on_cpu(clip):
    found, _ = run(clip)
    assert [seq for seq, _ in found] == list(range(FRAMES)) and sum(len(one) for _, one in found) > FRAMES
    return found


@pytest.mark.parametrize("mode", ["host", "hybrid", "device", "auto"])
def test_every_mode_finds_what_the_cpu_finds(host_as_cuda, clip, on_cpu, mode):
    found, metrics = run(clip, device="cuda:0", preprocess=mode)
    check(found, metrics, on_cpu)


@pytest.mark.parametrize("mode", ["host", "hybrid", "device"])
def test_every_step_waits_for_what_it_needs(late_as_cuda, clip, on_cpu, mode):
    found, metrics = run(clip, device="cuda:0", preprocess=mode)
    check(found, metrics, on_cpu)


@pytest.mark.parametrize("mode", ["host", "hybrid", "device"])
def test_an_engine_finds_what_its_onnx_file_finds(host_as_tensorrt, clip, on_cpu, mode, tmp_path):
    standin = host_as_tensorrt("tensorrt 11.4.0.106")
    for suffix, source in ((".engine", ".onnx"), (".json", ".json")):
        shutil.copy(
            (bundled.folder("assets") / "street").with_suffix(source), (tmp_path / "street").with_suffix(suffix)
        )
    unsigned(tmp_path / "street.json")
    found, metrics = run(clip, path=str(tmp_path / "street.engine"), device="cuda:0", preprocess=mode)
    check(found, metrics, on_cpu)
    assert standin.gpu.launched >= FRAMES / 4


def unsigned(path):
    """Take the SHA-256 of the ONNX file out of a manifest, so that an engine may use it too."""
    about = json.loads(path.read_text())
    del about["sha256"]
    path.write_text(json.dumps(about))


def check(found, metrics, on_cpu):
    """Every frame was timed on the GPU, and shows what it shows on the CPU."""
    assert [seq for seq, _ in found] == list(range(FRAMES))
    assert {name for name in metrics.timers if name.startswith("gpu-")} == {"gpu-fill", "gpu-run", "gpu-read"}
    same = 0
    for (_, one), (_, other) in zip(found, on_cpu, strict=True):
        for box, class_id in zip(other.boxes, other.class_ids, strict=True):
            near = np.abs(one.boxes - box).max(axis=1) < 3 if len(one) else np.zeros(0, bool)
            same += bool((near & (one.class_ids == class_id)).any())
    assert same >= 0.95 * sum(len(one) for _, one in on_cpu)


@pytest.mark.parametrize("mode", ["hybrid", "device"])
def test_a_mode_that_needs_a_gpu_is_refused_on_the_cpu(clip, mode):
    model = settings(clip, preprocess=mode).models["street"]
    with pytest.raises(ModelError, match=f"runs on the CPU, which cannot `preprocess: {mode}`; set preprocess: host"):
        lay("street", model, clip)
