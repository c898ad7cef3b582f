"""Which models ONNX Runtime may run on a GPU, and which of them may be recorded as a CUDA graph.

Recorded are those of plain arithmetic, all of it on the GPU: one that waits for the GPU, or lets go of host memory
while it runs, must not even be tried, as the library then throws where C++ may not, and the process is gone. What a
run is made of, the library says in its profile alone.
"""

import json
from collections import Counter
from pathlib import Path

import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

from streamd.errors import ModelError

# Of ONNX and of the library's own fused ones. What is missing here runs all the same, call by call.
PLAIN = {
    *("Abs", "Add", "And", "ArgMax", "AveragePool", "BatchNormalization", "BiasGelu", "Cast", "Ceil", "Clip", "Concat"),
    *("Conv", "ConvTranspose", "Cos", "DepthToSpace", "DequantizeLinear", "Div", "Elu", "Equal", "Erf", "Exp"),
    *("Expand", "FastGelu", "Flatten", "Floor", "FusedConv", "FusedMatMul", "Gather", "Gelu", "Gemm"),
    *("GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity"),
    *("InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max"),
    *("MaxPool", "Min", "Mish", "Mul", "Neg", "NhwcConv", "NhwcMaxPool", "Not", "Or", "PRelu", "Pow", "QuantizeLinear"),
    *("QuickGelu", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Resize"),
    *("Round", "Selu", "Sigmoid", "Sin", "Slice", "Softmax", "Softplus", "SpaceToDepth", "Split", "Sqrt", "Squeeze"),
    *("Sub", "Tanh", "Tile", "TopK", "Transpose", "Unsqueeze", "Upsample", "Where"),
}


# On an H200 ONNX Runtime 1.31.1 ended the process at the first run of a model with it, outside of any graph: it lets go
# of page-locked memory in a callback of the stream, where CUDA refuses that.
FATAL = "NonMaxSuppression"


def refuse_fatal(path: Path) -> None:
    """Refuse a model that would end the process on a GPU; it is looked at as bytes, before anything opens it.

    Raises:
        ModelError: it holds such an operator.
    """
    name = FATAL.encode()
    entry = b"\x22" + bytes([len(name)]) + name  # NodeProto.op_type: field 4, a string (onnx.proto)
    if path.is_file() and entry in path.read_bytes():  # what cannot be opened is told by who opens it
        raise ModelError(
            f"{path}: it holds {FATAL}, at which ONNX Runtime's CUDA provider ends the process",
            mend="export it without NMS, which streamd does itself; or build an engine of it (`streamd build`); "
            "or set device: cpu",
        )


def ungraphed(session: ort.InferenceSession, provider: str) -> str:
    """End the profile of a session that has run, and tell why its runs must not be recorded; nothing where they may be.

    `provider` is the one that all of it is to run on.
    """
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = Counter(
        (event["args"]["op_name"], event["args"].get("provider", ""))
        for event in events
        if event.get("cat") == "Node" and "op_name" in event.get("args", {})
    )
    if not ran:  # a library that tells otherwise than here is read
        return "its profile names no operator"
    elsewhere = sorted({name for name, where in ran if where != provider})
    if elsewhere:
        return f"{', '.join(elsewhere)}: not on the GPU"
    other = sorted({name for name, _ in ran} - PLAIN)
    return f"{', '.join(other)}: not known to be without a wait" if other else ""
