import numpy as np
import pytest

from streamd.postprocess.rotated import iou, nms_rotated, shared_area, turned


def boxes(*rows):
    """Turned boxes from centre x, centre y, width, height, degrees."""
    rows = np.array(rows, np.float32).reshape(-1, 5)
    half = rows[:, 2:4] / 2
    corners = np.concatenate((rows[:, :2] - half, rows[:, :2] + half), axis=1)
    return turned(corners, np.deg2rad(rows[:, 4]))


def plain_area(left, right):
    """The shared area by cutting one polygon with the sides of the other, in float64."""
    polygon, cutter = outline(left), outline(right)
    for a, b in zip(cutter, np.roll(cutter, -1, axis=0), strict=True):
        side = [(b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) for p in polygon]
        cut = []
        for i, p in enumerate(polygon):
            q, mine, next_ = polygon[(i + 1) % len(polygon)], side[i], side[(i + 1) % len(polygon)]
            if mine >= 0:
                cut.append(p)
            if (mine > 0 > next_) or (mine < 0 < next_):
                cut.append(p + (q - p) * mine / (mine - next_))
        polygon = cut
        if not polygon:
            return 0.0
    x, y = np.array(polygon).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def outline(box):
    x, y, w, h, c, s = box.astype(np.float64)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (w, h)
    return signs @ np.array([[c, s], [-s, c]]) + (x, y)


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_the_polygons_cut(seed):
    rng = np.random.default_rng(seed)
    rows = np.column_stack((rng.uniform(0, 60, (60, 2)), rng.uniform(1, 60, (60, 2)), rng.uniform(-200, 200, 60)))
    shapes = boxes(*rows)
    want = [[plain_area(a, b) for b in shapes[30:]] for a in shapes[:30]]
    np.testing.assert_allclose(shared_area(shapes[:30], shapes[30:]), want, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("degrees", [0, 90, 37, -180, 45])
def test_boxes_that_nearly_coincide_overlap_nearly_wholly(degrees):
    box = boxes([500, 300, 80, 30, degrees])
    nudged = boxes(
        [500, 300, 80, 30, degrees + 1e-4], [500.001, 300, 80, 30, degrees], [500, 300, 30, 80, degrees + 90]
    )
    np.testing.assert_allclose(iou(box, nudged), 1, atol=1e-3)


def test_a_square_within_a_turned_square():
    np.testing.assert_allclose(iou(boxes([0, 0, 2, 2, 0]), boxes([0, 0, 2, 2, 45])), 2**-0.5, rtol=1e-5)


def test_boxes_without_area_overlap_nothing():
    assert iou(boxes([1, 1, 0, 0, 3]), boxes([1, 1, 0, 0, 3], [0, 0, 9, 9, 0])).tolist() == [[0, 0]]


def test_upright_bounds_that_overlap_do_not_count():
    """Two thin diagonals, side by side: upright their bounds share most of their area."""
    diagonals = boxes([50, 50, 100, 4, 45], [58, 50, 100, 4, 45])
    kept = nms_rotated(diagonals, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32), 0.1, 9)
    assert kept.tolist() == [0, 1]


def test_of_equal_scores_the_lower_row_wins_and_other_classes_stay():
    three = boxes([5, 5, 8, 4, 30], [5, 5, 8, 4, 30], [5, 5, 8, 4, 30])
    kept = nms_rotated(three, np.full(3, 0.5, np.float32), np.array([0, 1, 0], np.int32), 0.5, 9)
    assert kept.tolist() == [0, 1]


def test_the_limit_keeps_the_best():
    apart = boxes([0, 0, 2, 2, 5], [9, 0, 2, 2, 5], [18, 0, 2, 2, 5])
    assert nms_rotated(apart, np.array([0.1, 0.3, 0.2], np.float32), np.zeros(3, np.int32), 0.5, 2).tolist() == [1, 2]


def test_nothing_gives_nothing():
    assert nms_rotated(boxes(), np.zeros(0, np.float32), np.zeros(0, np.int32), 0.5, 9).tolist() == []
