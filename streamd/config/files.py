"""The files that a configuration names: where they are, and whether they can be read or written."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from streamd import bundled
from streamd.config.text import Fault, unusable
from streamd.errors import ConfigError
from streamd.yamlfile import KeyPath

MAX_SECRET_BYTES = 4096
MAX_KEYS_BYTES = 1 << 20  # ten thousand clients, each with a name

_KEY = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}", re.ASCII)  # Z85, ZeroMQ RFC 32


def locate(text: str | Path, base: Path) -> Path:
    """Return the file that a path of the configuration means: `bundled:NAME`, absolute, or relative to `base`.

    `file:` and `file://` may stand before it.
    """
    name = str(text).removeprefix("file://").removeprefix("file:")
    if name.startswith("bundled:"):
        return bundled.folder("assets") / name.removeprefix("bundled:")
    return base / name


def read_secret(path: Path) -> str:
    """Return the password or key that a file holds, without the line break at its end.

    Raises:
        ConfigError: the file cannot be read, or holds no single line of text.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for its writer
            raise unusable(path, "is no file; name a file with the password in it, on one line")
        with path.open("rb") as file:
            secret = file.read(MAX_SECRET_BYTES + 1).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise unusable(path, "is not text; write the password into it, on one line") from error
    except (OSError, ValueError) as error:  # ValueError: the path holds what no path may hold
        reason = getattr(error, "strerror", None) or str(error)
        raise unusable(path, f"cannot be read: {reason}; make it readable for this user") from error
    if not secret or not secret.isprintable() or len(secret) > MAX_SECRET_BYTES:
        raise unusable(path, "does not hold one line of text; write the password into it, on one line")
    return secret


def read_keys(path: Path) -> frozenset[str]:
    """Return the public CURVE keys that a file holds: the first word of each line, unless it begins a comment.

    Raises:
        ConfigError: the file cannot be read, or a line begins with no key.
    """
    try:
        if path.exists() and not path.is_file():
            raise unusable(path, "is no file; name a file with one public key a line")
        with path.open("rb") as file:
            lines = file.read(MAX_KEYS_BYTES).decode().splitlines()
    except UnicodeDecodeError as error:
        raise unusable(path, "is not text; write one public key a line") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise unusable(path, f"cannot be read: {reason}; make it readable for this user") from error
    found = set()
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=1)
        if words and _KEY.fullmatch(words[0]):
            found.add(words[0])
        elif words and not words[0].startswith("#"):
            raise unusable(path, f"line {number} begins with no public key of 40 characters; begin a comment with `# `")
    return frozenset(found)


def missing(text: str, base: Path) -> str:
    """Return what is wrong with a file that must be there to be read, or nothing."""
    try:
        file = locate(text, base)
        if text.startswith("bundled:"):
            names = sorted(each.name for each in bundled.folder("assets").iterdir() if each.suffix == file.suffix)
            name = text.removeprefix("bundled:")
            if name not in names:
                return f"streamd brings no file {name!r}; it brings {', '.join(names) or 'none'}"
        elif file.is_dir():
            return f"{file} is a folder; name a file in it"
        elif not file.exists():
            return f"there is no file {file}; relative paths start at the folder of the configuration file"
        elif not file.is_file():  # opening a pipe would wait for its writer
            return f"{file} is a pipe or a device; name a regular file"
        return "" if os.access(file, os.R_OK) else f"{file} cannot be read; make it readable for this user"
    except (OSError, ValueError) as error:
        return f"{text[:60]!r} is no path: {error}"


def unwritable(file: Path) -> str:
    """Return why a file cannot be written, or nothing."""
    try:
        if file.is_dir():
            return f"{file} is a folder; name a file in it"
        if file.is_fifo():  # writing to it would wait for its reader
            return f"{file} is a pipe; name a regular file"
        if not file.parent.is_dir():
            return f"there is no folder {file.parent}; make it, or write somewhere else"
        there = file if file.exists() else file.parent
        if not os.access(there, os.W_OK):
            return f"{there} cannot be written; `chown` it to this user, or write elsewhere"
        return ""
    except (OSError, ValueError) as error:
        return f"{str(file)[:60]!r} is no path: {error}"


def secret_file(path: KeyPath, file: Path) -> Iterator[Fault]:
    """Yield what is wrong with the file of a password or key; that all can read it is a warning."""
    try:
        read_secret(file)
        mode = file.stat().st_mode
    except ConfigError as error:
        yield Fault(path, str(error))
        return
    except OSError as error:
        yield Fault(path, f"{file} cannot be read: {error.strerror}; make it readable for this user")
        return
    if mode & stat.S_IROTH:
        yield Fault(path, f"everybody on this machine can read {file}; `chmod o-r` it", "warning")
