"""The bundled model and clip are what their manifest says."""

import ast
import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import streamd
from streamd import manifest

MODEL = Path(streamd.__file__).parent / "assets" / "street.onnx"


@pytest.fixture(scope="module")
def session():
    return onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])


def test_the_manifest_is_of_this_file():
    assert manifest.load(MODEL).sha256 == hashlib.sha256(MODEL.read_bytes()).hexdigest()


def test_the_output_has_the_shape_the_manifest_tells(session):
    described = manifest.load(MODEL)
    size = described.input.width
    found = session.run(None, {described.input.name: np.zeros((2, 3, size, size), np.float32)})[0]
    assert (-1, *found.shape[1:]) == described.outputs[0].shape


def test_the_metadata_names_the_same_labels(session):
    names = ast.literal_eval(session.get_modelmeta().custom_metadata_map["names"])
    assert tuple(names.values()) == manifest.load(MODEL).labels


def test_models_together_are_small_enough_to_ship():
    assert sum(path.stat().st_size for path in MODEL.parent.glob("*.onnx")) < 4e6
