"""Engines that are built before the daemon is ready: models with `build: on-start`.

`streamd build` runs as a process of its own: nothing of the workshop is loaded here, and the gigabytes that a build
takes are gone when it ends. It looks by itself whether the engine there is current. Meanwhile the service manager is
told that the start goes on, and not that it is over.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from streamd import config, manifest
from streamd.clock import Clock
from streamd.errors import ModelError
from streamd.notify import Notifier

PROGRAM = (sys.executable, "-m", "streamd")
STOPPING = (signal.SIGTERM, signal.SIGINT)
TICK_S = 0.1
EVERY_S, WITHIN_S = 10, 60  # how often the manager is told that it goes on, and how long it then waits
MOST_LINES = 50  # of what a build said, into the log


def build(
    settings: config.Config,
    environment: Mapping[str, str],
    notify: Notifier,
    clock: Clock,
    program: Sequence[str] = PROGRAM,
) -> bool:
    """Have the engines built that are asked for and used; false when a signal to stop came first.

    SIGTERM and SIGINT must be blocked: they are fetched here, and end the build.

    Raises:
        ModelError: an engine cannot be built.
    """
    used = {camera.model for camera in settings.cameras.values()}
    for name, model in settings.models.items():
        if name in used and model.build == "on-start":
            path = config.locate(model.path, settings.base)
            asked = command(path, model.device, model.batch, environment)
            if asked and not _Build(path, notify, clock, settings.drain_timeout).run([*program, *asked], environment):
                return False
    return True


def command(path: Path, device: str, batch: int, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments that build the engine at `path` as it was built last; none where there is no ONNX file.

    Where none was built yet it is built for runs of up to `batch` frames.

    Raises:
        ModelError: there is neither.
    """
    found = None
    with suppress(ModelError):  # of an engine that is built anew, the manifest is too
        found = manifest.load(path)
    built = found.built if found else None
    known = [path.parent / built.onnx] if built and built.onnx else []
    model = next((each for each in (*known, path.with_suffix(".onnx")) if each.is_file()), None)
    if model is None:
        if not path.exists():
            raise ModelError(
                f"{path}: there is no {path.with_suffix('.onnx').name} to build it of", mend="put it there"
            )
        structlog.get_logger().warning("no ONNX file to build the engine of: it is used as it is", model=str(path))
        return []
    options = built.options if built else ("--batch-up-to", str(batch))
    device = device if ":" in device else f"{device}:0"
    # systemd tells a service of a folder of its own; its user's home is none.
    folder = environment.get("CACHE_DIRECTORY", "").partition(":")[0]
    kept = ("--timing-cache", f"{folder}/timing") if folder else ()
    return ["build", str(model), "--out", str(path), "--device", device, *kept, *options]


class _Build:
    """One build, watched until it ends or is ended."""

    def __init__(self, path: Path, notify: Notifier, clock: Clock, patience_s: float) -> None:
        self._path = path
        self._notify = notify
        self._clock = clock
        self._patience_s = patience_s
        self._begun_ns = clock.monotonic_ns()
        self._log = structlog.get_logger().bind(engine=str(path))

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Return whether it ended by itself; raises ModelError when it failed."""
        self._log.info("build: on-start", command=" ".join(arguments))
        with tempfile.TemporaryFile() as told:
            output = [(os.POSIX_SPAWN_DUP2, told.fileno(), number) for number in (1, 2)]
            pid = os.posix_spawn(
                arguments[0],
                list(arguments),
                environment,
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *output],
                setsigmask=(),  # ours are blocked, and it would never hear of them
                setsigdef=STOPPING,
            )
            stopped, code = self._watch(pid)
            told.seek(0)
            lines = told.read().decode(errors="replace").split("\n")
        said = [line for line in (each.strip() for each in lines) if line]
        for line in said[-MOST_LINES:]:
            self._log.info("build", says=line)
        if stopped:
            return False
        if code:
            why = said[-1].removeprefix("streamd: ") if said else f"it ended with {code}"
            raise ModelError(f"{self._path}: it cannot be built: {why}")
        return True

    def _watch(self, pid: int) -> tuple[bool, int]:
        """Return whether a signal ended it, and its exit code, negative where a signal of its own was the end."""
        told_s = -float(EVERY_S)
        stopped_s: float | None = None
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return stopped_s is not None, os.waitstatus_to_exitcode(status)
            now_s = (self._clock.monotonic_ns() - self._begun_ns) / 1e9
            if now_s - told_s >= EVERY_S:
                told_s = now_s
                self._notify(
                    EXTEND_TIMEOUT_USEC=str(WITHIN_S * 10**6), STATUS=f"building {self._path.name}, {now_s:.0f} s"
                )
            received = signal.sigtimedwait(STOPPING, TICK_S)
            if received is not None and stopped_s is None:
                self._log.info("stopping", signal=signal.Signals(received.si_signo).name)
                stopped_s = now_s
                os.kill(pid, signal.SIGINT)  # it cancels, and leaves nothing behind
            elif received is not None or (stopped_s is not None and now_s - stopped_s > self._patience_s):
                os.kill(pid, signal.SIGKILL)
