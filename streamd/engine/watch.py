"""What TensorRT says while it builds: its log, its progress; and what it is told: to stop.

TensorRT calls in from within the build, and has nowhere to put an exception: nothing here raises.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

import structlog

from streamd.engine.progress import Progress
from streamd.infer.library import Library

BAD = ("INTERNAL_ERROR", "ERROR")
# Of TensorRT-RTX alone, and of no consequence: it says so of every build without a thread of its own, and of every
# network that is read.
IDLE = ("Thread context has not been set", "is unsupported in TensorRT-RTX")
LAYERS = ("Engine Layer Information", "LayerType:")  # marks of the message that lists the finished engine's layers
Show = Callable[[float | None, str], None]  # a fraction, or None where the library tells none; and what is being done


@dataclass(slots=True)
class Watch:
    """Is told all that TensorRT says in one build, and asked whether it shall go on.

    `log` is given every message. `show` is called often, whenever TensorRT shows a sign of life. `stopped` says
    whether the build shall end. `errors` and `warnings` gather what was said, each once.
    """

    log: TextIO | None = None
    show: Show = lambda _fraction, _phase: None
    stopped: Callable[[], bool] = lambda: False
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    layers: str = ""  # the layers of the engine that was built, in TensorRT's own words
    watched: bool = False  # it reports progress, so that nothing need be shown for its messages

    def __call__(self, severity: str, message: str) -> None:
        """Take a message of TensorRT's log."""
        if self.log is not None:
            try:
                self.log.write(f"[{severity}] {message}\n")
            except OSError as error:  # thrown through TensorRT, it would end the process
                self.log = None
                self.warnings.append(f"the log ends early: {error.strerror}")
        if any(mark in message for mark in LAYERS):
            self.layers = message
        kept = self.errors if severity in BAD else self.warnings if severity == "WARNING" else None
        if kept is not None and message not in kept and not any(idle in message for idle in IDLE):
            kept.append(message)
            structlog.get_logger().debug("TensorRT", severity=severity, message=message)
        if not self.watched:
            self.show(None, "")

    def clear(self) -> None:
        """Forget what was said of an attempt before the next."""
        self.errors.clear()
        self.warnings.clear()
        self.layers = ""

    def reason(self) -> str:
        """Return in one line why TensorRT failed, in its own words."""
        return "; ".join(" ".join(error.split())[:300] for error in _told(self.errors)) or "it does not say why"


def monitor(library: Library, watch: Watch) -> Any:  # noqa: ANN401 - an IProgressMonitor of this version
    """Return a monitor that shows how far the build is and ends it when asked to."""
    progress = Progress()
    watch.watched = True

    class Monitor(cast(type, library.api.IProgressMonitor)):  # type: ignore[misc]  # the base is known only now
        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)
            watch.show(progress.fraction, progress.phase)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.step(phase_name, step)
            watch.show(progress.fraction, progress.phase)
            return not watch.stopped()

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)
            watch.show(progress.fraction, progress.phase)

    return Monitor()


def _told(errors: Iterable[str]) -> list[str]:
    """Return at most three messages: the first is the cause, the later ones mostly its echo."""
    return list(errors)[:3]
