import numpy as np
import onnx
import pytest
from onnx import TensorProto

from streamd import manifest
from streamd.errors import ModelError
from streamd.infer import load
from streamd.manifest import Input, Manifest


def run(backend, rows=1, values=(0.0,), slot=0):
    for row, value in enumerate(values):
        backend.input(slot)[row] = value
    backend.run(slot, rows)
    return backend.outputs(slot, rows)


def test_dynamic_batch_runs_the_rows_it_is_given(mean_model):
    backend = load(mean_model(("n", 3, 8, 8)), batch=4)
    (logits,) = run(backend, 3, (1, 2, 3))
    assert backend.batch == 4
    assert logits[:, 0].tolist() == [1, 2, 3]


def test_dynamic_batch_runs_fewer_rows_after_more(mean_model):
    backend = load(mean_model(("n", 3, 8, 8)), batch=4)
    run(backend, 4, (1, 2, 3, 4))
    (logits,) = run(backend, 2, (5, 6))
    assert logits[:, 0].tolist() == [5, 6]


def test_fixed_batch_of_one_lowers_the_batch(mean_model):
    backend = load(mean_model((1, 3, 8, 8)), batch=8)
    assert backend.batch == 1
    assert backend.input(0).shape == (1, 3, 8, 8)


def test_fixed_batch_of_four_runs_padded(mean_model):
    backend = load(mean_model((4, 3, 8, 8)), batch=16)
    (logits,) = run(backend, 3, (1, 2, 3))
    assert backend.batch == 4
    assert backend.manifest.batch == 4
    assert logits[:, 0].tolist() == [1, 2, 3]


def test_fixed_batch_of_four_gives_no_more_rows_than_asked(mean_model):
    backend = load(mean_model((4, 3, 8, 8)), batch=2)
    assert backend.batch == 2
    assert backend.input(0).shape == (2, 3, 8, 8)


def test_float16_input(mean_model):
    backend = load(mean_model(kind=TensorProto.FLOAT16))
    assert backend.input(0).dtype == np.float16
    assert run(backend, values=(0.5,))[0][0, 0] == 0.5


def test_uint8_input_is_not_scaled(mean_model):
    backend = load(mean_model(kind=TensorProto.UINT8))
    assert backend.input(0).dtype == np.uint8
    assert backend.manifest.input.scale == 1
    assert run(backend, values=(200,))[0][0, 0] == 200


def test_outputs_of_known_shape_are_written_in_place(mean_model):
    backend = load(mean_model())
    (first,) = run(backend, values=(1,))
    (second,) = run(backend, values=(2,))
    assert np.shares_memory(first, second)


def test_outputs_that_depend_on_the_data_are_fetched(nonzero_model):
    backend = load(nonzero_model())
    backend.input(0)[0, 0, 0, :5] = 1
    backend.run(0, 1)
    (boxes,) = backend.outputs(0, 1)
    assert boxes.shape == (1, 5, 6)
    assert boxes[0, :, 3].tolist() == [0, 1, 2, 3, 4]


def test_outputs_that_depend_on_the_data_are_of_another_size_at_every_run(nonzero_model):
    backend = load(nonzero_model())
    for count in (3, 5, 0, 192, 4):
        backend.input(0)[:] = 0
        backend.input(0).reshape(-1)[:count] = 1
        backend.run(0, 1)
        assert backend.outputs(0, 1)[0].shape == (1, count, 6)


def test_outputs_that_depend_on_the_data_may_be_empty(nonzero_model):
    assert run(load(nonzero_model()))[0].shape == (1, 0, 6)


def test_fetched_outputs_of_one_slot_outlive_a_run_of_the_other(nonzero_model):
    backend = load(nonzero_model())
    (kept,) = run(backend, values=(1,), slot=0)
    run(backend, values=(0,), slot=1)
    assert kept.shape == backend.outputs(0, 1)[0].shape == (1, 192, 6)


def test_open_height_and_width_follow_the_metadata(mean_model):
    backend = load(mean_model(("n", 3, "h", "w"), metadata={"imgsz": "[16, 32]"}))
    assert backend.input(0).shape == (1, 3, 16, 32)


def test_open_height_and_width_follow_the_manifest(mean_model):
    path = mean_model(("n", 3, "h", "w"))
    manifest.save(Manifest(head="classify", labels=(), input=Input("images", 24, 8)), path)
    assert load(path, batch=2).input(0).shape == (2, 3, 8, 24)


def test_a_batch_that_is_dynamic_stays_so_in_the_manifest(mean_model):
    backend = load(mean_model(("n", 3, 8, 8)), batch=1)
    assert backend.manifest.batch == 0
    assert backend.manifest.outputs[0].shape == (-1, 4)


def test_rows_out_of_range_are_refused(mean_model):
    backend = load(mean_model(("n", 3, 8, 8)), batch=2)
    for rows in (0, 3):
        with pytest.raises(ValueError, match="rows in a backend of 1 to 2"):
            backend.run(0, rows)


def test_close_is_safe_twice(mean_model):
    backend = load(mean_model())
    backend.close()
    backend.close()


def test_only_the_outputs_that_the_manifest_names_are_made(real, tmp_path):
    path = tmp_path / "more.onnx"
    model = onnx.load(real / "yolox_nano.onnx")
    inner = model.graph.node[-2].output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner, TensorProto.FLOAT, None))
    onnx.save(model, path)
    manifest.save(
        Manifest(
            head="yolox",
            labels=(),
            input=Input("images", 416, 416, colour="bgr", scale=1, anchor="top-left"),
            outputs=(manifest.Output("output", (1, 3549, 85)),),
        ),
        path,
    )
    backend = load(path)
    assert [output.shape for output in run(backend)] == [(1, 3549, 85)]


def test_two_inputs(two_inputs):
    with pytest.raises(ModelError, match=r"it has 2 inputs \(images float32 1x3x8x8, more float32 1x3x8x8\)"):
        load(two_inputs)


@pytest.mark.parametrize(("kind", "name"), [(TensorProto.INT8, "int8"), (TensorProto.DOUBLE, "float64")])
def test_inputs_of_another_type(mean_model, kind, name):
    with pytest.raises(ModelError, match=f"input images {name} 1x3x8x8 is {name}; export it with a float32"):
        load(mean_model(kind=kind))


def test_input_with_channels_last(mean_model):
    with pytest.raises(ModelError, match="has 8 channels where N,C,H,W has 1 or 3"):
        load(mean_model((1, 8, 8, 3)))


@pytest.mark.parametrize("content", [b"hello" * 99, b"\x08", b"<html></html>"])
def test_a_file_that_is_no_model(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx: ONNX Runtime cannot load it: .*this is no whole ONNX file"):
        load(path)


def test_a_truncated_model(real, tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes((real / "yolox_nano.onnx").read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match="cannot load it"):
        load(path)


def test_missing_external_data(real, tmp_path):
    path = tmp_path / "parts.onnx"
    onnx.save(onnx.load(real / "yolox_nano.onnx"), path, save_as_external_data=True, location="parts.bin")
    (tmp_path / "parts.bin").unlink()
    with pytest.raises(ModelError, match="copy its external data file beside it"):
        load(path)


def test_a_name_that_is_no_text(mean_model):
    path = mean_model()
    path.write_bytes(path.read_bytes().replace(b"logits", b"log\xfets"))
    with pytest.raises(ModelError, match="cannot load it: 'utf-8' codec"):
        load(path)


def test_failures_print_nothing(tmp_path, capfd):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"hello" * 99)
    with pytest.raises(ModelError):
        load(path)
    assert capfd.readouterr() == ("", "")


def test_errors_are_one_line(tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"hello" * 99)
    with pytest.raises(ModelError) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_a_model_that_cannot_run_on_the_batch_it_promises(tmp_path, mean_model):
    path = mean_model(("n", 3, 8, 8))
    model = onnx.load(path)
    next(c for c in model.graph.initializer if c.name == "column").CopyFrom(
        onnx.numpy_helper.from_array(np.array([1, 1]), "column")
    )
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"cannot run on an input of 4x3x8x8: .*; set batch: 1"):
        load(path, batch=4)


def test_yolox_nano_is_recognised_by_its_shapes(real):
    found = load(real / "yolox_nano.onnx").manifest
    assert (found.head, found.input.colour, found.input.anchor, found.labels[39]) == (
        "yolox",
        "bgr",
        "top-left",
        "bottle",
    )


@pytest.mark.parametrize("spin", ["always", "running", "never"])
def test_spinning_changes_no_number(mean_model, spin):
    assert run(load(mean_model(), spin=spin, threads=1), values=(3,))[0].tolist() == [[3, 4, 5, 6]]
