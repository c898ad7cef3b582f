"""Engine and manifest, put where they belong: both whole or neither; and whether what is there is what is asked for.

Both are written before either takes its place, and one build at a time puts its own in a folder: else of two at once
the one's engine could stay beside the other's manifest. The engine takes its place first. Until its manifest follows,
the old one tells that it is of another file, by its SHA-256: nobody runs an engine by the wrong manifest.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from streamd import manifest, output
from streamd.errors import ModelError
from streamd.infer import files
from streamd.manifest import Built, Manifest


def deliver(plan: bytes, described: Manifest, out: Path) -> None:
    """Write the engine `plan` to `out`, and its manifest beside it.

    Raises:
        ModelError: one of them cannot be written.
    """
    about = manifest.encoded(replace(described, sha256=hashlib.sha256(plan).hexdigest()))
    try:
        with _alone(out.parent), output.whole(manifest.beside(out)) as told, output.whole(out) as engine:
            engine.write_bytes(plan)
            told.write_bytes(about)
    except OSError as error:
        mend = "make room for it" if error.errno == errno.ENOSPC else "name a file that can be written"
        raise ModelError(f"{out}: {error.strerror}", mend=mend) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else delivers to `folder`. Where it cannot be locked, or not be read, go on without."""
    with ExitStack() as stack:
        with suppress(OSError):
            held = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, held)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def is_current(out: Path, wanted: Built, precision: str = "") -> bool:
    """Whether `out` is an engine that was built by, for, from and how `wanted` says, in `precision` where one is given.

    INT8 that was asked for may have become FP16.
    """
    if not out.is_file():
        return False
    try:
        found = manifest.load(out)
    except ModelError:
        return False
    if found is None or found.built is None or found.sha256 != files.sha256(out):
        return False
    if precision and found.precision != precision:
        return False
    return _key(found.built) == _key(wanted)


def _key(built: Built) -> Built:
    """Return what tells two engines apart: all but where the ONNX file stands, what comes of it, and words."""
    return replace(built, onnx="", profile=(), verdict="")
