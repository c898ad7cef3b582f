"""The backend for engines on a stand-in of every recorded TensorRT, whose engines are ONNX files on the host."""

import importlib
import json
import shutil

import numpy as np
import pytest
import structlog
from onnx import TensorProto, helper

from streamd import manifest
from streamd.errors import ModelError
from streamd.infer import DeviceBackend, files, library, load
from streamd.infer.contexts import sizes
from streamd.infer.library import find
from streamd.manifest import Built, Input, Manifest
from tests.infer.conftest import save
from tests.infer.standin import SCRATCH, VERSIONS

SLOTS = 3


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def engine(mean_model):
    """An engine whose class k is the mean of the picture plus k; `header` is Ultralytics'."""

    def engine(shape=("n", 3, 8, 8), header=None, **options):
        path = mean_model(shape, **options)
        made = path.with_suffix(".engine")
        text = json.dumps(header).encode() if header else b""
        made.write_bytes((len(text).to_bytes(4, "little") + text if header else b"") + path.read_bytes())
        return made

    return engine


def open_engine(path, batch=1):
    return load(path, batch=batch, device="cuda:0")


def means(backend, slot, *values):
    """Run rows that are full of `values`, and return the first class of each."""
    for row, value in enumerate(values):
        backend.input(slot)[row] = value
    backend.run(slot, len(values))
    return backend.outputs(slot, len(values))[0][:, 0].tolist()


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


def test_what_a_run_costs_was_done_beforehand(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version)
    backend = open_engine(engine(), batch=4)
    before, launched = standin.calls(), standin.gpu.launched
    for slot in range(SLOTS):
        for rows in (1, 2, 3, 4):
            assert means(backend, slot, *range(rows)) == list(range(rows))
    assert standin.calls() == before  # not a call of TensorRT's: graphs alone
    assert standin.gpu.launched - launched == 4 * SLOTS


def test_a_context_for_each_slot_and_size_shares_one_memory(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version)
    open_engine(engine(), batch=4)
    assert standin.contexts == SLOTS * 3
    lent = standin.api.called("IExecutionContext.set_device_memory")
    lent += [(address, SCRATCH) for address in standin.api.called("IExecutionContext.device_memory")]
    assert len(lent) == SLOTS * 3 and len(set(lent)) == 1


def test_rtx_compiles_for_each_shape_before_it_is_captured(host_as_tensorrt, engine):
    standin = host_as_tensorrt("tensorrt_rtx 1.7.1.116")
    open_engine(engine(), batch=2)
    told = standin.api.called("IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy")
    assert told == [standin.api.DynamicShapesKernelSpecializationStrategy.EAGER] * 2 * SLOTS


@pytest.mark.parametrize(
    ("profile", "batch", "rows", "ran"),
    [((1, 4, 8), 8, 3, 4), ((1, 4, 8), 8, 5, 8), ((1, 4, 6), 6, 5, 6), ((4, 4, 8), 2, 1, 4), ((3, 4, 8), 8, 4, 4)],
)
def test_the_smallest_run_that_fits(host_as_tensorrt, engine, profile, batch, rows, ran):
    standin = host_as_tensorrt(profile=profile)
    backend = open_engine(engine(), batch=batch)
    assert means(backend, 0, *range(rows)) == list(range(rows))
    assert standin.runs[-1] == (ran, 3, 8, 8)


@pytest.mark.parametrize(
    ("least", "most", "want"),
    [(1, 1, (1,)), (1, 6, (1, 2, 4, 6)), (3, 9, (3, 4, 8, 9)), (4, 4, (4,)), (8, 16, (8, 16))],
)
def test_runs_have_one_of_few_sizes(least, most, want):
    assert sizes(least, most) == want


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


@pytest.mark.parametrize(("graphs", "refuses"), [(False, ()), (True, ("capture",))])
def test_without_graphs_it_runs_all_the_same(host_as_tensorrt, engine, graphs, refuses):
    standin = host_as_tensorrt("tensorrt_rtx 1.7.1.116", graphs=graphs, refuses=refuses)
    with structlog.testing.capture_logs() as lines:
        backend = open_engine(engine(), batch=4)
    assert [line["event"] for line in lines].count("no CUDA graphs") == 1
    before = standin.calls()["IExecutionContext.execute_async_v3"]
    assert means(backend, 0, 7, 8, 9) == [7, 8, 9]
    assert standin.calls()["IExecutionContext.execute_async_v3"] == before + 1
    assert standin.gpu.launched == 0


def test_a_profile_that_only_one_context_may_use(host_as_tensorrt, engine):
    standin = host_as_tensorrt("tensorrt 8.6.1", refuses=("profile",))
    with structlog.testing.capture_logs() as lines:
        backend = open_engine(engine(), batch=4)
    assert any("PROFILE_SHARING_0806" in line["event"] for line in lines)
    first, second = means(backend, 0, 1, 2, 3), means(backend, 1, 4)
    assert (first, second, standin.runs[-2:]) == ([1, 2, 3], [4], [(4, 3, 8, 8), (1, 3, 8, 8)])
    assert backend.outputs(0, 3)[0][:, 0].tolist() == [1, 2, 3]
    backend.close()


def test_a_run_that_fails_says_why(host_as_tensorrt, version, engine):
    standin = host_as_tensorrt(version, graphs=False)
    backend = open_engine(engine())
    standin.refuses = ("run",)
    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises(ModelError, match=r"mean.engine: a run failed: enqueueV3: no memory for the context"),
    ):
        backend.enqueue(0, 1)
    assert next(line["says"] for line in lines if line["event"] == "TensorRT").startswith("enqueueV3")


def test_a_plan_that_tensorrt_does_not_take_says_why(host_as_tensorrt, version, engine):
    host_as_tensorrt(version, refuses=("plan",))
    with pytest.raises(
        ModelError, match=r"cannot load it: .*incompatible device.*; build it: streamd build MODEL.onnx"
    ):
        open_engine(engine())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"kinds": {"logits": "BF16"}},
            "tensor logits ?x4 is BF16; export and build it with inputs and outputs in float32",
        ),
        ({"kinds": {"images": "FP8"}}, "tensor images ?x3x8x8 is FP8"),
        ({"forms": {"images": "CHW16"}}, "tensor images lies in memory as CHW16; build it without I/O formats"),
        ({"places": {"logits": "HOST"}}, "tensor logits is wanted on the host"),
    ],
)
def test_tensors_that_no_kernel_reads_are_refused(host_as_tensorrt, engine, options, said):
    host_as_tensorrt("tensorrt 11.4.0.106", **options)
    with pytest.raises(ModelError) as error:
        open_engine(engine())
    assert said in str(error.value)


def test_a_shape_that_hangs_on_what_is_seen_is_refused(host_as_tensorrt, version, nonzero_model):
    host_as_tensorrt(version)
    path = nonzero_model()
    shutil.copy(path, path.with_suffix(".engine"))
    with pytest.raises(ModelError, match=r"the shape of boxes float32 1x\?x6 hangs on what is seen; export it without"):
        open_engine(path.with_suffix(".engine"))


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


def test_what_was_said_of_one_run_is_not_said_of_the_next(host_as_tensorrt, engine):
    standin = host_as_tensorrt(graphs=False)
    backend = open_engine(engine())
    standin.refuses = ("run",)
    said = []
    for _ in range(2):
        with pytest.raises(ModelError) as error:
            backend.enqueue(0, 1)
        said.append(str(error.value))
    assert said[0] == said[1] and "\n" not in said[0]
