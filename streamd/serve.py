"""The life of the process: settings in, READY told, signals answered, drained, exit.

One loop in the main thread does all the watching. Signals are blocked in every thread and fetched here with
sigtimedwait(2), so no handler ever runs in the middle of anything.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
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
from streamd.pulse import Pulse
from streamd.secrecy import Hide

STOPPING = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOPPING, signal.SIGHUP)
TICK_S = 0.1
GRACE_S = 1.0  # between cutting the stages off and giving up on them
ENDING = "the daemon is ending and takes no configuration any more; start it again when it has ended"


def serve(path: Path, environment: Mapping[str, str], wait_for: frozenset[publish.Socket] = frozenset()) -> None:
    """Run the daemon until every source has ended or a signal ends it.

    `wait_for` names the sockets that must have a subscriber before the first camera starts.

    Raises:
        StreamdError: what keeps the daemon from starting, or what stopped it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    clock, notifier = SystemClock(), Notifier(environment)
    settings = config.load(path, environment)
    hide = Hide(config.secrets(settings))
    hide.in_tracebacks()
    open_log(settings, environment, hide)
    try:
        _serve(settings, path, environment, hide, notifier, clock, wait_for)
    except StreamdError as error:
        error.args = (hide(str(error)),)
        raise


def _serve(
    settings: config.Config,
    path: Path,
    environment: Mapping[str, str],
    hide: Hide,
    notifier: Notifier,
    clock: Clock,
    wait_for: frozenset[publish.Socket],
) -> None:
    metrics = Metrics(clock, ready=settings.metrics.ready if settings.metrics else "any", hide=hide)
    services = StopGroup()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        sink = stack.enter_context(closing(publish.open_sinks(settings.publish, clock, settings.base, hide)))
        metrics.subscriptions = {name: partial(sink.subscribers, name) for name in sink.endpoints}
        pages = Pipeline([], services)
        if sink.doorkeeper is not None:
            pages.add([Stage("doorkeeper", Relay(), Feed(sink.doorkeeper.serve(services)))])
        if settings.metrics is not None:
            server = stack.enter_context(closing(open_pages(settings.metrics, settings.base, metrics)))
            pages.add([Stage("metrics", Relay(), Feed(server.serve(services)))])
        if not onstart.build(settings, environment, notifier, clock):
            return
        daemon = stack.enter_context(closing(Daemon(settings, sink, metrics, clock)))
        stack.callback(pages.wait)
        stack.callback(pages.stop)
        pages.start()
        Watch(daemon, path, environment, hide, notifier, metrics, pages, clock).run(sink, wait_for)


def open_log(settings: config.Config, environment: Mapping[str, str], hide: Hide) -> None:
    """Log as the configuration says, without secrets; systemd sets JOURNAL_STREAM where the journal reads."""
    journal = "JOURNAL_STREAM" in environment
    log.setup(settings.log.level, settings.log.format, secrets=hide.secrets, journal=journal)


def open_pages(settings: config.Metrics, base: Path, metrics: Metrics) -> MetricsServer:
    """Bind the pages of metrics and health.

    Raises:
        PublishError: the address cannot be bound.
        ConfigError: the file of the token cannot be read.
    """
    token = "" if settings.token_file is None else config.read_secret(config.locate(settings.token_file, base))
    return MetricsServer(settings.bind, metrics, token=token)


class Watch:
    """The loop that watches a daemon: signals, reload, the watchdog, the time to drain."""

    def __init__(
        self,
        daemon: Daemon,
        path: Path,
        environment: Mapping[str, str],
        hide: Hide,
        notifier: Notifier,
        metrics: Metrics,
        pages: Pipeline,
        clock: Clock,
    ) -> None:
        """`pages` are the stages beside the daemon: those that serve metrics, and let clients in."""
        self._daemon = daemon
        self._path = path
        self._environment = environment
        self._hide = hide
        self._notify = notifier
        self._metrics = metrics
        self._pages = pages
        self._pages_failed = False
        self._clock = clock
        self._deadline_ns: int | None = None
        self._running: tuple[str, ...] = ()
        self._pulse = Pulse(daemon, metrics, notifier, clock)
        self._log = structlog.get_logger()

    def run(self, sink: publish.Sinks, wait_for: frozenset[publish.Socket]) -> None:
        """Tell that the daemon is ready, start its cameras, and watch until every stage has ended.

        Raises:
            StreamdError: the first error of a stage, as its user can mend it.
            DrainError: stages did not end in time.
        """
        self._log.info("ready", cameras=len(self._daemon.settings.cameras), **sink.endpoints)
        self._notify(READY="1", STATUS=self._pulse.line())
        if self._subscribed(sink, wait_for):
            self._daemon.start()
        while not self._daemon.tick():
            self._answer(signal.sigtimedwait(SIGNALS, TICK_S))
            self._drain()
            self._pulse()
            self._look_at_pages()
        self._log_ended(())
        if self._daemon.pipeline.error is not None:
            raise self._daemon.pipeline.error

    def _subscribed(self, sink: publish.Sinks, wait_for: frozenset[publish.Socket]) -> bool:
        """Wait until each socket has a subscriber; false when a signal to stop came first."""
        while not all(sink.subscribers(socket) for socket in wait_for):
            if signal.sigtimedwait(STOPPING, TICK_S) is not None:
                return False
            self._pulse()
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
        """Apply the file as it now is; one that cannot be used, or comes too late, changes nothing and says so."""
        if self._daemon.stopping or self._daemon.ending:
            self._refuse(ENDING)  # whoever asked waits for an answer
            return
        self._notify(RELOADING="1", MONOTONIC_USEC=str(self._clock.monotonic_ns() // 1000))
        try:
            settings = config.load(self._path, self._environment)
            self._hide.learn(config.secrets(settings))
            later = self._daemon.reload(settings)
        except StreamdError as error:
            self._refuse(str(error))
        else:
            open_log(settings, self._environment, self._hide)
            if later:
                self._log.warning("changed, but in force only after a restart", sections=later)
            self._log.info("reloaded", cameras=tuple(settings.cameras))
            self._metrics.reloaded()
        self._notify(READY="1", STATUS=self._pulse.line())

    def _refuse(self, reason: str) -> None:
        self._log.error("reload refused, the old configuration stays", reason=self._hide(reason))
        self._metrics.reloaded(refused=reason)

    def _log_ended(self, running: tuple[str, ...]) -> None:
        for name in self._running:
            if name not in running:
                self._log.info("ended", stage=name)
        self._running = running

    def _look_at_pages(self) -> None:
        """Tell, once, that a stage beside the daemon has failed; the cameras are not to suffer for it."""
        if self._pages.error is not None and not self._pages_failed:
            self._pages_failed = True
            said = "metrics are no longer served, and no encrypted client is let in"
            self._log.error(said, reason=self._hide(repr(self._pages.error)))
