"""Where INT8 cannot be built, FP16 is, and it is said; --strict makes it an error."""

import pytest

from streamd.engine.build import Implicit
from streamd.engine.target import Target
from streamd.errors import ModelError

P100, L4 = Target("Tesla P100", "6.0"), Target("NVIDIA L4", "8.9")


def typed(library):
    (flags,) = library.api.called("Builder.create_network")[-1]
    member = library.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
    return bool(flags >> member.value & 1)


def once_broken():
    """A builder that makes nothing of its first network, and says why."""
    attempts = []

    def build(builder, network, config):
        attempts.append(network)
        return None if len(attempts) == 1 else b"the second"

    return {"Builder.build_serialized_network": build}


def test_a_gpu_without_int8_gets_fp16(library, run, street_qdq):
    found = library("tensorrt 10.3.0")
    made = run(found, street_qdq, target=P100)
    assert made.manifest.precision == "fp16"
    assert made.notes == ("INT8 cannot be built (Tesla P100 (sm_60) has no INT8): this is FP16",)
    assert len(found.api.called("Builder.build_serialized_network")) == 1  # INT8 was not tried


def test_so_does_one_on_which_the_build_fails(library, run, street_qdq):
    made = run(library("tensorrt 10.3.0", **once_broken()), street_qdq, target=L4)
    assert (made.plan, made.manifest.precision) == (b"the second", "fp16")
    assert "made no engine" in made.notes[0]


def test_implicit_int8_falls_back_to_a_typed_network(library, run):
    found = library("tensorrt 10.3.0", **once_broken())
    made = run(found, int8="dynamic-range", implicit=Implicit(scales={"images": 1 / 127}), target=L4)
    assert made.manifest.precision == "fp16"
    assert typed(found)


def test_strict_makes_it_an_error(library, run, street_qdq):
    with pytest.raises(ModelError, match="has no INT8; leave --strict out to get FP16 instead"):
        run(library("tensorrt 10.3.0"), street_qdq, target=P100, strict=True)


def test_a_floating_model_has_nothing_to_fall_back_to(library, run):
    with pytest.raises(ModelError, match="made no engine: it does not say why"):
        run(library("tensorrt 10.3.0", **once_broken()), target=L4)


def test_what_was_built_for_stands_in_the_manifest(library, run):
    built = run(library("tensorrt 10.3.0"), target=L4, batch=(1, 2, 4), fp16=True, workspace=1 << 30).manifest.built
    assert (built.gpu, built.compute_capability, built.tensorrt) == ("NVIDIA L4", "8.9", "10.3.0")
    assert built.options == ("--batch", "1,2,4", "--workspace", "1073741824", "--fp16")
    assert built.onnx.endswith("streamd/assets/street.onnx")
