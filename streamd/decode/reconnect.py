"""A camera: a source that is run again whenever it fails. The only retry loop of streamd.

It alone knows sessions: it gives every stretch of a stream its number and its frames theirs, and tells what happened.
"""

import random
from collections.abc import Generator, Iterator

import structlog

from streamd import config
from streamd.clock import Clock, Stop
from streamd.decode.source import Cause, Shot, Source, Stats, StreamError
from streamd.decode.timeline import Timeline
from streamd.errors import SourceError
from streamd.frames import EventKind, Frame, Notice

_HEALTHY_S = 10.0  # frames for this long, and the next failure is answered as if it were the first


class Camera:
    """One named stream of frames.

    Live sources are tried again for ever, after a delay drawn evenly between 0 and a bound that doubles from failure
    to failure (Brooker 2015, "Exponential Backoff And Jitter", full jitter), so that a hundred cameras behind one
    switch do not come back in step. Files run once.
    """

    def __init__(
        self,
        name: str,
        camera: config.Camera,
        source: Source,
        stats: Stats,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.name = name
        self.stats = stats
        self._every = camera.every
        self._reconnect = camera.reconnect
        self._source = source
        self._clock = clock
        self._rng = rng
        self._log = structlog.get_logger()  # not bound: a bound one would outlive a change of the log's passwords
        self._session = 0
        self._online_ns: int | None = None  # since when frames have come; None while there are none

    @property
    def live(self) -> bool:
        """Whether the newest frame wins; otherwise every frame counts."""
        return self._source.live

    @property
    def patience_s(self) -> float:
        """How long it may go without a frame before it opens its stream anew; infinite for a file."""
        return self._source.patience_s

    def check(self) -> None:
        """Raise `SourceError` when nothing can come: a file that cannot be read. A camera that is away may come."""
        self._source.check()

    def frames(self, stop: Stop) -> Iterator[Frame | Notice]:
        """Yield frames and notices until `stop`, or until a file has ended.

        Every stretch begins with `online` and ends with `offline` (it failed) or `end-of-stream` (a file's end, which
        may be early and then says why, or `stop`). Each further attempt is announced by `reconnecting`.
        """
        failures = 0
        while True:
            reason, cause = yield from self._attempt(stop)
            was_online, healthy = self._online_ns is not None, self._healthy()
            self._online_ns = None
            if stop.is_set() or not self.live:
                if was_online:
                    yield self._notice("end-of-stream", "stopped" if stop.is_set() else reason)
                elif not stop.is_set():
                    yield self._notice("offline", reason)
                return
            if was_online:
                yield self._notice("offline", reason)
            failures = 0 if healthy else failures
            delay_s = self._rng.uniform(0, self._bound_s(failures))
            failures += 1
            self.stats.reconnects[cause] += 1
            yield self._notice("reconnecting", f"{reason}; trying again in {delay_s:.1f} s")
            if stop.wait(delay_s):
                return

    def _attempt(self, stop: Stop) -> Generator[Frame | Notice, None, tuple[str, Cause]]:
        """Run the source once; the generator's value is why it ended, in words and as a label."""
        try:
            yield from self._sessions(stop)
        except StreamError as error:
            return str(error), error.cause
        except SourceError as error:
            return str(error), "error"
        except Exception as error:  # noqa: BLE001 - a fault of ours or a library's costs one camera, never the others
            self._log.exception("a fault while reading the camera")
            return f"a fault in streamd: {error!r}; report it with the log", "error"
        return ("the stream ended", "ended") if self.live else ("", "ended")

    def _sessions(self, stop: Stop) -> Iterator[Frame | Notice]:
        size: tuple[int, int] | None = None
        timeline = Timeline()
        seq = 0
        for shot in self._source.run_once(stop):
            shown = (shot.picture.width, shot.picture.height)
            if shown != size:
                reason = "" if size is None else f"the picture changed from {size[0]}x{size[1]}"
                size, timeline, seq = shown, Timeline(), 0
                yield self._begin(reason)
            seq += shot.lost  # frames that were decoded and passed over leave a gap
            yield self._frame(shot, seq, timeline)
            seq += 1

    def _begin(self, reason: str) -> Notice:
        self._session = max(self._clock.unix_ns() // 1_000_000, self._session + 1)
        self.stats.sessions += 1
        if self._online_ns is None:
            self._online_ns = self._clock.monotonic_ns()
        return self._notice("online", reason)

    def _frame(self, shot: Shot, seq: int, timeline: Timeline) -> Frame:
        pts_ns = timeline.place(shot.pts_ns, shot.duration_ns)
        if timeline.jump_ns is not None:
            self.stats.jumps += 1
            step_s = round(timeline.jump_ns / 1e9, 3)
            self._log.warning("timestamps jumped, re-anchored", camera=self.name, step_s=step_s, seq=seq)
        self.stats.decoded += 1
        infer = seq % self._every == 0
        return Frame(self.name, self._session, seq, pts_ns, shot.captured_at_ns, shot.picture, infer)

    def _healthy(self) -> bool:
        return self._online_ns is not None and self._clock.monotonic_ns() - self._online_ns >= _HEALTHY_S * 1e9

    def _bound_s(self, failures: int) -> float:
        return min(self._reconnect.maximum, self._reconnect.initial * 2.0 ** min(failures, 32))

    def _notice(self, kind: EventKind, reason: str) -> Notice:
        return Notice(self.name, self._session, kind, self._clock.unix_ns(), reason)
