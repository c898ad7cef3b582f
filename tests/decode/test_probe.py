import ctypes

import av
import numpy as np
import pytest
from av.codec import CodecContext

from streamd.checkup import Missing
from streamd.decode import probe
from streamd.errors import SourceError


class Gpu:
    """In place of PyAV's CodecContext: decodes on the CPU, and hands pictures over in a layout."""

    def __init__(self, layout):
        self.layout = layout

    def create(self, codec, mode, hwaccel):
        context = CodecContext.create("libdav1d" if codec == "av1" else codec, mode)
        layout = self.layout

        class Context:
            extradata = None

            def decode(self, packet):
                context.extradata = context.extradata or self.extradata
                return [frame.reformat(format=layout) for frame in context.decode(packet)]

        return Context()


@pytest.fixture
def gpu(monkeypatch):
    return lambda layout: monkeypatch.setattr(probe, "CodecContext", Gpu(layout))


def test_every_codec_is_decoded_in_software():
    assert probe.in_software() == "H.264, HEVC, AV1"


def test_pictures_of_another_brightness_are_told(monkeypatch):
    monkeypatch.setattr(probe, "LUMA", (64, 104, 200))
    with pytest.raises(SourceError, match=r"H\.264 comes out wrong: brightness \[64, 104, 144\]"):
        probe.in_software()


@pytest.mark.parametrize("codec", probe.CODECS.values())
def test_pictures_in_the_layout_of_nvdec_are_of_the_gpu(gpu, codec):
    gpu("nv12")
    assert probe.on_gpu(codec) == "decodes"


def test_pictures_of_a_software_decoder_are_not(gpu):
    gpu("yuv420p")
    with pytest.raises(Missing, match="the CPU does"):
        probe.on_gpu("h264")


def test_without_a_driver_ffmpeg_says_so():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pass
    else:
        pytest.skip("this machine has libcuda.so.1")
    with pytest.raises(Missing, match=r"libcuda\.so"):
        probe.on_gpu("h264")


def test_an_ffmpeg_without_the_decoder_is_told_as_that(monkeypatch):
    class Bare:
        def create(self, codec, mode, hwaccel):
            return CodecContext.create(f"no-{codec}", mode)

    monkeypatch.setattr(probe, "CodecContext", Bare())
    with pytest.raises(Missing, match="no decoder called av1"):
        probe.on_gpu("av1")


@pytest.mark.parametrize("codec", probe.CODECS.values())
def test_the_videos_are_of_their_codec_and_large_enough_for_nvdec(codec):
    with av.open(probe._path(codec)) as container:
        context = container.streams.video[0].codec_context
        assert context.codec.canonical_name == codec
        assert min(context.width, context.height) >= 144  # of HEVC, the most that any codec asks for
        assert context.pix_fmt == "yuv420p"


def test_the_padding_of_a_row_has_no_brightness():
    frame = av.VideoFrame(20, 4, "yuv420p")
    plane = frame.planes[0]
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    rows[:, :20] = 50
    plane.update(rows.tobytes())
    assert plane.line_size > 20
    assert probe._luma(frame) == 50
