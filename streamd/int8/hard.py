"""A model made hard for INT8 on purpose: the same answers in float, channel ranges far apart.

Between a layer and the layers that read it goes a 1x1 convolution that multiplies channel c by d_c and adds nothing;
the readers' weights for that channel are divided by d_c. In exact arithmetic nothing changes, and as every d_c is a
power of two nothing is rounded either. But the tensor in between has channels whose ranges differ by `ratio`, and one
scale for them all: small channels arrive as 0, and their weights, large now, take the codes of all others.

This is how models collapse that were trained with branches that are merged afterwards (RepVGG: ratios up to 19,589 are
on record, facts C.3), and it needs the linear layer: through SiLU, which is not homogeneous, no rescaling is exact.
"""

import math

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from streamd.errors import ModelError
from streamd.int8.graph import Graph, attribute
from streamd.int8.head import find

PLACES = 6
RATIO = 4096.0
LEAST = 16.0  # ratio of the mildest place
SUFFIX = "/spread"


def harden(graph: Graph, places: int = PLACES, ratio: float = RATIO, seed: int = 0) -> list[str]:
    """Spread the channels of `places` tensors of `graph`, evenly over its depth, and return their names.

    The ratio of the largest to the smallest factor grows from place to place, in an order given by `seed`, from
    `LEAST` to `ratio`; a single place has `ratio`.

    Raises:
        ModelError: the model has fewer tensors that can be spread.
    """
    able = candidates(graph)
    if not 0 < places <= len(able):
        raise ModelError(f"{graph.name}: {len(able)} of its tensors can be spread, not {places}", mend="ask for fewer")
    chosen = [able[int((i + 0.5) * len(able) / places)] for i in range(places)]
    random = np.random.default_rng(seed)
    least = min(LEAST, ratio) if places > 1 else ratio
    steps = random.permutation(np.linspace(math.log2(least), math.log2(ratio), places))
    for tensor, octaves in zip(chosen, steps, strict=True):
        spread(graph, tensor, 2.0 ** float(octaves), random)
    return chosen


def candidates(graph: Graph) -> list[str]:
    """Return the tensors that are read by ordinary convolutions of the body alone, by depth."""
    head = find(graph)
    found = []
    for name in (name for node in graph.nodes for name in node.output):
        readers = graph.consumers[name]
        inside = readers and name not in graph.outputs
        if inside and all(_reads_all(graph, reader) and reader not in head for reader in readers):
            found.append(name)
    return found


def spread(graph: Graph, tensor: str, ratio: float, random: np.random.Generator) -> None:
    """Insert the layer that multiplies the channels of `tensor`, by powers of two whose extremes are `ratio` apart."""
    readers = graph.consumers[tensor]
    channels = int(graph.initializers[readers[0].input[1]].dims[1])
    octaves = np.round((random.permutation(channels) / max(channels - 1, 1) - 0.5) * math.log2(ratio))
    factors = (2.0**octaves).astype(np.float32)
    layer = helper.make_node(
        "Conv", [tensor, f"{tensor}{SUFFIX}/weight"], [f"{tensor}{SUFFIX}"], f"{readers[0].name}{SUFFIX}"
    )
    constants = [numpy_helper.from_array(np.diag(factors)[:, :, None, None], layer.input[1])]
    for reader in readers:
        weight = np.asarray(graph.constant(reader.input[1]), np.float32)
        name = f"{reader.name}{SUFFIX}/weight"
        constants.append(numpy_helper.from_array(weight / factors[None, :, None, None], name))
        reader.input[0], reader.input[1] = layer.output[0], name
    graph.model.graph.initializer.extend(constants)
    first = next(i for i, node in enumerate(graph.nodes) if node.name in {reader.name for reader in readers})
    graph.replace([*graph.nodes[:first], layer, *graph.nodes[first:]])
    used = {name for node in graph.nodes for name in node.input}
    kept = [one for one in graph.model.graph.initializer if one.name in used]
    del graph.model.graph.initializer[:]
    graph.model.graph.initializer.extend(kept)
    graph.model.CopyFrom(onnx.shape_inference.infer_shapes(graph.model))
    graph.index()


def _reads_all(graph: Graph, node: NodeProto) -> bool:
    """Whether the node is a convolution in which every output sees every input channel."""
    return node.op_type == "Conv" and graph.weight_axis(node) is not None and attribute(node, "group", 1) == 1
