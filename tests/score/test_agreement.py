import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.frames import Detections
from streamd.score.agreement import Tally
from streamd.score.truth import boxes_of

BOX, NEAR, LOOSE, FAR = (0, 0, 100, 100), (0, 0, 100, 95), (0, 0, 100, 60), (500, 500, 600, 600)


def found(*rows):
    """Detections of (box, score, class) or (box, score)."""
    boxes, scores, kinds = [row[0] for row in rows], [row[1] for row in rows], [(*row, 0)[2] for row in rows]
    return Detections(boxes_of(boxes), np.array(scores, np.float32), np.array(kinds, np.int32))


def agree(one, other, confidence=0.25):
    tally = Tally(confidence)
    tally.add(one, other)
    return tally.result()


def test_the_same_detections_agree():
    result = agree(found((BOX, 0.9)), found((BOX, 0.9)))
    assert (result.matched50, result.matched90, result.strict90, result.drift, result.detections) == (1, 1, 1, 0, 2)


def test_nothing_on_either_side_agrees():
    result = agree(found(), found())
    assert (result.matched90, result.drift, result.pictures) == (1, None, 1)


def test_a_detection_of_one_side_alone():
    assert agree(found((BOX, 0.9), (FAR, 0.9)), found((BOX, 0.9))).matched50 == pytest.approx(2 / 3)


def test_a_loose_box_agrees_at_half_overlap_alone():
    result = agree(found((BOX, 0.9)), found((LOOSE, 0.9)))
    assert (result.matched50, result.matched90) == (1, 0)


def test_another_class_does_not_agree():
    assert agree(found((BOX, 0.9, 0)), found((BOX, 0.9, 1))).matched50 == 0


def test_a_faint_partner_counts_unless_strict():
    result = agree(found((BOX, 0.26)), found((BOX, 0.24)))
    assert (result.matched90, result.strict90, result.detections) == (1, 0, 1)


def test_two_faint_detections_count_nowhere():
    assert agree(found((BOX, 0.24)), found((BOX, 0.24))).detections == 0


def test_a_faint_pair_takes_no_partner_from_a_firm_detection():
    result = agree(found((BOX, 0.22), (NEAR, 0.9)), found((BOX, 0.22)))
    assert result.matched90 == 1


def test_firm_partners_come_before_faint_ones_that_overlap_more():
    result = agree(found((BOX, 0.9)), found((BOX, 0.22), (NEAR, 0.9)))
    assert (result.matched90, result.strict90) == (1, 1)


def test_one_partner_each():
    result = agree(found((BOX, 0.9), (NEAR, 0.9)), found((BOX, 0.9)))
    assert result.matched90 == pytest.approx(2 / 3)


def test_scores_drift_from_the_reference():
    tally = Tally(0.25)
    tally.add(found((BOX, 0.5)), found((BOX, 0.75)))
    tally.add(found((BOX, 1.0)), found((BOX, 0.75)))
    assert (tally.result().drift, tally.result().drift_abs) == (0, 0.25)


sides = st.integers(0, 40)
rows = st.tuples(
    st.tuples(sides, sides, st.integers(1, 40), st.integers(1, 40)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    st.sampled_from([0.2, 0.24, 0.26, 0.5, 1.0]),
    st.integers(0, 1),
)
detections = st.lists(rows, max_size=8).map(lambda each: found(*each))


@given(detections)
def test_any_detections_agree_with_themselves(one):
    result = agree(one, one)
    assert (result.matched50, result.matched90) == (1, 1)


@given(detections, detections)
def test_agreement_is_a_part_of_the_whole(one, other):
    result = agree(one, other)
    assert all(0 <= value <= 1 for value in (result.matched50, result.matched90, result.strict50, result.strict90))


@given(detections, detections)
def test_agreement_is_the_same_from_both_sides(one, other):
    there, back = agree(one, other), agree(other, one)
    assert (there.matched50, there.matched90, there.strict50) == (back.matched50, back.matched90, back.strict50)


@given(detections, detections)
def test_strict_agreement_is_never_more(one, other):
    result = agree(one, other)
    assert result.strict90 <= result.matched90 + 1e-9
