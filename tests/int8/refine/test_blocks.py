import numpy as np
import onnx

from streamd.int8.refine.blocks import blocks
from streamd.int8.session import Session


def named(small, name):
    return next(node for node in small.graph.nodes if node.name == name)


def test_every_quantized_layer_is_in_one_block_in_the_order_of_the_graph(small):
    for size in (1, 3):
        found = blocks(small.graph, small.placement, small.scales, size)
        assert [name for block in found for name in block.layers] == small.placement.layers
        assert {len(block.layers) for block in found[:-1]} == {size}


def test_a_block_of_one_layer_ends_with_its_activation(small):
    (block,) = (one for one in blocks(small.graph, small.placement, small.scales) if one.layers == ("m1",))
    assert [node.op_type for node in block.part.nodes] == ["Conv", "Sigmoid", "Mul"]
    assert block.outputs == (named(small, "m2").input[0],)
    assert list(block.part.inputs) == [named(small, "m1").input[0]]


def test_a_block_of_several_gives_all_that_is_read_outside(small):
    """Both halves of the Split leave, though only one is read by a layer of the block."""
    found = blocks(small.graph, small.placement, small.scales, 2)
    (block,) = (one for one in found if one.layers == ("c2f_in", "m1"))
    assert set(block.outputs) == {*named(small, "split").output, named(small, "m2").input[0]}


def test_a_block_computes_what_the_model_does(small, run):
    block = blocks(small.graph, small.placement, small.scales, 3)[1]
    model = onnx.ModelProto()
    model.CopyFrom(small.graph.model)
    names = [*block.part.inputs, *block.outputs]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    values = run(model, small.pictures[0], names)
    got = Session(block.part.model, "block").run({name: values[name] for name in block.part.inputs})
    for name in block.outputs:
        np.testing.assert_allclose(got[name], values[name], rtol=1e-4, atol=1e-5)
