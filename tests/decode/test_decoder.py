import errno

import av
import numpy as np
import pytest
import structlog

from streamd import cores
from streamd.decode import nvdec
from streamd.frames import Picture, Surface
from tests.decode.fake_nvdec import unchanged


def known(frames):
    return [(frame.seq, frame.pts_ns) for frame in frames]


def told(lines):
    return [(line["event"], line["camera"], line["reason"]) for line in lines]


def refused(_number, frames):
    """FFmpeg's answer where NVDEC does not take a stream: it decodes in software."""
    return [frame._frame for frame in frames]


def larger(_number, frames):
    """Frames that FFmpeg could not crop at the left."""
    for frame in frames:
        frame.width = frame._frame.width + 8
    return frames


def failing(first, count, error=av.error.InvalidDataError):
    def change(number, frames):
        if first <= number < first + count:
            raise error(1, "Invalid data")
        return frames

    return change


def lacking(_number, _frames):
    """FFmpeg's answer where the GPU's NVDEC has not the codec, and FFmpeg no decoder of its own, as for AV1."""
    raise av.error.UndefinedError(errno.ENOSYS, "Function not implemented")


def silent(_number, _frames):
    return []


@pytest.mark.parametrize(
    ("change", "layout", "reason"),
    [
        (refused, "nv12", "NVDEC does not take h264, yuv420p, 64x48"),
        (unchanged, "yuv444p", "NVDEC gives yuv444p, neither NV12 nor P010"),
        (unchanged, "p016le", "NVDEC gives p016le, neither NV12 nor P010"),
        (larger, "nv12", "its picture of 64x48 does not begin at the corner of the coded one"),
        (lacking, "nv12", "this GPU's NVDEC does not decode h264"),
        (failing(0, 99), "nv12", "8 packets in a row failed: Invalid data"),
        (silent, "nv12", "no frame came of its first 11 packets"),
    ],
)
def test_what_nvdec_cannot_decode_is_decoded_in_software_from_its_first_frame(
    change, layout, reason, fake, clip, gpu, decoded
):
    fake(change, layout)
    path = clip()
    frames, lines, front = decoded(path, gpu)
    pictures, _, _ = decoded(path, None)
    assert told(lines) == [("decoded in software", "front", reason)]
    assert known(frames) == known(pictures) and front.stats.corrupt == 0
    assert all(
        np.array_equal(frame.picture.y, picture.picture.y) for frame, picture in zip(frames, pictures, strict=True)
    )


def test_a_stream_that_never_gives_a_frame_is_not_waited_for_long(fake, clip, gpu, decoded):
    fake(silent)
    frames, lines, _ = decoded(clip(frames=100, size=(16, 16)), gpu)
    assert [line["reason"] for line in lines] == ["no frame came of its first 65 packets"]
    assert len(frames) == 100


def test_an_odd_height_is_decoded_in_software(fake, clip, gpu, decoded):
    fake()
    frames, lines, _ = decoded(clip(size=(130, 67), frames=3, codec="libsvtav1"), gpu)
    assert [line["reason"] for line in lines] == ["an odd height, 130x67"]
    assert [frame.picture.y.shape for frame in frames] == [(67, 130)] * 3


def test_a_reason_is_told_once_however_often_the_stream_is_opened(fake, clip, camera, gpu, fake_stop, split):
    fake(refused)
    front = camera(clip(frames=3), gpu=gpu, loop=True)
    with structlog.testing.capture_logs() as lines:
        frames, _ = split(front.frames(fake_stop(8)))
    assert len(frames) > 6 and len(lines) == 1


def test_a_codec_without_nvdec_is_decoded_in_software(clip, gpu, decoded):
    frames, lines, _ = decoded(clip(name="clip.avi", codec="mjpeg", pix_fmt="yuvj420p"), gpu)
    assert told(lines) == [
        ("decoded in software", "front", "NVDEC is used for h264, hevc, av1, not for mjpeg"),
    ]
    assert [type(frame.picture) for frame in frames] == [Picture] * 10


def test_a_gpu_that_ffmpeg_does_not_see_costs_no_frame(clip, gpu, decoded):
    gpu.index = 99
    frames, lines, _ = decoded(clip(), gpu)
    assert [line["reason"].partition(": ")[0] for line in lines] == ["FFmpeg cannot use cuda:99"]
    assert [type(frame.picture) for frame in frames] == [Picture] * 10


def test_software_is_software(fake, clip, gpu, decoded):
    fake()
    frames, lines, _ = decoded(clip(), gpu, decode="software")
    assert lines == []
    assert [type(frame.picture) for frame in frames] == [Picture] * 10


STEADY = {"bf": "0", "g": "10", "sc_threshold": "0"}  # a frame a packet, and a key frame each ten


def test_damage_before_the_first_frame_counts_once_nvdec_is_seen_to_work(fake, clip, gpu, decoded):
    fake(failing(0, 3))
    frames, lines, front = decoded(clip(frames=20, options=STEADY), gpu)
    assert lines == []
    assert front.stats.corrupt == 3
    assert [frame.seq for frame in frames] == list(range(10, 20))
    assert front.stats.skipped == 7  # up to the key frame


def test_damage_later_leaves_a_gap(fake, clip, gpu, decoded):
    fake(failing(4, 7))
    frames, lines, front = decoded(clip(frames=30, options=STEADY), gpu)
    assert lines == []
    assert front.stats.corrupt == 7
    assert [frame.seq for frame in frames] == [*range(4), *range(20, 30)]
    assert front.stats.skipped == 9  # up to the key frame


def test_damage_without_end_ends_in_software_from_a_key_frame_on(fake, clip, gpu, decoded):
    fake(failing(4, 99))
    frames, lines, front = decoded(clip(frames=30, options=STEADY), gpu)
    assert [line["reason"] for line in lines] == ["8 packets in a row failed: Invalid data"]
    assert front.stats.corrupt == 8
    shown = [(type(frame.picture), frame.pts_ns // 40_000_000) for frame in frames]
    assert shown == [(Surface, i) for i in range(4)] + [(Picture, i) for i in range(20, 30)]


def test_a_resolution_that_nvdec_does_not_take_costs_no_frame(fake, clip, tmp_path, gpu, decoded):
    def small_only(_number, frames):
        return [frame._frame if frame.width > 64 else frame for frame in frames]

    fake(small_only)
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(clip(f"{w}.h264", frames=5, size=(w, 48), options=STEADY).read_bytes() for w in (64, 96)))
    frames, lines, _ = decoded(path, gpu)
    assert [line["reason"] for line in lines] == ["NVDEC does not take h264, yuv420p, 96x48"]
    assert [(type(frame.picture), frame.picture.width) for frame in frames] == [(Surface, 64)] * 5 + [(Picture, 96)] * 5


def test_threads_gather_while_nvdec_decodes_and_leave_where_the_cpu_does(clip, decoded, fake, gpu, monkeypatch):
    where = []
    monkeypatch.setattr(cores, "gather", lambda: where.append("gathered"))
    monkeypatch.setattr(cores, "scatter", lambda: where.append("scattered"))
    fake()
    decoded(clip(), gpu)
    assert where == ["gathered"]
    fake(failing(4, 99))
    decoded(clip(frames=30), gpu)
    assert where == ["gathered", "gathered", "scattered"]

    def unfit(*_, **__):
        raise nvdec.Unfit("NVDEC is not for this one")

    monkeypatch.setattr(nvdec, "open_context", unfit)
    decoded(clip(), gpu)
    assert where[3:] == ["scattered"]
    decoded(clip(), None)
    assert where[4:] == []
