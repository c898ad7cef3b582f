"""A camera: a source that is run again whenever it fails. The only retry loop of streamd.

It alone knows sessions and states: it gives every stretch of a stream its number and its frames theirs, and tells what
happened.

    connecting ──► online ◄──► stalled          frames.State says what each means
         │            │           │
         └────────────┴───────────┴──► reconnecting | failed ──► online
                                            live, for ever; a file ends as ended or failed
"""

import random
from collections.abc import Callable, Generator, Iterator

import structlog

from streamd import config
from streamd.clock import Clock, Stop
from streamd.decode.source import LASTING, Cause, Shot, Source, Stats, StreamError
from streamd.decode.tempo import Tempo
from streamd.decode.timeline import Timeline
from streamd.decode.vigil import Vigil
from streamd.errors import SourceError
from streamd.frames import EventKind, Frame, Notice, State

_HEALTHY_S = 10.0  # frames for this long, and the next failure is answered as if it were the first

Tell = Callable[[Notice], None]


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
        self._stalled_s = camera.read_timeout / 2
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

    def follow(self, earlier: "Camera") -> None:
        """Number sessions on from where another camera of the same name ended, whatever the clock says by then."""
        self._session = max(self._session, earlier._session)

    def check(self) -> None:
        """Raise `SourceError` when nothing can come: a file that cannot be read. A camera that is away may come."""
        self._source.check()

    def frames(self, stop: Stop, tell: Tell | None = None) -> Iterator[Frame | Notice]:
        """Yield frames and notices until `stop`, or until a file has ended.

        Every stretch begins with `online` and ends with `offline` (it failed) or `end-of-stream` (a file's end, which
        may be early and then says why, or `stop`). Each further attempt is announced by `reconnecting`.

        `tell` gets, in the thread that waits for a frame of a live source, what cannot be yielded because none comes:
        that it has stalled, an `offline` that the stretch goes on from by another `online`.
        """
        if self.live:
            yield self._notice("offline", "", "connecting")
        failures = 0
        while True:
            reason, cause = yield from self._attempt(stop, tell)
            was_online, healthy = self._online_ns is not None, self._healthy()
            self._online_ns = None
            if stop.is_set() or not self.live:
                yield from self._last(stop, reason, cause, was_online)
                return
            state: State = "failed" if cause in LASTING else "reconnecting"
            if was_online:
                yield self._notice("offline", reason, state, cause)
            failures = 0 if healthy else failures
            delay_s = self._rng.uniform(0, self._bound_s(failures))
            failures += 1
            self.stats.reconnects[cause] += 1
            yield self._notice("reconnecting", f"{reason}; trying again in {delay_s:.1f} s", state, cause)
            if stop.wait(delay_s):
                yield self._notice("end-of-stream", "stopped", "ended")
                return

    def _last(self, stop: Stop, reason: str, cause: Cause, was_online: bool) -> Iterator[Notice]:
        """Tell that nothing more will come, and why."""
        if stop.is_set():
            yield self._notice("end-of-stream", "stopped", "ended")
        elif was_online:
            yield self._notice("end-of-stream", reason, "failed" if reason else "ended", cause)
        else:
            yield self._notice("offline", reason, "failed", cause)

    def _attempt(self, stop: Stop, tell: Tell | None) -> Generator[Frame | Notice, None, tuple[str, Cause]]:
        """Run the source once; the generator's value is why it ended, in words and as a label."""
        try:
            yield from self._sessions(stop, tell)
        except StreamError as error:
            return str(error), error.cause
        except SourceError as error:
            return str(error), "error"
        except Exception as error:  # noqa: BLE001 - a fault of ours or a library's costs one camera, never the others
            self._log.exception("a fault while reading the camera")
            return f"a fault in streamd: {error!r}; report it with the log", "error"
        return ("the stream ended", "ended") if self.live else ("", "ended")

    def _sessions(self, stop: Stop, tell: Tell | None) -> Iterator[Frame | Notice]:
        size: tuple[int, int] | None = None
        timeline, tempo, seq = Timeline(), Tempo(), 0
        vigil = Vigil(stop, self._clock, self._stalled_s, lambda: self._stall(tell))
        for shot in self._source.run_once(vigil if self.live else stop):
            gap_s = vigil.seen()
            reason = self._changed(size, shot, tempo)
            if size is None or reason:
                size = (shot.picture.width, shot.picture.height)
                timeline, tempo, seq = Timeline(), Tempo(), 0
                yield self._begin(reason)
            elif gap_s:
                yield self._notice("online", f"frames come again after {gap_s:.1f} s", "online")
            seq += shot.lost  # frames that were decoded and passed over leave a gap
            yield self._frame(shot, seq, timeline)
            seq += 1

    def _changed(self, size: tuple[int, int] | None, shot: Shot, tempo: Tempo) -> str:
        """Return in what a stream became another one; nothing where it did not. A file may change its rate at will.

        Another codec needs no look: FFmpeg reads it in a stream that is opened anew alone.
        """
        if size is not None and size != (shot.picture.width, shot.picture.height):
            return f"the picture changed from {size[0]}x{size[1]}"
        rates = tempo.change(shot.pts_ns) if self.live and shot.pts_ns is not None else None
        return f"the frame rate changed from {rates[0]:.3g} to {rates[1]:.3g}" if rates else ""

    def _begin(self, reason: str) -> Notice:
        self._session = max(self._clock.unix_ns() // 1_000_000, self._session + 1)
        self.stats.sessions += 1
        if self._online_ns is None:
            self._online_ns = self._clock.monotonic_ns()
        return self._notice("online", reason, "online")

    def _stall(self, tell: Tell | None) -> None:
        if tell is not None:
            tell(self._notice("offline", f"no frame for {self._stalled_s:g} s", "stalled", "stalled"))

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

    def _notice(self, kind: EventKind, reason: str, state: State, cause: str = "") -> Notice:
        return Notice(self.name, self._session, kind, self._clock.unix_ns(), reason, state, cause)
