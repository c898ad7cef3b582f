"""Detections as marks. What the marks look like is told in test_device.py."""

import numpy as np

from streamd.annotate.marks import COLOUR, EDGES, MASK, MASK_PITCH, OTHERS, TURN, WORDS, Marks
from streamd.frames import Detections, Surface
from streamd.gpu.layouts import MARK, OUTLINE, WHOLE

LABELS = ("person", "car", "Fußgänger 行人")
SURFACE = Surface(64, 320, 320, 240, 64, 320)


def found(*boxes, classes, angles=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32),
        np.linspace(0.95, 0.5, count).astype(np.float32),
        np.array(classes, np.int32),
        None if angles is None else np.array(angles, np.float32),
    )


def test_the_words_of_a_mark_are_its_fields():
    mark = np.arange(WORDS, dtype=np.int32).view(MARK)[0]
    assert [mark[name] for name in ("left", "top", "right", "bottom")] == list(range(WORDS))[EDGES]
    assert (mark["mask"], mark["mask_pitch"]) == (MASK, MASK_PITCH)
    assert MARK.fields["y"][1] == 4 * COLOUR and MARK.fields["alpha"][1] == 4 * COLOUR + 3
    names = ("centre_x", "centre_y", "along", "across", "line", "cosine", "sine")
    assert [mark[name] for name in names] == list(range(WORDS))[TURN]


def test_a_box_is_four_marks_and_a_label_its_ground_and_letters():
    marks = Marks(LABELS)(SURFACE, found([60, 100, 200, 220], classes=[2]))
    letters = marks[5:]
    assert marks.dtype == MARK and (marks["mask"][:5] == WHOLE).all() and (letters["mask"] >= 0).all()
    assert len(letters) == len("Fußgänger 行人 95%")
    seen = letters[letters["right"] > letters["left"]]  # blanks have no columns
    assert len(seen) == len("Fußgänger行人95%") and (np.diff(seen["left"]) > 0).all()
    ground = marks[4]
    assert (seen["left"] >= ground["left"]).all() and (seen["right"] <= ground["right"]).all()
    assert (seen["top"] >= ground["top"]).all() and (seen["bottom"] <= ground["bottom"]).all()


def test_a_turned_box_is_one_mark():
    marks = Marks(LABELS)(SURFACE, found([60, 100, 200, 220], classes=[0], angles=[0.5]))
    assert marks["mask"][0] == OUTLINE and (marks["mask"][1:] != OUTLINE).all()


def test_the_best_score_is_painted_last():
    marks = Marks(LABELS)(SURFACE, found([60, 100, 200, 220], [10, 20, 30, 40], classes=[0, 1]))
    assert marks["left"][0] == 10 and marks["left"][4] == 60


def test_labels_are_kept_but_not_without_bound():
    marks = Marks(LABELS)
    for class_id in range(1500):
        marks(SURFACE, found([60, 100, 200, 220], classes=[class_id]))
    assert len(marks._stamps) <= 512


def test_the_atlas_has_the_letters_of_all_labels():
    marks = Marks(LABELS)
    marks(SURFACE, found([60, 100, 200, 220], classes=[0]))
    assert set(marks.atlas.glyphs) == set("".join([*LABELS, OTHERS]))
