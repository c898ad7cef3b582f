"""Pictures in the memory of a GPU, on their way into an encoder. The GPU is the host's; NVENC is nowhere."""

import av
import numpy as np
import pytest

from streamd.annotate import Annotate
from streamd.config import VideoSocket
from streamd.encode import ENCODERS, choose, nvenc
from streamd.encode.feed import Downloaded, Planar
from streamd.encode.h264 import H264Encoder
from streamd.encode.nvenc import OnDevice
from streamd.errors import EncodeError
from streamd.frames import Colour, Detections, Frame, Picture, Surface
from streamd.gpu.canvas import Canvases
from tests.gpu.host_surface import grey, noise, planes_of

MS = 1_000_000
SIZES = [(64, 48), (65, 48), (64, 47), (33, 31), (1, 1), (2, 3)]


def frame(seq, image, *, session=1):
    return Frame("front", session, seq, seq * 40 * MS, 10**18 + seq, image)


def decode(packets):
    decoder = av.CodecContext.create("h264", "r")
    frames = [each for packet in packets for each in decoder.decode(av.Packet(packet.data))]
    return frames + decoder.decode(None)


def lossless(*feeds):
    """libx264 without loss: what comes out is what went in."""
    return H264Encoder("libx264", {"preset": "ultrafast", "crf": "0", "tune": "zerolatency"}, bitrate=0,
                       keyframe_interval_s=9, feeds=feeds)  # fmt: skip


def coded(encoder, images):
    packets = []
    for seq, image in enumerate(images):
        packets += encoder(frame(seq, image), image, False)
    return packets + list(encoder.flush())


def planar(luma, chroma):
    return Picture(luma, chroma[..., 0].copy(), chroma[..., 1].copy())


def canvas(gpu, rng, width, height):
    """A random picture as DeviceAnnotate makes them: planes in one piece."""
    stream = gpu.stream()
    canvases = Canvases(gpu)
    lent = canvases.take(width, height, stream)
    lent._memory[:] = rng.integers(0, 256, lent._memory.shape, np.uint8)
    lent.finish(stream)
    return lent.lend(Colour())


@pytest.mark.parametrize("size", SIZES)
def test_a_surface_is_coded_as_the_same_picture_on_the_host(host_gpu, size):
    rng = np.random.default_rng(0)
    surfaces, pictures = [], []
    for margin in (0, 7, 32):
        surface, luma, chroma = noise(rng, *size, margin=margin)
        surfaces.append(surface)
        pictures.append(planar(luma, chroma))
    here, there = coded(lossless(Planar()), pictures), coded(lossless(Planar(), Downloaded(host_gpu)), surfaces)
    for a, b in zip(decode(here), decode(there), strict=True):
        np.testing.assert_array_equal(a.to_ndarray(format="yuv420p"), b.to_ndarray(format="yuv420p"))
    assert [(p.width, p.height, p.seq) for p in here] == [(p.width, p.height, p.seq) for p in there]


def test_what_comes_out_is_what_went_in(host_gpu):
    surface, luma, _ = noise(np.random.default_rng(1), 64, 48)
    (decoded,) = decode(coded(lossless(Downloaded(host_gpu)), [surface]))
    np.testing.assert_array_equal(decoded.to_ndarray(format="yuv420p")[:48], luma)


def test_a_camera_that_goes_from_host_to_gpu_and_back_begins_anew_each_time(host_gpu):
    surface = grey(64, 48)
    picture = planar(*planes_of(surface))
    encoder = choose(VideoSocket(codec="libx264"), host_gpu)()
    packets = coded(encoder, [picture, surface, surface, picture])
    assert [(p.seq, p.keyframe, p.unit) for p in packets] == [
        (0, True, 0),
        (1, True, 1),
        (2, False, 2),
        (3, True, 3),
    ]
    assert len(decode(packets)) == 4


def test_a_surface_is_waited_for_on_the_feeds_stream(host_gpu, monkeypatch):
    feed, waited = Downloaded(host_gpu), []
    monkeypatch.setattr(feed._stream, "wait_event", waited.append)
    ready = host_gpu.event()
    feed(grey(64, 48, ready=ready))
    assert waited == [ready]


def test_pinned_memory_is_taken_for_a_new_size_alone(host_gpu, monkeypatch):
    taken, pinned = [], host_gpu.pinned
    monkeypatch.setattr(host_gpu, "pinned", lambda *a: taken.append(a) or pinned(*a))
    feed = Downloaded(host_gpu)
    for size in [(64, 48), (64, 48), (66, 48), (66, 48)]:
        feed(grey(*size))
    assert len(taken) == 2


def test_nothing_behind_a_picture_is_read(host_gpu, monkeypatch):
    """Of its last row only what is the picture's: the next byte may be another's."""
    surface = grey(5, 3, margin=11)
    reach = []
    memory = host_gpu.memory
    monkeypatch.setattr(host_gpu, "memory", lambda at, size, owner: reach.append((at, size)) or memory(at, size, owner))
    Downloaded(host_gpu)(surface)
    assert reach == [(surface.pixels, 2 * surface.pitch + 5), (surface.chroma, surface.chroma_pitch + 6)]


@pytest.mark.parametrize("surface", [Surface(64, 64, 64, 48), Surface(64, 128, 64, 48, 9984, 128, 2)])
def test_packed_and_ten_bit_surfaces_have_no_way_in(host_gpu, surface):
    encoder = choose(VideoSocket(codec="libx264"), host_gpu)()
    with pytest.raises(ValueError, match="no way"):
        encoder(frame(0, surface), surface, False)


def test_without_a_gpu_a_surface_has_no_way_in():
    surface = grey(64, 48)
    with pytest.raises(ValueError, match="no way"):
        choose(VideoSocket(codec="libx264"))()(frame(0, surface), surface, False)


class OnHost(OnDevice):
    """The feed of NVENC with a GPU that is the host's: the frames it makes are of host memory."""

    pix_fmt = "nv12"


def test_a_frame_on_the_device_is_the_surfaces_own_memory(host_gpu):
    surface = canvas(host_gpu, np.random.default_rng(2), 70, 48)
    made = OnHost(host_gpu)(surface)
    assert (made.width, made.height, made.format.name) == (70, 48, "nv12")
    assert [plane.buffer_ptr for plane in made.planes] == [surface.pixels, surface.chroma]
    assert [plane.line_size for plane in made.planes] == [surface.pitch, surface.pitch]


def test_a_frame_on_the_device_is_coded_like_one_brought_down(host_gpu):
    rng = np.random.default_rng(3)
    surfaces = [canvas(host_gpu, rng, 70, 48) for _ in range(3)]
    here, there = (
        [each.to_ndarray(format="yuv420p") for each in decode(coded(lossless(feed), surfaces))]
        for feed in (OnHost(host_gpu), Downloaded(host_gpu))
    )
    assert len(here) == 3
    np.testing.assert_array_equal(here, there)


def test_a_canvas_is_lent_until_its_frame_is_gone(host_gpu):
    stream = host_gpu.stream()
    canvases = Canvases(host_gpu)
    lent = canvases.take(64, 48, stream)
    made = OnHost(host_gpu)(lent.lend(Colour()))
    assert not lent.free and canvases.take(64, 48, stream) is not lent
    del made
    assert lent.free and canvases.take(64, 48, stream) is lent


def test_a_frame_on_the_device_waits_until_the_surface_is_ready(host_gpu, monkeypatch):
    surface = canvas(host_gpu, np.random.default_rng(4), 64, 48)
    feed, order, done = OnHost(host_gpu), host_gpu.order, []
    monkeypatch.setattr(host_gpu, "order", lambda *a: done.append(("order", *a)) or order(*a))
    monkeypatch.setattr(feed._readable, "record", lambda stream: done.append(("record", stream)))
    monkeypatch.setattr(feed._readable, "synchronize", lambda: done.append(("wait",)))
    feed(surface)
    assert done == [("order", [surface], feed._stream), ("record", feed._stream), ("wait",)]


def test_nvenc_takes_a_surface_whose_chroma_stands_behind_its_luma_and_no_other(host_gpu):
    rng = np.random.default_rng(5)
    feed = OnDevice(host_gpu)
    assert feed.takes(canvas(host_gpu, rng, 64, 48))
    assert not any(feed.takes(canvas(host_gpu, rng, *size)) for size in [(65, 48), (64, 47)])
    assert not feed.takes(grey(64, 48)) and not feed.takes(planar(*planes_of(grey(64, 48))))


def test_where_nvenc_takes_no_surface_they_are_brought_down(host_gpu, monkeypatch):
    def refuse(*_arguments):
        raise EncodeError("h264_nvenc failed")

    monkeypatch.setattr(nvenc.H264Encoder, "_open", refuse)
    assert not nvenc.takes_surfaces(host_gpu)


def test_what_the_encoder_takes_is_tried_once(host_gpu, monkeypatch):
    tried = []
    codec = type(ENCODERS["libx264"])(
        ENCODERS["libx264"].probe, ENCODERS["libx264"].make, lambda gpu: tried.append(gpu) or False
    )
    monkeypatch.setitem(ENCODERS, "libx264", codec)
    make = choose(VideoSocket(codec="libx264"), host_gpu)
    for _ in range(3):
        assert len(coded(make(), [grey(64, 48)])) == 1
    assert tried == [host_gpu]


def test_what_was_drawn_on_the_gpu_is_what_is_seen(host_gpu):
    """The whole way of a film: a surface, its boxes, libx264, and a decoder."""
    boxes = Detections(np.array([[40, 60, 200, 200]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))
    drawn = Annotate(("person",), host_gpu)(grey(321, 240), boxes)
    encoder = choose(VideoSocket(codec="libx264"), host_gpu)()
    (seen,) = decode(coded(encoder, [drawn]))
    luma = seen.to_ndarray(format="yuv420p")[:240].astype(int)
    assert (seen.width, seen.height) == (322, 240)
    np.testing.assert_allclose(luma[198:200, 60:180], planes_of(drawn)[0][198:200, 60:180], atol=12)
    np.testing.assert_allclose(luma[100:190, 60:180], 110, atol=3)
