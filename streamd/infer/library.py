"""The TensorRT that is installed: `tensorrt` 8.6 to 11, else `tensorrt_rtx`. One adapter, by capability.

What versions differ in is asked of the module itself, never of its number: a class is there or not, a member of an
enumeration is found by its name or not (STRONGLY_TYPED is 1 in 10.9 and 0 in 11.1). Loads the library when asked to.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from streamd.errors import ModelError

Name = Literal["tensorrt", "tensorrt_rtx"]
NAMES: tuple[Name, ...] = ("tensorrt", "tensorrt_rtx")
Sink = Callable[[str, str], None]  # is given a severity by name, such as "WARNING", and a message


@dataclass(frozen=True, slots=True)
class Library:
    """The module, its name and its version. `api` is untyped: no version ships types that hold for the others."""

    api: Any
    name: Name
    version: str

    def __str__(self) -> str:
        return f"{'TensorRT' if self.name == 'tensorrt' else 'TensorRT-RTX'} {self.version}"

    def member(self, enumeration: str, name: str) -> Any | None:  # noqa: ANN401 - of whatever enumeration
        """Return a member of an enumeration; None where this version has none of that name."""
        return getattr(getattr(self.api, enumeration, None), name, None)

    @property
    def strongly_typed(self) -> bool:
        """Whether a network can be built in the types that its file says: from 9.1 on."""
        return self.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED") is not None

    @property
    def calibrates(self) -> bool:
        """Whether it has calibrators of its own: until 10."""
        return hasattr(self.api, "IInt8Calibrator")

    @property
    def takes_ranges(self) -> bool:
        """Whether a tensor can be told its range: until 10."""
        return hasattr(getattr(self.api, "ITensor", None), "set_dynamic_range")

    @property
    def reports_progress(self) -> bool:
        """Whether a build can be watched and cancelled: from 9 on."""
        return hasattr(self.api, "IProgressMonitor")

    def logger(self, sink: Sink) -> Any:  # noqa: ANN401 - an ILogger of this version
        """Return a logger that hands everything to `sink`, verbose messages too. It must outlive what it is given to.

        `sink` must not raise: TensorRT has nowhere to put it.
        """
        return _logger(self.api, sink)

    def recorder(self, sink: Sink) -> Any:  # noqa: ANN401 - an IErrorRecorder of this version
        """Return an error recorder that hands every error to `sink`, as an ERROR. It must outlive what it is given to.

        `sink` must not raise, and may be called by threads of TensorRT's.
        """
        return _recorder(self.api, sink)


def find(load: Callable[[str], Any] = importlib.import_module) -> Library:
    """Return the TensorRT that is installed.

    Raises:
        ModelError: there is none, or it does not load; each one's reason is told.
    """
    reasons = []
    for name in NAMES:
        try:
            api = load(name)
            return Library(api, name, str(api.__version__))
        except (ImportError, OSError, AttributeError) as error:  # OSError: one of its libraries is missing
            reasons.append(f"{name}: {' '.join(str(error).split())[:200]}")
    raise ModelError(
        f"TensorRT cannot be loaded ({'; '.join(reasons)})",
        mend="pip install 'streamd[gpu]', or for CUDA 12 'streamd[gpu-cu12]'",
    )


def _logger(api: Any, sink: Sink) -> Any:  # noqa: ANN401
    class Log(cast(type, api.ILogger)):  # type: ignore[misc]  # the base is known only now
        def __init__(self) -> None:
            super().__init__()

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            sink(str(severity.name), str(message).rstrip())

    return Log()


def _recorder(api: Any, sink: Sink) -> Any:  # noqa: ANN401
    class Recorder(cast(type, api.IErrorRecorder)):  # type: ignore[misc]  # the base is known only now
        """Keeps nothing: whoever is told of an error keeps it."""

        def __init__(self) -> None:
            super().__init__()

        def report_error(self, _code: Any, description: str) -> bool:  # noqa: ANN401
            sink("ERROR", str(description).rstrip())
            return False

        def num_errors(self) -> int:
            return 0

        get_num_errors = num_errors  # by this name the bindings call it, by the other they document it

        def get_error_code(self, _index: int) -> Any:  # noqa: ANN401
            return api.ErrorCodeTRT.SUCCESS

        def get_error_desc(self, _index: int) -> str:
            return ""

        def has_overflowed(self) -> bool:
            return False

        def clear(self) -> None:
            pass

    return Recorder()
