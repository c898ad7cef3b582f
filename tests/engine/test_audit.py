"""Layers as TensorRT tells of them: 11.4's own list, and the shapes that older versions are documented to have."""

import json
from pathlib import Path

import pytest

from streamd.engine import layers
from streamd.engine.audit import audit
from streamd.errors import ModelError

TOLD = Path(__file__).with_name("layers")  # excerpts of the lists that 11.4.0.106 wrote of the bundled detector


def row(name, kind, before, after, key="Format/Datatype", **more):
    """A layer as `get_engine_information` has it; dimensions are those of one frame."""

    def tensor(port):
        named, dtype = port
        return {"Name": named, "Location": "Device", "Dimensions": [1, 8, 4, 4], key: dtype}

    return {"Name": name, "LayerType": kind, "Inputs": [tensor(before)], "Outputs": [tensor(after)], **more}


def conv(name, before, after, weights, **more):
    about = {"ParameterType": "Convolution", "Weights": {"Type": weights, "Count": 64}, "TacticName": ""}
    return row(name, "CaskConvolution", before, after, **about | more)


def of(*rows):
    return audit(layers.of_json(json.dumps({"Layers": rows, "Bindings": []})))


INT8 = "Thirty-two wide channel vectorized row major Int8 format."  # TensorRT 8.6 developer guide, engine inspector
HALF = "Sixteen wide channel vectorized row major FP16 format"
FLOAT = "Row major linear FP32"


def test_the_documented_layer_of_8_6():
    found = of(conv("res4 + bn", ("in", INT8), ("out", INT8), "Int8"))
    assert (found.convolutions, found.verdict) == ({"int8": 1}, "1 of 1 convolutions INT8; 0 conversions")


def test_types_that_are_not_told_are_those_of_the_weights():
    told = "N/A due to dynamic shapes"
    found = of(conv("a", ("in", told), ("out", told), "Int8"), conv("b", ("out", told), ("end", told), "Half"))
    assert found.convolutions == {"fp16": 1, "int8": 1}


def test_types_that_nothing_else_tells_are_those_of_the_kernel():
    told = "N/A due to dynamic shapes"
    tactic = "sm80_xmma_fprop_implicit_gemm_interleaved_i8i8_i8i32_f32_nchw_vect_c_32kcrs"
    bare = row("a", "CaskConvolution", ("in", told), ("out", told), TacticName=tactic)
    assert of(bare).convolutions == {"int8": 1}


def test_reformats_are_conversions_and_their_bytes_are_counted():
    reformat = row("Reformatting CopyNode", "Reformat", ("in", FLOAT), ("x", INT8), ParameterType="Reformat")
    found = of(reformat, conv("a", ("x", INT8), ("out", INT8), "Int8"))
    (one,) = found.conversions
    assert (one.source, one.target, one.bytes) == ("fp32", "int8", 128 * 4 + 128)
    assert found.verdict == "1 of 1 convolutions INT8; 1 conversion (0.0 MB a frame)"


def test_a_floating_end_is_the_head():
    found = of(conv("body", ("in", INT8), ("x", HALF), "Int8"), conv("last", ("x", HALF), ("out", FLOAT), "Half"))
    assert (found.tail, found.floating) == (True, ("last",))
    assert "1 of 2 convolutions INT8; head FP16; " in found.verdict


def test_a_floating_layer_before_an_integer_one_is_not():
    found = of(
        conv("stem", ("in", FLOAT), ("x", FLOAT), "Float"),
        row("quantize", "Reformat", ("x", FLOAT), ("y", INT8)),
        conv("body", ("y", INT8), ("out", INT8), "Int8"),
    )
    assert (found.tail, found.single) == (False, ("stem",))
    assert found.verdict.startswith("1 of 2 convolutions INT8; the other 1 FP32; 1 conversion")
    assert found.verdict.endswith("; 1 layer in FP32")


def test_later_versions_name_the_type():
    found = of(row("a", "kgen", ("in", "Half"), ("out", "BFloat16"), key="Datatype"))
    assert found.others == {"bf16": 1}


def test_the_layers_of_11_4():
    found = layers.of_log((TOLD / "11.4.0.106.txt").read_text())
    by_name = {layer.name: layer for layer in found}
    first = by_name["/detector/stem/stem.0/conv/Conv_myl0_4"]
    assert (first.kind, first.weights) == ("correlation", "int8")
    assert [(port.dtype, port.elements) for port in first.inputs] == [("int8", 4 * 416 * 416)]
    assert first.nodes[0] == "/detector/stem/stem.0/conv/Conv"
    told = audit(found)
    assert told.convolutions == {"fp16": 1, "int8": 2}
    assert [(one.name, one.source, one.target) for one in told.conversions] == [("images/Q", "fp32", "int8")]
    assert told.conversions[0].bytes == 3 * 416 * 416 * 4 + 4 * 416 * 416
    assert told.tail
    assert json.loads(json.dumps(told.as_json()))["layers"][0]["precision"] == "int8"


def test_a_convolution_that_11_4_fused_with_its_activation():
    told = audit(layers.of_log((TOLD / "11.4.0.106-float.txt").read_text()))
    assert (told.convolutions, told.verdict) == ({"fp32": 1}, "convolutions: 1 FP32; 0 conversions")


def test_a_log_that_lists_no_layers():
    assert layers.of_log("Engine Layer Information:\nLayer(CaskConvolution): conv, Tactic: 0x1") == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"Layers": 3}', '{"Layers": [3]}', '{"Layers": [{"Inputs": 3}]}']
    + [f'{{"Layers": [{{"Inputs": [{{"Dimensions": {dims}}}]}}]}}' for dims in ("null", '"a"', "[[]]")],
)
def test_what_tells_no_layers(text):
    with pytest.raises(ModelError, match="the engine inspector's answer cannot be read"):
        layers.of_json(text)


def test_an_engine_that_was_built_without_details():
    with pytest.raises(ModelError, match="nothing of its layers but their names; build it with `streamd build`"):
        layers.of_json('{"Layers": ["conv1 + relu"]}')


def test_a_layer_may_say_little():
    assert of({"Name": "a"}).others == {"": 1}


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Row major linear INT8 format", "int8"), ("Half", "fp16"), ("Float", "fp32"), ("N/A", ""), ("FP8", "fp8")],
)
def test_types_by_their_names(text, kind):
    assert layers.dtype_of(text) == kind
