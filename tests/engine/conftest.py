"""Models for the builder: the bundled detector as it is and in Q/DQ, and TensorRT, recorded or real."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from streamd import manifest
from streamd.engine import build, source
from streamd.engine.ask import Ask
from streamd.engine.watch import Watch
from streamd.infer.library import Library
from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.calibrate import calibrate
from streamd.int8.half import to_half
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.thresholds import minmax
from tests.engine.recorded import Recorded

BUNDLED = Path(__file__).parents[2] / "streamd/assets/street.onnx"
VERSIONS = ("tensorrt 8.6.1", "tensorrt 10.3.0", "tensorrt 10.16.1.11", "tensorrt 11.4.0.106", "tensorrt_rtx 1.7.1.116")
OLD, NEW = VERSIONS[:3], VERSIONS[3:]  # whether the builder has INT8 of its own: until 10


def quantized(path, folder):
    """Write `path` in Q/DQ with float16 around it, scaled by noise; return where."""
    graph = graphs.load(path)
    placement = plan(graph)
    side = [dim.dim_value for dim in graph.model.graph.input[0].type.tensor_type.shape.dim][1:]
    noise = np.random.default_rng(0).random((1, *side)).astype(np.float32)
    scales = choose(graph, placement, calibrate(graph, [noise]), minmax)
    made = folder / f"{path.stem}.trt.onnx"
    onnx.save(to_half(qdq.write(graph, placement, scales), graph.name, placement.head.decode), made)
    about = manifest.load(path)
    if about is not None:
        manifest.save(manifest.Manifest(about.head, about.labels, about.input, precision="int8"), made)
    return made


def network_flags(library):
    """The flags that the network was made with, by name."""
    (flags,) = library.api.called("Builder.create_network")[0]
    return {member.name for member in library.api.NetworkDefinitionCreationFlag if flags & 1 << member.value}


def builder_flags(library):
    """The flags of the configuration, but for the one that TensorRT-RTX is always given."""
    return {given[0].name for given in library.api.called("IBuilderConfig.set_flag")} - {"REQUIRE_USER_ALLOCATION"}


@pytest.fixture(scope="session")
def street_qdq(tmp_path_factory):
    return quantized(BUNDLED, tmp_path_factory.mktemp("street"))


@pytest.fixture(params=VERSIONS)
def version(request):
    """Every version that is recorded, in turn."""
    return request.param


@pytest.fixture
def library():
    """The recorded API of a version, as `find` returns it."""

    def library(version, **answers):
        api = Recorded(version, **answers)
        return Library(api, version.split()[0], api.__version__)

    return library


@pytest.fixture
def ask(tmp_path):
    def ask(model=BUNDLED, **given):
        return Ask(model, tmp_path / "made.engine", **given)

    return ask


@pytest.fixture
def run(ask):
    """Build with a library; returns what was made."""

    def run(library, model=BUNDLED, target=None, watch=None, timing=None, implicit=None, **given):
        asked = ask(model, **given)
        return build.build(library, asked, source.read(model), target, watch or Watch(), timing, implicit)

    return run
