"""All stages of a running system: start them, watch them, stop them. The first error wins.

Stages are given in flow order. They start from the far end, so that nothing is sent to a stage that is not there.
Stopping is a signal to the sources alone: the end runs down the stages by itself, each flushing what it holds.
An error is a stop with a reason: the neighbours of the failed stage unwind, every source stops, the rest drains.
"""

import threading
from collections.abc import Sequence
from typing import Any

from streamd.clock import Stop
from streamd.flow.stage import Stage

AnyStage = Stage[Any, Any]


class Pipeline:
    """Owns the threads of its stages from `start` until every one of them has been joined."""

    def __init__(self, stages: Sequence[AnyStage], stop: Stop) -> None:
        """`stop` is the signal that the sources among the stages end on."""
        self.error: BaseException | None = None
        self._stages = list(stages)
        self._stop = stop
        self._changed = threading.Condition()
        self._running: list[AnyStage] = []
        self._started = False

    def start(self) -> None:
        """Start every stage, consumers first."""
        self._started = True
        for stage in reversed(self._stages):
            self._launch(stage)

    def add(self, stages: Sequence[AnyStage]) -> None:
        """Add stages, in flow order among themselves; they start at once where the pipeline runs already."""
        if not self._started:
            self._stages += stages
            return
        self._stages = [stage for stage in self._stages if stage in self._running] + list(stages)
        for stage in reversed(stages):
            self._launch(stage)

    def stop(self) -> None:
        """Tell the sources to end; safe twice, and safe before `start`."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every stage has ended; false when `timeout_s` seconds passed first."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._running, timeout_s):
                return False
        return all(stage.join() for stage in self._stages)

    def running(self) -> tuple[str, ...]:
        """Return the names of the stages that have not ended, in the order in which they were given and added."""
        with self._changed:
            return tuple(stage.name for stage in self._stages if stage in self._running)

    def abandon(self) -> None:
        """Cut every stage off from its input, for when the time to drain has run out."""
        self.stop()
        for stage in self._stages:
            stage.abandon()

    def _launch(self, stage: AnyStage) -> None:
        with self._changed:
            self._running.append(stage)
        stage.start(self._ended)

    def _ended(self, stage: AnyStage) -> None:
        with self._changed:
            self._running.remove(stage)
            self.error = self.error or stage.error
            self._changed.notify_all()
        if stage.error is not None:
            self.stop()
