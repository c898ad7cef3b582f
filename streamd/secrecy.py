"""What must not be told, and how nothing that leaves the process tells it: log, events, status page, tracebacks.

The secrets of a configuration are known by value (`config.secrets`); what was never told us, such as a login in a URL
that a library quotes, is known by its pattern (uri.py).
"""

import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType

from streamd import uri


class Hide:
    """Takes secrets out of texts. One process has one; any thread may call, and what it has learnt it keeps."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self.learn(secrets)

    @property
    def secrets(self) -> frozenset[str]:
        """All that it has learnt, of cameras that have gone too: what is under way may still name them."""
        return self._secrets

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these as well from now on."""
        self._secrets |= frozenset(secrets)
        self._forms = uri.forms(self._secrets)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        return uri.redact(text, self._forms)

    def in_tracebacks(self) -> None:
        """Have Python print no secret where an error ends the process or a thread, or is passed over."""

        def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self._tell("".join(traceback.format_exception(kind, error, trace)))

        sys.excepthook = ended
        threading.excepthook = lambda args: ended(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
        sys.unraisablehook = lambda args: self._tell(f"{args.err_msg or 'passed over'}: {args.exc_value!r}\n")

    def _tell(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(self(text))
