"""Builds the ONNX file named and prints, as JSON, what TensorRT warned of and the layers it made.

Runs in a process of its own, under the environment that `../shared/tools/tensorrt-without-a-gpu` lays out. No device is
needed: the builder writes the finished engine's layers to its log.
"""

import json
import re
import sys

import tensorrt as trt

LAYER = re.compile(r"Name: (\S+), LayerType: (\w+), Inputs: (\[.*?\]), Constants: (\[.*?\]), Outputs: \[")
TYPE = re.compile(r"Datatype: (\w+)")


class Log(trt.ILogger):
    def __init__(self):
        super().__init__()
        self.lines = []

    def log(self, severity, message):
        self.lines.append((severity, message))


def main(path):
    log = Log()
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    parsed = parser.parse_from_file(path)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    picture = network.get_input(0)
    one = tuple(1 if side < 0 else side for side in picture.shape)
    if one != tuple(picture.shape):
        profile = builder.create_optimization_profile()
        profile.set_shape(picture.name, one, one, one)
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config) if parsed else None
    layers = []
    for _, message in log.lines:
        for name, kind, inputs, constants in LAYER.findall(message):
            layers.append([name, kind, [*TYPE.findall(inputs)[:1], *TYPE.findall(constants)[:1]]])
    told = [message.strip() for severity, message in log.lines if severity <= trt.ILogger.WARNING]
    sys.stdout.write(json.dumps({"built": engine is not None, "told": told, "layers": layers}))


main(sys.argv[1])
