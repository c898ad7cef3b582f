"""Two models on two GPUs in one daemon: each camera's frames, memory, streams and threads are of its model's GPU."""

import json
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from streamd import config
from streamd.annotate import DeviceAnnotate
from streamd.clock import SystemClock
from streamd.daemon import Daemon
from streamd.encode.feed import Downloaded
from streamd.frames import Detections
from streamd.infer import ort_cuda
from streamd.infer.session import open_session
from streamd.metrics import Metrics
from tests.benched import CLIP, Keeping, cut
from tests.gpu.host_surface import grey, planes_of
from tests.gpu.own_gpu import OwnGpu

FRAMES = 6


class Binding:
    """What binds addresses of a GPU that is the host; it must be told of the very GPU."""

    def __init__(self, session, index):
        self._session, self._binding, self._index = session, session.io_binding(), index

    def bind_input(self, name, kind, index, dtype, shape, address):
        assert (kind, index) == ("own", self._index)
        self._binding.bind_input(name, "cpu", 0, dtype, shape, address)

    def bind_output(self, name, kind, index, dtype, shape, address):
        assert (kind, index) == ("own", self._index)
        self._binding.bind_output(name, "cpu", 0, dtype, shape, address)

    def run(self):
        self._session.run_with_iobinding(self._binding)


class Session:
    """A session on one of the GPUs."""

    def __init__(self, session, gpu, stream):
        self._session, self._gpu, self._stream = session, gpu, stream

    def __getattr__(self, name):
        return getattr(self._session, name)

    def io_binding(self):
        return Binding(self._session, self._gpu.index)

    def run_with_iobinding(self, binding, options):
        self._gpu.check()
        assert self._stream == self._gpu.stream().ptr
        binding.run()


@pytest.fixture
def gpus(host_kernels, monkeypatch):
    """Has `cuda:0` and `cuda:1` be the host."""
    made = {f"cuda:{index}": OwnGpu(host_kernels, index) for index in (0, 1)}

    def session(path, sides, gpu, *, stream=None, profile=""):
        return Session(open_session(path, threads=1, spin="never", sides=sides, profile=profile), gpu, stream)

    monkeypatch.setattr(ort_cuda, "open_gpu", made.__getitem__)
    monkeypatch.setattr(ort_cuda, "_open", session)
    monkeypatch.setattr(ort_cuda, "PROVIDER", "CPUExecutionProvider")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [ort_cuda.PROVIDER])
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if not CLIP.exists():
        pytest.skip("streamd/assets/street.mp4 is missing")
    return cut(tmp_path_factory.mktemp("two"), FRAMES)


def run(folder, devices, **model):
    """The detections of each camera, whose model is called as it is; `devices` tells where that runs."""
    given = {"path": "bundled:street.onnx", "confidence": 0.4, **model}
    tree = {
        "models": {name: given | {"device": device} for name, device in devices.items()},
        "cameras": {name: {"uri": str(folder / "clip.mp4"), "model": name, "pace": "asap"} for name in devices},
        "publish": {"video": None},
    }
    sink, clock = Keeping(), SystemClock()
    daemon = Daemon(config.parse(json.dumps(tree).encode(), folder / "two.yaml", {}), sink, Metrics(clock), clock)
    daemon.start()
    while not daemon.tick():
        daemon.pipeline.wait(0.05)
    assert daemon.pipeline.error is None
    daemon.close()
    return sink.found


@pytest.mark.parametrize("mode", ["host", "hybrid", "device"])
def test_each_finds_on_its_gpu_what_one_gpu_finds(gpus, folder, mode):
    (want,) = run(folder, {"alone": "cuda:0"}, preprocess=mode).values()
    alone = gpus["cuda:0"].launched
    found = run(folder, {"left": "cuda:0", "right": "cuda:1"}, preprocess=mode)
    assert alone and [gpu.launched for gpu in gpus.values()] == [2 * alone, alone]
    assert sum(map(len, want)) > FRAMES
    for camera in ("left", "right"):
        assert len(found[camera]) == len(want) == FRAMES
        for got, one in zip(found[camera], want, strict=True):
            for name in ("boxes", "scores", "class_ids"):
                np.testing.assert_array_equal(getattr(got, name), getattr(one, name))


def test_a_film_is_drawn_on_its_gpu_by_a_thread_that_is_on_another(gpus):
    first, second = gpus.values()
    found = Detections(np.float32([[4, 4, 40, 30]]), np.float32([0.9]), np.int32([0]))
    with first.active():
        draw, feed = DeviceAnnotate(second, ["person"]), Downloaded(second)
        drawn = draw(grey(64, 48, ready=second.decoded), found)
        frame = feed(drawn)
        draw.close()
    assert frame.width == 64 and planes_of(drawn)[0].std() > 0
    assert (first.launched, second.launched) == (0, 2)


def test_what_is_another_gpus_is_noticed(gpus):
    first, second = gpus.values()
    with first.active(), pytest.raises(AssertionError, match="is of cuda:1, not 0"):
        first.upload(np.zeros(4, np.uint8), second.zeros((4,), np.uint8), first.stream())
    with first.active(), pytest.raises(AssertionError, match="on 0 calls cuda:1"):
        second.event().record(second.stream())


def test_a_session_is_opened_on_the_gpu_of_its_model(monkeypatch, tmp_path):
    given = []

    def opened(path, *, providers, **_options):
        given.extend(providers)
        return SimpleNamespace(get_providers=lambda: [ort_cuda.PROVIDER])

    monkeypatch.setattr(ort_cuda, "open_session", opened)
    ort_cuda._open(tmp_path / "m.onnx", {}, SimpleNamespace(index=1), stream=77)
    ((name, options),) = given
    assert (name, options["device_id"], options["user_compute_stream"]) == (ort_cuda.PROVIDER, "1", "77")
