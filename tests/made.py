"""Files that tests make for themselves."""

import numpy as np
import onnx
from onnx import TensorProto, helper


def model(path, inputs=(("images", TensorProto.FLOAT, (1, 3, 32, 32)),), output=(1, 84, 21)):
    """Write a model that gives zeros, whatever its inputs are; return its path.

    As it stands it is the smallest that is taken for YOLOv8, 32x32 with 16 + 4 + 1 rows, and it finds nothing.
    """
    zeros = helper.make_tensor("zeros", TensorProto.FLOAT, output, np.zeros(output, np.float32).tobytes(), raw=True)
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["out"], value=zeros)],
        "nothing",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
