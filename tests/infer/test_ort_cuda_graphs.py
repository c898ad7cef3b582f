"""The CUDA graphs of ONNX Runtime's runs, with the host as the GPU: what has none, what one that is refused leaves."""

import gc
import weakref

import numpy as np
import onnxruntime
import pytest
import structlog

from streamd.errors import DeviceError, ModelError
from streamd.infer import load, ort_cuda
from tests.gpu.odd_models import ODD, picture


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
