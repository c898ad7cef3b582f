"""Reading .npz files that may be anything: cut, flipped, mixed up, or of another making."""

import lzma
import zipfile
import zlib
from pathlib import Path

import numpy as np

from streamd.int8.session import Array

# What NumPy (2.4) and zipfile let through of a file that is none of theirs, found by spoiling files at random
# (tests/int8/test_arrays.py). There is no common base.
SPOILT = (
    zipfile.BadZipFile,  # no archive, or one whose checksums do not hold
    zlib.error,  # what is packed is cut off or flipped
    lzma.LZMAError,  # the same, of a packing that NumPy never uses
    EOFError,  # a member ends early
    KeyError,  # a member is named twice in different ways
    RuntimeError,  # it is encrypted; packed in a way that is not known (NotImplementedError)
    ValueError,  # a header that is none, an array of objects, a name that is no UTF-8
    TypeError,  # a header of things that are no numbers; a .npy file where a .npz should be
    OverflowError,  # a side beyond 64 bits
    MemoryError,  # sides that promise more than there is room for
)


class SpoiltError(Exception):
    """A file that holds no arrays; says why. Whoever knows what it should hold tells the user."""


def read(path: Path) -> dict[str, Array]:
    """Return the arrays of a .npz file by name.

    Raises:
        OSError: it cannot be read.
        SpoiltError: it is no such file, or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except SPOILT as error:
        raise SpoiltError(" ".join(str(error).split()) or "it is cut off") from error
