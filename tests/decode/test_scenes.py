import itertools
import re

import pytest

from streamd.errors import SourceError


def some(street, stop, count, split):
    items = street.frames(stop)
    return split(itertools.islice(items, 1 + street.live + count))[0]


def test_scenes_are_live_frames_without_end(camera, stop, split):
    street = camera("scenes:?seed=3&width=160&height=90&fps=10")
    frames = some(street, stop, 3, split)
    assert street.live
    assert [(frame.seq, frame.pts_ns) for frame in frames] == [(0, 0), (1, 100_000_000), (2, 200_000_000)]
    assert frames[0].picture.y.shape == (90, 160)
    assert stop.waited == pytest.approx([0.1, 0.1])


def test_scenes_as_fast_as_possible_lose_nothing(camera, stop, split):
    street = camera("scenes:?width=160&height=90", pace="asap")
    assert len(some(street, stop, 3, split)) == 3
    assert not street.live
    assert stop.waited == []


@pytest.mark.parametrize(
    "query", ["sed=3", "width=wide", "fps=0", "fps=nan", "fps=1e-300", "seed=-1", "width=-4", "split=nowhere"]
)
def test_an_option_that_cannot_be_is_named(query, camera):
    with pytest.raises(SourceError, match=re.escape(query)):
        camera(f"scenes:?{query}").check()


def test_what_is_no_option_is_not_passed_over(camera):
    with pytest.raises(SourceError, match="scenes:1920x1080: no option can be read from '1920x1080'"):
        camera("scenes:1920x1080")
