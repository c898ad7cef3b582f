"""ONNX Runtime on a GPU's slots, with the host as the GPU: the bindings, the sizes of runs, the mirrors."""

import gc
import sys
import weakref

import numpy as np
import onnxruntime
import pytest
import structlog

from streamd.errors import DeviceError, ModelError
from streamd.infer import DeviceBackend, load, ort_cuda
from streamd.infer.ort_cuda import sizes
from streamd.infer.session import open_session
from tests.gpu.odd_models import ODD, picture, suppressed, whole
from tests.gpu.tiny_onnx import model, node


@pytest.fixture
def on_gpu(host_as_cuda):
    """Loads a model on the host as if it were `cuda:0`."""

    def make(path, batch=1):
        backend = load(path, batch=batch, device="cuda:0")
        assert host_as_cuda[-1][1] == backend.slots.timeline.run_stream.ptr
        return backend

    return make


def test_it_is_a_backend_on_a_gpu(on_gpu, mean_model):
    assert isinstance(on_gpu(mean_model()), DeviceBackend)
    assert not isinstance(load(mean_model()), DeviceBackend)


def test_rows_on_the_host_go_up_and_results_come_down(on_gpu, mean_model):
    path = mean_model()
    backend, other = on_gpu(path), load(path)
    for one in (backend, other):
        one.input(0)[0] = np.arange(one.input(0)[0].size).reshape(one.input(0)[0].shape) / 100
        one.run(0, 1)
    for got, want in zip(backend.outputs(0, 1), other.outputs(0, 1), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_rows_that_are_on_the_gpu_already_stay_there(on_gpu, mean_model):
    backend = on_gpu(mean_model())
    backend.slots.inputs[1][:] = 3
    backend.enqueue(1, 1)
    (name,) = backend.slots.outputs[1]
    np.testing.assert_allclose(backend.slots.outputs[1][name], backend.outputs(1, 1)[0])
    assert backend.outputs(1, 1)[0].any()


def test_a_slot_outlives_the_run_of_another(on_gpu, mean_model):
    backend = on_gpu(mean_model())
    backend.slots.inputs[0][:] = 1
    backend.slots.inputs[1][:] = 5
    for slot in (0, 1):
        backend.enqueue(slot, 1)
    first, second = (backend.outputs(slot, 1)[0].copy() for slot in (0, 1))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(backend.outputs(0, 1)[0], first)


@pytest.mark.parametrize(
    ("fixed", "most", "want"),
    [(0, 1, (1,)), (0, 2, (1, 2)), (0, 5, (1, 4, 5)), (0, 16, (1, 4, 16)), (4, 4, (4,)), (8, 3, (8,))],
)
def test_runs_have_one_of_few_sizes(fixed, most, want):
    assert sizes(fixed, most) == want


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:one", "cuda:0:1"])
def test_a_device_that_is_spelled_otherwise_is_told(mean_model, monkeypatch, device):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(DeviceError, match="is not known; write cpu, or cuda:0"):
        load(mean_model(), device=device)


def test_a_runtime_for_the_cpu_alone_is_told(mean_model, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="runs on the CPU alone, not on 'cuda:0'; pip uninstall onnxruntime"):
        load(mean_model(), device="cuda:0")


def test_a_provider_that_does_not_load_is_told(host_gpu, mean_model, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(ort_cuda, "open_gpu", lambda device: host_gpu)
    monkeypatch.setattr(
        ort_cuda, "open_session", lambda path, **_: open_session(path, threads=1, spin="never", sides={})
    )
    with pytest.raises(ModelError, match="cannot load its CUDA provider; pip install 'onnxruntime-gpu"):
        load(mean_model(), device="cuda:0")


def test_what_is_made_on_the_host_is_waited_for(on_gpu, mean_model, nonzero_model, monkeypatch):
    backends = [on_gpu(mean_model()), on_gpu(nonzero_model())]
    waited = []
    monkeypatch.setattr("tests.gpu.host_gpu.HostStream.synchronize", lambda _: waited.append(True))
    for backend, waits in zip(backends, (0, 1), strict=True):
        backend.enqueue(0, 1)
        assert len(waited) == waits


class Bindings(list):
    """What was bound, and no session: bindings of some versions do not hold theirs."""

    def bind_input(self, *arguments):
        self.append(("bind_input", arguments))

    def bind_output(self, *arguments):
        self.append(("bind_output", arguments))


def test_sessions_live_as_long_as_the_graphs_of_their_runs(host_as_cuda, mean_model, monkeypatch):
    opened, sessions = ort_cuda._open, []

    def forgetful(*arguments, **more):
        session = opened(*arguments, **more)
        bind = session.io_binding

        def run(bound, options):
            binding = bind()
            for name, values in bound:
                getattr(binding, name)(*values)
            session._sess.run_with_iobinding(binding._iobinding, options)

        session.io_binding, session.run_with_iobinding = Bindings, run
        sessions.append(weakref.ref(session._sess))
        return session

    def capture(self, work, stream):
        work()
        return lambda: None  # a graph holds nothing of who made it

    monkeypatch.setattr(ort_cuda, "_open", forgetful)
    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", capture)
    backend = load(mean_model(("batch", 3, 8, 8)), batch=4, device="cuda:0")
    gc.collect()
    assert [session() is None for session in sessions] == [True, False, False]  # what settled the shapes, 1 row, 4
    backend.close()
    gc.collect()
    assert all(session() is None for session in sessions)


def test_what_the_runtime_prints_stays_off_stdout(on_gpu, mean_model, monkeypatch, capsys):
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write("Please follow ... to install CUDA\n"))
    on_gpu(mean_model())
    assert "Please follow" not in capsys.readouterr().out


def test_a_gpu_without_memory_for_the_model_is_told_as_that(host_gpu, mean_model, monkeypatch):
    class Full:
        def __init__(self, *_arguments, **_options):
            raise RuntimeError(
                "CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; expr=cudaMalloc((void**)&p, size);"
            )

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Full)
    monkeypatch.setattr(ort_cuda, "open_gpu", lambda device: host_gpu)
    with pytest.raises(ModelError, match=r"out of memory .*; lower batch, use fewer models, or see `nvidia-smi`"):
        load(mean_model(), device="cuda:0")


def test_what_only_the_cpu_computes_is_not_even_tried_to_be_recorded(on_gpu, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", lambda *_: pytest.fail("a graph was tried"))
    path = tmp_path / "odd.onnx"
    path.write_bytes(ODD["host"]())
    with structlog.testing.capture_logs() as lines:
        backend = on_gpu(path)
    assert [line["event"] for line in lines].count("no CUDA graphs") == 1
    other, rng = load(path), np.random.default_rng(0)
    for run in range(6):
        seen = picture(rng)
        for one in (backend, other):
            one.input(run % len(one.ring))[:] = seen
            one.run(run % len(one.ring), 1)
        (got,), (want,) = (one.outputs(run % len(one.ring), 1) for one in (backend, other))
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("kind", ["nms", "padded"])
def test_nms_within_a_model_is_refused_before_anything_opens_it(on_gpu, tmp_path, monkeypatch, kind):
    path = tmp_path / "odd.onnx"
    path.write_bytes(ODD[kind]())
    load(path)  # on the CPU it runs
    monkeypatch.setattr(ort_cuda, "_open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ModelError, match=r"holds NonMaxSuppression, .* ends the process; export it without NMS"):
        on_gpu(path)


def test_a_plain_model_whose_graph_is_refused_runs_without_and_asks_once(on_gpu, mean_model, monkeypatch):
    asked = []

    def refuse(self, work, stream):
        asked.append(stream)
        raise DeviceError("cuda:0: no CUDA graph of it: cudaErrorStreamCaptureUnsupported")

    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", refuse)
    path = mean_model(("batch", 3, 8, 8))
    backend, other = on_gpu(path, batch=4), load(path, batch=4)
    assert len(asked) == 1
    for one in (backend, other):
        one.input(0)[:] = np.arange(one.input(0).size).reshape(one.input(0).shape) / 100
        one.run(0, 3)
    np.testing.assert_allclose(backend.outputs(0, 3)[0], other.outputs(0, 3)[0], rtol=1e-6)


def test_a_run_that_fails_after_a_refused_graph_is_told_at_once(on_gpu, mean_model, monkeypatch):
    def refuse(self, work, stream):
        monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", broken)
        raise DeviceError("cuda:0: no CUDA graph of it: cudaErrorStreamCaptureUnsupported")

    def broken(self, *bound):
        raise RuntimeError("CUDA failure 901: capture invalidated")

    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", refuse)
    with pytest.raises(ModelError, match="a run of 1 rows failed: CUDA failure 901: capture invalidated"):
        on_gpu(mean_model())


def test_a_library_that_a_refused_graph_left_broken_is_opened_anew(on_gpu, mean_model, monkeypatch):
    run, opened = onnxruntime.InferenceSession.run_with_iobinding, ort_cuda._open

    def refuse(self, work, stream):
        monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", broken)
        raise DeviceError("cuda:0: no CUDA graph of it: cudaErrorStreamCaptureUnsupported")

    def broken(self, *bound):
        raise RuntimeError("CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED")

    def anew(*arguments, **more):
        monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", run)
        return opened(*arguments, **more)

    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", refuse)
    monkeypatch.setattr(ort_cuda, "_open", anew)
    with structlog.testing.capture_logs() as lines:
        backend = on_gpu(mean_model())
    assert "CUDNN_BACKEND_API_FAILED" in lines[-1]["reason"] and lines[-1]["event"] == "no CUDA graphs"
    backend.enqueue(0, 1)


def test_what_was_opened_first_is_gone_before_it_is_opened_anew(on_gpu, mean_model, monkeypatch):
    """A GPU that holds the model once need not hold it twice."""
    run, opened, sessions, left = onnxruntime.InferenceSession.run_with_iobinding, ort_cuda._open, [], []

    def refuse(self, work, stream):
        monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", broken)
        raise DeviceError("cuda:0: no CUDA graph of it: cudaErrorStreamCaptureUnsupported")

    def broken(self, *bound):
        raise RuntimeError("CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED")

    def watched(*arguments, stream=None, **more):
        if onnxruntime.InferenceSession.run_with_iobinding is broken:
            monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", run)
            left.extend(session() is not None for session in sessions)
        session = opened(*arguments, stream=stream, **more)
        if stream is not None:
            sessions.append(weakref.ref(session))
        return session

    monkeypatch.setattr("tests.gpu.host_gpu.HostGpu.capture", refuse)
    monkeypatch.setattr(ort_cuda, "_open", watched)
    on_gpu(mean_model(("batch", 3, 8, 8)), batch=4)
    assert left == [False, False]


def test_what_settled_the_shapes_is_gone_before_the_sizes_are_opened(on_gpu, mean_model, monkeypatch):
    opened, sessions, left = ort_cuda._open, [], []

    def watched(*arguments, stream=None, **more):
        left.extend(session() is not None for session in sessions if stream is not None)
        session = opened(*arguments, stream=stream, **more)
        if stream is None:
            sessions.append(weakref.ref(session))
        return session

    monkeypatch.setattr(ort_cuda, "_open", watched)
    on_gpu(mean_model(("batch", 3, "high", "wide"), metadata={"imgsz": "[8, 8]"}), batch=4)
    assert left == [False] * 4  # two that settled them, two sizes


def test_an_output_that_holds_what_was_found_in_all_pictures_is_refused(tmp_path):
    read, constants = suppressed("boxes", "scores", "found")
    split = [
        node("Slice", ["images", "zero", "four", "last"], ["wide"]),
        node("Reshape", ["wide", "rows"], ["boxes"]),
        node("Reshape", ["wide", "columns"], ["scores"]),
    ]
    constants |= {"zero": whole([0]), "four": whole([4]), "last": whole([3])}
    constants |= {"rows": whole([1, -1, 4]), "columns": whole([1, 4, -1])}
    path = tmp_path / "selected.onnx"
    path.write_bytes(model([*split, *read], {"images": (1, 3, 8, 8)}, {"nms_found": ("k", 6)}, constants))
    with pytest.raises(ModelError, match="its first side is no batch; export it with a batch first"):
        load(path)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_one_that_passed_by_chance_is_refused_when_it_shows(host_as_cuda, tmp_path, device):
    """Of a picture of zeros the model makes one row, as if that were its batch; of others it makes more."""
    nodes = [
        node("Reshape", ["images", "flat"], ["all"]),
        node("NonZero", ["all"], ["places"]),
        node("Transpose", ["places"], ["tall"], perm=[1, 0]),
        node("Cast", ["tall"], ["one"], to=1),
        node("Concat", ["one"] * 6, ["six"], axis=1),
        node("Concat", ["first", "six"], ["rows"], axis=0),
    ]
    constants = {"flat": whole([-1]), "first": np.zeros((1, 6), np.float32)}
    path = tmp_path / "rows.onnx"
    path.write_bytes(model(nodes, {"images": (1, 3, 8, 8)}, {"rows": ("k", 6)}, constants))
    backend = load(path, device=device)
    backend.input(0)[:] = 0
    backend.run(0, 1)
    backend.input(0).reshape(-1)[:7] = 1
    with pytest.raises(ModelError, match="output rows is 8x6 for a batch of 1: its first side is no batch"):
        backend.run(0, 1)
