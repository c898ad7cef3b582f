"""The rules of the house, read from the imports: design.md, section 2."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "streamd"

LEAVES = {
    "bundled", "checkup", "clock", "config", "cores", "errors", "frames", "heap", "letterbox", "log", "manifest",
    "metrics", "notify", "output", "scenes", "secrecy", "service", "slots", "units", "uri", "wire", "yamlfile",
}  # fmt: skip
ROOMS = {"decode", "preprocess", "infer", "postprocess", "annotate", "encode", "publish", "client"}
WORKSHOP = {"int8", "engine", "score"}
DAEMON = {"daemon", "corridor", "film", "line", "bench", "doctor", "gpubench", "models", "onstart", "pulse", "serve"}

MAY_IMPORT = {
    **dict.fromkeys(LEAVES, LEAVES),
    **{room: LEAVES | {"gpu"} for room in ROOMS},
    **{shop: LEAVES | ROOMS | WORKSHOP | {"gpu"} for shop in WORKSHOP},
    **{name: LEAVES | ROOMS | DAEMON | {"gpu", "flow"} for name in DAEMON},
    "flow": {"errors", "clock"},
    "gpu": LEAVES,
    "cli": LEAVES | ROOMS | WORKSHOP | DAEMON | {"flow"},
    "__main__": {"cli"},
    "__init__": set(),
}

# `python -m streamd.scenes.train` is a command of its own: the rest of scenes/ never imports it.
TRAINING = {f"scenes.{name}" for name in ("augment", "export", "loss", "network", "train", "verdict")}

OWNERS = {
    "av": {"decode", "encode", "client"},
    "click": {"cli"},
    "cupy": {"gpu"},
    "cuda": {"gpu"},
    "onnx": {"int8", "engine", *TRAINING},
    "onnxruntime": {"infer", "int8", "score", *TRAINING},
    "tensorrt": {"infer", "engine"},
    "torch": {*TRAINING, "int8"},
    "zmq": {"publish", "client"},
    "ultralytics": set(),
}

EVERYWHERE = {"cv2", "faster_coco_eval", "msgspec", "numpy", "prometheus_client", "pydantic", "structlog", "yaml"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """The dotted names that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "streamd":
                yield from (f"streamd.{alias.name}" for alias in node.names)


def dotted(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_go_down_only(path):
    room = dotted(path).split(".")[0]
    inside = {name.split(".")[1] for name in imports(path) if name.startswith("streamd.")} - {"__version__", room}
    assert inside <= MAY_IMPORT[room], f"{dotted(path)} imports {inside - MAY_IMPORT[room]}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_outside_library_has_an_owner(path):
    name = dotted(path)
    outside = {imported.split(".")[0] for imported in imports(path)} - {"streamd"} - sys.stdlib_module_names
    for library in outside - EVERYWHERE:
        owners = OWNERS.get(library, set())
        assert any(name == owner or name.startswith(f"{owner}.") for owner in owners), f"{name} imports {library}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_flow_starts_threads(path):
    if dotted(path).startswith("flow."):
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    assert not [node for node in calls if node.attr in {"Thread", "Timer", "ThreadPoolExecutor"}]


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_the_environment_is_read_by_commands_alone(path):
    if dotted(path).startswith("cli.") or dotted(path) == "scenes.train":
        return
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not names & {"environ", "getenv"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_the_daemon_never_imports_the_training_of_the_bundled_model(path):
    if dotted(path) not in TRAINING:
        assert not {f"streamd.{name}" for name in TRAINING} & set(imports(path))
