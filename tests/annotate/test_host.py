"""What is drawn, where, and what is left alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamd.annotate import HostAnnotate, colours
from streamd.frames import Colour, Detections, Picture

BT601 = Colour()


def grey(width, height, colour=BT601):
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return Picture(
        np.full((height, width), 110, np.uint8), np.full(chroma, 128, np.uint8), np.full(chroma, 128, np.uint8), colour
    )


def found(*boxes, scores=None, classes=None, angles=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.array(scores if scores is not None else [0.9] * count, np.float32),
        np.array(classes if classes is not None else [0] * count, np.int32),
        None if angles is None else np.array(angles, np.float32),
    )


def changed(before, after):
    return before.y != after.y


@pytest.fixture
def draw():
    return HostAnnotate(("person", "car"))


def test_the_picture_given_is_never_written(draw):
    picture = grey(320, 240)
    for plane in (picture.y, picture.u, picture.v):
        plane.setflags(write=False)
    drawn = draw(picture, found([10, 20, 100, 200]))
    assert (picture.y == 110).all() and (drawn.y != 110).any()


def test_nothing_found_draws_nothing(draw):
    picture = grey(320, 240)
    drawn = draw(picture, Detections.none())
    assert all((a == b).all() for a, b in ((drawn.y, picture.y), (drawn.u, picture.u), (drawn.v, picture.v)))


@pytest.mark.parametrize("colour", [Colour(m, f) for m in ("bt601", "bt709") for f in (False, True)])
def test_the_line_has_the_colour_of_the_class_in_the_pictures_own_terms(draw, colour):
    drawn = draw(grey(320, 240, colour), found([60, 100, 200, 220], classes=[1]))
    y, u, v = colours.to_yuv(colours.of_class(1), colour)
    assert (drawn.y[218:220, 60:200] == y).all() and (drawn.y[100:220, 60:62] == y).all()
    assert (drawn.u[109, 30:100] == u).all() and (drawn.v[109, 30:100] == v).all()


def test_the_inside_of_a_box_stays_as_it_was(draw):
    drawn = draw(grey(320, 240), found([60, 100, 200, 220]))
    assert (drawn.y[102:218, 62:198] == 110).all() and (drawn.u[51:109, 31:99] == 128).all()


def test_luma_and_chroma_change_in_the_same_places(draw):
    before = grey(322, 242)
    after = draw(before, found([61.3, 100.7, 201.2, 221.9]))
    luma = changed(before, after).reshape(121, 2, 161, 2).any(axis=(1, 3))
    assert (luma | (after.u == 128)).all()


def test_a_label_stands_above_its_box_and_inside_at_the_top_of_the_picture(draw):
    above = changed(grey(320, 240), draw(grey(320, 240), found([60, 100, 200, 220])))
    assert above[:100].any() and not above[102:218, 62:198].any()
    inside = changed(grey(320, 240), draw(grey(320, 240), found([60, 0, 200, 220])))
    assert inside[2:20, 62:100].any()


def test_a_label_at_the_right_edge_is_moved_into_the_picture(draw):
    after = draw(grey(320, 240), found([310, 100, 320, 220]))
    assert changed(grey(320, 240), after)[:100, :300].any()


def test_labels_of_equal_boxes_do_not_cover_each_other(draw):
    box = [60, 100, 200, 220]
    one = changed(grey(320, 240), draw(grey(320, 240), found(box))).sum()
    two = changed(grey(320, 240), draw(grey(320, 240), found(box, box, classes=[0, 1]))).sum()
    assert two > one


def test_the_text_of_a_label_can_be_told_from_its_ground(draw):
    drawn = draw(grey(640, 360), found([100, 100, 300, 300], classes=[1]))
    label = drawn.y[84:100, 100:160]
    assert int(label.max()) - int(label.min()) > 80


def test_a_turned_box_is_drawn_turned(draw):
    upright = draw(grey(320, 240), found([100, 60, 200, 180]))
    turned = draw(grey(320, 240), found([100, 60, 200, 180], angles=[0.7]))
    assert (upright.y != turned.y).any() and (turned.y[120, 155:165] == 110).all()


def test_a_class_without_a_name_and_a_text_without_latin_letters_do_no_harm():
    HostAnnotate(())(grey(320, 240), found([10, 50, 100, 200], classes=[7]))
    HostAnnotate(("Fußgänger 行人\n", ""))(grey(320, 240), found([10, 50, 100, 200], [0, 0, 9, 9], classes=[0, 1]))


def test_labels_are_kept_but_not_without_bound(draw):
    for step in range(1500):
        draw(grey(64, 64), found([0, 0, 60, 60], scores=[step % 100 / 100], classes=[step]))
    assert len(draw._stamps) <= 512


def test_boxes_that_are_no_numbers_are_left_out(draw):
    nan, inf = float("nan"), float("inf")
    drawn = draw(grey(64, 64), found([nan, 0, 10, 10], [0, 0, inf, 10], [0, 0, 9, 9], scores=[0.9, 0.9, nan]))
    assert (drawn.y == 110).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 1), (25, 24), (31, 33), (641, 361)])
def test_small_and_odd_pictures(draw, size):
    width, height = size
    drawn = draw(grey(width, height), found([0, 0, width, height], [-5, -5, 2 * width, 2 * height]))
    assert drawn.y.shape == (height, width) and (drawn.y != 110).any()
    assert drawn.u.shape == ((height + 1) // 2, (width + 1) // 2)


boxes = st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 4)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.lists(st.tuples(boxes, st.none() | st.floats(-9, 9, width=32)), max_size=5),
)
def test_no_box_at_all_breaks_it(width, height, drawn):
    angles = [angle or 0 for _, angle in drawn] if any(angle is not None for _, angle in drawn) else None
    picture = HostAnnotate(("person",))(grey(width, height), found(*[box for box, _ in drawn], angles=angles))
    assert picture.y.shape == (height, width)


def test_the_drawn_picture_converts_to_the_intended_rgb(draw):
    drawn = draw(grey(320, 240), found([60, 100, 200, 220]))
    flat = np.concatenate([drawn.y.ravel(), drawn.u.ravel(), drawn.v.ravel()]).reshape(360, 320)
    pixel = cv2.cvtColor(flat, cv2.COLOR_YUV2RGB_I420)[218, 130]  # OpenCV: BT.601, limited
    assert np.abs(pixel / 255 - np.array(colours.of_class(0))).max() < 0.03


def test_a_class_without_a_label_has_on_the_picture_the_name_it_has_in_messages():
    image, seen = grey(320, 240), found((40, 60, 200, 200), classes=[9])
    named = HostAnnotate(("",) * 9 + ("class 9",))
    assert (HostAnnotate(("person",))(image, seen).y == named(image, seen).y).all()
