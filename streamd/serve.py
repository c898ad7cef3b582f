"""The life of the process: settings in, READY told, signals answered, drained, exit.

One loop in the main thread does all the watching. Signals are blocked in every thread and fetched here with
sigtimedwait(2), so no handler ever runs in the middle of anything.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import structlog

from streamd import config, log, onstart, publish
from streamd.clock import Clock, StopGroup, SystemClock
from streamd.daemon import Daemon
from streamd.errors import DrainError, StreamdError
from streamd.flow.pipeline import Pipeline
from streamd.flow.stage import Feed, Relay, Stage
from streamd.metrics import Metrics, MetricsServer
from streamd.notify import Notifier

STOPPING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOPPING, signal.SIGHUP)
TICK_S = 0.1
GRACE_S = 1.0  # between cutting the stages off and giving up on them


def serve(path: Path, environment: Mapping[str, str], wait_for: frozenset[publish.Socket] = frozenset()) -> None:
    """Run the daemon until every source has ended or a signal ends it.

    `wait_for` names the sockets that must have a subscriber before the first camera starts.

    Raises:
        StreamdError: what keeps the daemon from starting, or what stopped it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    clock, notifier = SystemClock(), Notifier(environment)
    settings = config.load(path, environment)
    secrets = frozenset(config.secrets(settings))
    open_log(settings, environment, secrets)
    metrics, services = Metrics(clock), StopGroup()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        sink = stack.enter_context(closing(publish.open_sinks(settings.publish, clock, settings.base)))
        pages = Pipeline([], services)
        if settings.metrics is not None:
            server = stack.enter_context(closing(MetricsServer(settings.metrics.bind, metrics)))
            pages.add([Stage("metrics", Relay(), Feed(server.serve(services)))])
        if not onstart.build(settings, environment, notifier, clock):
            return
        daemon = stack.enter_context(closing(Daemon(settings, sink, metrics, clock)))
        stack.callback(pages.wait)
        stack.callback(pages.stop)
        pages.start()
        Watch(daemon, path, environment, secrets, notifier, metrics, pages, clock).run(sink, wait_for)


def open_log(settings: config.Config, environment: Mapping[str, str], secrets: frozenset[str]) -> None:
    """Log as the configuration says, hiding `secrets`; systemd sets JOURNAL_STREAM where the journal reads."""
    journal = "JOURNAL_STREAM" in environment
    log.setup(settings.log.level, settings.log.format, secrets=secrets, journal=journal)


class Watch:
    """The loop that watches a daemon: signals, reload, the watchdog, the time to drain."""

    def __init__(
        self,
        daemon: Daemon,
        path: Path,
        environment: Mapping[str, str],
        secrets: frozenset[str],
        notifier: Notifier,
        metrics: Metrics,
        pages: Pipeline,
        clock: Clock,
    ) -> None:
        """`secrets` are what the log hides already; `pages` serves the metrics beside the daemon."""
        self._daemon = daemon
        self._path = path
        self._environment = environment
        self._secrets = secrets
        self._notify = notifier
        self._metrics = metrics
        self._pages = pages
        self._pages_failed = False
        self._clock = clock
        self._deadline_ns: int | None = None
        self._running: tuple[str, ...] = ()
        self._awaited: dict[str, tuple[int, int]] = {}  # a model that frames wait for: its runs, and since when
        self._pinged_ns = 0
        self._log = structlog.get_logger()

    def run(self, sink: publish.Sinks, wait_for: frozenset[publish.Socket]) -> None:
        """Tell that the daemon is ready, start its cameras, and watch until every stage has ended.

        Raises:
            StreamdError: the first error of a stage, as its user can mend it.
            DrainError: stages did not end in time.
        """
        self._log.info("ready", cameras=len(self._daemon.settings.cameras), **sink.endpoints)
        self._notify(READY="1", STATUS=f"{len(self._daemon.settings.cameras)} cameras")
        if self._subscribed(sink, wait_for):
            self._daemon.start()
        while not self._daemon.tick():
            self._answer(signal.sigtimedwait(SIGNALS, TICK_S))
            self._drain()
            self._ping()
            self._look_at_pages()
        self._log_ended(())
        if self._daemon.pipeline.error is not None:
            raise self._daemon.pipeline.error

    def _subscribed(self, sink: publish.Sinks, wait_for: frozenset[publish.Socket]) -> bool:
        """Wait until each socket has a subscriber; false when a signal to stop came first."""
        while not all(sink.subscribers(socket) for socket in wait_for):
            if signal.sigtimedwait(STOPPING, TICK_S) is not None:
                return False
            self._ping()
        return True

    def _answer(self, received: signal.struct_siginfo | None) -> None:
        if received is None:
            return
        name = signal.Signals(received.si_signo).name
        if received.si_signo == signal.SIGHUP:
            self._reload()
        elif self._deadline_ns is None:
            self._log.info("stopping", signal=name)
            self._daemon.stop()
        else:
            self._log.warning("leaving at once", signal=name, running=self._daemon.pipeline.running())
            os._exit(1)

    def _drain(self) -> None:
        """Hold a stopping pipeline to its time; a failed stage stops it as a signal does."""
        if not self._daemon.stopping:
            return
        now = self._clock.monotonic_ns()
        if self._deadline_ns is None:
            self._deadline_ns = now + int(self._daemon.settings.drain_timeout * 1e9)
            self._notify(STOPPING="1")
        running = self._daemon.pipeline.running()
        self._log_ended(running)
        if now > self._deadline_ns:
            self._daemon.pipeline.abandon()
            if not self._daemon.pipeline.wait(GRACE_S):
                raise DrainError(
                    f"still running after {self._daemon.settings.drain_timeout:g} s: {', '.join(running)}",
                    mend="raise drain_timeout, or report this with the log",
                )

    def _reload(self) -> None:
        """Apply the file as it now is; one that cannot be used changes nothing and says so."""
        if self._daemon.stopping:
            self._log.warning("no reload while stopping")
            return
        self._notify(RELOADING="1", MONOTONIC_USEC=str(self._clock.monotonic_ns() // 1000))
        try:
            settings = config.load(self._path, self._environment)
            secrets = self._secrets | frozenset(config.secrets(settings))
            later = self._daemon.reload(settings)
        except StreamdError as error:
            self._log.error("reload refused, the old configuration stays", reason=str(error))
            self._metrics.reloaded(accepted=False)
            self._notify(READY="1", STATUS=f"reload refused: {str(error).splitlines()[0]}")
            return
        self._secrets = secrets  # of cameras that have gone, too: they may still be named in what is under way
        open_log(settings, self._environment, secrets)
        if later:
            self._log.warning("changed, but in force only after a restart", sections=later)
        self._log.info("reloaded", cameras=tuple(settings.cameras))
        self._metrics.reloaded(accepted=True)
        self._notify(READY="1", STATUS=f"{len(settings.cameras)} cameras")

    def _log_ended(self, running: tuple[str, ...]) -> None:
        for name in self._running:
            if name not in running:
                self._log.info("ended", stage=name)
        self._running = running

    def _ping(self) -> None:
        """Feed the watchdog while every model that frames wait for finishes runs."""
        now, period_ns = self._clock.monotonic_ns(), int(self._notify.watchdog_s * 1e9)
        if not period_ns:
            return
        waiting = self._daemon.awaited()
        known = self._awaited
        self._awaited = {
            name: known[name] if name in known and known[name][0] == runs else (runs, now)
            for name, runs in waiting.items()
        }
        moving = all(now - since < period_ns for _, since in self._awaited.values())
        if moving and now - self._pinged_ns > period_ns // 4:
            self._pinged_ns = now
            self._notify(WATCHDOG="1")

    def _look_at_pages(self) -> None:
        """Tell, once, that the metrics are no longer served; the cameras are not to suffer for it."""
        if self._pages.error is not None and not self._pages_failed:
            self._pages_failed = True
            self._log.error("metrics are no longer served", reason=repr(self._pages.error))
