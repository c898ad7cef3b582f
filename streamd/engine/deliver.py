"""Engine and manifest, put where they belong: both whole or neither; and whether what is there is what is asked for.

The engine takes its place first. Until its manifest follows, the old one tells that it is of another file, by its
SHA-256: nobody runs an engine by the wrong manifest.
"""

import hashlib
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
    try:
        output.write(out, plan)
    except OSError as error:
        raise ModelError(f"{out}: {error.strerror}", mend="name a file that can be written") from error
    manifest.save(replace(described, sha256=hashlib.sha256(plan).hexdigest()), out)


def is_current(out: Path, wanted: Built) -> bool:
    """Whether `out` is an engine that was built by, for, from and how `wanted` says."""
    if not out.is_file():
        return False
    try:
        found = manifest.load(out)
    except ModelError:
        return False
    if found is None or found.built is None or found.sha256 != files.sha256(out):
        return False
    return _key(found.built) == _key(wanted)


def _key(built: Built) -> Built:
    """Return what tells two engines apart: all but where the ONNX file stands, what comes of it, and words."""
    return replace(built, onnx="", profile=(), verdict="")
