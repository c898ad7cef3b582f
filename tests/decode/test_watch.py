import math

import pytest

from streamd import config
from streamd.decode.source import Stats, StreamError
from streamd.decode.watch import Watch


@pytest.fixture
def stats():
    return Stats()


@pytest.fixture
def watch(clock, stats):
    camera = config.Camera(uri="rtsp://h/", model="m", open_timeout=10, read_timeout=5)
    return Watch(camera, clock, "rtsp://h/", stats)


def feed(watch, clock, timestamps, *, pictures):
    """One packet a second."""
    for timestamp in timestamps:
        clock.now_ns += 1_000_000_000
        watch.packet(timestamp)
        if pictures:
            watch.picture()
        watch.check()


def test_timestamps_that_move_are_progress(watch, clock):
    feed(watch, clock, range(100), pictures=True)


def test_timestamps_that_stand_still_fail_after_the_read_timeout(watch, clock):
    feed(watch, clock, [7] * 6, pictures=True)
    with pytest.raises(StreamError, match="timestamps stood still for 5 s") as caught:
        feed(watch, clock, [7], pictures=True)
    assert caught.value.cause == "stalled"


def test_packets_without_timestamps_are_progress(watch, clock):
    feed(watch, clock, [None] * 100, pictures=True)


def test_a_stream_of_which_nothing_can_be_decoded_fails(watch, clock):
    feed(watch, clock, range(15), pictures=False)
    with pytest.raises(StreamError, match="no picture could be decoded for 15 s"):
        feed(watch, clock, [15], pictures=False)


@pytest.mark.parametrize(("damage", "cause"), [(0, "stalled"), (1, "corrupt")])
def test_a_stream_without_pictures_is_called_corrupt_when_damage_was_seen_since(watch, clock, stats, damage, cause):
    stats.corrupt = 7
    watch.picture()
    stats.corrupt += damage
    with pytest.raises(StreamError) as caught:
        feed(watch, clock, range(20), pictures=False)
    assert caught.value.cause == cause


def test_other_packets_than_video_are_no_progress(watch, clock):
    clock.now_ns += 5_100_000_000
    with pytest.raises(StreamError, match="stood still"):
        watch.check()


@pytest.mark.parametrize(
    ("uri", "patience_s"),
    [("rtsp://h/s", 70), ("http://h/s", 70), ("clip.mp4", math.inf), ("scenes:?fps=0.5", 2)],
)
def test_every_source_says_how_long_it_bears_to_be_without_a_picture(camera, uri, patience_s):
    assert camera(uri, open_timeout=10, read_timeout=60).patience_s == patience_s
