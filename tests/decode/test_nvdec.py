import gc
import weakref
from types import SimpleNamespace

import av
import numpy as np
import pytest

from streamd.decode import nvdec
from streamd.frames import Colour, Surface
from tests.decode.fake_nvdec import read
from tests.gpu.host_gpu import HostGpu


def known(frames):
    return [(frame.seq, frame.pts_ns) for frame in frames]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_every_frame_is_a_surface_of_what_software_decodes(codec, fake, clip, gpu, decoded):
    fake()
    path = clip(codec=codec, size=(98, 66))
    frames, lines, front = decoded(path, gpu)
    pictures, _, _ = decoded(path, None)
    assert lines == [] and front.stats.corrupt == 0
    assert known(frames) == known(pictures)
    for frame, picture in zip(frames, pictures, strict=True):
        surface, wanted = frame.picture, picture.picture
        assert isinstance(surface, Surface)
        assert (surface.sample_bytes, surface.colour) == (1, wanted.colour)
        luma, chroma = read(surface)
        assert np.array_equal(luma, wanted.y)
        assert np.array_equal(chroma, np.dstack([wanted.u, wanted.v]))


def test_ten_bits_are_a_surface_of_two_bytes(fake, clip, gpu, decoded):
    fake(layout="p010le")
    path = clip(codec="libx265", pix_fmt="yuv420p10le")
    frames, lines, _ = decoded(path, gpu)
    with av.open(str(path)) as container:
        wanted = [frame.to_ndarray()[:48] for frame in container.decode(video=0)]
    assert lines == [] and len(frames) == 10
    for frame, picture in zip(frames, wanted, strict=True):
        assert frame.picture.sample_bytes == 2
        assert np.array_equal(read(frame.picture)[0], picture << 6)


def test_a_surface_says_when_it_may_be_read_and_in_which_colour(fake, clip, gpu, decoded):
    fake()
    frames, _, _ = decoded(clip(size=(1280, 16), frames=2), gpu)
    assert [frame.picture.ready for frame in frames] == [gpu.decoded] * 2
    assert frames[0].picture.colour == Colour("bt709")


def test_a_surface_keeps_its_frame_and_nothing_else_does(fake, clip, gpu, decoded):
    fake()
    frames, _, _ = decoded(clip(frames=12), gpu)
    owners = [weakref.ref(frame.picture.owner) for frame in frames]
    del frames[:-1]
    gc.collect()
    assert [owner() is not None for owner in owners] == [False] * 11 + [True]


def test_a_resolution_that_changes_stays_on_the_gpu(fake, clip, tmp_path, gpu, decoded):
    fake()
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(clip(f"{w}.h264", frames=5, size=(w, 48)).read_bytes() for w in (64, 96)))
    frames, lines, _ = decoded(path, gpu)
    assert lines == []
    assert [(frame.picture.width, frame.seq) for frame in frames] == [(64, i) for i in range(5)] + [
        (96, i) for i in range(5)
    ]
    assert all(isinstance(frame.picture, Surface) for frame in frames)


class WatchedGpu(HostGpu):
    """Writes down what is asked of it."""

    def __init__(self):
        super().__init__(None)
        self.done = []

    def bind(self):
        self.done.append("bound")


def test_ffmpeg_works_in_the_context_that_cupy_made(clip, monkeypatch):
    gpu = WatchedGpu()

    def create(codec, mode, hwaccel):
        gpu.done.append((codec, hwaccel.options, hwaccel.device_id, hwaccel.is_hw_owned))
        raise av.error.ExternalError(1, "seen")

    gpu.index = 1
    monkeypatch.setattr(nvdec.av.CodecContext, "create", create)
    with av.open(str(clip())) as container, pytest.raises(nvdec.Unfit, match="FFmpeg cannot use cuda:1: seen"):
        nvdec.open_context(container.streams.video[0], gpu)
    assert gpu.done == ["bound", ("h264", {"primary_ctx": "0", "current_ctx": "1"}, 1, True)]


def test_a_decoder_is_told_what_the_container_knows(clip, monkeypatch, gpu):
    made = SimpleNamespace(is_hwaccel=True)
    monkeypatch.setattr(nvdec.av.CodecContext, "create", lambda *_, **__: made)
    with av.open(str(clip())) as container:
        given = container.streams.video[0].codec_context
        context = nvdec.open_context(container.streams.video[0], gpu)
        assert context is made and (context.extradata, context.pix_fmt) == (given.extradata, given.pix_fmt)
        assert context.reorder_depth == given.reorder_depth == 2
        assert (context.color_range, context.colorspace) == (given.color_range, given.colorspace)
        assert (context.thread_count, context.copy_opaque) == (1, True)


def test_a_build_without_nvdec_is_told(clip, monkeypatch, gpu):
    monkeypatch.setattr(nvdec.av.CodecContext, "create", lambda *_, **__: SimpleNamespace(is_hwaccel=False))
    with av.open(str(clip())) as container, pytest.raises(nvdec.Unfit, match="no NVDEC for h264"):
        nvdec.open_context(container.streams.video[0], gpu)
