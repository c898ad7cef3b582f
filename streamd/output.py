"""Files that a command leaves behind: each is written whole or not at all, and whether it can be is known beforehand.

A file is written under a name of its own in the same folder and then takes the place of the one that is meant
(rename(2)), so no reader, no full disk and no kill ever meets half of one.
"""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from streamd.errors import DataError

PREFIX = ".streamd-"
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name to write to; at the end of the block that file becomes `path`, or is removed if the block fails.

    A link is followed: what it points to is replaced, not the link.

    Raises:
        OSError: `path` cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f"{PREFIX}{secrets.token_hex(6)}.part")
    try:
        yield part
        part.replace(target)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):
            part.unlink()
        raise


def write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        OSError: `path` cannot be written.
    """
    with whole(path) as part:
        part.write_bytes(data)


@contextmanager
def folder(path: Path) -> Iterator[None]:
    """Make a folder and its parents; if the block fails, those of them go again that were new and are left empty.

    Raises:
        OSError: it cannot be made.
    """
    new = [each for each in (path, *path.parents) if not each.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in new:
            with suppress(OSError):
                each.rmdir()
        raise


def check_file(path: Path, *, option: str = "") -> None:
    """Check that `whole(path)` will work, so that hours of work are not done for nothing; leaves nothing behind.

    `option` is what the command line calls it.

    Raises:
        DataError: there is a folder or no regular file at `path`, no folder for it, or it may not be written.
    """
    named = f"{option} {path}" if option else str(path)
    try:
        if path.is_dir():
            raise DataError(f"{named}: is a folder", mend="name a file in it")
        if path.exists() and not path.is_file():  # a pipe or a device must not be replaced
            raise DataError(f"{named}: is a pipe or a device", mend="name a regular file")
        if path.exists() and not os.access(path, os.W_OK):
            raise DataError(f"{named}: may not be written", mend="make it writable, or name another file")
        home = Path(os.path.realpath(path)).parent
        if not home.is_dir():
            raise DataError(f"{named}: there is no folder {home}", mend="make it, or name a file in another")
        _try(home)
    except (OSError, ValueError) as error:
        raise DataError(f"{named}: cannot be written: {_reason(error)}", mend="name another file") from error


def check_folder(path: Path, names: Iterable[str] = (), *, option: str = "") -> None:
    """Check that files, `names` among them, can be written in the folder `path`, which need not be there yet.

    Raises:
        DataError: it, or the folder that it would be made in, is no folder or may not be written.
    """
    named = f"{option} {path}" if option else str(path)
    try:
        there = next(each for each in (path, *path.absolute().parents) if _is_there(each))
        if not there.is_dir():
            raise DataError(f"{named}: {there} is no folder", mend="name another folder")
        _try(there)
        for name in names:
            if there == path:
                check_file(path / name, option=option)
            else:
                _is_there(there / name)  # a name too long for this file system
    except (OSError, ValueError) as error:
        raise DataError(f"{named}: cannot be written: {_reason(error)}", mend="name another folder") from error


def tidy_when_told_to_end() -> None:
    """Let SIGTERM and SIGHUP unwind this program as Ctrl-C does, so that its temporary files go with it.

    Only where nobody else has decided about them. Exits with 128 + the signal's number, as shells tell it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _try(home: Path) -> None:
    probe = home / f"{PREFIX}{secrets.token_hex(6)}.part"
    try:
        probe.touch(exist_ok=False)
    finally:
        probe.unlink(missing_ok=True)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
