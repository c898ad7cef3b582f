import ctypes
from pathlib import Path

import pytest

from streamd import heap

PAGE_KB = 4
BLOCK, BLOCKS = 100_000, 400


def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB / 1024


@pytest.fixture
def libc():
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        pytest.skip("not glibc: no malloc_trim")
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    return library


@pytest.fixture
def crowd(libc):
    """Forty megabytes that were used and are free again, between blocks that are not: all of it is glibc's."""
    blocks = [libc.malloc(BLOCK) for _ in range(2 * BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    for block in blocks[::2]:
        libc.free(block)
    yield
    for block in blocks[1::2]:
        libc.free(block)


def test_what_was_freed_between_blocks_in_use_goes_back(crowd):
    before_mb = resident_mb()
    assert heap.trim() is True
    assert resident_mb() < before_mb - 30


def test_memory_can_be_given_back_at_any_time():
    heap.trim()
    assert heap.trim() in (True, False)


def test_a_library_without_it_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    heap._malloc_trim.cache_clear()
    assert heap.trim() is False
    monkeypatch.undo()
    heap._malloc_trim.cache_clear()
