"""What a look at one part of a machine or an installation finds. Each room looks at what it owns, doctor/ asks them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamd.errors import StreamdError

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part and how it is. `mend` is the command or the step that brings it, empty where there is none to take."""

    name: str
    state: State
    said: str
    mend: str = ""


class Missing(Exception):
    """What was looked for is not here, rather than here and broken: a signal of `look`s, unwound by `Probe`."""

    def __init__(self, said: str, *, mend: str = "") -> None:
        super().__init__(said)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Probe:
    """A look at one part: `look` returns what is there, in a few words, or raises.

    `mend` is told of a part that is not ok, where the error knows no better. `gpu` says that it calls the driver.
    """

    name: str
    look: Callable[[], str]
    mend: str = ""
    gpu: bool = False

    def __call__(self) -> Part:
        """Look; whatever is raised becomes a part that is missing or broken."""
        try:
            return Part(self.name, "ok", self.look())
        except Missing as error:
            return Part(self.name, "missing", str(error), error.mend or self.mend)
        except ModuleNotFoundError as error:
            return Part(self.name, "missing", f"there is no Python module {error.name}", self.mend)
        except StreamdError as error:
            return Part(self.name, "broken", error.what, error.mend or self.mend)
        except Exception as error:  # noqa: BLE001 - a library that is broken raises what it likes
            return Part(self.name, "broken", f"{type(error).__name__}: {_line(error)}", self.mend)


def _line(error: Exception) -> str:
    """Return the first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
