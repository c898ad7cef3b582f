"""What is drawn on a GPU: by the very kernels, on the host."""

import gc

import cv2
import numpy as np
import pytest

from streamd.annotate import Annotate, DeviceAnnotate, HostAnnotate
from streamd.annotate.marks import Marks
from streamd.annotate.paint import eight_bit, paint
from streamd.encode.feed import Downloaded
from streamd.frames import Colour, Detections, Picture, Surface
from tests.gpu.host_surface import HostPlanes, grey, noise, planes_of

LABELS = ("person", "car", "Fußgänger 行人", "")
BT601 = Colour()
BOXES = [[60, 100, 200, 220], [300, 40, 420, 300], [61.3, 101.7, 99.2, 140.9]]


def found(boxes, *, scores=None, classes=None, angles=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.array(scores if scores is not None else np.linspace(0.95, 0.4, count), np.float32),
        np.array(classes if classes is not None else range(count), np.int32),
        None if angles is None else np.array(angles, np.float32),
    )


def anything(rng, width, height):
    """Boxes inside, across the edges and beside the picture; half of the time turned."""
    count = int(rng.integers(0, 9))
    corner = rng.uniform(-0.3, 1.0, (count, 2)) * (width, height)
    boxes = np.hstack([corner, corner + rng.uniform(0, 0.8, (count, 2)) * (width, height)])
    angles = rng.uniform(-4, 4, count) if rng.random() < 0.5 else None
    return found(boxes, classes=rng.integers(0, 6, count), angles=angles)


def picture(luma, chroma, colour=BT601):
    return Picture(luma.copy(), chroma[..., 0].copy(), chroma[..., 1].copy(), colour)


@pytest.fixture
def draw(host_gpu):
    return DeviceAnnotate(host_gpu, LABELS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_byte_is_what_the_reference_paints_at_any_size(draw, dtype):
    rng = np.random.default_rng(7)
    marks_of = Marks(LABELS)
    painted = 0
    for _ in range(40):
        width, height = int(rng.integers(1, 150)), int(rng.integers(1, 110))
        surface, luma, chroma = noise(rng, width, height, dtype, margin=int(rng.choice([0, 3, 32])))
        detections = anything(rng, width, height)
        if dtype == np.uint16:
            luma, chroma = eight_bit(luma), eight_bit(chroma)
        marks = marks_of(surface, detections)
        paint(luma, chroma, marks, marks_of.atlas.coverage)
        drawn_luma, drawn_chroma = planes_of(draw(surface, detections))
        np.testing.assert_array_equal(drawn_luma, luma)
        np.testing.assert_array_equal(drawn_chroma, chroma)
        painted += len(marks)
    assert painted > 1000


@pytest.mark.parametrize("size", [(20, 23), (19, 7), (1, 1)])
def test_upright_boxes_are_the_hosts_to_the_byte_where_there_is_no_text(draw, size):
    """On pictures too small for labels nothing else is drawn."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        surface, luma, chroma = noise(rng, *size)
        boxes = rng.uniform(-5, 25, (3, 4))
        detections = found(np.hstack([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])]))
        want = HostAnnotate(LABELS)(picture(luma, chroma), detections)
        drawn_luma, drawn_chroma = planes_of(draw(surface, detections))
        np.testing.assert_array_equal(drawn_luma, want.y)
        np.testing.assert_array_equal(drawn_chroma, np.stack([want.u, want.v], axis=-1))


@pytest.mark.parametrize("colour", [Colour("bt601"), Colour("bt709", full_range=True)])
def test_the_picture_looks_as_the_host_draws_it(draw, colour):
    """The same pixels change, and by little else: a label's ground lets some of the picture through."""
    surface = grey(640, 361, colour=colour)
    before, chroma = planes_of(surface)
    detections = found(BOXES)
    want = HostAnnotate(LABELS)(picture(before, chroma, colour), detections)
    luma, chroma = planes_of(draw(surface, detections))
    assert ((luma != 110) != (want.y != 110)).sum() < 20  # where an edge of a letter happens to be of that very grey
    assert np.abs(luma.astype(int) - want.y)[want.y != 110].mean() < 25
    assert np.abs(chroma[..., 0].astype(int) - want.u).max() < 40


def test_a_turned_box_lies_where_the_host_draws_it(draw):
    surface = grey(320, 240)
    before, chroma = planes_of(surface)
    detections = found([[100, 60, 220, 180]], angles=[0.7])
    here = planes_of(draw(surface, detections))[0] != 110
    there = HostAnnotate(LABELS)(picture(before, chroma), detections).y != 110
    near = [cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for mask in (here, there)]
    assert here.sum() > 1000 and not (there & ~near[0]).any() and not (here & ~near[1]).any()


def test_the_ground_of_a_label_lets_the_picture_through(draw):
    bright, dark = np.full((240, 320), 220, np.uint8), np.full((240, 320), 30, np.uint8)
    neutral = np.full((120, 160, 2), 128, np.uint8)
    detections = found(BOXES[:1])
    on_bright, on_dark = (
        planes_of(draw(HostPlanes(luma, neutral).surface, detections))[0].astype(int) for luma in (bright, dark)
    )
    label = (slice(88, 98), slice(62, 72))
    assert (on_bright - on_dark)[label].max() in range(20, 60) and (on_bright == on_dark)[100:104, 60:64].any()


def test_the_surface_given_is_never_written(draw):
    surface = grey(320, 240)
    before = [plane.copy() for plane in planes_of(surface)]
    drawn = draw(surface, found(BOXES[:1]))
    assert all((a == b).all() for a, b in zip(planes_of(surface), before, strict=True))
    assert (planes_of(drawn)[0] != before[0]).any()


def test_nothing_found_is_a_copy(draw):
    surface, luma, chroma = noise(np.random.default_rng(1), 65, 33)
    drawn = draw(surface, Detections.none())
    assert (planes_of(drawn)[0] == luma).all() and (planes_of(drawn)[1] == chroma).all()
    assert drawn.pixels != surface.pixels and drawn.sample_bytes == 1 and drawn.colour == surface.colour


def test_a_surface_is_waited_for_on_the_stream_and_what_is_made_is_ready_by_an_event(host_gpu, monkeypatch):
    waited = []
    draw = DeviceAnnotate(host_gpu, LABELS)
    monkeypatch.setattr(draw._stream, "wait_event", waited.append)
    ready = host_gpu.event()
    drawn = draw(grey(64, 64, ready=ready), found(BOXES[:1]))
    assert waited == [ready] and drawn.ready.recorded == 1


def test_two_canvases_serve_a_reader_of_the_last_one(draw):
    surface = grey(64, 48)
    held, places = None, []
    for _ in range(6):
        held = draw(surface, found(BOXES[:1]))
        places.append(held.pixels)
    assert len(set(places)) == 2 and places[:2] * 3 == places


def test_what_a_reader_holds_is_not_drawn_over(draw):
    rng = np.random.default_rng(2)
    held = []
    for _ in range(5):
        surface, luma, _ = noise(rng, 64, 48)
        held.append((draw(surface, Detections.none()), luma))
    assert all((planes_of(drawn)[0] == luma).all() for drawn, luma in held)
    assert len(draw._canvases) == 5


def test_memory_is_taken_for_a_new_size_alone(host_gpu, monkeypatch):
    taken = []
    zeros, pinned = host_gpu.zeros, host_gpu.pinned
    monkeypatch.setattr(host_gpu, "zeros", lambda *a: taken.append(a) or zeros(*a))
    monkeypatch.setattr(host_gpu, "pinned", lambda *a: taken.append(a) or pinned(*a))
    draw = DeviceAnnotate(host_gpu, LABELS)
    for frame in range(10):
        drawn = draw(grey(320, 240), found(BOXES))
        if frame == 1:
            taken.clear()
    assert not taken
    drawn = draw(grey(322, 240), found(BOXES))
    assert len(taken) == 1 and drawn.width == 322


def test_a_thousand_objects_find_room(draw):
    surface, luma, chroma = noise(np.random.default_rng(5), 90, 70)
    detections = found([[0, 0, 50, 40]] * 1000, classes=[0] * 1000, scores=[0.9] * 1000)
    marks_of = Marks(LABELS)
    paint(luma, chroma, marks := marks_of(surface, detections), marks_of.atlas.coverage)
    assert len(marks) > 4000
    np.testing.assert_array_equal(planes_of(draw(surface, detections))[0], luma)


def test_boxes_that_are_no_numbers_or_far_away_do_no_harm(draw):
    nan, inf, far = float("nan"), float("inf"), 3e38
    boxes = [[nan, 0, 10, 10], [0, 0, inf, 10], [-far, -far, far, far], [1e6, 1e6, 2e6, 2e6]]
    for angles in (None, [0.5] * 4):
        assert draw(grey(64, 64), found(boxes, angles=angles)).width == 64


def test_a_new_size_of_text_has_a_new_atlas(draw):
    for height in (240, 1080, 240):
        surface = grey(320, height) if height == 240 else grey(1080, height)
        luma, chroma = planes_of(surface)
        marks_of = Marks(LABELS)
        paint(luma, chroma, marks_of(surface, found(BOXES[:1])), marks_of.atlas.coverage)
        np.testing.assert_array_equal(planes_of(draw(surface, found(BOXES[:1])))[0], luma)


def test_pictures_are_drawn_on_where_they_are(host_gpu):
    annotate = Annotate(LABELS, host_gpu)
    surface = grey(64, 48)
    assert isinstance(annotate(surface, found(BOXES[:1])), Surface)
    assert isinstance(annotate(picture(*planes_of(surface)), found(BOXES[:1])), Picture)
    annotate.close()
    annotate.close()


def test_without_a_gpu_a_surface_is_refused():
    with pytest.raises(ValueError, match="no GPU"):
        Annotate(LABELS)(Surface(0, 0, 2, 2), Detections.none())


def test_what_is_lent_outlives_the_annotator(host_gpu):
    draw = DeviceAnnotate(host_gpu, LABELS)
    drawn = draw(grey(64, 48), Detections.none())
    draw.close()
    del draw
    gc.collect()
    assert (planes_of(drawn)[0] == 110).all()


def test_every_step_waits_for_what_it_needs(host_gpu, late_gpu):
    """From a surface that is still being decoded to a picture on the host; the surface is another's at once."""
    rng = np.random.default_rng(11)
    draws, feeds = (
        [DeviceAnnotate(gpu, LABELS) for gpu in (host_gpu, late_gpu)],
        [Downloaded(host_gpu), Downloaded(late_gpu)],
    )
    for size in [(640, 480), (640, 480), (641, 359), (640, 480)]:
        _, luma, chroma = noise(rng, *size)
        detections = anything(rng, *size)
        there = HostPlanes(luma, chroma, ready=late_gpu.decoded)
        wanted = feeds[0](draws[0](HostPlanes(luma, chroma).surface, detections))
        drawn = draws[1](late_gpu.decode(there), detections)
        there.luma[:], there.chroma[:] = 0, 0
        np.testing.assert_array_equal(feeds[1](drawn).to_ndarray(), wanted.to_ndarray())
