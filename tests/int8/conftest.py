"""Small networks, built node by node, with every shape of graph that the workshop has rules for."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper


class Net:
    """Builds an ONNX model; every method returns the name of the tensor it made."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.outputs = [], [], []

    def constant(self, value, name=None):
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, *inputs, name=None, outputs=1, **attributes):
        made = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), made, name or f"{op}{len(self.nodes)}", **attributes))
        return made[0] if outputs == 1 else made

    def conv(self, x, cin, cout, k=1, name=None, bias=True, **attributes):
        weight = self.random.normal(size=(cout, cin // attributes.get("group", 1), k, k)) / np.sqrt(cin * k * k)
        inputs = [x, self.constant(weight.astype(np.float32))]
        if bias:
            inputs.append(self.constant((0.1 * self.random.normal(size=cout)).astype(np.float32)))
        return self.node("Conv", *inputs, name=name, pads=[k // 2] * 4, **attributes)

    def silu(self, x):
        return self.node("Mul", x, self.node("Sigmoid", x))

    def layer(self, x, cin, cout, k=1, **attributes):
        return self.silu(self.conv(x, cin, cout, k, **attributes))

    def model(self, *outputs, shape=(1, 3, 64, 64), opset=19):
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)


def detector(opset=19):
    """A YOLOv8 in small: stem, C2f with Split and residual, SPPF, nearest Resize, DFL head of two levels."""
    net = Net()
    x = net.layer("images", 3, 16, 3, strides=[2, 2], name="stem")
    x = net.layer(x, 16, 32, 3, strides=[2, 2], name="down1")
    split = net.constant(np.array([16, 16], np.int64))
    a, b = net.node("Split", net.layer(x, 32, 32, name="c2f_in"), split, outputs=2, axis=1, name="split")
    y = net.node("Add", b, net.layer(net.layer(b, 16, 16, 3, name="m1"), 16, 16, 3, name="m2"), name="residual")
    small = net.layer(net.node("Concat", a, b, y, axis=1, name="c2f_cat"), 48, 32, name="c2f_out")
    x = net.layer(net.layer(small, 32, 32, 3, strides=[2, 2], name="down2"), 32, 16, name="sppf_in")
    pools = [x]
    for i in range(3):
        pools.append(net.node("MaxPool", pools[-1], kernel_shape=[5, 5], pads=[2] * 4, name=f"pool{i}"))
    large = net.layer(net.node("Concat", *pools, axis=1, name="sppf_cat"), 64, 32, name="sppf_out")
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.node("Resize", large, "", scales, mode="nearest", name="up")
    small = net.layer(net.node("Concat", up, small, axis=1, name="neck_cat"), 64, 32, name="neck")
    levels = []
    for i, feature in enumerate((small, large)):
        box = net.conv(net.layer(feature, 32, 32, 3, name=f"box{i}_0"), 32, 64, name=f"box{i}_last")
        cls = net.conv(net.layer(feature, 32, 32, 3, name=f"cls{i}_0"), 32, 5, name=f"cls{i}_last")
        both = net.node("Concat", box, cls, axis=1, name=f"level{i}")
        levels.append(net.node("Reshape", both, net.constant(np.array([0, 69, -1], np.int64)), name=f"flat{i}"))
    both = net.node("Concat", *levels, axis=2, name="levels")
    box, cls = net.node("Split", both, net.constant(np.array([64, 5], np.int64)), outputs=2, axis=1, name="parts")
    box = net.node("Reshape", box, net.constant(np.array([1, 4, 16, -1], np.int64)), name="dfl_shape")
    box = net.node("Softmax", net.node("Transpose", box, perm=[0, 2, 1, 3], name="dfl_turn"), axis=1, name="dfl_soft")
    arange = net.constant(np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1))
    box = net.node("Reshape", net.node("Conv", box, arange, name="dfl"), net.constant(np.array([1, 4, -1], np.int64)))
    box = net.node("Mul", box, net.constant(np.float32(8)), name="stride")
    return net.model(
        net.node("Concat", box, net.node("Sigmoid", cls, name="score"), axis=1, name="output"), opset=opset
    )


def classifier():
    """ResNet in small: batch normalisation, ReLU, residual Adds that end a convolution, a fully connected end."""
    net = Net(1)

    def norm(x, channels):
        values = [net.random.random(channels) + 0.5, net.random.normal(size=channels)]
        values += [net.random.normal(size=channels), net.random.random(channels) + 0.5]
        return net.node("BatchNormalization", x, *(net.constant(v.astype(np.float32)) for v in values))

    x = net.node("Relu", norm(net.conv("images", 1, 16, 3, bias=False, name="stem"), 16))
    for i in range(2):
        y = net.node("Relu", norm(net.conv(x, 16, 16, 3, name=f"block{i}_0"), 16))
        y = norm(net.conv(y, 16, 16, 3, bias=False, name=f"block{i}_1"), 16)
        x = net.node("Relu", net.node("Add", x, y, name=f"add{i}"))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    weight, bias = net.random.normal(size=(10, 16)).astype(np.float32), net.random.normal(size=10).astype(np.float32)
    x = net.node("Gemm", x, net.constant(weight), net.constant(bias), transB=1, name="fc")
    return net.model(x, shape=(1, 1, 8, 8))


@pytest.fixture
def net():
    return Net()


@pytest.fixture(scope="session")
def detector_model():
    return detector()


@pytest.fixture(scope="session")
def classifier_model():
    return classifier()


@pytest.fixture(scope="session")
def pictures():
    random = np.random.default_rng(9)
    return [random.random((1, 3, 64, 64)).astype(np.float32) for _ in range(3)]


@pytest.fixture(scope="session")
def run():
    """Run a model node by node, or fused."""

    def run(model, feed, outputs=None, fused=False):
        options = ort.SessionOptions()
        if not fused:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = outputs or [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, {session.get_inputs()[0].name: feed}), strict=True))

    return run
