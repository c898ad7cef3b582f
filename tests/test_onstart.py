"""Engines that are built before the daemon is ready, by a stand-in of `streamd build`."""

import os
import signal
import sys
import threading

import pytest
import structlog

from streamd import config, manifest, onstart
from streamd.clock import SystemClock
from streamd.errors import ModelError
from streamd.manifest import Built, Input, Manifest

BUILDS = """
import sys
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
out.write_text(" ".join(sys.argv[1:]))
print("fp16 in 1.0 s")
"""
FAILS = """
import sys
print("note: something", file=sys.stderr)
sys.exit("streamd: street.onnx: not an ONNX model; export it again")
"""
# Both tell by a pipe that they are under way, and then wait for a signal: one for Ctrl-C, the other hears nothing.
WAITS = """
import signal, sys
from pathlib import Path
{}
try:
    with Path(sys.argv[sys.argv.index("--out") + 1] + ".begun").open("w"):
        pass
    while True:
        signal.pause()
except KeyboardInterrupt:
    sys.exit("cancelled")
"""
HEARS, DEAF = WAITS.format(""), WAITS.format("signal.signal(signal.SIGINT, signal.SIG_IGN)")


class Manager:
    """A service manager that remembers what it was told, and may do something when it is."""

    def __init__(self, then=lambda: None):
        self.told = []
        self._then = then

    def __call__(self, **states):
        self.told.append(states)
        self._then()


@pytest.fixture(autouse=True)
def blocked():
    """The signals that the daemon fetches by itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, onstart.STOPPING)
    yield
    while signal.sigtimedwait(onstart.STOPPING, 0):
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def build(tmp_path):
    """Run a stand-in of `streamd build` for street.engine; returns what `onstart.build` returned."""

    def build(text, notify, environment=None, patience_s=30, **model):
        program = tmp_path / "program.py"
        program.write_text(text)
        (tmp_path / "street.onnx").write_bytes(b"model")
        tree = {
            "models": {
                "street": {"path": "street.engine", "device": "cuda:1", "build": "on-start", **model},
                "idle": {"path": "idle.engine", "build": "on-start"},
            },
            "cameras": {"a": {"uri": "a.mp4", "model": "street"}},
            "drain_timeout": patience_s,
        }
        settings = config.Config.model_validate(tree).located(tmp_path)
        with structlog.testing.capture_logs() as lines:
            done = onstart.build(
                settings, environment or {}, notify, SystemClock(), program=(sys.executable, str(program))
            )
        return done, lines

    return build


def described(path, **built):
    facts = {"tensorrt": "10.3.0", "gpu": "", "compute_capability": "", "onnx_sha256": "ab" * 32} | built
    manifest.save(Manifest("yolov8", ("a",), Input("images", 8, 8), built=Built(**facts)), path)


def test_an_engine_is_built_before_anything_else(build, tmp_path):
    manager = Manager()
    done, lines = build(BUILDS, manager)
    assert done
    wanted = f"build {tmp_path}/street.onnx --out {tmp_path}/street.engine --device cuda:1 --batch-up-to 1"
    assert (tmp_path / "street.engine").read_text() == wanted
    assert not (tmp_path / "idle.engine").exists()  # no camera uses it
    assert manager.told[0] == {"EXTEND_TIMEOUT_USEC": "60000000", "STATUS": "building street.engine, 0 s"}
    assert [line["says"] for line in lines if line["event"] == "build"] == ["fp16 in 1.0 s"]


def test_nothing_is_built_that_was_not_asked_for(build, tmp_path):
    manager = Manager()
    assert build(BUILDS, manager, build="never") == (True, [])
    assert manager.told == [] and not (tmp_path / "street.engine").exists()


def test_it_is_built_as_it_was_last(build, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/yard.onnx").write_bytes(b"model")
    described(tmp_path / "street.engine", onnx="models/yard.onnx", options=("--fp16", "--batch", "1,8,16"))
    build(BUILDS, Manager(), {"CACHE_DIRECTORY": "/var/cache/streamd:/other"}, device="cuda")
    assert (tmp_path / "street.engine").read_text() == (
        f"build {tmp_path}/models/yard.onnx --out {tmp_path}/street.engine --device cuda:0 "
        "--timing-cache /var/cache/streamd/timing --fp16 --batch 1,8,16"
    )


def test_a_manifest_that_cannot_be_read_is_built_over(tmp_path):
    (tmp_path / "m.onnx").touch()
    (tmp_path / "m.engine.json").write_text("{")
    wanted = ["build", f"{tmp_path}/m.onnx", "--out", f"{tmp_path}/m.engine", "--device", "cuda:0"]
    wanted += ["--batch-up-to", "16"]
    assert onstart.command(tmp_path / "m.engine", "cuda:0", 16, {}) == wanted


def test_without_an_onnx_file_the_engine_there_is_used(tmp_path):
    path = tmp_path / "m.engine"
    with pytest.raises(ModelError, match=r"there is no m\.onnx to build it of"):
        onstart.command(path, "cuda:0", 16, {})
    path.touch()
    with structlog.testing.capture_logs() as lines:
        assert onstart.command(path, "cuda:0", 16, {}) == []
    assert "used as it is" in lines[0]["event"]


def test_a_build_that_fails_says_why(build, tmp_path):
    with pytest.raises(ModelError) as error:
        build(FAILS, Manager())
    said = "it cannot be built: street.onnx: not an ONNX model; export it again"
    assert str(error.value) == f"{tmp_path}/street.engine: {said}"


def test_a_build_that_is_killed_says_so(build):
    with pytest.raises(ModelError, match="it cannot be built: it ended with -9"):
        build("import os; os.kill(os.getpid(), 9)", Manager())


@pytest.fixture
def in_the_background():
    """As a shell without job control starts what ends in `&`: Ctrl-C is ignored, and who is started inherits that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("program", "patience_s", "said"), [(HEARS, 30, ["cancelled"]), (DEAF, 0.2, [])])
@pytest.mark.usefixtures("in_the_background")
def test_a_signal_ends_the_build_and_the_start(build, program, patience_s, said, tmp_path):
    os.mkfifo(tmp_path / "street.engine.begun")

    def stop():
        if not manager.told[1:]:
            (tmp_path / "street.engine.begun").read_bytes()  # until it is under way
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    manager = Manager(then=stop)
    done, lines = build(program, manager, patience_s=patience_s)
    assert not done
    assert [line["signal"] for line in lines if line["event"] == "stopping"] == ["SIGTERM"]
    assert [line["says"] for line in lines if line["event"] == "build"] == said
