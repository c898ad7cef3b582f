"""What is recorded, decoded again; and what is left of it when the writer is killed or the disk is full."""

import contextlib
import errno
import io
import os
import re
import threading
from pathlib import Path

import av
import msgspec
import pytest
import structlog

from streamd.client import Recorder, Video
from streamd.client.recorder import Segments
from streamd.errors import ClientError

MS = 1_000_000
NAME = "front-20231114T221320Z"


def record(units, out, segment_s=60):
    segments = Segments(out, "front", segment_s)
    ended = [segments.feed(unit) for unit in units]
    return [path for path in [*ended, segments.close()] if path is not None]


def play(source):
    """Decode as far as it goes; return the timestamps in milliseconds."""
    shown = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(av.FFmpegError))  # a file that was cut ends inside a fragment
        container = stack.enter_context(av.open(source))
        decoder = container.streams.video[0].codec_context
        stack.callback(lambda: shown.extend(decoder.decode(None)))
        for packet in container.demux(video=0):
            if packet.size:
                shown.extend(decoder.decode(packet))
    return [round(frame.time * 1000) for frame in shown]


def test_every_frame_plays_at_its_own_time(tmp_path, make_film):
    times = [0, 40, 80, 95, 200, 1000, 1040, 5000]
    (path,) = record(make_film([t * MS for t in times]), tmp_path)
    assert play(str(path)) == times


def test_durations_reach_to_the_next_frame(tmp_path, make_film):
    (path,) = record(make_film([t * MS for t in (0, 40, 100, 300)]), tmp_path)
    with av.open(str(path)) as container:
        durations = [packet.duration for packet in container.demux(video=0) if packet.size]
    assert durations == [3_600, 5_400, 18_000, 18_000]


def test_a_file_is_named_by_camera_and_the_time_of_its_first_frame(tmp_path, make_film):
    (path,) = record(make_film([0, 40 * MS]), tmp_path)
    assert path.name == f"{NAME}.mp4"


def test_names_never_collide(tmp_path, make_film):
    for _ in range(3):
        record(make_film([0, 40 * MS]), tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"{NAME}-2.mp4", f"{NAME}-3.mp4", f"{NAME}.mp4"]


def test_recording_starts_at_a_keyframe(tmp_path, make_film):
    (path,) = record(make_film([i * 40 * MS for i in range(20)])[3:], tmp_path)
    assert len(play(str(path))) == 10


def test_a_new_file_begins_at_the_first_keyframe_after_a_segment(tmp_path, make_film):
    paths = record(make_film([i * 100 * MS for i in range(50)], keyframes_every=10), tmp_path, segment_s=1.5)
    assert [len(play(str(path))) for path in paths] == [20, 20, 10]
    assert [path.stem[-7:] for path in paths] == ["221320Z", "221322Z", "221324Z"]


def test_a_new_session_or_size_begins_a_new_file(tmp_path, make_film):
    times = [i * 40 * MS for i in range(5)]
    units = make_film(times) + make_film(times, session=2) + make_film(times, session=2, width=96)
    paths = record(units, tmp_path)
    assert [len(play(str(path))) for path in paths] == [5, 5, 5]
    with av.open(str(paths[2])) as container:
        assert container.streams.video[0].width == 96


def test_time_that_steps_back_begins_a_new_file(tmp_path, make_film):
    units = make_film([i * 40 * MS for i in range(5)])
    assert [len(play(str(path))) for path in record(units + units, tmp_path)] == [5, 5]


def test_a_file_of_one_frame_plays(tmp_path, make_film):
    (path,) = record(make_film([0]), tmp_path)
    assert play(str(path)) == [0]


def test_nothing_recorded_leaves_no_file(tmp_path, make_film):
    assert record(make_film([0, 40 * MS])[1:], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width,height", [(2, 2), (640, 360)])
def test_colour_and_size_come_from_the_stream(tmp_path, make_film, width, height):
    (path,) = record(make_film([0, 40 * MS], width=width, height=height), tmp_path)
    with av.open(str(path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (width, height)


def test_a_file_cut_inside_a_fragment_plays_up_to_the_fragment_before(tmp_path, make_film):
    (path,) = record(make_film([i * 100 * MS for i in range(60)], keyframes_every=10), tmp_path)
    data = path.read_bytes()
    starts = [found.start() - 4 for found in re.finditer(b"moof", data)]
    bodies = [found.start() for found in re.finditer(b"mdat", data)]
    for number, (start, body, end) in enumerate(zip(starts, bodies, [*starts[1:], len(data)], strict=True)):
        for cut in (start, *range(body + 4, end, 61)):
            assert len(play(io.BytesIO(data[:cut]))) >= 10 * number


def test_a_fragment_is_written_in_one_piece(tmp_path, make_film, monkeypatch):
    sizes, plain = [], Path.open

    class Spy(Full):
        def write(self, data):
            sizes.append(bytes(data[4:8]))
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda self, *args, **kwargs: Spy(plain(self, *args, **kwargs), 1 << 30))
    record(make_film([i * 100 * MS for i in range(60)], keyframes_every=10, width=640, height=480), tmp_path)
    assert sizes == [b"ftyp", *[b"moof"] * 5]  # the first stands behind the head of the file


def test_what_was_recorded_is_on_disk_a_second_later(tmp_path, make_film):
    segments = Segments(tmp_path, "front", 60)
    for unit in make_film([i * 100 * MS for i in range(60)], keyframes_every=10):
        segments.feed(unit)
    (path,) = tmp_path.iterdir()
    assert len(play(io.BytesIO(path.read_bytes()))) >= 40
    segments.close()


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 11, 12])
def test_a_recorder_that_is_killed_leaves_no_file_without_a_frame(tmp_path, make_film, count):
    segments = Segments(tmp_path, "front", 60)
    for unit in make_film([i * 100 * MS for i in range(count)], keyframes_every=10):
        segments.feed(unit)
    shown = [len(play(io.BytesIO(path.read_bytes()))) for path in tmp_path.iterdir()]
    assert shown == ([10] if count > 11 else [])


class Full:
    """A file on a disk with room for `room` bytes."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [10, 800, 3_000, 5_000])
def test_a_full_disk_is_one_clear_error_and_the_file_plays(tmp_path, make_film, monkeypatch, room):
    plain = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args, **kwargs: Full(plain(self, *args, **kwargs), room))
    with pytest.raises(ClientError, match=rf"cannot write .*{NAME}.mp4: No space left on device; make room"):
        record(make_film([i * 40 * MS for i in range(100)]), tmp_path)
    monkeypatch.undo()
    left = list(tmp_path.iterdir())
    assert len(left) == (room > 800)  # the head alone is some 780 bytes, and no video
    for path in left:
        shown = len(play(str(path)))
        assert shown % 10 == 0 and shown >= room // 100 - 10  # whole fragments, of ten frames and some 550 bytes each


def test_a_keyframe_that_is_none_is_left_out_and_logged_once(tmp_path, make_film):
    units = make_film([i * 40 * MS for i in range(20)])
    junk = [Video(units[0].header, data) for data in (b"", b"junk", os.urandom(500), units[1].data)]
    with structlog.testing.capture_logs() as logged:
        (path,) = record(junk + units, tmp_path)
    assert len(play(str(path))) == 20 and len(logged) == 1


def test_what_follows_a_unit_that_was_lost_is_left_out_up_to_the_next_keyframe(tmp_path, make_film):
    units = make_film([i * 40 * MS for i in range(40)], keyframes_every=10)
    del units[14]
    with structlog.testing.capture_logs() as logged:
        (path,) = record(units, tmp_path)
    assert play(str(path)) == [i * 40 for i in range(40) if not 14 <= i < 20]
    assert [(line["camera"], line["units"]) for line in logged] == [("front", 1)]


def test_frames_that_were_not_filmed_are_no_loss(tmp_path, make_film):
    units = make_film([i * 40 * MS for i in range(20)])
    units = [Video(msgspec.structs.replace(unit.header, seq=unit.header.seq * 3), unit.data) for unit in units]
    (path,) = record(units, tmp_path)
    assert len(play(str(path))) == 20


def test_garbage_between_frames_does_no_harm(tmp_path, make_film):
    units = make_film([i * 40 * MS for i in range(20)])
    units[5] = Video(units[5].header, b"")
    units[7] = Video(units[7].header, os.urandom(100))
    record(units, tmp_path)


def test_stamps_out_of_all_bounds_do_no_harm(tmp_path, make_film):
    units = make_film([-(10**30), 0, 10**30], keyframes_every=1)
    assert [len(play(str(path))) for path in record(units, tmp_path)] == [1, 1, 1]


@pytest.mark.parametrize("camera", ["", "../x", "a/b", "a b", "x" * 65])
def test_a_camera_that_cannot_be_one_is_named(tmp_path, camera):
    with pytest.raises(ClientError, match="is no camera's name"):
        Recorder("tcp://127.0.0.1:1", camera, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ClientError, match="cannot make the folder"):
        Recorder("tcp://127.0.0.1:1", "front", tmp_path / "file" / "sub")


def test_recording_from_a_publisher_until_stopped(tmp_path, publisher, make_film):
    stop = threading.Event()
    with Recorder(publisher.endpoint, "front", tmp_path / "new" / "folder") as recorder:
        publisher.subscribed()
        units = make_film([i * 40 * MS for i in range(30)])
        paths, seen = [], 0
        for unit in units:
            publisher.send(unit)
        for path in recorder.record(stop):
            seen += recorder.subscriber.raw != b""
            if seen >= len(units):
                stop.set()
            paths += [path] if path else []
    assert [len(play(str(path))) for path in paths] == [30]


def test_recording_ends_after_its_seconds(tmp_path, publisher, make_film):
    with Recorder(publisher.endpoint, "front", tmp_path) as recorder:
        publisher.subscribed()
        publisher.send(make_film([0])[0])
        paths = [path for path in recorder.record(threading.Event(), 0.05) if path]
    assert len(paths) == 1
