"""Errors name what failed: the model as it came, or what was made of it. Raising itself is in test_graph.py."""

import numpy as np
import onnx
import pytest
from onnx import helper, version_converter

from streamd.errors import ModelError
from streamd.int8 import opset


def test_a_model_that_cannot_be_run_is_named_as_it_came(net):
    model = net.model(net.node("Relu", net.conv("images", 3, 4)), opset=17)
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Fancy", "my.ops"
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    with pytest.raises(ModelError, match=r"^net\.onnx: ONNX Runtime cannot load it: .*my\.ops:Fancy"):
        opset.raised(model, "net.onnx")


def test_a_converter_that_changes_the_answers_is_found_out(net, monkeypatch):
    model = net.model(net.node("Relu", net.conv("images", 3, 4)), opset=17)
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.graph.initializer[0].raw_data = np.zeros(12, np.float32).tobytes()
    monkeypatch.setattr(version_converter, "convert_version", lambda *_: other)
    with pytest.raises(ModelError, match=r"^net\.onnx, raised from opset 17 to 19, answers differently in t"):
        opset.raised(model, "net.onnx")
