"""What `streamd build` is given: values, and files that stand in the way; with recorded versions of TensorRT."""

import onnx
import pytest

from streamd import manifest
from tests.engine.conftest import BUNDLED


def test_scales_must_be_some(build):
    done = build("--int8", "dynamic-range", "--cache", __file__)
    assert (done.exit_code, "is no header of a calibration cache" in done.output) == (1, True)


@pytest.mark.parametrize(
    "option",
    [
        ("--batch", "0,1,2"),
        ("--batch", "4,2,1"),
        ("--batch", "1,2"),
        ("--batch", "a"),
        ("--batch", "1,x,4,8"),
        ("--batch", "1,4,8,"),
        ("--batch", "9" * 5000),
        ("--batch-up-to", "0"),
        ("--workspace", "9" * 5000),
        ("--workspace", "99999999999GiB"),
        ("--min-agreement", "nan"),
        ("--max-drift", "nan"),
        ("--size", "0x1"),
        ("--size", "640x"),
        ("--workspace", "many"),
        ("--workspace", "0"),
        ("--level", "6"),
        ("--int8", "yes"),
    ],
)
def test_what_is_no_such_value(build, option):
    assert build(*option).exit_code == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--batch", "8"), ("--batch", "8,8,8")),
        (("--batch", "1, 8,16"), ("--batch", "1,8,16")),
        (("--size", "416"), ("--size", "416x416")),
        (("--workspace", "2GiB"), ("--workspace", str(2 << 30))),
        (("--workspace", "512 mib"), ("--workspace", str(512 << 20))),
        (("--level", "0"), ("--level", "0")),
    ],
)
def test_options_are_kept_as_they_would_be_given_again(build, model, option, said):
    done = build(*option)
    assert done.exit_code == 0, done.output
    assert manifest.load(model.with_suffix(".engine")).built.options == said
    assert "is current" in build(*said).output


def test_what_stands_in_the_way_is_told_before_the_build(build, tmp_path):
    folder = tmp_path / "a.engine"
    folder.mkdir()
    done = build("--out", folder)
    assert (done.exit_code, f"--out {folder}: is a folder" in done.output) == (1, True)
    done = build("--log", tmp_path / "gone" / "log")
    assert (done.exit_code, "there is no folder" in done.output) == (1, True)


@pytest.mark.parametrize("option", ["--log", "--audit", "--cache"])
@pytest.mark.parametrize("name", ["m.onnx", "m.json", "m.engine", "m.engine.json"])
def test_no_file_of_the_work_is_written_over(build, model, option, name):
    before = {path.name: path.read_bytes() for path in model.parent.iterdir()}
    done = build(option, model.with_name(name))
    assert (done.exit_code, "is another file of this work; name a file of its own" in done.output) == (1, True)
    assert {path.name: path.read_bytes() for path in model.parent.iterdir()} == before


def test_an_engine_that_is_a_link_to_the_model_does_not_replace_it(build, model):
    link = model.with_suffix(".engine")
    link.symlink_to(model)
    done = build()
    assert (done.exit_code, "is another file of this work" in done.output) == (1, True)
    assert model.read_bytes() == BUNDLED.read_bytes()


def test_two_answers_do_not_share_a_file(build, tmp_path):
    done = build("--log", tmp_path / "said", "--audit", tmp_path / "said")
    assert (done.exit_code, "--audit" in done.output and "is another file" in done.output) == (1, True)


def test_what_shall_be_compared_is_looked_for_before_the_build(build, model, tmp_path):
    done = build("--check", tmp_path / "gone.mp4")
    assert (done.exit_code, "gone.mp4" in done.output) == (1, True)
    assert not model.with_suffix(".engine").exists()


def test_an_open_batch_is_built_up_to_what_is_said(build, model):
    assert build("--batch-up-to", "16").exit_code == 0
    assert manifest.load(model.with_suffix(".engine")).built.options == ("--batch", "1,16,16")
    assert "is current" in build("--batch", "1,16,16").output
    build("--batch-up-to", "16", "--batch", "2,4,8")
    assert manifest.load(model.with_suffix(".engine")).built.profile == (2, 4, 8)


def test_a_fixed_batch_stays(build, model):
    fixed = onnx.load(model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(fixed, model)
    model.with_suffix(".json").unlink()
    done = build("--batch-up-to", "16", "--size", "416")
    assert manifest.load(model.with_suffix(".engine")).built.options == ("--size", "416x416"), done.output
    assert (build("--batch", "1,4,8").exit_code, model.with_suffix(".engine").exists()) == (1, True)


def test_a_model_that_is_not_there(build, model):
    model.unlink()
    done = build()
    assert (done.exit_code, "no such model file" in done.output) == (1, True)
