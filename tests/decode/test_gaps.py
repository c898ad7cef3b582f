import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.decode.gaps import Gaps
from tests.decode.nal import Sets, annex_b, recovery

STREAM = Sets(fields=True)
KINDS = ["key", "reference", "reference", "reference", "passing", "passing", "fields", "parts"]


def sent(kinds, stream=STREAM):
    """The packets of a stream that numbers its pictures by 7.4.3, one for each of `kinds`."""
    number, packets = 0, [annex_b(stream.sequence(), stream.picture(), stream.slice(0, idr=True))]
    for kind in kinds:
        following = (number + 1) % 2**stream.frame_num_bits
        number = {"key": 0, "passing": number, "reset": 0}.get(kind, following)
        packets.append(annex_b(*picture(kind, following, stream)))
    return packets


def picture(kind, number, stream):
    if kind == "key":
        return [stream.slice(0, idr=True)]
    if kind == "passing":
        return [stream.slice(number, ref=False)]
    if kind == "reset":
        return [stream.slice(number, marking=[(5,)])]
    if kind == "fields":
        return [stream.slice(number, field=1), stream.slice(number, field=2)]
    if kind == "parts":
        return [stream.slice(number, first_mb=place) for place in (0, 20, 40)]
    return [stream.slice(number)]


def counted(packets):
    gaps = Gaps(None)
    for packet in packets:
        gaps.read(packet)
    return gaps.count


streams = st.builds(
    Sets,
    frame_num_bits=st.sampled_from([4, 5, 16]),
    order=st.integers(0, 2),
    fields=st.just(True),
    weighted=st.booleans(),
    redundant=st.booleans(),
)


@given(st.lists(st.sampled_from([*KINDS, "reset"]), max_size=60), streams)
def test_a_stream_that_misses_nothing_has_no_gap(kinds, stream):
    assert counted(sent(kinds, stream)) == 0


@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=60), streams, st.data())
def test_one_picture_that_is_missing_is_one_gap_wherever_it_spoils_others(kinds, stream, data):
    packets = sent(kinds, stream)
    missing = data.draw(st.integers(0, len(kinds) - 1))
    spoils = kinds[missing] not in ("passing", "key") and kinds[missing + 1 : missing + 2] not in ([], ["key"])
    del packets[1 + missing]
    if kinds[missing] == "key":  # of which the number may by chance be that which was due
        assert counted(packets) <= 1
    else:
        assert counted(packets) == spoils


@given(st.lists(st.sampled_from(KINDS), max_size=40), st.sets(st.integers(0, 40)))
def test_a_stream_may_leave_numbers_out_where_it_says_so(kinds, missing):
    packets = sent(kinds, Sets(fields=True, gaps_allowed=True))
    kept = [packet for index, packet in enumerate(packets) if index == 0 or index not in missing]
    assert counted(kept) == 0


def test_a_stream_is_joined_anywhere():
    _, *others = sent(["reference"] * 20)
    parameter_sets = annex_b(STREAM.sequence(), STREAM.picture())
    for start in range(20):
        assert counted([parameter_sets, *others[start:]]) == 0
    assert counted(others) == 0  # of which nothing can be read


def test_a_picture_without_its_first_slice_is_a_gap():
    whole = sent(["parts"] * 5)
    parts = picture("parts", 3, STREAM)
    assert counted([*whole[:3], annex_b(*parts[1:]), *whole[4:]]) == 1
    any_order = Sets(profile=66)
    assert counted([*sent(["parts"], any_order), annex_b(*picture("parts", 2, any_order)[::-1])]) == 0


def test_slices_of_a_picture_may_come_in_packets_of_their_own():
    first = sent([])
    parts = [annex_b(part) for number in (1, 2, 3) for part in picture("parts", number, STREAM)]
    assert counted(first + parts) == 0


def test_two_pictures_that_became_one_packet_are_told_apart():
    *_, second = picture("parts", 2, STREAM)
    whole = sent(["parts", "parts", "parts"])
    assert counted([*whole[:1], whole[1] + annex_b(second), whole[3]]) == 1


def heals(packets):
    gaps = Gaps(None)
    return [index for index, packet in enumerate(packets) if gaps.read(packet)]


def refreshed(count, every, length):
    """A stream of periodic intra refresh, but for its first picture without key frames."""
    packets = sent(["reference"] * count)
    return [
        annex_b(recovery(length)) + packet if index % every == 5 else packet for index, packet in enumerate(packets)
    ]


def test_a_recovery_is_complete_after_as_many_pictures_as_it_says():
    assert heals(refreshed(60, every=20, length=8)) == [0, 13, 33, 53]


def test_a_recovery_amid_which_a_picture_is_missing_is_none():
    packets = refreshed(60, every=20, length=8)
    del packets[27]  # between 25 and 33
    assert heals(packets) == [0, 13, 52]


def test_a_recovery_amid_which_damage_was_found_is_none():
    packets, gaps = refreshed(60, every=20, length=8), Gaps(None)
    for packet in packets[:30]:
        gaps.read(packet)
    gaps.spoilt()
    assert [index for index, packet in enumerate(packets[30:], 30) if gaps.read(packet)] == [53]


def test_of_two_recoveries_the_sooner_one_counts():
    packets = sent(["reference"] * 12)
    packets[2] = annex_b(recovery(8)) + packets[2]
    packets[4] = annex_b(recovery(0)) + packets[4]
    packets[6] = annex_b(recovery(3)) + packets[6]
    packets[7] = annex_b(recovery(9)) + packets[7]
    assert heals(packets) == [0, 4, 9]


def test_a_recovery_is_not_awaited_from_a_picture_that_a_stream_left_out():
    stream = Sets(gaps_allowed=True)
    packets = sent(["reference"] * 12, stream)
    packets[2] = annex_b(recovery(3)) + packets[2]
    packets[8] = annex_b(recovery(0)) + packets[8]
    del packets[5]
    assert heals(packets) == [0, 7]


def test_a_key_frame_without_its_first_slice_mends_nothing():
    torn = annex_b(STREAM.slice(0, idr=True, first_mb=40))
    assert heals([*sent(["reference"]), torn, *sent([])]) == [0, 3]


@pytest.mark.parametrize(("number", "cold"), [(0, True), (1, False)])
def test_a_recovery_that_the_decoder_cannot_begin_is_none(number, cold):
    gaps = Gaps(annex_b(STREAM.sequence(), STREAM.picture()))
    gaps.read(annex_b(recovery(3), STREAM.slice(number)))
    assert gaps.cold == cold
    whole = [gaps.read(annex_b(STREAM.slice(number + further))) for further in (1, 2, 3, 4)]
    assert whole == [False, False, not cold, False]


def test_a_camera_that_numbers_in_a_way_of_its_own_is_not_believed_while_it_does():
    gaps = Gaps(None)
    for packet in sent([]) + [annex_b(STREAM.slice(2 * index % 16)) for index in range(1, 100)]:
        gaps.read(packet)
    assert gaps.count == 15
    assert not gaps.believed
    whole = sent(["reference"] * 80)
    for packet in [*whole[:70], *whole[72:]]:
        gaps.read(packet)
    assert gaps.count == 16
    assert gaps.believed


@given(st.lists(st.binary(max_size=60).map(lambda data: b"\x00\x00\x01\x61" + data), max_size=20))
def test_garbage_is_survived(packets):
    assert counted(sent(["reference"]) + packets) >= 0


@pytest.mark.parametrize("extradata", [b"", b"\x01", b"\x01" * 40, b"\x00\x00\x01\x67", b"\x00\x00\x01\x68\xff"])
def test_nonsense_of_the_container_is_survived(extradata):
    assert not Gaps(extradata).read(b"\x00\x00\x00\x02\x65\x88")


# What libx264 can be told to make of the same pictures; `g` keeps its key frames apart
X264 = {
    "one reference": "bframes=0:ref=1",
    "many references": "bframes=0:ref=16",
    "weights": "weightp=2:weightb=1:ref=4:bframes=3",
    "pyramid": "bframes=5:b-pyramid=normal:b-adapt=0",
    "strict pyramid": "bframes=5:b-pyramid=strict:b-adapt=0",
    "slices": "slices=4:bframes=2",
    "interlaced": "interlaced=1:bframes=2",
    "fake interlaced": "fake-interlaced=1",
    "open": "open-gop=1:bframes=3",
    "refresh": "intra-refresh=1",
    "constant": "nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300",
    "baseline": "bframes=0:cabac=0:8x8dct=0",
    "no key frame but the first": "keyint=infinite",
}


@pytest.mark.parametrize("name", ["clip.mp4", "clip.h264", "clip.ts"])
@pytest.mark.parametrize("parameters", X264.values(), ids=X264)
def test_what_libx264_makes_has_no_gap_until_one_is_made(name, parameters, clip):
    path = clip(name, frames=50, size=(64, 80), options={"g": "20", "sc_threshold": "0", "x264-params": parameters})
    with av.open(str(path)) as container:
        extradata = container.streams.video[0].codec_context.extradata
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    gaps, fewer = Gaps(extradata), Gaps(extradata)
    whole = [gaps.read(packet) for packet in packets]
    for packet in packets[:4] + packets[12:]:
        fewer.read(packet)
    assert whole[0]
    assert (gaps.count, fewer.count) == (0, 1)


@pytest.mark.parametrize("name", ["bottle-detection.mp4", "car-detection.mp4"])
def test_real_clips_have_no_gap(name, real):
    with av.open(str(real / name)) as container:
        gaps = Gaps(container.streams.video[0].codec_context.extradata)
        whole = [gaps.read(bytes(packet)) for packet in container.demux(video=0) if packet.size]
    assert gaps.count == 0
    assert whole[0]
