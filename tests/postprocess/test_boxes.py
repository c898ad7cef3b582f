import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamd.postprocess.boxes import iou, nms


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def keep(rows, scores, classes=None, threshold=0.5, limit=100):
    ids = np.array(classes or [0] * len(scores), np.int32)
    return nms(boxes(*rows), np.array(scores, np.float32), ids, threshold, limit).tolist()


def test_iou_of_halves_is_a_third():
    np.testing.assert_allclose(iou(boxes([0, 0, 2, 2]), boxes([1, 0, 3, 2], [0, 0, 2, 2])), [[1 / 3, 1]])


def test_iou_of_empty_boxes_is_nothing():
    assert iou(boxes([1, 1, 1, 1]), boxes([1, 1, 1, 1], [3, 3, 2, 2], [0, 0, 9, 9])).tolist() == [[0, 0, 0]]


def test_touching_boxes_do_not_overlap():
    assert iou(boxes([0, 0, 1, 1]), boxes([1, 0, 2, 1])).item() == 0


def test_the_better_of_two_alike_is_kept():
    assert keep([[0, 0, 10, 10], [1, 0, 11, 10]], [0.8, 0.9]) == [1]


def test_another_class_is_not_suppressed():
    assert keep([[0, 0, 10, 10], [1, 0, 11, 10]], [0.8, 0.9], classes=[0, 1]) == [1, 0]


def test_of_equal_scores_the_lower_row_wins():
    assert keep([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], [0.5, 0.5, 0.5]) == [0, 2]


def test_an_overlap_that_equals_the_threshold_is_kept():
    assert keep([[0, 0, 2, 1], [0, 0, 1, 1]], [0.9, 0.8], threshold=0.5) == [0, 1]


def test_what_is_suppressed_suppresses_nothing():
    assert keep([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7], threshold=0.3) == [0, 2]


def test_the_limit_keeps_the_best():
    assert keep([[0, 0, 1, 1], [2, 0, 3, 1], [4, 0, 5, 1]], [0.1, 0.3, 0.2], limit=2) == [1, 2]


def test_nothing_gives_nothing():
    assert keep([], []) == []


def plain_nms(rows, scores, classes, threshold, limit):
    """The definition, one box at a time."""
    kept = []
    for row in sorted(range(len(scores)), key=lambda row: (-scores[row], row)):
        rivals = [other for other in kept if classes[other] == classes[row]]
        if all(iou(rows[[other]], rows[[row]])[0, 0] <= np.float32(threshold) for other in rivals):
            kept.append(row)
    return kept[:limit]


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0.0, 0.3, 0.45, 1.0]), st.integers(1, 50))
def test_blocks_decide_as_one_at_a_time(seed, count, threshold, limit):
    rng = np.random.default_rng(seed)
    rows, scores, classes = crowd(rng, count)
    assert nms(rows, scores, classes, threshold, limit).tolist() == plain_nms(rows, scores, classes, threshold, limit)


@pytest.mark.parametrize("limit", [5, 10_000])
def test_more_than_one_block_decides_likewise(limit):
    rows, scores, classes = crowd(np.random.default_rng(1), 400)
    assert nms(rows, scores, classes, 0.45, limit).tolist() == plain_nms(rows, scores, classes, 0.45, limit)


def crowd(rng, count):
    corner = rng.integers(0, 40, (count, 2))
    rows = np.concatenate((corner, corner + rng.integers(0, 30, (count, 2))), axis=1).astype(np.float32)
    scores = (rng.integers(0, 12, count) / 12).astype(np.float32)
    return rows, scores, rng.integers(0, 3, count).astype(np.int32)
