"""Packets that a decoder refuses: what was sent before is shown, however late it comes; nothing is built on them."""

import os

import av
import pytest

from streamd.decode import nvdec, stream
from streamd.decode.decoder import Decoder
from tests.decode.fake_nvdec import FakeContext, unchanged

FRAME_NS = 40_000_000
KINDS = {
    "steady": {"g": "10", "bf": "0", "sc_threshold": "0"},
    "reordered": {"g": "10", "bf": "3", "sc_threshold": "0"},
}


@pytest.fixture
def film(clip):
    """Writes a clip of 40 frames, and returns its path."""

    def make(options, name="whole.mp4", codec="libx264"):
        return clip(name, frames=40, size=(64, 80), codec=codec, options=options)

    return make


def overwritten(path, number):
    """Spoils one packet of an MP4 file but for its first bytes."""
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    start, size = places[number]
    data = bytearray(path.read_bytes())
    data[start + 6 : start + size] = b"\xff" * (size - 6)
    path.write_bytes(data)


@pytest.fixture
def cores(monkeypatch):
    """Has FFmpeg decode by so many threads."""
    return lambda threads: monkeypatch.setattr(os, "cpu_count", lambda: 2 * threads)


def place(frame):
    return round(frame.pts_ns / FRAME_NS)


class Refusing(FakeContext):
    """NVDEC, as it is when it refuses some packets, and gives each frame so many packets late."""

    def __init__(self, video, delay, refused):
        super().__init__(video, unchanged, "nv12")
        self._context.reorder_depth += delay
        self._packets = iter(range(10_000))
        self._refused = refused

    def decode(self, packet):
        if next(self._packets) in self._refused:
            raise av.error.InvalidDataError(1, "Invalid data")
        return super().decode(packet)


def unspoilt(path, *refused):
    """The places of the pictures that nothing refused is needed for: sent before it, or shown from a key frame on."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    places, keys = [round(packet.pts * packet.time_base * 25) for packet in packets], []
    for index, packet in enumerate(packets):
        keys.append(index if packet.is_keyframe else keys[-1])
    return sorted(place for i, place in enumerate(places) if not any(keys[i] <= bad <= i for bad in refused))


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize("kind", ["steady", "reordered"])
@pytest.mark.parametrize("refused", [(12,), (15,), (17, 18), (19,), (20,), (12, 25), (38,), (39,)], ids=str)
def test_what_nvdec_refuses_spoils_what_was_sent_after_it(refused, kind, delay, film, gpu, decoded, monkeypatch):
    monkeypatch.setattr(nvdec, "open_context", lambda video, *_, **__: Refusing(video, delay, refused))
    path = film(KINDS[kind])
    frames, lines, front = decoded(path, gpu)
    assert lines == []
    assert [place(frame) for frame in frames] == unspoilt(path, *refused)
    assert front.stats.corrupt == len(refused)


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize("refused", [(12,), (17, 18), (12, 25)], ids=str)
def test_numbers_of_frames_leave_out_what_was_refused_where_it_was(refused, delay, film, gpu, decoded, monkeypatch):
    monkeypatch.setattr(nvdec, "open_context", lambda video, *_, **__: Refusing(video, delay, refused))
    frames, _, _ = decoded(film(KINDS["steady"]), gpu)
    assert [frame.seq for frame in frames] == [place(frame) for frame in frames]


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize("refused", [1, 2, 3])
def test_what_nvdec_refuses_before_its_first_frame_spoils_what_was_sent_after_it(
    refused, delay, film, gpu, decoded, monkeypatch, cores
):
    cores(4)
    monkeypatch.setattr(nvdec, "open_context", lambda video, *_, **__: Refusing(video, delay, [refused]))
    path = film(KINDS["steady"])
    frames, _, front = decoded(path, gpu)
    shown = [place(frame) for frame in frames]
    assert shown[0] == 0
    assert set(shown) <= set(unspoilt(path, refused))
    assert shown[-30:] == list(range(10, 40))
    assert front.stats.corrupt == 1


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("kind", ["steady", "reordered"])
@pytest.mark.parametrize("number", [12, 15, 19])
def test_what_cannot_be_decoded_spoils_what_was_sent_after_it(
    number, kind, threads, delay, film, decoded, monkeypatch, cores
):
    """FFmpeg's threads tell of a packet only when they have been given as many more."""

    def late(video, **keys):
        video.codec_context.reorder_depth += delay
        return Decoder(video, **keys)

    monkeypatch.setattr(stream, "Decoder", late)
    cores(threads)
    path = film(KINDS[kind], "bad.mp4")
    expected = unspoilt(path, number)
    overwritten(path, number)
    frames, _, front = decoded(path, None)
    assert [place(frame) for frame in frames] == expected
    assert front.stats.corrupt >= 1


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("number", [12, 19])
def test_of_av1_dav1d_itself_holds_back_what_is_spoilt(number, threads, film, decoded, cores):
    cores(threads)
    path = film({"svtav1-params": "keyint=10:pred-struct=1:lp=1"}, "bad.mp4", "libsvtav1")
    expected = unspoilt(path, number)
    overwritten(path, number)
    assert [place(frame) for frame in decoded(path, None)[0]] == expected
