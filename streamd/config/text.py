"""From the bytes of a configuration file to plain values with their variables filled in, and back to places in it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamd import uri, yamlfile
from streamd.errors import ConfigError, Finding
from streamd.yamlfile import KeyPath, Place, Value

MAX_BYTES = 1 << 20  # a thousand cameras, fully commented, are a tenth of it

_VARIABLE = re.compile(r"\$(?P<escape>\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|(?P<bad>))")
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\$\{[^}]*\}|[^/?#@$]|\$(?!\{))*@", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the key or value at a key path."""

    path: KeyPath
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a file, the faults found so far, and the place of each key."""

    file: str
    tree: Value
    places: dict[KeyPath, Place]
    faults: tuple[Fault, ...]
    unfilled: frozenset[KeyPath]  # values with a variable that is missing: nothing else can be said of them
    again: tuple[Finding, ...]  # keys that stand twice

    def findings(self, faults: Iterable[Fault]) -> tuple[Finding, ...]:
        """Return the faults as findings, in file order, passwords hidden."""
        own = set(self.faults)
        kept = [fault for fault in dict.fromkeys(faults) if fault in own or fault.path not in self.unfilled]
        # the passwords of all that looks like an address, wherever it stands: also where none belongs
        secrets = uri.forms(secret for text in _texts(self.tree) for secret in uri.secrets(text)) if kept else ()
        found = [*self.again, *(self._finding(fault, secrets) for fault in kept)]
        return tuple(sorted(found, key=lambda finding: (finding.line, finding.column)))

    def _finding(self, fault: Fault, secrets: tuple[str, ...]) -> Finding:
        there = fault.path
        while there not in self.places:
            there = there[:-1]
        place = self.places[there]
        key, said = (uri.redact(part, secrets) for part in (show(fault.path), fault.message))
        return Finding(self.file, place.line, place.column, key, _printable(said), fault.severity)


def _texts(tree: Value) -> Iterator[str]:
    """Yield every text of a file, keys too."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _texts(value)


def show(path: KeyPath) -> str:
    """Return a key path as people write it: `cameras.front.uri`, `models.street.classes[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return _printable(text)


def _printable(text: str) -> str:
    """Return what a terminal and a log show as it is: a file may hold what ends a line, or hides."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def read(path: Path) -> bytes:
    """Return the bytes of a configuration file, at most a little more than one may have.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise unusable(path, "no such file; give the path of a configuration file") from error
    except IsADirectoryError as error:
        raise unusable(path, "is a folder; give the path of a configuration file in it") from error
    except OSError as error:
        raise unusable(path, f"cannot be read: {error.strerror}; make it readable for this user") from error
    except ValueError as error:
        raise unusable(path, "is no path: it holds a NUL character") from error


def parse(data: bytes, path: Path, env: Mapping[str, str]) -> Source:
    """Read the text of a file and fill in its variables.

    Raises:
        ConfigError: the file holds no mapping; nothing more can be said of it.
    """
    try:
        document = yamlfile.read(_text(data, path))
    except yamlfile.YamlError as error:
        place = error.place
        said = uri.redact(error.message)
        raise ConfigError((Finding(str(path), place.line, place.column, "", said),)) from error
    if document.value is None:
        raise unusable(path, "is empty; `configs/cams.yaml` shows what a file may hold")
    if not isinstance(document.value, dict):
        kind = "a list" if isinstance(document.value, list) else "a single value"
        place = document.places[()]
        said = f"is {kind} at the top; begin with the keys `models:` and `cameras:`"
        raise ConfigError((Finding(str(path), place.line, place.column, "", said),))
    faults: list[Fault] = []
    tree = _fill(document.value, (), env, faults)
    again = tuple(
        Finding(str(path), fault.place.line, fault.place.column, show(fault.path), fault.message)
        for fault in document.faults
    )
    unfilled = frozenset(fault.path for fault in faults)
    return Source(str(path), tree, document.places, tuple(faults), unfilled, again)


def _text(data: bytes, path: Path) -> str:
    if len(data) > MAX_BYTES:
        raise unusable(path, f"is larger than {MAX_BYTES >> 20} MiB; is this a configuration file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        said = f"is not UTF-8 text from line {line} on; save it as UTF-8"
        raise unusable(path, said) from error


def unusable(path: Path, said: str) -> ConfigError:
    """Return the error of a file that cannot be used as a whole."""
    return ConfigError((Finding(str(path), 0, 0, "", said),))


def _fill(value: Value, path: KeyPath, env: Mapping[str, str], faults: list[Fault]) -> Value:
    if isinstance(value, dict):
        return {key: _fill(part, (*path, key), env, faults) for key, part in value.items()}
    if isinstance(value, list):
        return [_fill(part, (*path, index), env, faults) for index, part in enumerate(value)]
    return _expand(value, path, env, faults) if isinstance(value, str) and "${" in value else value


def _expand(text: str, path: KeyPath, env: Mapping[str, str], faults: list[Fault]) -> str:
    """Fill in `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. A login's variables are percent-encoded."""
    login = _LOGIN.match(text)

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["escape"]:
            return "${"
        if name is None:
            faults.append(
                Fault(path, "`${` begins no variable; write ${NAME} or ${NAME:-default}, or $${ for the sign")
            )
            return ""
        if default is None and name not in env:
            faults.append(Fault(path, f"the variable {name} is not set; set it, or write ${{{name}:-default}}"))
            return ""
        found = (env.get(name) or default[2:]) if default is not None else env[name]
        return uri.escape_login(found) if login and match.end() <= login.end() else found

    return _VARIABLE.sub(value, text)


def mapping(value: object, key: str | None = None) -> dict[str, Value]:
    """Return the mapping that a value is, or holds under `key`; an empty one where it is or holds none."""
    if key is not None:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(section: object, key: str) -> str | None:
    """Return the text that a mapping holds under `key`; None where there is none."""
    value = section.get(key) if isinstance(section, dict) else None
    return value if isinstance(value, str) else None
