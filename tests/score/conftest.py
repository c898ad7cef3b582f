"""Small data sets and models, written where the tests need them."""

import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.manifest import Input, Manifest


def picture(path, width=64, height=48, value=128):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))


@pytest.fixture
def coco(tmp_path):
    """A COCO set of two pictures, the second empty; `change` edits the annotations before they are written."""

    def write(change=lambda file: None):
        for name in ("a.png", "b.png"):
            picture(tmp_path / "images" / name)
        file = {
            "images": [
                {"id": 7, "file_name": "images/a.png", "width": 64, "height": 48},
                {"id": 9, "file_name": "b.png", "width": 64, "height": 48},
            ],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 5, "bbox": [10, 20, 30, 8]},
                {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 4, 4], "iscrowd": 1},
            ],
            "categories": [{"id": 3, "name": "person"}, {"id": 5, "name": "car"}],
        }
        change(file)
        (tmp_path / "annotations.json").write_text(json.dumps(file))
        return tmp_path

    return write


@pytest.fixture
def yolo(tmp_path):
    """A YOLO set of two pictures, the second without a text file."""

    def write(line="1 0.5 0.5 0.5 0.25", about="names: [person, car]\nval: images\n", name="data.yaml"):
        for stem in ("a", "b"):
            picture(tmp_path / "images" / f"{stem}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / "a.txt").write_text(line)
        if about is not None:
            (tmp_path / name).write_text(about)
        return tmp_path

    return write


@pytest.fixture
def classes(tmp_path):
    """A classification set: two dark pictures, one bright."""
    folder = tmp_path / "classes"
    picture(folder / "dark" / "a.png", value=10)
    picture(folder / "dark" / "b.png", value=30)
    picture(folder / "bright" / "c.png", value=240)
    return folder


def save(path, nodes, shape, output, constants):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.fixture
def brightness(tmp_path):
    """A classifier of `bright` and `dark`, in that order."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["tall"]),
        helper.make_node("Mul", ["tall", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["output"]),
    ]
    constants = {
        "column": np.array([-1, 1]),
        "slope": np.array([[1, -1]], np.float32),
        "shift": np.array([[0, 1]], np.float32),
    }
    path = save(tmp_path / "brightness.onnx", nodes, ["n", 3, 32, 32], ["n", 2], constants)
    manifest.save(Manifest(head="classify", labels=("bright", "dark"), input=Input("images", 32, 32)), path)
    return path


@pytest.fixture
def fixed_box(tmp_path):
    """A detector that finds one `car` wherever it looks; `box` is x1, y1, x2, y2 in its input of 64x48."""

    def make(box=(10, 20, 40, 28), score=0.8, labels=("car", "person"), name="box.onnx"):
        nodes = [
            helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Squeeze", ["mean", "last"], ["thin"]),
            helper.make_node("Mul", ["thin", "zero"], ["none"]),
            helper.make_node("Add", ["none", "row"], ["output"]),
        ]
        constants = {
            "last": np.array([3]),
            "zero": np.zeros(1, np.float32),
            "row": np.array([[[*box, score, 0]]], np.float32),
        }
        path = save(tmp_path / name, nodes, ["n", 3, 48, 64], ["n", 1, 6], constants)
        manifest.save(Manifest(head="end2end", labels=labels, input=Input("images", 64, 48)), path)
        return path

    return make
