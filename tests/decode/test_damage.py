"""Frames that never came, through the decoder: what is shown is what was sent, and what is not shown is counted."""

from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.codec.context import ThreadType

from streamd.decode.damage import Damage
from streamd.decode.file import pictures
from streamd.decode.source import Stats
from streamd.decode.stream import open_stream
from streamd.frames import Surface
from tests.decode.flv import joined

FRAME_NS = 40_000_000
STEADY = {"sc_threshold": "0"}  # key frames where they are due, and nowhere else
KINDS = {
    "steady": {"g": "10", "bf": "0"},
    "reordered": {"g": "10", "bf": "3"},
    "sliced": {"g": "10", "bf": "0", "slices": "3"},
    "refreshed": {"g": "10", "bf": "0", "x264-params": "intra-refresh=1"},
    "open": {"g": "10", "x264-params": "open-gop=1:bframes=3"},
}


@pytest.fixture
def film(clip):
    """Writes a clip of 40 frames, each a little brighter than the one before, and returns its path."""

    def make(options, name="whole.mkv", codec="libx264"):
        return clip(name, frames=40, size=(64, 80), codec=codec, options=options)

    return make


@pytest.fixture
def without(tmp_path):
    """Copies a clip but for one packet; or, of that, for one slice."""

    def copy(path, number, part=None):
        damaged = tmp_path / f"without-{number}.mkv"
        with av.open(str(path)) as source, av.open(str(damaged), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            for index, packet in enumerate(packets):
                if index == number and part is None:
                    continue
                kept = reduced(packet, part) if index == number else packet
                kept.stream = stream
                target.mux(kept)
        return damaged

    return copy


def reduced(packet, part):
    data, at, units = bytes(packet), 0, []
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        units.append(data[at:end])
        at = end
    slices = [unit for unit in units if unit[4] & 31 in (1, 5)]
    made = av.Packet(b"".join(unit for unit in units if unit is not slices[part]))
    made.pts, made.dts, made.time_base, made.is_keyframe = packet.pts, packet.dts, packet.time_base, packet.is_keyframe
    return made


def smeared(frames, path):
    """The frames that are not as the clip at `path` has them."""
    whole = [picture.y for picture in pictures(path)]
    return [frame.seq for frame in frames if not np.array_equal(frame.picture.y, whole[place(frame)])]


def place(frame):
    return round(frame.pts_ns / FRAME_NS)


@pytest.mark.parametrize("number", [3, 11, 17, 22, 26])
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_what_a_missing_frame_spoils_is_not_shown(options, number, film, without, decoded):
    path = film(options | STEADY)
    frames, _, front = decoded(without(path, number), None)
    assert smeared(frames, path) == []
    assert front.stats.corrupt <= 1  # of a frame that nothing is built on, nothing is seen
    assert 39 - front.stats.skipped == len(frames) > 15
    if not front.stats.corrupt:
        assert len(frames) == 39


@pytest.mark.parametrize("hardware", [False, True])
def test_it_is_counted_and_the_numbers_of_frames_go_on_as_they_were_sent(hardware, film, without, fake, gpu, decoded):
    fake()
    frames, _, front = decoded(without(film(KINDS["steady"] | STEADY), 13), gpu if hardware else None)
    assert [frame.seq for frame in frames] == [*range(13), *range(20, 40)]
    assert (front.stats.corrupt, front.stats.skipped) == (1, 6)
    assert all(isinstance(frame.picture, Surface) == hardware for frame in frames)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_slice_that_is_missing_is_damage(part, film, without, decoded):
    path = film(KINDS["sliced"] | STEADY)
    frames, _, front = decoded(without(path, 13, part), None)
    assert smeared(frames, path) == []
    assert len(frames) == 33
    assert front.stats.corrupt >= 1


def test_a_refresh_mends_where_no_key_frame_ever_comes(film, without, decoded):
    frames, _, front = decoded(without(film(KINDS["refreshed"] | STEADY), 3), None)
    assert front.stats.skipped < 20
    assert frames[-1].pts_ns == 39 * FRAME_NS


def test_damage_that_lasts_to_the_end_of_a_file_does_not_make_it_shorter(film, without, camera, stop, split):
    path = without(film({"g": "40", "bf": "0"} | STEADY), 3)
    frames, notices = split(camera(path, pace="asap").frames(stop))
    assert len(frames) == 3
    assert (notices[-1].kind, notices[-1].reason) == ("end-of-stream", "")


def test_of_hevc_ffmpeg_itself_holds_back_what_a_missing_frame_spoils(film, without, decoded):
    parameters = {"x265-params": "keyint=10:bframes=0:scenecut=0:lossless=1:log-level=none"}
    path = film(parameters, codec="libx265")
    frames, _, _ = decoded(without(path, 13), None)
    assert smeared(frames, path) == []
    assert [place(frame) for frame in frames] == [*range(13), *range(20, 40)]


def test_a_stream_joined_amid_a_refresh_is_shown_once_it_is_whole(film, tmp_path):
    """Of g=16 each refresh begins at frame_num 0, which FFmpeg cannot begin at."""
    options = {"g": "16", "bf": "0", "x264-params": "intra-refresh=1"} | STEADY
    path = film(options, "whole.h264")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(packets[2:]))
    stats = Stats()
    stream = open_stream(f"file:{joined}", "joined", stats, live=True)
    shown = [shot.picture.y for packet in stream.packets() for shot in stream.decode(packet, 0)]
    stream.close()
    whole = [picture.y for picture in pictures(path)][-len(shown) :]
    assert len(shown) == 6
    assert all(np.array_equal(one, other) for one, other in zip(shown, whole, strict=True))
    assert stats.corrupt == 0


@pytest.mark.parametrize("order", [1, -1])
def test_a_stream_that_changes_amid_misses_nothing(order, film, tmp_path, decoded):
    """Of these two the one numbers its pictures in fewer bits than the other."""
    few = film({"x264-params": "ref=1:bframes=0"}, "few.mp4")
    many = film({"x264-params": "ref=16:bframes=5:b-pyramid=normal:b-adapt=0"}, "many.mp4")
    frames, _, front = decoded(joined([few, many][::order], tmp_path / "both.flv"), None)
    assert (front.stats.corrupt, front.stats.skipped, len(frames)) == (0, 0, 80)


class Tape:
    """Damage of a stream that is no H.264, as `Stream` tells of it."""

    def __init__(self, **keys):
        codec = SimpleNamespace(canonical_name="hevc", capabilities=0)
        context = SimpleNamespace(codec=codec, extradata=None, thread_count=1, thread_type=ThreadType.SLICE, **keys)
        self.stats = Stats()
        self.damage = Damage(SimpleNamespace(codec_context=context), self.stats)

    def sent(self, count, key=0):
        """The notes of so many packets, of which one is a key frame."""
        return [self.damage.note(SimpleNamespace(is_corrupt=False, is_keyframe=i == key), 0) for i in range(count)]

    def shown(self, note, place="cuda", key=False):
        kind = SimpleNamespace(name=place)
        return not self.damage.hides(SimpleNamespace(format=kind, is_corrupt=False, key_frame=key), note)


def test_a_refused_packet_is_counted_at_once_and_lost_where_its_frame_would_be():
    tape = Tape()
    notes = tape.sent(3)
    assert tape.shown(notes[0], key=True)
    tape.damage.refused(1)
    assert tape.stats.corrupt == 1
    assert tape.shown(notes[1])
    assert tape.damage.lost() == 0
    assert not tape.shown(tape.sent(1, key=None)[0])
    assert (tape.damage.lost(), tape.stats.skipped) == (2, 1)


def test_a_refused_key_frame_that_comes_out_nonetheless_mends_nothing():
    tape = Tape()
    assert tape.shown(tape.sent(1)[0], key=True)
    refused = tape.sent(1)[0]
    tape.damage.refused(1)
    assert not tape.shown(refused, key=True)
    assert tape.shown(tape.sent(1)[0], key=True)


def test_a_key_frame_sent_before_the_damage_mends_none_of_it():
    tape = Tape()
    first, *notes = tape.sent(4)
    assert tape.shown(first, key=True)
    tape.damage.refused(1)
    assert tape.shown(notes[0], key=True)
    assert not tape.shown(notes[2])
