"""TensorRT as its own bindings say it is, version by version: `recorded.json`, written by record.py.

What a version does not have raises AttributeError, a call that does not fit a signature TypeError, and every call and
every attribute that is set is kept in `calls`. What is not a matter of the API is pretended: a parser that reads the
ONNX file itself, a builder that asks its calibrator and its monitor and answers with a few bytes.
"""

import json
from collections import defaultdict
from enum import IntEnum
from pathlib import Path

import onnx

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
PLAN = b"a plan"


class Recorded:
    """A module. `answers` gives, by "Class.method", what a method does; anything else returns None."""

    def __init__(self, version, **answers):
        about = RECORDED[version]
        self.calls = []
        self._names = set(about["names"])
        self.__version__ = version.rpartition(" ")[2]
        pretended = Pretended(self)
        self._answers = {name: getattr(pretended, name.replace(".", "_")) for name in pretended.names} | answers
        self._members = {
            name: IntEnum(name.rpartition(".")[2], members) for name, members in about["enumerations"].items()
        }
        self._classes = {name: self._kind(name, methods) for name, methods in about["classes"].items()}

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"tensorrt {self.__version__} has no {name}")
        if name in self._classes:
            return self._classes[name]
        if name in self._members:
            return self._members[name]
        return lambda *given: self.calls.append((name, given))

    def made(self, kind, /, **values):
        """An object of a class, as a method would return it."""
        made = self._classes[kind].__new__(self._classes[kind])
        object.__setattr__(made, "_values", values)
        return made

    def called(self, name):
        """What each call of a method, or each setting of an attribute, was given."""
        return [given for called, given in self.calls if called == name]

    def _kind(self, name, about):
        module = self

        class Kind:
            def __init__(self, *given):
                self._values = {}
                module.calls.append((name, given))

            def __getattr__(self, attribute):
                if attribute.startswith("_") or attribute not in about:
                    raise AttributeError(f"{name} of tensorrt {module.__version__} has no {attribute}")
                if isinstance(about[attribute], str):
                    return self._values.get(attribute)
                return module._method(self, name, attribute, about[attribute])

            def __setattr__(self, attribute, value):
                if attribute.startswith("_"):
                    object.__setattr__(self, attribute, value)
                    return
                if about.get(attribute) != "rw":
                    raise AttributeError(f"{name}.{attribute} of tensorrt {module.__version__} cannot be set")
                module.calls.append((f"{name}.{attribute}", value))
                self._values[attribute] = value

        for attribute, what in about.items():  # hasattr of the class itself
            if not isinstance(what, str):
                setattr(Kind, attribute, _Method(module, name, attribute, what))
        if name == "ILogger":
            Kind.Severity = self._members["ILogger.Severity"]
        Kind.__name__ = name
        return Kind

    def _method(self, owner, kind, name, signatures):
        def call(*given, **named):
            if signatures and not any(_fits(each, given, named) for each in signatures):
                raise TypeError(f"{kind}.{name} of tensorrt {self.__version__} takes {signatures}, not {given} {named}")
            self.calls.append((f"{kind}.{name}", given))
            answer = self._answers.get(f"{kind}.{name}")
            return answer(owner, *given, **named) if answer else None

        return call


class _Method:
    """A method as the class shows it."""

    def __init__(self, module, kind, name, signatures):
        self._about = (module, kind, name, signatures)

    def __get__(self, owner, kind):
        module, *about = self._about
        return module._method(owner, *about)


class Pretended:
    """What TensorRT would do."""

    names = (
        "Builder.create_network", "Builder.create_builder_config", "Builder.create_optimization_profile",
        "Builder.build_serialized_network", "OnnxParser.parse", "OnnxParser.get_error", "INetworkDefinition.get_input",
        "INetworkDefinition.get_output", "INetworkDefinition.get_layer", "ILayer.get_output",
        "IBuilderConfig.add_optimization_profile", "IBuilderConfig.set_calibration_profile",
        "IBuilderConfig.create_timing_cache", "IBuilderConfig.set_timing_cache", "IBuilderConfig.get_timing_cache",
        "ITimingCache.serialize", "ITensor.set_dynamic_range",
    )  # fmt: skip

    def __init__(self, module):
        self._module = module
        self._tensors = defaultdict(list)
        self._network = self._config = None

    def Builder_create_network(self, _, flags=0):
        self._network = self._module.made("INetworkDefinition", num_inputs=0, num_outputs=0, num_layers=0)
        return self._network

    def Builder_create_builder_config(self, _):
        self._config = self._module.made("IBuilderConfig")
        return self._config

    def Builder_create_optimization_profile(self, _):
        return self._module.made("IOptimizationProfile")

    def Builder_build_serialized_network(self, _, network, config, *further):
        values = config._values
        calibrator, monitor = values.get("int8_calibrator"), values.get("progress_monitor")
        if calibrator is not None and calibrator.read_calibration_cache() is None:
            while calibrator.get_batch(["images"]) is not None:
                pass
            calibrator.write_calibration_cache(memoryview(b"TRT-8601-EntropyCalibration2\nimages: 3c010204\n"))
        if monitor is not None:
            monitor.phase_start("Building engine", None, 2)
            for step in range(2):
                if not monitor.step_complete("Building engine", step):
                    return None
            monitor.phase_finish("Building engine")
        return PLAN

    def OnnxParser_parse(self, _, model, path=None):
        graph = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model)).graph
        constants = {tensor.name for tensor in graph.initializer}
        kinds = {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
        for what, values in (("input", graph.input), ("output", graph.output)):
            self._tensors[what] = [self._tensor(value) for value in values if value.name not in constants]
        self._tensors["layer"] = [
            [self._tensor(kinds[name]) for name in node.output if name in kinds] for node in graph.node
        ]
        counts = {f"num_{what}s": len(self._tensors[what]) for what in ("input", "output", "layer")}
        self._network._values.update(counts)
        return True

    def OnnxParser_get_error(self, _, index):
        return self._module.made("ParserError")

    def INetworkDefinition_get_input(self, _, index):
        return self._tensors["input"][index]

    def INetworkDefinition_get_output(self, _, index):
        return self._tensors["output"][index]

    def INetworkDefinition_get_layer(self, _, index):
        made = self._module.made("ILayer", num_outputs=len(self._tensors["layer"][index]))
        made._index = index
        return made

    def ILayer_get_output(self, layer, index):
        return self._tensors["layer"][layer._index][index]

    def IBuilderConfig_add_optimization_profile(self, _, profile):
        return 0

    def IBuilderConfig_set_calibration_profile(self, _, profile):
        return True

    def IBuilderConfig_create_timing_cache(self, _, serialized):
        return self._module.made("ITimingCache")

    def IBuilderConfig_set_timing_cache(self, _, cache, ignore_mismatch):
        self._config._values["timing"] = cache
        return True

    def IBuilderConfig_get_timing_cache(self, _):
        return self._config._values.get("timing")

    def ITimingCache_serialize(self, _):
        return b"timings"

    def ITensor_set_dynamic_range(self, _, low, high):
        return True

    def _tensor(self, value):
        kinds = {onnx.TensorProto.FLOAT: "FLOAT", onnx.TensorProto.FLOAT16: "HALF", onnx.TensorProto.INT8: "INT8"}
        kind = kinds.get(value.type.tensor_type.elem_type, "INT32")
        sides = tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)
        return self._module.made("ITensor", name=value.name, shape=sides, dtype=self._module.DataType[kind])


def _fits(parameters, given, named):
    names = [each.strip("[]") for each in parameters]
    needed = [each for each in parameters if not each.startswith("[")]
    filled = {*names[: len(given)], *named}
    return len(given) <= len(names) and set(named) <= set(names[len(given) :]) and set(needed) <= filled
