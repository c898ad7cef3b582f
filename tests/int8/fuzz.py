"""Random small graphs of all that the workshop has a rule for."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from tests.int8.conftest import Net

SIDE = 16
BATCH = 2


class Fuzz(Net):
    """Grows a graph by random steps; a feature is a tensor with its channels and its side."""

    def __init__(self, seed):
        super().__init__(seed)
        self.features = [("images", 3, SIDE)]
        self.weights = {}

    def pick(self, *choices):
        return choices[self.random.integers(len(choices))]

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def feature(self, side=None, channels=None):
        fits = [f for f in self.features if side in {None, f[2]} and channels in {None, f[1]}]
        return fits[self.random.integers(max(0, len(fits) - 4), len(fits))]

    def grow(self, steps):
        kinds = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("make_")]
        self.features.append(self.make_layer())
        for _ in range(steps):
            made = self.pick(*kinds, self.make_layer, self.make_layer)()
            self.features += [made] if isinstance(made, tuple) else made

    def activated(self, x):
        kind = self.pick("", "Relu", "SiLU", "SiLU", "Sigmoid", "HardSwish", "LeakyRelu", "Tanh", "Clip")
        if kind == "SiLU":
            return self.silu(x)
        if kind == "Clip":
            return self.node("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        return self.node(kind, x) if kind else x

    def make_layer(self):
        x, channels, side = self.feature()
        kind = self.pick("plain", "plain", "stride", "group", "depthwise", "shared", "norm")
        out, size, more = self.pick(8, 12, 16), self.pick(1, 3), {}
        if kind == "stride" and side > 4:
            more, size = {"strides": [2, 2]}, 3
        if kind == "group" and channels % 4 == 0:
            more = {"group": 4}
        if kind == "depthwise":
            more, out = {"group": channels}, channels
        if kind == "shared":
            return self.activated(self.shared(x, channels)), channels, side
        y = self.conv(x, channels, out, size, bias=bool(self.random.integers(2)), **more)
        if kind == "norm":
            values = [self.random.random(out) + 0.5, self.random.normal(size=out)]
            values += [self.random.normal(size=out), self.random.random(out) + 0.5]
            y = self.node("BatchNormalization", y, *(self.constant(v.astype(np.float32)) for v in values))
        return self.activated(y), out, side // 2 if "strides" in more else side

    def shared(self, x, channels):
        if channels not in self.weights:
            weight = self.random.normal(size=(channels, channels, 1, 1)) / np.sqrt(channels)
            self.weights[channels] = self.constant(weight.astype(np.float32))
        return self.node("Conv", x, self.weights[channels])

    def make_transposed(self):
        x, channels, side = self.feature()
        if side >= SIDE:
            return []
        group = self.pick(1, 1, channels)
        weight = self.random.normal(size=(channels, 8 if group == 1 else 1, 2, 2)) / np.sqrt(
            channels if group == 1 else 1
        )
        inputs = [x, self.constant(weight.astype(np.float32))]
        y = self.node("ConvTranspose", *inputs, strides=[2, 2], group=group)
        return self.activated(y), 8 if group == 1 else channels, side * 2

    def make_sum(self):
        x, channels, side = self.feature()
        y, *_ = self.feature(side, channels)
        return self.pick(str, self.activated)(self.node("Add", x, y)), channels, side

    def make_residual(self):
        x, channels, side = self.feature()
        y = self.conv(self.layer(x, channels, 8), 8, channels, 3)
        return (
            self.node(*self.pick(("Relu",), ("Identity",)), self.node("Add", *self.pick((x, y), (y, x)))),
            channels,
            side,
        )

    def make_scaled_sum(self):
        x, channels, side = self.feature()
        offset = self.constant(self.random.normal(size=(1, channels, 1, 1)).astype(np.float32))
        return self.node(self.pick("Add", "Mul"), x, offset), channels, side

    def make_concat(self):
        x, channels, side = self.feature()
        others = [self.feature(side) for _ in range(self.pick(1, 2))]
        total = channels + sum(other[1] for other in others)
        y = self.node("Concat", x, *(other[0] for other in others), axis=1)
        return (y, total, side) if total <= 32 else (self.layer(y, total, 8), 8, side)

    def make_concat_with_constant(self):
        x, channels, side = self.feature()
        grid = self.constant(self.random.random((BATCH, 2, side, side)).astype(np.float32))
        return self.node("Concat", x, grid, axis=1), channels + 2, side

    def make_pools(self):
        x, channels, side = self.feature()
        kind = self.pick("MaxPool", "MaxPool", "AveragePool")
        y = self.node(kind, x, kernel_shape=[3, 3], pads=[1] * 4)
        return [(y, channels, side), (self.node("MaxPool", y, kernel_shape=[3, 3], pads=[1] * 4), channels, side)]

    def make_resize(self):
        x, channels, side = self.feature()
        if side >= SIDE:
            return []
        mode = {"mode": self.pick("nearest", "nearest", "linear")}
        if self.random.integers(2):
            factors = self.constant(np.array([1, 1, 2, 2], np.float32))
            return self.node("Resize", x, "", factors, **mode), channels, side * 2
        tail = self.node("Mul", self.node("Slice", self.node("Shape", x), self.ints(2), self.ints(4)), self.ints(2))
        head = self.node("Slice", self.node("Shape", x), self.ints(0), self.ints(2))
        return self.node("Resize", x, "", "", self.node("Concat", head, tail, axis=0), **mode), channels, side * 2

    def make_split(self):
        x, channels, side = self.feature()
        if channels < 4:
            return []
        a, b = self.node("Split", x, self.ints(channels - 2, 2), outputs=2, axis=1)
        return [(a, channels - 2, side), (b, 2, side)]

    def make_slice(self):
        x, channels, side = self.feature()
        if channels < 4:
            return []
        return self.node("Slice", x, self.ints(1), self.ints(3), self.ints(1)), 2, side

    def make_shuffle(self):
        x, channels, side = self.feature()
        if channels % 2:
            return []
        y = self.node("Reshape", x, self.ints(0, 2, channels // 2, side, side))
        y = self.node("Transpose", y, perm=[0, 2, 1, 3, 4])
        return self.node("Reshape", y, self.ints(0, channels, side, side)), channels, side

    def make_focus(self):
        x, channels, side = self.feature()
        if side < 8 or channels > 8:
            return []
        return self.node("SpaceToDepth", x, blocksize=2), channels * 4, side // 2

    def make_gate(self):
        x, channels, side = self.feature()
        y = self.node("GlobalAveragePool", x)
        y = self.node("Sigmoid", self.conv(self.node("Relu", self.conv(y, channels, 8)), 8, channels))
        return self.node("Mul", x, y), channels, side

    def make_product(self):
        x, channels, side = self.feature()
        weight = self.constant((self.random.normal(size=(side, side)) / np.sqrt(side)).astype(np.float32))
        if self.random.integers(2):
            return self.node("MatMul", x, weight), channels, side
        flat = self.node("Reshape", x, self.ints(-1, side))
        bias = [self.constant(self.random.normal(size=side).astype(np.float32))][: self.random.integers(2)]
        scaled = self.pick({}, {"alpha": 0.5, "beta": 2.0})
        y = self.node("Gemm", flat, weight, *bias, transB=self.pick(0, 1), **scaled)
        return self.node("Reshape", self.activated(y), self.ints(-1, channels, side, side)), channels, side

    def make_attention(self):
        x, channels, side = self.feature()
        y = self.node("Softmax", self.node("MatMul", x, self.node("Transpose", x, perm=[0, 1, 3, 2])), axis=-1)
        return self.node("MatMul", y, x), channels, side

    def make_from_constant(self):
        _, channels, side = self.feature()
        table = self.constant(self.random.normal(size=(BATCH, channels, side, side)).astype(np.float32))
        if self.random.integers(2):
            return self.node("MaxPool", table, kernel_shape=[1, 1]), channels, side
        return self.node("Reshape", table, self.ints(BATCH, channels, side, side)), channels, side

    def make_branch(self):
        x, channels, side = self.feature()

        def branch(op):
            own = helper.make_tensor(f"own{len(self.nodes)}", TensorProto.FLOAT, [1], [0.5])
            ends = [helper.make_tensor_value_info(f"{op}{len(self.nodes)}", TensorProto.FLOAT, None)]
            return helper.make_graph([helper.make_node(op, [x, own.name], [ends[0].name])], op, [], ends, [own])

        above = self.node("Greater", self.node("ReduceMean", x, keepdims=0), self.constant(np.float32(-1e9)))
        return self.node("If", above, then_branch=branch("Mul"), else_branch=branch("Add")), channels, side

    def make_loop(self):
        x, channels, side = self.feature()
        n = len(self.nodes)
        value = helper.make_tensor_value_info
        ins = [value(f"i{n}", TensorProto.INT64, []), value(f"go{n}", TensorProto.BOOL, []), value(f"v{n}", 1, None)]
        outs = [value(f"on{n}", TensorProto.BOOL, []), value(f"w{n}", 1, None)]
        inner = [helper.make_node("Identity", [f"go{n}"], [f"on{n}"])]
        inner += [
            helper.make_node("Add", [f"v{n}", x], [f"s{n}"]),
            helper.make_node("Mul", [f"s{n}", f"h{n}"], [f"w{n}"]),
        ]
        held = helper.make_tensor(f"h{n}", TensorProto.FLOAT, [], [0.5])
        body = helper.make_graph(inner, "body", ins, outs, [held])
        y = self.node("Loop", self.constant(np.int64(2)), self.constant(np.array(True)), x, body=body)
        return y, channels, side

    def finished(self):
        """Answer in one to three heads, of which some join boxes and scores."""
        unread = [f for f in self.features if not any(f[0] in node.input for node in self.nodes)]
        for i in range(0, len(unread), 4):
            side = min(f[2] for f in unread[i : i + 4])
            parts = []
            for x, channels, own in unread[i : i + 4]:
                size = [own // side] * 2
                pooled = x if own == side else self.node("MaxPool", x, kernel_shape=size, strides=size)
                parts.append(self.layer(pooled, channels, 6))
            self.features.append((self.node("Concat", *parts, axis=1), 6 * len(parts), side))
        x, channels, side = self.feature()
        x = self.layer(x, channels, 8)
        answers = [self.conv(x, 8, 3)]
        self.features.append((x, 8, side))
        for _ in range(self.random.integers(3)):
            x, channels, side = self.feature()
            kind = self.pick("plain", "joined", "feature", "classes", "residual")
            if kind == "plain":
                y = self.conv(x, channels, 5)
            elif kind == "joined":
                score = self.node("Sigmoid", self.conv(x, channels, 3))
                y = self.node(
                    "Reshape", self.node("Concat", self.conv(x, channels, 4), score, axis=1), self.ints(0, 7, -1)
                )
            elif kind == "classes":
                weight = self.constant(self.random.normal(size=(4, channels)).astype(np.float32))
                y = self.node("Gemm", self.node("Flatten", self.node("GlobalAveragePool", x)), weight, transB=1)
            elif kind == "residual":
                y = self.node("Relu", self.node("Add", x, self.conv(self.layer(x, channels, 8), 8, channels)))
            else:
                y = self.node("Mul", x, self.constant(np.float32(2)))
            answers.append(y)
        return self.model(*answers, shape=("batch", 3, SIDE, SIDE))


def held(model, picture, *, fused):
    """Return what a model answers to a picture, run node by node or fused."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not fused:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": picture})
