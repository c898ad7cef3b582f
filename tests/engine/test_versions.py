"""The adapter against what each version of TensorRT has, as recorded from its own bindings.

An attribute that a version lacks raises AttributeError there, a call that fits no signature TypeError: so a build that
goes through used nothing unguarded.
"""

import onnx
import pytest

from streamd.engine import build, source
from streamd.engine.build import Cancelled
from streamd.engine.watch import Watch
from streamd.errors import ModelError
from tests.engine.conftest import BUNDLED, OLD, VERSIONS, builder_flags, network_flags
from tests.engine.recorded import PLAN, RECORDED, Recorded

TYPED = VERSIONS[1:]


def test_the_recording_names_its_source():
    assert all("==" in about["source"] for about in RECORDED.values())


def test_a_recorded_version_has_what_it_has_and_nothing_else():
    api = Recorded("tensorrt 8.6.1")
    config = api.Builder(None).create_builder_config()
    for missing in (lambda: api.IProgressMonitor, lambda: config.progress_monitor, lambda: api.BuilderFlag["BF16"]):
        with pytest.raises((AttributeError, KeyError)):
            missing()
    with pytest.raises(AttributeError, match="cannot be set"):
        config.num_optimization_profiles = 2
    with pytest.raises(TypeError, match="takes"):
        config.set_timing_cache(None)


def test_what_each_version_can_do(library, version):
    found = library(version)
    old = version in OLD
    assert (found.calibrates, found.takes_ranges) == (old, old)
    assert (found.strongly_typed, found.reports_progress) == (version in TYPED,) * 2


def test_a_plain_model_is_built_by_every_version(library, version, run):
    found = library(version)
    made = run(found)
    assert (made.plan, made.manifest.precision, made.notes) == (PLAN, "fp32", ())
    assert made.manifest.built.profile == (1, 4, 8)
    assert builder_flags(found) == set()
    assert network_flags(found) >= ({"STRONGLY_TYPED"} if version in TYPED else {"EXPLICIT_BATCH"})


def test_strong_typing_is_found_by_name(library, run):
    values = {}
    for version in TYPED:
        found = library(version)
        run(found)
        assert "STRONGLY_TYPED" in network_flags(found)
        values[version] = RECORDED[version]["enumerations"]["NetworkDefinitionCreationFlag"]["STRONGLY_TYPED"]
    assert set(values.values()) == {0, 1}  # its number is not the same: a number would have built something else


@pytest.mark.parametrize(("fp16", "flags"), [(True, {"FP16"}), (False, set())])
def test_before_strong_typing_the_builder_is_allowed_what_the_file_has(library, run, fp16, flags):
    found = library("tensorrt 8.6.1")
    made = run(found, fp16=fp16)
    assert builder_flags(found) == flags
    ((model,),) = found.api.called("OnnxParser.parse")
    assert not source.Source(BUNDLED, "", onnx.load_model_from_string(model), None).half  # the file stays as it is
    assert made.manifest.precision == ("fp16" if fp16 else "fp32")


def test_a_quantized_model_is_built_by_every_version(library, version, run, street_qdq):
    found = library(version)
    made = run(found, street_qdq)
    assert made.manifest.precision == "int8"
    assert builder_flags(found) == ({"INT8", "FP16"} if version == "tensorrt 8.6.1" else set())


@pytest.mark.parametrize("version", TYPED)
def test_with_strong_typing_the_file_itself_becomes_float16(library, version, run):
    found = library(version)
    assert run(found, fp16=True).manifest.precision == "fp16"
    ((model,),) = found.api.called("OnnxParser.parse")
    assert source.Source(BUNDLED, "", onnx.load_model_from_string(model), None).half


def test_every_option_is_set(library, version, run):
    found = library(version)
    given = {"workspace": 1 << 30, "level": 2, "version_compatible": True, "batch": (1, 2, 3)}
    made = run(found, **given, hardware_compatible=version.startswith("tensorrt "))
    api = found.api
    assert api.called("IBuilderConfig.set_memory_pool_limit") == [(api.MemoryPoolType.WORKSPACE, 1 << 30)]
    assert api.called("IBuilderConfig.builder_optimization_level") == [2]
    assert api.called("IBuilderConfig.profiling_verbosity") == [api.ProfilingVerbosity.DETAILED]
    assert builder_flags(found) == {"VERSION_COMPATIBLE"}
    shapes = [(count, 3, 416, 416) for count in (1, 2, 3)]
    assert api.called("IOptimizationProfile.set_shape") == [("images", *shapes)]
    assert made.manifest.built.profile == (1, 2, 3)
    if version.startswith("tensorrt "):
        level = api.HardwareCompatibilityLevel.AMPERE_PLUS
        assert api.called("IBuilderConfig.hardware_compatibility_level") == [level]


def test_several_contexts_may_use_the_profile(library, version, run):
    found = library(version)
    run(found)
    asked = [feature.name for feature, _ in found.api.called("IBuilderConfig.set_preview_feature")]
    assert asked == (["PROFILE_SHARING_0806"] if version in OLD else [])


def test_where_a_run_could_allocate_it_is_forbidden(library, version, run):
    found = library(version)
    run(found)
    there = "REQUIRE_USER_ALLOCATION" in RECORDED[version]["enumerations"]["BuilderFlag"]
    asked = [given[0].name for given in found.api.called("IBuilderConfig.set_flag")]
    assert asked.count("REQUIRE_USER_ALLOCATION") == there == version.startswith("tensorrt_rtx")


def test_rtx_engines_need_no_hardware_compatibility(library, run):
    with pytest.raises(ModelError, match="compiled where they are loaded; leave it out"):
        run(library("tensorrt_rtx 1.7.1.116"), hardware_compatible=True)


def test_progress_is_shown_where_there_is_any(library, version, run):
    shown = []
    run(library(version), watch=Watch(show=lambda fraction, phase: shown.append((fraction, phase))))
    if version in TYPED:
        assert shown[0] == (0.0, "Building engine") and shown[-1][0] == 1.0
    else:
        assert shown == []


@pytest.mark.parametrize("version", TYPED)
def test_a_build_that_shall_stop_ends(library, version, run):
    with pytest.raises(Cancelled):
        run(library(version), watch=Watch(stopped=lambda: True))


def test_without_progress_the_log_is_the_sign_of_life():
    shown = []
    watch = Watch(show=lambda fraction, phase: shown.append(fraction))
    watch("VERBOSE", "a message")
    assert shown == [None]


def test_a_parser_without_names_of_nodes_still_tells_where_it_failed(library, run):
    for version, said in (("tensorrt 8.6.1", "node 7: no such thing"), ("tensorrt 10.3.0", "operator Frob")):
        found = library(version, **refusing())
        with pytest.raises(ModelError, match=said):
            run(found)


def refusing():
    """A parser that refuses node 7, with all that its version has to say of it."""
    told = {"desc": "no such thing", "node": 7, "node_operator": "Frob", "node_name": "frob_7"}
    answers = {f"ParserError.{name}": lambda _, value=value: value for name, value in told.items()}

    def parse(parser, model, path=None):
        parser._values["num_errors"] = 1
        return False

    return answers | {"OnnxParser.parse": parse}


def test_no_builder_is_a_missing_gpu(library, run):
    class Broken(Recorded):
        def __getattr__(self, name):
            if name == "Builder":
                return self._no_builder
            return super().__getattr__(name)

        def _no_builder(self, logger):
            logger.log(self.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    found = library("tensorrt 10.3.0")
    broken = build.Library(Broken("tensorrt 10.3.0"), found.name, found.version)
    with pytest.raises(ModelError, match="cannot build here: CUDA initialization failure with error: 35"):
        run(broken)
