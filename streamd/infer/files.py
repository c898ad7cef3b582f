"""What can be told of a model file without opening it as a model. Loads no library: `streamd check` runs this."""

import hashlib
from pathlib import Path

from streamd import manifest
from streamd.errors import ModelError
from streamd.manifest import Manifest

LFS_POINTER = b"version https://git-lfs"


def check(path: Path, suffixes: tuple[str, ...]) -> Manifest | None:
    """Check that `path` is there, is of a known kind and belongs to the manifest beside it; return that manifest.

    Raises:
        ModelError: it is missing, empty, unreadable, no model at first sight, or not the file of its manifest.
    """
    _check_kind(path, suffixes)
    _check_content(path)
    sidecar = manifest.load(path)
    if sidecar and sidecar.sha256:
        _check_sha256(path, sidecar.sha256)
    return sidecar


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_kind(path: Path, suffixes: tuple[str, ...]) -> None:
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ModelError(
            f"{path}: no backend for '{suffix or path.name}'",
            mend=f"set path to a file that ends in {' or '.join(suffixes)}",
        )


def _check_content(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such model file", mend="check the path of the model") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", mend="set path to a readable model file") from error
    if not head:
        raise ModelError(f"{path}: the model file is empty", mend="export or copy it again")
    if head.startswith(LFS_POINTER):
        raise ModelError(f"{path}: a Git LFS pointer, not the model itself", mend="run `git lfs pull`")


def _check_sha256(path: Path, expected: str) -> None:
    actual = sha256(path)
    if actual != expected.lower():
        raise ModelError(
            f"{manifest.beside(path)}: it is of the model {expected[:12]} (sha256), {path.name} is {actual[:12]}",
            mend="put the manifest of this model there, or remove it",
        )
