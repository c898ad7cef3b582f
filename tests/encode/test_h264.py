"""What comes out of libx264, read by a parser and by a decoder."""

import av
import numpy as np
import pytest

from streamd.config import VideoSocket
from streamd.encode import ENCODERS, choose
from streamd.errors import EncodeError
from streamd.frames import Colour, Frame, Picture

SPS, PPS, IDR, SLICE = 7, 8, 5, 1
MS = 1_000_000
BT601 = Colour()


def picture(width, height, *, luma=100, colour=BT601):
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return Picture(
        np.full((height, width), luma, np.uint8), np.full(chroma, 90, np.uint8), np.full(chroma, 160, np.uint8), colour
    )


def frame(seq, pts_ns, image, *, session=1):
    return Frame("front", session, seq, pts_ns, 10**18 + pts_ns, image)


def encode(encoder, image, times_ns, *, forced=()):
    packets = []
    for seq, pts_ns in enumerate(times_ns):
        packets += encoder(frame(seq, pts_ns, image), image, seq in forced)
    return packets + list(encoder.flush())


def units(data):
    """The types of an access unit's NAL units, in order (Annex B start codes of three or four bytes)."""
    assert data.startswith((b"\0\0\0\1", b"\0\0\1"))
    return [part[0] & 31 for part in data.split(b"\0\0\1")[1:]]


def decode(packets):
    decoder = av.CodecContext.create("h264", "r")
    frames = [each for packet in packets for each in decoder.decode(av.Packet(packet.data))]
    return frames + decoder.decode(None)


@pytest.fixture
def encoder():
    return ENCODERS["libx264"].make(VideoSocket())


def test_every_picture_comes_out_at_once_and_in_order(encoder):
    image = picture(64, 48)
    for seq in range(20):
        (packet,) = encoder(frame(seq, seq * 40 * MS, image), image, False)
        assert packet.seq == seq


def test_stamps_pass_through_exactly(encoder):
    times = [0, 33_366_667, 33_366_668, 99_999_999, 10**12 + 1]
    packets = encode(encoder, picture(64, 48), times)
    assert [(p.pts_ns, p.captured_at_ns) for p in packets] == [(t, 10**18 + t) for t in times]


def test_sps_and_pps_stand_before_every_idr(encoder):
    packets = encode(encoder, picture(64, 48), [i * 100 * MS for i in range(60)])
    for packet in packets:
        kinds = units(packet.data)
        if packet.keyframe:
            assert kinds[:2] == [SPS, PPS] and kinds[-1] == IDR
        else:
            assert kinds == [SLICE]


@pytest.mark.parametrize("step_ms", [10, 40, 333])
def test_keyframes_come_by_time_whatever_the_frame_rate(encoder, step_ms):
    packets = encode(encoder, picture(32, 32), [i * step_ms * MS for i in range(6000 // step_ms)])
    keys = [p.pts_ns for p in packets if p.keyframe]
    steps = np.diff(keys) / MS
    assert len(keys) >= 2 and (steps >= 2000).all() and (steps < 2000 + step_ms).all()


def test_a_keyframe_comes_when_asked(encoder):
    packets = encode(encoder, picture(32, 32), [i * 40 * MS for i in range(10)], forced={4})
    assert [p.seq for p in packets if p.keyframe] == [0, 4]


def test_a_stretch_that_begins_at_a_forced_keyframe_decodes_alone(encoder):
    packets = encode(encoder, picture(64, 48, luma=120), [i * 40 * MS for i in range(10)], forced={4})
    pictures = decode(packets[4:])
    assert len(pictures) == 6
    assert abs(pictures[0].to_ndarray(format="gray").astype(int) - 120).max() <= 30


def test_no_picture_waits_for_a_later_one(encoder):
    assert all(p.pts_ns == i * MS for i, p in enumerate(encode(encoder, picture(64, 48), [i * MS for i in range(30)])))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (3, 3), (17, 31), (639, 359), (640, 360)])
def test_odd_sizes_are_coded_one_larger(encoder, size):
    width, height = size
    packets = encode(encoder, picture(width, height), [0, 40 * MS])
    pictures = decode(packets)
    even = (width + width % 2, height + height % 2)
    assert [(p.width, p.height) for p in packets] == [even] * 2
    assert [(p.width, p.height) for p in pictures] == [even] * 2


def test_an_added_column_and_row_repeat_the_edge():
    encoder = ENCODERS["libx264"].make(VideoSocket(crf=0))
    image = picture(33, 33)
    image.y[:] = np.arange(33, dtype=np.uint8)[None, :] * 3 + 60
    (decoded,) = decode(encode(encoder, image, [0]))
    luma = decoded.to_ndarray(format="yuv420p")[:34]
    assert (luma[:, 33] == luma[:, 32]).all() and (luma[33] == luma[32]).all()


@pytest.mark.parametrize("matrix,code", [("bt601", 6), ("bt709", 1)])
@pytest.mark.parametrize("full", [False, True])
def test_colour_is_written_into_the_stream(encoder, matrix, code, full):
    image = picture(64, 48, colour=Colour(matrix, full))
    (decoded,) = decode(encode(encoder, image, [0]))
    assert (decoded.colorspace, decoded.color_range) == (code, 2 if full else 1)


def test_pixels_pass_through_without_a_change_of_range(encoder):
    for full in (False, True):
        image = picture(64, 48, luma=250, colour=Colour("bt601", full))
        (decoded,) = decode(encode(encoder, image, [0]))
        assert abs(int(np.frombuffer(decoded.planes[0], np.uint8)[0]) - 250) <= 3


def test_a_new_size_session_or_colour_starts_with_a_keyframe(encoder):
    small, large, blue = picture(32, 32), picture(64, 32), picture(64, 32, colour=Colour("bt709"))
    packets = []
    for seq, (image, session) in enumerate([(small, 1), (small, 1), (large, 1), (large, 1), (large, 2), (blue, 2)]):
        packets += encoder(frame(seq, seq * MS, image, session=session), image, False)
    assert [p.keyframe for p in packets] == [True, False, True, False, True, True]
    assert [p.width for p in packets] == [32, 32, 64, 64, 64, 64]


def test_units_are_numbered_without_a_gap_from_0_in_every_session(encoder):
    small, large = picture(32, 32), picture(64, 32)
    packets = []
    for seq, image, session in [(0, small, 1), (4, small, 1), (9, large, 1), (0, large, 2), (5, large, 2)]:
        packets += encoder(frame(seq, seq * MS, image, session=session), image, False)
    assert [(p.session, p.unit) for p in packets] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


def test_strided_planes_are_read_as_they_are(encoder):
    wide = np.zeros((48, 100), np.uint8)
    wide[:, :64] = 200
    image = picture(64, 48)
    strided = Picture(wide[:, :64], image.u, image.v)
    (decoded,) = decode(encode(encoder, strided, [0]))
    assert abs(int(decoded.to_ndarray(format="yuv420p")[:48].mean()) - 200) <= 2


def test_timestamps_that_stand_still_or_step_back_do_no_harm(encoder):
    packets = encode(encoder, picture(32, 32), [0, 0, 5, 10**9, 10**9 - 5, 0])
    assert [p.seq for p in packets] == list(range(6))


def test_a_bitrate_bounds_the_size():
    noise = np.random.default_rng(0)
    encoder = ENCODERS["libx264"].make(VideoSocket(bitrate=200_000))
    packets = []
    for seq in range(50):
        image = Picture(*(noise.integers(0, 255, shape, np.uint8) for shape in ((96, 128), (48, 64), (48, 64))))
        packets += encoder(frame(seq, seq * 40 * MS, image), image, False)
    assert 8 * sum(len(p.data) for p in packets) < 2 * 200_000 * 2


def test_a_wrong_option_is_an_encode_error():
    encoder = ENCODERS["libx264"].make(VideoSocket())
    encoder._options["preset"] = "nonsense"
    with pytest.raises(EncodeError, match="libx264 cannot be opened for 32x32"):
        encode(encoder, picture(32, 32), [0])


def test_an_encoder_can_be_closed_twice_and_used_again(encoder):
    encoder.close()
    encoder.close()
    assert list(encoder.flush()) == []
    assert len(encode(encoder, picture(32, 32), [0])) == 1


def test_auto_finds_an_encoder():
    assert len(encode(choose(VideoSocket(codec="auto"))(), picture(256, 256), [0])) == 1


def test_the_named_encoder_must_be_there(monkeypatch):
    def gone():
        raise EncodeError("h264_nvenc cannot be opened")

    monkeypatch.setitem(ENCODERS, "h264_nvenc", type(ENCODERS["libx264"])(gone, ENCODERS["libx264"].make))
    with pytest.raises(EncodeError, match="h264_nvenc"):
        choose(VideoSocket(codec="h264_nvenc"))
