import ctypes

from streamd import heap


def test_memory_can_be_given_back_at_any_time():
    heap.trim()
    assert heap.trim() in (True, False)


def test_a_library_without_it_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    heap._malloc_trim.cache_clear()
    assert heap.trim() is False
    monkeypatch.undo()
    heap._malloc_trim.cache_clear()
