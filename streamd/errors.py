"""The one exception tree. Every message says what failed, with which value, and what to do about it.

StreamdError
├── ConfigError      the configuration file; one finding a fault, each with its place
├── ModelError       a model file, its manifest, or the backend that runs it
├── DeviceError      a GPU, its driver, or a kernel
├── SourceError      a camera or file that cannot be opened or read; the camera retries, a command gives up
│   └── StreamError      a stream that failed, with its cause as a word for counters (decode/source.py)
├── EncodeError      a video encoder that cannot be opened or fed
├── PublishError     a socket that cannot be bound, a file that cannot be written
├── ClientError      what the other end of the wire sent, or a recording that cannot be written
├── DataError        a data set, a calibration set, or their labels
└── DrainError       stages still running when `drain_timeout` ran out

Two signals are not errors and stand outside the tree: `Finished` (nothing more will come) and `Abandoned`
(nobody will take what is offered). They unwind a stage quietly; flow/stage.py owns what they mean.
"""

from dataclasses import dataclass
from typing import Literal


class StreamdError(Exception):
    """Base of every error that a user can mend. `str()` is one line: what failed, then the mend."""

    def __init__(self, what: str, *, mend: str = "") -> None:
        super().__init__(f"{what}; {mend}" if mend else what)
        self.what = what
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a configuration file. `line` and `column` count from 1; 0 where the file has no such place.

    An error keeps the file from being used; a warning is told and no more.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"warning: {self.message}" if self.severity == "warning" else self.message
        return f"{place}: {self.key}: {said}" if self.key else f"{place}: {said}"


class ConfigError(StreamdError):
    """A configuration file that cannot be used; `findings` holds every fault of it, in file order."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class ModelError(StreamdError):
    """A model file, its manifest, or the backend that runs it."""


class DeviceError(StreamdError):
    """A GPU, its driver, or a kernel."""


class SourceError(StreamdError):
    """A camera or a file that cannot be opened or read."""


class EncodeError(StreamdError):
    """A video encoder that cannot be opened or fed."""


class PublishError(StreamdError):
    """A socket that cannot be bound, or a file that cannot be written."""


class ClientError(StreamdError):
    """What the other end of the wire sent, or a recording that cannot be written."""


class DataError(StreamdError):
    """A data set, a calibration set, or their labels."""


class DrainError(StreamdError):
    """Stages still running when the time to drain ran out."""


class Finished(Exception):
    """The producer has finished and everything it sent has been taken."""


class Abandoned(Exception):
    """The consumer has gone: what is offered will never be taken."""
