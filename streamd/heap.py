"""Memory that was freed, given back to the system."""

import ctypes
import ctypes.util
from functools import cache


def trim() -> bool:
    """Give back what glibc keeps of freed memory; true when there was any. Elsewhere nothing is done.

    glibc keeps a heap for every few threads and frees into the one that an allocation came from (mallopt(3),
    M_ARENA_MAX). Cameras come and go with threads of their own, and what one has left is seldom of use to the next.
    """
    function = _malloc_trim()
    return function is not None and bool(function(0))


@cache
def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # another C library
        return None
