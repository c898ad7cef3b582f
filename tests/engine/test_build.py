"""`streamd build` with the real TensorRT 11 and TensorRT-RTX: parsed, built and serialised, without a GPU."""

import json
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamd import manifest
from streamd.infer import files
from streamd.int8 import graph as graphs
from streamd.int8.placement import plan
from tests.engine.conftest import BUNDLED, quantized


@pytest.fixture(scope="module")
def yolox(real, tmp_path_factory):
    """YOLOX-Nano as it is, and in Q/DQ."""
    path = real / "yolox_nano.onnx"
    return path, quantized(path, tmp_path_factory.mktemp("yolox"))


@pytest.fixture
def streamd_build(tensorrt, tmp_path):
    def run(*arguments, environment=tensorrt):
        command = [sys.executable, "-m", "streamd", "build", *map(str, arguments)]
        environment = environment | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def built(path, out, done):
    """What stands in the manifest and the audit of an engine that was built."""
    assert done.returncode == 0, done.stderr[-2000:]
    about = manifest.load(out)
    assert about.sha256 == files.sha256(out)
    assert about.built.onnx_sha256 == files.sha256(path)
    return about, json.loads(out.with_suffix(".audit").read_text())


def convolutions(path):
    graph = graphs.prepare(onnx.load(path))
    return len(plan(graph).layers), sum(node.op_type == "Conv" for node in graph.nodes)


@pytest.mark.parametrize("model", ["street", "yolox"])
@pytest.mark.parametrize(("kind", "options"), [("fp32", []), ("fp16", ["--fp16"]), ("int8", [])])
def test_every_precision_is_built(streamd_build, tmp_path, street_qdq, request, model, kind, options):
    plain, pairs = (BUNDLED, street_qdq) if model == "street" else request.getfixturevalue("yolox")
    path, out = pairs if kind == "int8" else plain, tmp_path / "out.engine"
    done = streamd_build(path, "--out", out, "--audit", out.with_suffix(".audit"), *options)
    about, told = built(path, out, done)
    assert about.precision == kind
    assert (about.built.library, about.built.gpu) == ("tensorrt", "")
    assert about.built.tensorrt.startswith("11.")
    assert (about.head, about.input.width) == ("yolov8" if model == "street" else "yolox", 416)
    assert about.built.profile == ((1, 4, 8) if model == "street" else ())
    layers, every = convolutions(plain)
    if kind == "int8":
        assert told["convolutions"]["int8"] == layers
        assert f"{layers} of {sum(told['convolutions'].values())} convolutions INT8" in done.stdout
    else:
        assert set(told["convolutions"]) == ({kind, "fp32"} if model == "street" else {kind})
        assert told["convolutions"][kind] >= every - 10  # some are fused with one another
    assert about.built.verdict == told["verdict"]
    assert "no GPU here" in done.stderr and "Traceback" not in done.stderr


def test_rtx_builds_too(streamd_build, tensorrt_rtx, street_qdq, tmp_path):
    out = tmp_path / "out.engine"
    options = ("--audit", out.with_suffix(".audit"), "--level", "1", "--workspace", "1GiB")
    done = streamd_build(street_qdq, "--out", out, *options, environment=tensorrt_rtx)
    about, told = built(street_qdq, out, done)
    assert (about.built.library, about.precision) == ("tensorrt_rtx", "int8")
    assert told["convolutions"]["int8"] == convolutions(BUNDLED)[0]


def test_what_is_current_is_left_alone(streamd_build, tmp_path):
    out = tmp_path / "out.engine"
    assert streamd_build(BUNDLED, "--out", out, "--batch", "1,2,4").returncode == 0
    before = out.stat().st_mtime_ns
    again = streamd_build(BUNDLED, "--out", out, "--batch", "1,2,4")
    assert (again.returncode, out.stat().st_mtime_ns) == (0, before)
    assert "is current" in again.stdout
    other = streamd_build(BUNDLED, "--out", out, "--batch", "2")
    assert manifest.load(out).built.profile == (2, 2, 2)
    assert "wrote" in other.stdout
    assert len(list((tmp_path / "cache/streamd/timing").iterdir())) == 1


def test_all_that_tensorrt_says_is_kept(streamd_build, tmp_path):
    log = tmp_path / "said.log"
    options = ("--out", tmp_path / "out.engine", "--log", log, "--timing-cache", tmp_path / "timing", "--force")
    assert streamd_build(BUNDLED, *options).returncode == 0
    text = log.read_text()
    assert "[VERBOSE] " in text and "[INFO] " in text and "LayerType: correlation" in text
    assert len(list((tmp_path / "timing").iterdir())) == 1


def unsupported(folder):
    node = helper.make_node("Frob", ["images"], ["out"], "frob_1", domain="org.example")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in ("images", "out")]
    graph = helper.make_graph([node], "g", value[:1], value[1:])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("org.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=9), folder / "m.onnx")


def broken(folder):
    (folder / "m.onnx").write_bytes(BUNDLED.read_bytes()[:100_000])


def missing_weight(folder):
    model = onnx.load(BUNDLED)
    del model.graph.initializer[0]
    onnx.save(model, folder / "m.onnx")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (unsupported, "operator Frob (frob_1)"),
        (broken, "not an ONNX model"),
        (missing_weight, "TensorRT 11"),
    ],
)
def test_a_model_that_cannot_be_built_is_one_line(streamd_build, tmp_path, write, said):
    write(tmp_path)
    done = streamd_build(tmp_path / "m.onnx")
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") <= 2 and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.engine*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--int8", "calibrator"), "has no --int8 calibrator: it ended with TensorRT 10; streamd quantize"),
        (("--int8", "dynamic-range"), "has no --int8 dynamic-range"),
        (("--size", "640"), "its height is fixed at 416, --size says 640"),
        (("--device", "gpu"), "device 'gpu' is not known"),
        (("--out", "engine.plan"), "name it NAME.engine"),
        (("--version-compatible",), "made no engine: "),  # the lean runtime, which goes into it, is not laid out
    ],
)
def test_what_cannot_be_asked_of_it(streamd_build, tmp_path, options, said):
    done = streamd_build(BUNDLED, *(() if "--out" in options else ("--out", tmp_path / "o.engine")), *options)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert said in done.stderr


def test_a_fixed_batch_is_kept(streamd_build, yolox, tmp_path):
    done = streamd_build(yolox[0], "--out", tmp_path / "o.engine", "--batch", "1,2,4")
    assert done.returncode == 1
    assert "its batch is fixed at 1, --batch says 1,2,4" in done.stderr


def test_open_sides_are_built_at_the_size_asked_for(streamd_build, tmp_path):
    weight = numpy_helper.from_array(np.ones((5, 3, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["c"], "conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["out"], "flat"),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, "h", "w"))
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ("n", 5))
    graph = helper.make_graph(nodes, "g", [image], [out], [weight])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
    done = streamd_build(path)
    assert (done.returncode, "leaves its height open; say it with --size" in done.stderr) == (1, True)
    manifest.save(manifest.Manifest("classify", tuple("abcde"), manifest.Input("images", 32, 32)), path)
    done = streamd_build(path, "--size", "64x48", "--batch", "2")
    assert done.returncode == 0, done.stderr
    about = manifest.load(path.with_suffix(".engine"))
    assert (about.input.width, about.input.height, about.built.profile) == (64, 48, (2, 2, 2))


FALLBACK = """
import sys
from pathlib import Path
from streamd.engine import build, source
from streamd.engine.ask import Ask
from streamd.engine.target import Target
from streamd.engine.watch import Watch
from streamd.infer import library

build.inspect = lambda *_: []  # it needs the GPU that is pretended here
path = Path(sys.argv[1])
watch = Watch()
made = build.build(library.find(), Ask(path, Path("o.engine")), source.read(path), Target("P100", "6.0"), watch)
layers = build.of_log(watch.layers)
print(made.manifest.precision, len(made.plan), build.audit(layers).convolutions, *made.notes)
"""


def test_int8_that_a_gpu_lacks_becomes_fp16(tensorrt, street_qdq):
    command = [sys.executable, "-c", FALLBACK, str(street_qdq)]
    done = subprocess.run(command, env=tensorrt, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("fp16 ")
    assert "{'fp16': 63, 'fp32': 1} INT8 cannot be built (P100 (sm_60) has no INT8): this is FP16" in done.stdout


def on_a_terminal(command, environment, act):
    """Run a command with a terminal for its stderr; `act` is called with it at the first sign of progress."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the last to hold its other end has ended
            break
        if b"building" in chunk and b"building" not in seen:
            act(process)
        seen += chunk
    process.stdout.read()
    os.close(ours)
    return process.wait(), seen.decode()


def test_progress_and_time_are_shown_on_a_terminal(tensorrt, tmp_path):
    command = [sys.executable, "-m", "streamd", "build", str(BUNDLED), "--out", str(tmp_path / "o.engine")]
    environment = tensorrt | {"XDG_CACHE_HOME": str(tmp_path)}
    code, seen = on_a_terminal(command, environment, lambda _: None)
    assert code == 0
    assert "building o.engine [" in seen and "% " in seen and " 0 s " in seen


def test_ctrl_c_cancels_and_leaves_nothing(tensorrt, yolox, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    command = [sys.executable, "-m", "streamd", "build", str(yolox[1]), "--out", str(folder / "o.engine")]
    environment = tensorrt | {"XDG_CACHE_HOME": str(tmp_path)}
    code, seen = on_a_terminal(command, environment, lambda process: process.send_signal(signal.SIGINT))
    assert code == 130
    assert "cancelled; no engine was written" in seen
    assert list(folder.iterdir()) == []
