"""The small detector of tests/int8, one of whose tensors is made ruinous to quantize."""

import numpy as np
import pytest
from onnx import numpy_helper

from streamd.frames import Colour, Picture
from streamd.int8 import graph as graphs
from streamd.int8 import hard
from streamd.int8.calibrate import calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import choose
from streamd.int8.sensitivity.feed import Feed
from streamd.int8.sensitivity.outcome import Outcome
from streamd.int8.sensitivity.study import Study
from streamd.int8.thresholds import METHODS
from streamd.manifest import Input, Manifest, Output

PLANTED = 4  # of the tensors that can be spread: in the middle of the network


def seen(count, seed=0, side=64):
    random = np.random.default_rng(seed)
    half = (side // 2, side // 2)
    for _ in range(count):
        planes = [random.integers(16, 235, shape, np.uint8) for shape in ((side, side), half, half)]
        yield Picture(*planes, Colour())


@pytest.fixture(scope="session")
def about():
    return Manifest("yolov8", tuple("abcde"), Input("images", 64, 64))


def louder(graph, factor=40):
    """Let the last layers say so much that pictures of noise have detections that differ."""
    for node in graph.nodes:
        if node.name.endswith("_last"):
            tensor = graph.initializers[node.input[1]]
            tensor.CopyFrom(numpy_helper.from_array(factor * numpy_helper.to_array(tensor), tensor.name))


class Bad:
    """A study of the small detector with one bad group."""

    def __init__(self, model, manifest, plant=True):
        self.graph = graphs.prepare(model)
        self.manifest = Manifest(
            "yolov8", manifest.labels, manifest.input, (Output(self.graph.outputs[0], (1, 9, 320)),)
        )
        louder(self.graph)
        self.tensor = hard.candidates(self.graph)[PLANTED]
        if plant:
            hard.spread(self.graph, self.tensor, 4096.0, np.random.default_rng(0))
        self.placement = plan(self.graph)
        feed = Feed.of(self.manifest.input, seen(4))
        self.scales = choose(self.graph, self.placement, calibrate(self.graph, feed.inputs), METHODS["mse"])
        self.feed = feed

    def study(self, **options):
        outcome = Outcome(self.manifest, self.feed.geometries, confidence=0.5)
        return Study(self.graph, self.manifest, self.placement, self.scales, self.feed, outcome, **options)

    def name(self, study):
        wanted = f"{self.tensor}{hard.SUFFIX}"
        return next(group.name for group in study.groups if wanted in group.tensors)


@pytest.fixture(scope="session")
def bad(detector_model, about):
    return Bad(detector_model, about)


@pytest.fixture(scope="session")
def good(detector_model, about):
    """The same detector with nothing planted."""
    return Bad(detector_model, about, plant=False)


class BadClassifier(Bad):
    """A study of the small classifier with one bad group."""

    def __init__(self, model):
        self.graph = graphs.prepare(model)
        self.manifest = Manifest(
            "classify",
            tuple("abcdefghij"),
            Input("images", 8, 8, colour="gray"),
            (Output(self.graph.outputs[0], (1, 10)),),
        )
        self.tensor = hard.candidates(self.graph)[0]
        hard.spread(self.graph, self.tensor, 4096.0, np.random.default_rng(0))
        self.placement = plan(self.graph)
        self.feed = Feed.of(self.manifest.input, seen(16, side=8))
        self.scales = choose(self.graph, self.placement, calibrate(self.graph, self.feed.inputs), METHODS["mse"])


@pytest.fixture(scope="session")
def bad_classifier(classifier_model):
    return BadClassifier(classifier_model)
