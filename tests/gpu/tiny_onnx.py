"""ONNX files without the package onnx, which a GPU's machine need not have: the few messages of onnx.proto needed."""

import numpy as np

FLOAT, INT64 = 1, 7  # TensorProto.DataType
KINDS = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
INT, INTS = 2, 7  # AttributeProto.AttributeType
IR, OPSET = 9, 17


def varint(value):
    value &= (1 << 64) - 1
    groups = [value >> shift & 127 for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def field(number, value):
    """One field: a whole number, text, or a message that is bytes already."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(number, values):
    return b"".join(field(number, value) for value in values)


def node(kind, inputs, outputs, **attributes):
    """A node; attributes are whole numbers, or lists of them."""
    made = b"".join(
        field(5, field(1, name) + (field(3, value) + field(20, INT) if isinstance(value, int) else
                                   fields(8, value) + field(20, INTS)))
        for name, value in attributes.items()
    )  # fmt: skip
    return fields(1, inputs) + fields(2, outputs) + field(4, kind) + made


def tensor(name, value):
    value = np.asarray(value)
    return fields(1, value.shape) + field(2, KINDS[value.dtype]) + field(8, name) + field(9, value.tobytes())


def about(name, shape):
    """What is declared of a float32 input or output; a side that is a name is open."""
    sides = b"".join(field(1, field(2 if isinstance(side, str) else 1, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, sides)))


def graph(nodes, outputs, constants, inputs):
    """A graph: its nodes, and its inputs, outputs and constants by name."""
    tensors = [tensor(name, value) for name, value in constants.items()]
    return (
        fields(1, nodes)
        + field(2, "tiny")
        + fields(5, tensors)
        + fields(11, [about(*each) for each in inputs.items()])
        + fields(12, [about(*each) for each in outputs.items()])
    )


def model(nodes, inputs, outputs, constants):
    """A file of its own."""
    return field(1, IR) + field(7, graph(nodes, outputs, constants, inputs)) + field(8, field(1, "") + field(2, OPSET))
