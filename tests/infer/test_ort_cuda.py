"""ONNX Runtime on a GPU's slots, with the host as the GPU: the bindings, the sizes of runs, the mirrors."""

import sys
import weakref

import numpy as np
import onnxruntime
import pytest

from streamd.errors import DeviceError, ModelError
from streamd.infer import DeviceBackend, load, ort_cuda
from streamd.infer.ort_cuda import sizes
from streamd.infer.session import open_session
from tests.gpu.odd_models import ODD


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


@pytest.mark.parametrize("kind", ["nms", "padded"])
def test_nms_within_a_model_is_refused_before_anything_opens_it(on_gpu, tmp_path, monkeypatch, kind):
    path = tmp_path / "odd.onnx"
    path.write_bytes(ODD[kind]())
    load(path)  # on the CPU it runs
    monkeypatch.setattr(ort_cuda, "_open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ModelError, match=r"holds NonMaxSuppression, .* ends the process; export it without NMS"):
        on_gpu(path)


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
