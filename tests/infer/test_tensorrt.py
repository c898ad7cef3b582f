"""The backend for engines on a stand-in of every recorded TensorRT, whose engines are ONNX files on the host."""

import importlib
import shutil

import numpy as np
import pytest
import structlog
from onnx import TensorProto, helper

from streamd import manifest
from streamd.errors import ModelError
from streamd.infer import DeviceBackend, files, library, load
from streamd.infer.library import find
from streamd.manifest import Built, Input, Manifest
from tests.infer.conftest import save
from tests.infer.opened import means, open_engine


def described(path, **changes):
    """The manifest beside an engine that was built for the stand-in of 10.3."""
    built = {"tensorrt": "10.3.0", "gpu": "NVIDIA Stand-in", "compute_capability": "8.9", "onnx_sha256": "ab" * 32}
    about = Manifest("classify", ("a", "b", "c", "d"), Input("images", 8, 8), built=Built(**(built | changes)))
    manifest.save(about, path)


def test_every_version_runs_an_engine_and_uses_only_what_it_has(host_as_tensorrt, version, engine):
    host_as_tensorrt(version)
    backend = open_engine(engine(), batch=4)
    assert isinstance(backend, DeviceBackend)
    assert means(backend, 0, 3, 5) == [3, 5]
    assert means(backend, 2, 1, 2, 3, 4) == [1, 2, 3, 4]
    backend.close()
    backend.close()


def test_it_finds_what_onnx_runtime_finds(host_as_tensorrt, version, engine):
    host_as_tensorrt(version)
    path = engine()
    backend, other = open_engine(path, 2), load(path.with_suffix(".onnx"), batch=2)
    noise = np.random.default_rng(0).random(other.input(0).shape, np.float32)
    for one in (backend, other):
        one.input(1)[:] = noise
        one.run(1, 2)
    np.testing.assert_array_equal(backend.outputs(1, 2)[0], other.outputs(1, 2)[0])


@pytest.mark.parametrize(
    ("shape", "asked", "batch", "said"),
    [
        (("n", 3, 8, 8), 16, 8, "takes fewer frames"),
        ((4, 3, 8, 8), 9, 4, "takes fewer frames"),
        ((4, 3, 8, 8), 2, 2, "takes no fewer frames"),
        ((4, 3, 8, 8), 4, 4, None),
    ],
)
def test_a_batch_that_the_engine_does_not_take(host_as_tensorrt, version, engine, shape, asked, batch, said):
    host_as_tensorrt(version)
    with structlog.testing.capture_logs() as lines:
        backend = open_engine(engine(shape), batch=asked)
    assert [line["event"] for line in lines if "frames in a run" in line["event"]] == [
        line["event"] for line in lines if said and said in line["event"]
    ]
    assert bool(said) == any("frames in a run" in line["event"] for line in lines)
    assert backend.batch == batch and backend.input(0).shape[0] == batch
    assert means(backend, 1, *range(batch)) == list(range(batch))
    with pytest.raises(ValueError, match=f"{batch + 1} rows in a backend of 1 to {batch}"):
        backend.enqueue(0, batch + 1)


def test_an_output_whose_first_side_is_no_batch_is_refused(host_as_tensorrt, engine):
    host_as_tensorrt()
    with pytest.raises(ModelError, match="output logits is 1x4 for a batch of 2: its first side is no batch"):
        open_engine(engine(batch=1), batch=2)


def test_an_engine_with_two_inputs_is_refused(host_as_tensorrt, two_inputs):
    host_as_tensorrt()
    shutil.copy(two_inputs, two_inputs.with_suffix(".engine"))
    with pytest.raises(ModelError, match="it has 2 inputs"):
        open_engine(two_inputs.with_suffix(".engine"))


def test_an_engine_needs_a_gpu(engine):
    with pytest.raises(ModelError, match=r"an engine runs on a GPU; set device: cuda:0, or path to the \.onnx"):
        load(engine())


def test_the_header_of_ultralytics_serves_where_there_is_no_manifest(host_as_tensorrt, version, engine):
    host_as_tensorrt(version)
    header = {"task": "classify", "imgsz": [8, 8], "names": {"0": "cat", "1": "dog", "2": "cow", "3": "hen"}}
    backend = open_engine(engine((1, 3, 8, 8), header=header))
    assert (backend.manifest.head, backend.manifest.labels) == ("classify", ("cat", "dog", "cow", "hen"))
    assert means(backend, 0, 6) == [6]


def test_sides_that_are_open_are_those_it_was_tuned_for(host_as_tensorrt, engine):
    host_as_tensorrt(size=(16, 24))
    backend = open_engine(engine(("n", 3, "h", "w")))
    assert backend.input(0).shape == (1, 3, 24, 16)
    assert means(backend, 0, 2) == [2]


def test_a_manifest_that_says_another_size_than_the_engine(host_as_tensorrt, engine):
    host_as_tensorrt()
    path = engine((1, 3, 8, 8))
    described(path)
    path.with_suffix(".engine.json").write_text(path.with_suffix(".engine.json").read_text().replace("8,", "16,", 1))
    about = manifest.load(path)
    assert (about.input.width, about.input.height) == (16, 8)
    with pytest.raises(ModelError, match="input size 16x8 against 8x8"):
        open_engine(path)


def nms_model(folder):
    """EfficientNMS's outputs, out of order, and one that no head reads: a box that is the picture's first 4 values."""
    boxes = [
        helper.make_node("Slice", ["images", "zeros", "cut", "axes"], ["row"]),
        helper.make_node("Reshape", ["row", "boxes_shape"], ["det_boxes"]),
        helper.make_node("ReduceMax", ["det_boxes"], ["det_scores"], axes=[2], keepdims=0),
        helper.make_node("Cast", ["det_scores"], ["det_classes"], to=TensorProto.INT32),
        helper.make_node("Shape", ["det_scores"], ["sides"]),
        helper.make_node("ConstantOfShape", ["sides"], ["num_dets"], value=helper.make_tensor("o", 6, [1], [1])),
    ]
    constants = {
        "zeros": np.zeros(3, np.int64), "cut": np.array([1, 1, 4]), "axes": np.array([1, 2, 3]),
        "boxes_shape": np.array([-1, 1, 4]),
    }  # fmt: skip
    outputs = [
        ("det_scores", TensorProto.FLOAT, ["n", 1]), ("det_classes", TensorProto.INT32, ["n", 1]),
        ("det_boxes", TensorProto.FLOAT, ["n", 1, 4]), ("num_dets", TensorProto.INT32, ["n", 1]),
    ]  # fmt: skip
    path = save(folder / "nms.engine", boxes, [("images", TensorProto.FLOAT, ["n", 3, 8, 8])], outputs, constants)
    names = [manifest.Output(name, shape) for name, shape in (("num_dets", (-1, 1)), ("det_boxes", (-1, 1, 4)),
             ("det_scores", (-1, 1)), ("det_classes", (-1, 1)))]  # fmt: skip
    manifest.save(Manifest("efficient_nms", ("a", "b"), Input("images", 8, 8), outputs=tuple(names)), path)
    return path


def test_an_engine_with_its_nms_inside(host_as_tensorrt, version, tmp_path):
    host_as_tensorrt(version)
    backend = open_engine(nms_model(tmp_path), batch=2)
    backend.input(0)[:, 0, 0, :4] = [[0, 0, 0.25, 0.5], [0, 0, 0.5, 0.75]]
    backend.run(0, 2)
    counts, boxes, scores, classes = backend.outputs(0, 2)
    assert (counts.tolist(), scores.tolist(), classes.tolist()) == ([[1], [1]], [[0.5], [0.75]], [[0], [0]])
    assert boxes[1].tolist() == [[0, 0, 0.5, 0.75]]


def test_outputs_that_no_head_reads_are_written_and_left(host_as_tensorrt, version, tmp_path, mean_model):
    path = nms_model(tmp_path)
    about = manifest.load(path)
    kept = (about.outputs[2],)
    manifest.save(Manifest("classify", ("a",), about.input, outputs=kept), path)
    standin = host_as_tensorrt(version)
    backend = open_engine(path, batch=2)
    assert list(backend.slots.outputs[0]) == ["det_scores"]
    assert {name for name, _ in standin.api.called("IExecutionContext.set_tensor_address")} == {
        "images", "num_dets", "det_boxes", "det_scores", "det_classes",
    }  # fmt: skip
    backend.input(0)[0, 0, 0, :4] = 9
    backend.run(0, 1)
    assert [output.tolist() for output in backend.outputs(0, 1)] == [[[9]]]


def test_an_engine_for_another_gpu_names_both_and_the_command(host_as_tensorrt, engine):
    host_as_tensorrt()
    path = engine()
    described(path, gpu="NVIDIA L4", compute_capability="7.5", onnx="mean.onnx", options=("--fp16",))
    with pytest.raises(ModelError) as error:
        open_engine(path)
    said = "built for TensorRT 10.3.0 on NVIDIA L4 (sm_75), this is TensorRT 10.3.0 on NVIDIA Stand-in (sm_89)"
    assert f"{said}; build it anew: streamd build {path.parent}/mean.onnx --out {path} --fp16" in str(error.value)


def test_an_engine_that_is_older_than_its_onnx_file_is_refused(host_as_tensorrt, engine):
    host_as_tensorrt()
    path = engine()
    described(path, onnx="mean.onnx")
    with pytest.raises(ModelError, match=r"built from mean.onnx abababababab \(sha256\), which now is"):
        open_engine(path)
    described(path, onnx="mean.onnx", onnx_sha256=files.sha256(path.with_suffix(".onnx")))
    assert means(open_engine(path), 0, 2) == [2]


def test_an_engine_of_another_gpu_of_its_kind_runs_and_is_told(host_as_tensorrt, engine):
    host_as_tensorrt()
    path = engine()
    described(path, gpu="NVIDIA L40")
    with structlog.testing.capture_logs() as lines:
        open_engine(path)
    assert any("built on NVIDIA L40, this is NVIDIA Stand-in: it runs" in line["event"] for line in lines)


@pytest.mark.parametrize(("options", "allowed"), [(("--version-compatible",), [True]), ((), [])])
def test_code_in_a_plan_runs_only_where_the_manifest_tells_of_it(host_as_tensorrt, version, engine, options, allowed):
    standin = host_as_tensorrt(version)
    path = engine()
    described(path, library=version.split()[0], tensorrt=version.split()[1], options=options)
    open_engine(path)
    assert standin.api.called("Runtime.engine_host_code_allowed") == allowed


def test_where_there_is_no_tensorrt_it_is_told(engine, host_as_tensorrt, monkeypatch):
    host_as_tensorrt()
    monkeypatch.setattr(library, "find", lambda: find(lambda name: importlib.import_module(f"no.{name}")))
    with pytest.raises(ModelError, match=r"TensorRT cannot be loaded .*; pip install 'streamd"):
        open_engine(engine())
