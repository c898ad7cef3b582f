import av
import pytest

from streamd.checkup import Missing
from streamd.encode import nvenc, probe
from streamd.errors import DeviceError, EncodeError


def failing(*logged):
    """A probe of NVENC that FFmpeg tells `logged` of."""

    def fail():
        for line in logged:
            av.logging.log(av.logging.ERROR, "h264_nvenc", line)
        raise EncodeError("h264_nvenc cannot be opened")

    return fail


def test_libx264_opens():
    assert probe.software() == "opens"


def test_nvenc_that_opens_is_there(monkeypatch):
    monkeypatch.setattr(nvenc, "probe", lambda: None)
    assert probe.on_gpu() == "opens"


def test_a_gpu_without_an_encoder_is_told_in_the_words_of_ffmpeg(monkeypatch):
    monkeypatch.setattr(nvenc, "probe", failing("OpenEncodeSessionEx failed: unsupported device (2): (no details)\n"))
    with pytest.raises(Missing, match="unsupported device") as raised:
        probe.on_gpu()
    assert raised.value.mend == ""


def test_without_words_the_error_speaks(monkeypatch):
    monkeypatch.setattr(nvenc, "probe", failing())
    with pytest.raises(DeviceError, match="h264_nvenc cannot be opened"):
        probe.on_gpu()
