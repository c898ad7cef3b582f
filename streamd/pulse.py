"""What the service manager hears while the daemon runs: the watchdog's pings, and how things are in one line.

The pings stop when frames wait for a model that finishes no run for as long as the watchdog bears, whatever is stuck
(a GPU, a library, a thread of ours); when a camera is wedged (metrics/health.py); and when the main thread, which sends
them, is.
"""

from streamd.clock import Clock
from streamd.daemon import Daemon
from streamd.metrics import Metrics, health
from streamd.notify import Notifier

TELL_NS = 5_000_000_000


class Pulse:
    """Called several times a second by the loop that watches the daemon."""

    def __init__(self, daemon: Daemon, metrics: Metrics, notify: Notifier, clock: Clock) -> None:
        self._daemon = daemon
        self._metrics = metrics
        self._notify = notify
        self._clock = clock
        self._awaited: dict[str, tuple[int, int]] = {}  # a model that frames wait for: its runs, and since when
        self._pinged_ns = 0
        self._told_ns = 0
        self._told = ""

    def __call__(self) -> None:
        """Ping while there is progress, and tell how things are when that has changed."""
        now_ns = self._clock.monotonic_ns()
        self._ping(now_ns)
        if now_ns - self._told_ns >= TELL_NS:
            self._told_ns = now_ns
            self._daemon.measure()
            if self.line() != self._told:
                self._told = self.line()
                self._notify(STATUS=self._told)

    def line(self) -> str:
        """Return how many cameras are online, their frames a second, and whether the file was last refused."""
        now_ns = self._clock.monotonic_ns()
        cameras = list(self._metrics.cameras.values())
        online = sum(camera.state == "online" for camera in cameras)
        rate = sum(camera.fps.at(now_ns) for camera in cameras if camera.state == "online")
        text = f"{online} of {len(self._daemon.settings.cameras)} cameras online, {rate:.0f} fps"
        refused = self._metrics.refused.partition("\n")[0]
        return f"{text}; reload refused: {refused}" if refused else text

    def _ping(self, now_ns: int) -> None:
        period_ns = int(self._notify.watchdog_s * 1e9)
        if not period_ns:
            return
        known = self._awaited
        self._awaited = {
            name: known[name] if name in known and known[name][0] == runs else (runs, now_ns)
            for name, runs in self._daemon.awaited().items()
        }
        moving = all(now_ns - since_ns < period_ns for _, since_ns in self._awaited.values())
        if moving and now_ns - self._pinged_ns > period_ns // 4 and not health.wedged(self._metrics):
            self._pinged_ns = now_ns
            self._notify(WATCHDOG="1")
