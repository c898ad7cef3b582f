"""The command line of `streamd build`, with recorded versions of TensorRT; the real one is in tests/engine."""

import shutil
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from streamd import cli, infer, manifest
from streamd.engine import data, target
from streamd.engine.target import Target
from streamd.errors import ModelError
from streamd.infer import library
from streamd.int8 import cache
from tests.engine.conftest import BUNDLED
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


def test_a_model_that_is_not_there(build, model):
    model.unlink()
    done = build()
    assert (done.exit_code, "no such model file" in done.output) == (1, True)


def test_without_tensorrt_it_is_said_what_to_install(model, monkeypatch):
    monkeypatch.setattr(library, "NAMES", ("no_such_tensorrt",))
    done = CliRunner().invoke(cli.group, ["build", str(model)])
    assert done.exit_code == 1
    assert "TensorRT cannot be loaded" in done.output and "pip install 'streamd[gpu]'" in done.output
