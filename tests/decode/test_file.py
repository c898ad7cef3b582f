import itertools
import threading

import av
import cv2
import numpy as np
import pytest

from streamd.decode import picture_from_image, pictures
from streamd.errors import SourceError


def test_every_frame_of_a_file_arrives_in_order(camera, clip, stop, split):
    frames, _ = split(camera(clip(frames=30), pace="asap").frames(stop))
    assert [frame.seq for frame in frames] == list(range(30))


def test_a_frame_shows_what_was_encoded(camera, clip, stop, split):
    path = clip(frames=12, options={"qp": "0"})
    frames, _ = split(camera(path, pace="asap").frames(stop))
    means = [frame.picture.y.mean() for frame in frames]
    assert means == sorted(means)
    assert means[-1] > means[0] + 5


def test_a_file_begins_online_and_ends_with_the_end_of_stream(camera, clip, stop, split):
    _, notices = split(camera(clip(), pace="asap").frames(stop))
    assert [(notice.kind, notice.reason) for notice in notices] == [("online", ""), ("end-of-stream", "")]


def test_timestamps_begin_at_zero_and_follow_the_rate(camera, clip, stop, split):
    frames, _ = split(camera(clip(frames=5, fps=20), pace="asap").frames(stop))
    assert [frame.pts_ns for frame in frames] == [0, 50_000_000, 100_000_000, 150_000_000, 200_000_000]


def test_realtime_waits_for_each_timestamp(camera, clip, stop, split):
    split(camera(clip(frames=4, fps=10)).frames(stop))
    assert stop.waited == pytest.approx([0.1, 0.1, 0.1])


def test_as_fast_as_possible_never_waits(camera, clip, stop, split):
    split(camera(clip(), pace="asap").frames(stop))
    assert stop.waited == []


def test_a_loop_is_one_endless_stream(camera, clip, stop, split):
    looped = camera(clip(frames=5, fps=20), pace="asap", loop=True).frames(stop)
    frames, notices = split(itertools.islice(looped, 1 + 12))
    assert [frame.seq for frame in frames] == list(range(12))
    assert [frame.pts_ns for frame in frames] == [i * 50_000_000 for i in range(12)]
    assert len({frame.session for frame in frames}) == len(notices) == 1


def test_a_stop_ends_a_loop(camera, clip, stop, split):
    items = camera(clip(), pace="asap", loop=True).frames(stop)
    for _ in range(20):
        next(items)
    stop.set()
    _, notices = split(items)
    assert [(notice.kind, notice.reason) for notice in notices] == [("end-of-stream", "stopped")]


def test_inference_passes_over_all_but_every_nth_frame(camera, clip, stop, split):
    frames, _ = split(camera(clip(frames=7), pace="asap", every=3).frames(stop))
    assert [frame.seq for frame in frames if frame.infer] == [0, 3, 6]


def test_a_path_is_relative_to_the_configuration(camera, clip, stop, split):
    path = clip()
    frames, _ = split(camera(path.name, base=path.parent, pace="asap").frames(stop))
    assert len(frames) == 10


def test_a_name_with_a_colon_and_a_percent_sign_is_a_file(camera, clip, stop, split):
    frames, _ = split(camera(clip("cam:1 50%d.mp4"), pace="asap").frames(stop))
    assert len(frames) == 10


def test_files_are_not_live(camera, clip):
    assert not camera(clip()).live


def test_a_readable_file_passes_the_check(camera, clip):
    camera(clip()).check()


def truncate(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def nothing(tmp_path, clip):
    return tmp_path / "missing.mp4"


def empty(tmp_path, clip):
    path = tmp_path / "empty.mp4"
    path.touch()
    return path


def text(tmp_path, clip):
    path = tmp_path / "notes.txt"
    path.write_text("no video\n" * 50)
    return path


def noise(tmp_path, clip):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(1).bytes(20_000))
    return path


def folder(tmp_path, clip):
    return tmp_path


def no_index(tmp_path, clip):
    return truncate(clip(frames=40), 0.5)


def sound(tmp_path, clip):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    return path


def no_frames(tmp_path, clip):
    path = clip("header.mkv", frames=60, size=(320, 240))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first Cluster
    return path


BAD = [nothing, empty, text, noise, folder, no_index, sound, no_frames]


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_cannot_be_read_fails_the_check_with_its_name(bad, camera, clip, tmp_path):
    path = bad(tmp_path, clip)
    with pytest.raises(SourceError) as caught:
        camera(path).check()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_cannot_be_read_goes_offline_and_ends(bad, camera, clip, tmp_path, stop, split):
    frames, notices = split(camera(bad(tmp_path, clip), loop=True).frames(stop))
    assert frames == []
    assert [notice.kind for notice in notices] == ["offline"]


def test_a_file_that_breaks_off_keeps_its_frames_and_says_so(camera, clip, stop, split):
    path = clip(frames=100, size=(320, 240), options={"movflags": "faststart", "qp": "5", "g": "10"})
    with av.open(str(path)) as source:
        faststart = path.with_name("faststart.mp4")
        with av.open(str(faststart), "w", options={"movflags": "faststart"}) as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            for packet in source.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    frames, notices = split(camera(truncate(faststart, 0.6), pace="asap").frames(stop))
    assert 0 < len(frames) < 100
    assert notices[-1].kind == "end-of-stream"
    assert "breaks off after" in notices[-1].reason


def mute(path):
    """Take the tags out of a Matroska file, as a writer would that knows none."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"DURATION", b"XXXXXXXX"))
    return path


@pytest.mark.parametrize("tagged", [True, False])
def test_a_matroska_file_that_breaks_off_says_so(camera, clip, stop, split, tagged):
    path = clip("clip.mkv", frames=100, size=(160, 120), options={"qp": "5", "g": "10"})
    cut = truncate(path if tagged else mute(path), 0.6)
    frames, notices = split(camera(cut, pace="asap").frames(stop))
    assert 0 < len(frames) < 100
    assert "breaks off after" in notices[-1].reason


@pytest.mark.parametrize("tagged", [True, False])
def test_a_matroska_file_that_is_whole_ends_calm(camera, clip, stop, split, tagged):
    path = clip("clip.mkv", frames=100)
    frames, notices = split(camera(path if tagged else mute(path), pace="asap").frames(stop))
    assert (len(frames), notices[-1].reason) == (100, "")


@pytest.mark.parametrize("tagged", [True, False])
def test_sound_that_goes_on_after_the_video_breaks_nothing_off(camera, clip, tmp_path, stop, split, tagged):
    with av.open(str(clip(frames=10))) as source, av.open(str(tmp_path / "both.mkv"), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        for packet in source.demux():
            if packet.size:
                packet.stream = video
                out.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000 * 5), np.int16), layout="mono")
        silence.sample_rate = 8000
        out.mux(sound.encode(silence))
    path = tmp_path / "both.mkv"
    frames, notices = split(camera(path if tagged else mute(path), pace="asap").frames(stop))
    assert (len(frames), notices[-1].reason) == (10, "")


def test_damage_in_the_middle_is_counted_and_leaves_a_gap(camera, clip, stop, split):
    path = clip(frames=60, size=(160, 120), options={"g": "20", "qp": "10"})
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux() if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in places[20:23]:
        data[start + 4 : start + size] = bytes([255]) * (size - 4)
    path.write_bytes(data)
    front = camera(path, pace="asap")
    frames, _ = split(front.frames(stop))
    assert front.stats.corrupt > 0
    assert len(frames) < 60
    assert frames[-1].seq >= len(frames)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7680, 4320)])
def test_a_picture_of_any_size_is_a_frame(size, camera, tmp_path, stop, split):
    width, height = size
    cv2.imwrite(str(tmp_path / "any.png"), np.zeros((height, width, 3), np.uint8))
    frames, _ = split(camera(tmp_path / "any.png", pace="asap").frames(stop))
    assert [frame.picture.y.shape for frame in frames] == [(height, width)]


@pytest.mark.parametrize("name", ["still.jpg", "still.png"])
def test_an_image_is_a_file_of_one_frame(name, camera, tmp_path, stop, split):
    path = tmp_path / name
    cv2.imwrite(str(path), np.full((31, 47, 3), 90, np.uint8))
    frames, _ = split(camera(path, pace="asap").frames(stop))
    assert [frame.picture.y.shape for frame in frames] == [(31, 47)]
    assert abs(int(picture_from_image(path).y[15, 20]) - 90) <= 1


def test_pictures_reads_every_frame_of_a_file(clip):
    assert len(list(pictures(clip(frames=9)))) == 9


def test_the_real_clip_has_all_its_frames(camera, real, stop):
    front = camera(real / "bottle-detection.mp4", pace="asap")
    frames = sum(1 for item in front.frames(stop) if hasattr(item, "seq"))
    assert (frames, front.stats.decoded, front.stats.corrupt) == (1189, 1189, 0)


def test_a_frame_outlives_the_file_it_came_from(camera, clip, stop, split):
    frames, _ = split(camera(clip(frames=40, options={"qp": "0"}), pace="asap").frames(stop))
    means = [float(frame.picture.y.mean()) for frame in frames]
    assert all(b >= a for a, b in itertools.pairwise(means))


def test_a_picture_that_changes_its_size_begins_a_new_session(camera, clip, tmp_path, stop, split):
    parts = []
    for index, size in enumerate([(64, 48), (96, 64)]):
        parts.append(clip(f"{index}.h264", frames=5, size=size).read_bytes())
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    frames, notices = split(camera(path, pace="asap").frames(stop))
    assert [frame.picture.y.shape for frame in frames] == [(48, 64)] * 5 + [(64, 96)] * 5
    assert [frame.seq for frame in frames] == [0, 1, 2, 3, 4] * 2
    first, second = sorted({frame.session for frame in frames})
    assert first < second
    assert [notice.kind for notice in notices] == ["online", "online", "end-of-stream"]
    assert "64x48" in notices[1].reason


def test_waiting_for_a_timestamp_ends_with_the_stop_signal(clip, camera):
    stop = threading.Event()
    items = camera(clip(frames=3, fps=1)).frames(stop)
    next(items)
    next(items)
    threading.Timer(0.05, stop.set).start()
    assert next(items).reason == "stopped"


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_a_title_in_another_encoding_is_no_fault(camera, tmp_path, clip, stop, split, name):
    path = clip(name)
    titled = tmp_path / f"titled-{name}"
    with av.open(str(path)) as source, av.open(str(titled), "w") as target:
        target.metadata["title"] = "CAFECAFE"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    titled.write_bytes(titled.read_bytes().replace(b"CAFECAFE", b"caf\xe9caf\xe9"))
    frames, _ = split(camera(titled, pace="asap").frames(stop))
    assert len(frames) == 10
