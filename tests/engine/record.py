"""Writes down what a version of TensorRT's Python API has: `recorded.json`, which tests/engine/recorded.py plays.

    python tests/engine/record.py tensorrt-bindings==8.6.1 tensorrt-cu12-bindings==10.16.1.11 ...

The bindings are wheels of NVIDIA's on PyPI; the libraries that they bind are not needed to ask a module for its
names: a stand-in that exports their few C functions lets it load. What is written are names, the parameters that
pybind11 tells of each method, and enumerations with their values. Needs pip and cc; run by hand, not by tests.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

RECORDED = Path(__file__).with_name("recorded.json")
CLASSES = (
    "Builder", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IErrorRecorder", "IExecutionContext",
    "IHostMemory", "IInt8Calibrator", "IInt8EntropyCalibrator", "IInt8EntropyCalibrator2", "IInt8LegacyCalibrator",
    "IInt8MinMaxCalibrator", "ILayer", "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor",
    "IRuntimeConfig", "ITensor", "ITimingCache", "OnnxParser", "ParserError", "Runtime",
)  # fmt: skip
EXPORTS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL", "createNvOnnxParserRefitter_INTERNAL", "getBuilderPluginRegistry",
    "getPluginRegistry", "getNvOnnxParserVersion", "initLibNvInferPlugins", "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi", "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)  # fmt: skip
SIGNATURE = re.compile(r"^(?:\d+\. )?(\w+)\((.*)\) -> ", re.MULTILINE)


def main(wheels):
    if wheels[:1] == ["--ask"]:
        sys.stdout.write(json.dumps(ask(wheels[1])))
        return
    recorded = {}
    for wheel in wheels:
        with tempfile.TemporaryDirectory() as folder:
            recorded |= record(wheel, Path(folder))
    lines = (f" {json.dumps(name)}: {json.dumps(facts, sort_keys=True)}" for name, facts in recorded.items())
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def record(wheel, folder):
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder), wheel]
    subprocess.run(pip, check=True)
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(folder)
    library = next(folder.rglob("tensorrt*.so"))
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in EXPORTS))
    needed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, check=True, text=True).stdout
    for name in re.findall(r"\[(lib(?:nv|tensorrt)[^\]]*)\]", needed):
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)], check=True
        )
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
    command = [sys.executable, __file__, "--ask", library.parent.name]
    told = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    name, version = re.split("==", wheel)
    facts = json.loads(told)
    return {f"{'tensorrt_rtx' if 'rtx' in name else 'tensorrt'} {version}": {"source": f"PyPI, {wheel}", **facts}}


def ask(name):
    api = __import__(name)
    enumerations = {
        each: {key: int(value) for key, value in members.items()}
        for each in dir(api)
        if (members := getattr(getattr(api, each), "__members__", None))
    }
    enumerations["ILogger.Severity"] = {key: int(value) for key, value in api.ILogger.Severity.__members__.items()}
    classes = {each: about(getattr(api, each)) for each in CLASSES if hasattr(api, each)}
    names = sorted(each for each in dir(api) if not each.startswith("_"))
    return {"names": names, "classes": classes, "enumerations": enumerations}


def about(kind):
    """Properties as r or rw; methods as the parameters of each signature, those with a default in brackets."""
    found = {}
    for name in dir(kind):
        if name.startswith("_"):
            continue
        value = getattr(kind, name)
        if isinstance(value, property):
            found[name] = "rw" if value.fset else "r"
        elif callable(value) and not isinstance(value, type):
            found[name] = [parameters(text) for _, text in SIGNATURE.findall(value.__doc__ or "")]
    return found


def parameters(text):
    found, depth, part = [], 0, ""
    for letter in text + ",":
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            found.append(part.strip())
            part = ""
        else:
            part += letter
    names = [(each.split(":")[0].strip(), "=" in each) for each in found if each]
    return [f"[{name}]" if default else name for name, default in names if name != "self"]


if __name__ == "__main__":
    main(sys.argv[1:])
