"""The command line of `streamd build`, with recorded versions of TensorRT; the real one is in tests/engine."""

import os
import shutil
import signal
from contextlib import nullcontext

import onnx
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from streamd import cli, infer, manifest
from streamd.engine import build as engine_build
from streamd.engine import data, target
from streamd.engine.target import Target
from streamd.errors import ModelError
from streamd.infer import library
from streamd.int8 import cache
from tests.engine.conftest import BUNDLED, quantized
from tests.engine.recorded import PLAN, Recorded


@pytest.fixture
def model(tmp_path):
    for suffix in (".onnx", ".json"):
        shutil.copy(BUNDLED.with_suffix(suffix), tmp_path / f"m{suffix}")
    return tmp_path / "m.onnx"


def agreeing(path, sidecar, **options):
    """A backend for engines that finds what the ONNX file finds."""
    assert path.read_bytes() == PLAN and options["device"] == "cuda:0"
    return infer.load(BUNDLED, batch=options["batch"])


@pytest.fixture
def build(model, tmp_path, monkeypatch):
    """Run the command with a version of TensorRT and, if told so, on a GPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def build(*arguments, version="tensorrt 10.3.0", gpu=None, engine=agreeing, **answers):
        api = Recorded(version, **answers)
        monkeypatch.setattr(library, "find", lambda: library.Library(api, version.split()[0], api.__version__))
        monkeypatch.setattr(target, "find", lambda device: gpu)
        monkeypatch.setattr(target, "active", lambda device: nullcontext())
        monkeypatch.setitem(infer.BACKENDS, ".engine", engine)
        return CliRunner().invoke(cli.group, ["build", str(model), *map(str, arguments)])

    return build


def test_the_engine_takes_the_name_of_the_model(build, model):
    done = build()
    assert done.exit_code == 0, done.output
    assert model.with_suffix(".engine").read_bytes() == PLAN
    assert manifest.load(model).built is None  # the ONNX file's own is left as it was
    assert manifest.load(model.with_suffix(".engine")).built.tensorrt == "10.3.0"
    assert "wrote" in done.output and "not compared with ONNX Runtime" in done.output


def test_a_second_call_builds_nothing(build, model):
    build()
    assert f"{model.with_suffix('.engine')} is current: built by TensorRT 10.3.0" in build().output
    assert "wrote" in build("--force").output
    assert "wrote" in build(version="tensorrt 8.6.1").output
    assert "wrote" in build("--fp16").output


def test_scales_must_be_some(build):
    done = build("--int8", "dynamic-range", "--cache", __file__)
    assert (done.exit_code, "is no header of a calibration cache" in done.output) == (1, True)


def test_fp16_is_built_where_int8_cannot_be(build, tmp_path):
    scales = tmp_path / "scales.cache"
    scales.write_text("TRT-8600-EntropyCalibration2\nimages: 3c010204\n")
    given = ("--int8", "dynamic-range", "--cache", scales)
    old = Target("Tesla P100", "6.0")
    done = build(*given, gpu=old)
    assert done.exit_code == 0, done.output
    assert "warning: INT8 cannot be built (Tesla P100 (sm_60) has no INT8): this is FP16" in done.output
    strict = build(*given, "--strict", "--force", gpu=old)
    assert strict.exit_code == 1
    assert "has no INT8; leave --strict out" in strict.output


def test_an_old_tensorrt_is_fed_pictures(build, tmp_path, monkeypatch, host_gpu):
    monkeypatch.setattr(data, "open_gpu", lambda device: host_gpu)
    kept = tmp_path / "kept.cache"
    given = ("--int8", "calibrator", "--data", BUNDLED.with_suffix(".mp4"), "--frames", "8", "--cache", kept)
    done = build(*given, version="tensorrt 8.6.1")
    assert done.exit_code == 0, done.output
    assert "int8 in " in done.output
    assert cache.read(kept).scales.keys() == {"images"}
    again = build("--int8", "calibrator", "--cache", kept, version="tensorrt 8.6.1")
    assert again.exit_code == 0, again.output  # the cache is enough, and it is built again: pictures may have changed


def test_an_engine_that_does_not_agree_is_not_written(build, model):
    def broken(path, sidecar, **options):
        raise ModelError(f"{path.name}: the engine cannot be run")

    done = build(gpu=Target("NVIDIA L4", "8.9"), engine=broken)
    assert (done.exit_code, "the engine cannot be run" in done.output) == (1, True)
    assert not model.with_suffix(".engine").exists()


def test_an_engine_that_agrees_is(build, model):
    done = build(gpu=Target("NVIDIA L4", "8.9"))
    assert done.exit_code == 0, done.output
    assert "100.0% of" in done.output and "detections matched on 16 pictures" in done.output
    assert manifest.load(model.with_suffix(".engine")).built.gpu == "NVIDIA L4"


def test_warnings_of_tensorrt_are_shown_and_counted(build, monkeypatch):
    said = []

    def talk(builder, network, config):
        for number in range(7):
            said[0]("WARNING", f"warning {number}")
        return PLAN

    own = library.Library.logger
    monkeypatch.setattr(library.Library, "logger", lambda self, sink: said.append(sink) or own(self, sink))
    done = build(**{"Builder.build_serialized_network": talk})
    assert "note: TensorRT: warning 0\n" in done.output
    assert "note: TensorRT: 2 more warnings; --log FILE keeps them" in done.output


@pytest.mark.parametrize("version", ["tensorrt 11.4.0.106", "tensorrt_rtx 1.7.1.116"])
@pytest.mark.parametrize("kind", ["calibrator", "dynamic-range"])
def test_implicit_int8_that_is_gone_says_what_to_use(build, version, kind):
    done = build("--int8", kind, version=version)
    assert done.exit_code == 1
    assert f"has no --int8 {kind}: it ended with TensorRT 10; streamd quantize" in done.output


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


def test_another_manifest_beside_the_model_makes_another_engine(build, model):
    build()
    about = manifest.load(model)
    manifest.save(replace(about, labels=("somebody", *about.labels[1:])), model)
    assert "wrote" in build().output
    assert manifest.load(model.with_suffix(".engine")).labels[0] == "somebody"
    assert "is current" in build().output


def test_fp16_in_place_of_int8_is_not_current_for_who_is_strict(build, model, tmp_path_factory):
    street_qdq = quantized(BUNDLED, tmp_path_factory.mktemp("street"))
    for suffix in (".onnx", ".json"):
        shutil.copy(street_qdq.with_suffix(suffix), model.with_suffix(suffix))
    old = Target("Tesla P100", "6.0")
    assert "this is FP16" in build(gpu=old).output
    assert "is current" in build(gpu=old).output
    strict = build("--strict", gpu=old)
    assert (strict.exit_code, "leave --strict out" in strict.output) == (1, True)


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


def test_ctrl_c_while_the_layers_are_looked_at_writes_nothing(build, model, monkeypatch):
    own = engine_build._Attempt.layers

    def pressed(self, plan, facts):
        os.kill(os.getpid(), signal.SIGINT)
        return own(self, plan, facts)

    monkeypatch.setattr(engine_build._Attempt, "layers", pressed)
    done = build()
    assert (done.exit_code, "cancelled; no engine was written" in done.output) == (130, True)
    assert not model.with_suffix(".engine").exists()


def test_ctrl_c_ends_a_calibration(build, model, tmp_path, monkeypatch, host_gpu):
    class Pressing(data.Staged):
        def __call__(self, batch):
            os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(batch)

    monkeypatch.setattr(data, "open_gpu", lambda device: host_gpu)
    monkeypatch.setattr(data, "Staged", Pressing)
    kept = tmp_path / "kept.cache"
    done = build("--int8", "calibrator", "--data", BUNDLED.with_suffix(".mp4"), "--frames", "8", "--cache", kept)
    assert (done.exit_code, "cancelled" in done.output) == (130, True), done.output
    assert not kept.exists() and not model.with_suffix(".engine").exists()


def test_what_it_was_calibrated_on_is_found_from_anywhere(build, model, monkeypatch):
    monkeypatch.chdir(model.parent)
    (model.parent / "scales.cache").write_text("TRT-8600-EntropyCalibration2\nimages: 3c010204\n")
    assert build("--int8", "dynamic-range", "--cache", "scales.cache").exit_code == 0
    options = manifest.load(model.with_suffix(".engine")).built.options
    assert options == ("--int8", "dynamic-range", "--cache", str(model.parent / "scales.cache"))


def test_a_model_that_is_not_there(build, model):
    model.unlink()
    done = build()
    assert (done.exit_code, "no such model file" in done.output) == (1, True)


def test_without_tensorrt_it_is_said_what_to_install(model, monkeypatch):
    monkeypatch.setattr(library, "NAMES", ("no_such_tensorrt",))
    done = CliRunner().invoke(cli.group, ["build", str(model)])
    assert done.exit_code == 1
    assert "TensorRT cannot be loaded" in done.output and "pip install 'streamd[gpu]'" in done.output
