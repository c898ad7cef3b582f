import numpy as np
import pytest

from streamd.gpu import detect
from streamd.gpu.detect import Wanted, Workspace
from streamd.gpu.layouts import FOUND, GEOMETRY, geometry_row
from streamd.letterbox import Letterbox
from streamd.manifest import Input, Manifest
from streamd.postprocess import HEADS
from streamd.postprocess.boxes import nms
from streamd.postprocess.rotated import nms_rotated, turned

CASES = 200


def geometries_of(rig, places, batch=None):
    table = np.zeros(batch or len(places), GEOMETRY)
    for row, place in enumerate(places):
        table[row] = geometry_row(place)
    return rig.up(table.view(np.uint8))


def found_of(rig, work, count):
    """What a suppression left, an image at a time."""
    memory, batch = rig.down(work.found), work.scores.shape[0]
    size = batch * work.limit * FOUND.itemsize
    rows = memory[:size].view(FOUND).reshape(batch, work.limit)
    return [rows[image, :n] for image, n in enumerate(memory[size:].view(np.int32)[:count])]


def crowd(rng, count):
    """Boxes on few places with few scores, so that ties and equal overlaps abound; some are garbage."""
    corner = rng.integers(-10, 60, (count, 2))
    boxes = np.concatenate((corner, corner + rng.integers(-2, 30, (count, 2))), axis=1).astype(np.float32)
    boxes[rng.random(count) < 0.03] = rng.choice([np.inf, np.nan, 1e30, -1e30])
    scores = (rng.integers(-2, 14, count) / 12).astype(np.float32)
    return boxes, scores, rng.integers(0, 3, count).astype(np.int32)


def load(rig, work, image, boxes, scores, class_ids, rng):
    """Put candidates where a decode would, listed in any order."""
    count = len(scores)
    work.boxes[image, :count] = rig.up(boxes)
    work.scores[image, :count] = rig.up(scores)
    work.class_ids[image, :count] = rig.up(class_ids)
    work.kept[image, :count] = rig.up(rng.permutation(count).astype(np.int32))
    work.counts[image : image + 1] = rig.up(np.array([count], np.int32))


def expected_rows(boxes, scores, class_ids, place, iou, limit):
    """The rows that the reference keeps, by its own steps."""
    order = np.argsort(-scores, kind="stable")[:3000]
    with np.errstate(invalid="ignore", over="ignore"):
        source = place.to_source(boxes)
        good = (source[:, 2] > source[:, 0]) & (source[:, 3] > source[:, 1]) & np.isfinite(boxes).all(axis=1)
    rows = order[(good & (class_ids >= 0) & (scores < np.inf))[order]]
    return rows[nms(np.clip(boxes[rows], -1e6, 1e6), scores[rows], class_ids[rows], iou, limit)], source


@pytest.mark.parametrize("seed", range(10))
def test_nms_keeps_the_rows_of_the_reference_in_its_order(rig, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        capacity, limit = int(rng.integers(1, 120)), int(rng.integers(1, 40))
        iou = float(rng.choice([0.0, 0.3, 0.45, 0.5, 1.0]))
        batch = int(rng.integers(1, 4))
        place = Letterbox.place(int(rng.integers(1, 200)), int(rng.integers(1, 200)), 50, 40)
        crowds = [crowd(rng, int(rng.integers(0, capacity + 1))) for _ in range(batch)]
        for _ in rig.both_ways():
            work = Workspace.make(rig.xp, batch, capacity, limit)
            for image, candidates in enumerate(crowds):
                load(rig, work, image, *candidates, rng)
            detect.nms(rig.kernels, work, batch, geometries_of(rig, [place] * batch), iou, rig.stream)
            for found, (boxes, scores, class_ids) in zip(found_of(rig, work, batch), crowds, strict=True):
                rows, source = expected_rows(boxes, scores, class_ids, place, iou, limit)
                assert found["row"].tolist() == rows.tolist()
                np.testing.assert_array_equal(found["box"], source[rows])
                np.testing.assert_array_equal(found["score"], np.minimum(scores[rows], 1))
                np.testing.assert_array_equal(found["class_id"], class_ids[rows])
            assert not rig.down(work.counts).any()  # ready for the next decode


@pytest.mark.parametrize("count", [2999, 3001, 4096, 4097, 9000])
def test_of_very_many_candidates_the_best_3000_count(rig, count):
    rng = np.random.default_rng(count)
    boxes, scores, class_ids = crowd(rng, count)
    scores = rng.integers(0, 900, count).astype(np.float32) / 1000
    place = Letterbox.place(60, 60, 60, 60)
    want, _ = expected_rows(boxes, scores, class_ids, place, 1.0, 4000)
    for _ in rig.both_ways():
        work = Workspace.make(rig.xp, 1, count, 4000)
        load(rig, work, 0, boxes, scores, class_ids, rng)
        detect.nms(rig.kernels, work, 1, geometries_of(rig, [place]), 1.0, rig.stream)
        (found,) = found_of(rig, work, 1)
        assert found["row"].tolist() == want.tolist()


def test_an_image_without_candidates_writes_nothing(rig):
    """Nor does what the image before it left in shared memory."""
    rng = np.random.default_rng(0)
    place = Letterbox.place(60, 60, 60, 60)
    for _ in rig.both_ways():
        work = Workspace.make(rig.xp, 2, 100, 90)
        boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (90, 1))
        load(rig, work, 0, boxes, np.full(90, 0.5, np.float32), np.arange(90, dtype=np.int32), rng)
        detect.nms(rig.kernels, work, 2, geometries_of(rig, [place] * 2), 0.5, rig.stream)
        full, empty = found_of(rig, work, 2)
        assert (len(full), len(empty)) == (90, 0)
        assert not rig.down(work.found)[90 * FOUND.itemsize : 180 * FOUND.itemsize].any()


@pytest.mark.parametrize("seed", range(10))
def test_rotated_nms_keeps_the_rows_of_the_reference_in_its_order(rig, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        capacity, limit = int(rng.integers(1, 80)), int(rng.integers(1, 40))
        iou = float(rng.choice([0.1, 0.3, 0.45, 0.7]))
        count = int(rng.integers(0, capacity + 1))
        _, scores, class_ids = crowd(rng, count)
        size = rng.integers(1, 30, (count, 2))
        centre = rng.integers(0, 50, (count, 2))
        boxes = np.concatenate((centre - size / 2, centre + size / 2), axis=1).astype(np.float32)
        angles = rng.choice([0.0, 0.5, np.pi / 2, 1.0, -2.0], count).astype(np.float32)
        shapes = turned(boxes, angles)
        place = Letterbox.place(50, 40, 50, 40, "stretch")
        for _ in rig.both_ways():
            work = Workspace.make(rig.xp, 1, capacity, limit, rotated=True)
            load(rig, work, 0, boxes, scores, class_ids, rng)
            work.angles[0, :count] = rig.up(angles)
            work.turns[0, :count] = rig.up(shapes[:, 4:])
            detect.nms_rotated(rig.kernels, work, 1, geometries_of(rig, [place]), iou, rig.stream)
            (found,) = found_of(rig, work, 1)
            inside = np.flatnonzero(_shown(shapes, 50, 40))
            kept = inside[nms_rotated(shapes[inside], scores[inside], class_ids[inside], iou, limit)]
            assert found["row"].tolist() == kept.tolist()
            np.testing.assert_array_equal(found["box"], boxes[kept])
            np.testing.assert_array_equal(found["angle"], angles[kept])


def _shown(shapes, width, height):
    x, y, w, h, c, s = shapes.T
    across, down = abs(w * c) + abs(h * s), abs(w * s) + abs(h * c)
    return (x + across > 0) & (x - across < width) & (y + down > 0) & (y - down < height)


def manifest_of(head, width, height, classes):
    return Manifest(head, tuple(map(str, range(classes))), Input("images", width, height))


def bits_of(rig, classes, wanted):
    bits = np.zeros((classes + 31) // 32, np.uint32)
    for class_id in wanted:
        bits[class_id // 32] |= np.uint32(1 << (class_id % 32))
    return rig.up(bits)


def outputs(rng, rows, classes, dtype, head):
    """What a model might give, (N, rows, values), with equal scores and some garbage."""
    batch = int(rng.integers(1, 4))
    values = np.zeros((batch, rows, (4 if head == "yolov8" else 5) + classes))
    values[..., :2] = rng.integers(0, 60, values[..., :2].shape)
    values[..., 2:4] = rng.integers(0, 30, values[..., 2:4].shape)
    if head == "yolox":
        values[..., :4] = rng.normal(0, 1, values[..., :4].shape)
    values[..., 4:] = rng.integers(0, 21, values[..., 4:].shape) / 20
    values[rng.random(values.shape) < 0.002] = rng.choice([np.nan, np.inf, -np.inf])
    return values.astype(dtype)


@pytest.mark.parametrize("head", ["yolov8", "yolov5", "yolox"])
@pytest.mark.parametrize("seed", range(10))
def test_decode_and_nms_find_what_the_head_finds(rig, head, seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        width, height = 32 * int(rng.integers(1, 3)), 32 * int(rng.integers(1, 3))
        rows = sum((width // s) * (height // s) for s in (8, 16, 32))
        classes, limit = int(rng.integers(1, 40)), int(rng.integers(1, 60))
        values = outputs(rng, rows, classes, rng.choice(["float32", "float16"]), head)
        count = int(rng.integers(1, len(values) + 1))
        confidence, iou = float(rng.choice([0.3, 0.25, 0.8])), float(rng.choice([0.3, 0.45]))
        wanted = frozenset(rng.integers(0, classes, 5).tolist()) if rng.random() < 0.5 else None
        places = [
            Letterbox.place(int(rng.integers(1, 300)), int(rng.integers(1, 300)), width, height) for _ in range(count)
        ]
        reference = HEADS[head](
            manifest_of(head, width, height, classes),
            confidence=confidence,
            iou=iou,
            max_detections=limit,
            classes=wanted,
        )
        if head == "yolov8":
            values = np.ascontiguousarray(values.transpose(0, 2, 1))
        asked = Wanted(confidence, None if wanted is None else bits_of(rig, classes, wanted), (width, height))
        work = Workspace.make(rig.xp, len(values), rows, limit)
        on_device = rig.up(values)
        if head == "yolov8":
            detect.decode_yolov8(rig.kernels, on_device, count, asked, work, rig.stream)
        elif head == "yolov5":
            detect.decode_yolov5(rig.kernels, on_device, count, asked, work, rig.stream)
        else:
            detect.decode_yolox(rig.kernels, on_device, count, asked, work, rig.stream)
        detect.nms(rig.kernels, work, count, geometries_of(rig, places, len(values)), iou, rig.stream)
        for found, want in zip(found_of(rig, work, count), reference([values], places), strict=True):
            assert found["class_id"].tolist() == want.class_ids.tolist()
            np.testing.assert_array_equal(found["score"], want.scores)
            # YOLOX takes an exponential, which two libraries round differently.
            np.testing.assert_allclose(
                found["box"], want.boxes, rtol=1e-5 if head == "yolox" else 0, atol=1e-4 if head == "yolox" else 0
            )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rotated_rows_keep_their_angle(rig, dtype):
    rng = np.random.default_rng(1)
    classes, rows = 3, 150
    values = rng.random((2, 5 + classes, rows)).astype(dtype)
    work = Workspace.make(rig.xp, 2, rows, 10, rotated=True)
    detect.decode_obb(rig.kernels, rig.up(values), 2, Wanted(0.9), work, rig.stream)
    counts, kept = rig.down(work.counts), rig.down(work.kept)
    for image in range(2):
        best = values[image, 4 : 4 + classes].astype(np.float32).max(axis=0)
        listed = np.sort(kept[image, : counts[image]])
        assert listed.tolist() == np.flatnonzero(best >= np.float32(0.9)).tolist()
        angles = values[image, -1, listed].astype(np.float32)
        np.testing.assert_array_equal(rig.down(work.angles)[image, listed], angles)
        turns = np.stack((np.cos(angles), np.sin(angles)), axis=1)
        np.testing.assert_allclose(rig.down(work.turns)[image, listed], turns, rtol=1e-6)


def test_values_of_another_shape_are_refused(host):
    work = Workspace.make(np, 2, 21, 5)
    with pytest.raises(ValueError, match="values: expected float32 or float16"):
        detect.decode_yolov8(host.kernels, np.zeros((2, 6, 20), np.float32), 1, Wanted(0.5), work, None)
    with pytest.raises(ValueError, match="an input of 64x64 has 84 rows"):
        detect.decode_yolox(host.kernels, np.zeros((2, 21, 6), np.float32), 1, Wanted(0.5, size=(64, 64)), work, None)


def test_rotated_suppression_needs_a_rotated_workspace(host):
    work = Workspace.make(np, 1, 21, 5)
    with pytest.raises(ValueError, match=r"work\.angles"):
        detect.nms_rotated(host.kernels, work, 1, np.zeros(GEOMETRY.itemsize, np.uint8), 0.5, None)
