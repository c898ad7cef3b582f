import gc

import pytest

from streamd.frames import Colour
from streamd.gpu.canvas import ALIGNMENT, Canvases


@pytest.fixture
def canvases(host_gpu):
    return Canvases(host_gpu)


@pytest.fixture
def stream(host_gpu):
    return host_gpu.stream()


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (65, 47), (1920, 1080)])
def test_chroma_stands_behind_luma_with_the_same_pitch(canvases, stream, size):
    surface = canvases.take(*size, stream).lend(Colour("bt709"))
    rows = surface.height + surface.height % 2
    assert (surface.width, surface.height, surface.sample_bytes, surface.colour) == (*size, 1, Colour("bt709"))
    assert surface.pitch == surface.chroma_pitch >= surface.width + surface.width % 2 and not surface.pitch % ALIGNMENT
    assert surface.chroma == surface.pixels + rows * surface.pitch
    assert surface.owner.memory.nbytes == rows * surface.pitch * 3 // 2


def test_what_is_lent_is_not_taken_until_the_last_reader_lets_go(canvases, stream):
    first = canvases.take(64, 48, stream)
    surface = first.lend(Colour())
    owner = surface.owner
    del surface
    assert canvases.take(64, 48, stream) is not first
    del owner
    gc.collect()
    assert canvases.take(64, 48, stream) is first and len(canvases) == 2


def test_a_new_size_lets_the_old_memory_go_when_the_stream_is_done(canvases, stream, monkeypatch):
    waited = []
    monkeypatch.setattr(stream, "synchronize", lambda: waited.append(len(canvases)))
    canvases.take(64, 48, stream)
    canvases.take(66, 48, stream)
    assert waited == [1] and len(canvases) == 1


def test_a_surface_is_ready_by_an_event_behind_what_was_drawn(canvases, stream):
    canvas = canvases.take(64, 48, stream)
    surface = canvas.lend(Colour())
    canvas.finish(stream)
    assert surface.ready.recorded == 1
