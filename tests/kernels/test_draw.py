import numpy as np
import pytest

from streamd.annotate.paint import paint
from streamd.gpu.draw import draw_nv12
from streamd.gpu.layouts import CANVAS, MARK

CASES = 200


def random_marks(rng, width, height, count, atlas):
    """Marks inside, across the edges and beside the picture; half of them through a mask."""
    marks = np.zeros(count, MARK)
    for mark in marks:
        mark["left"], mark["top"] = rng.integers(-20, width + 5), rng.integers(-20, height + 5)
        mark["right"], mark["bottom"] = mark["left"] + rng.integers(0, 40), mark["top"] + rng.integers(0, 30)
        across, down = mark["right"] - mark["left"], mark["bottom"] - mark["top"]
        mark["mask"] = -1
        if rng.random() < 0.5:
            mark["mask_pitch"] = across + rng.integers(0, 5)
            mark["mask"] = rng.integers(0, max(1, len(atlas) - mark["mask_pitch"] * down))
        for part in "yuv":
            mark[part] = rng.integers(256)
        mark["alpha"] = rng.choice([255, rng.integers(256)])
    return marks


@pytest.mark.parametrize("seed", range(10))
def test_marks_come_out_as_the_reference_paints_them_byte_for_byte(rig, seed):
    rng = np.random.default_rng(seed)
    atlas = rng.choice([0, 255, 90], 4000).astype(np.uint8)
    for _ in range(CASES // 10):
        pictures, canvases, marks = [], np.zeros(rng.integers(1, 4), CANVAS), []
        for place in range(len(canvases)):
            width, height = int(rng.integers(1, 90)), int(rng.integers(1, 80))
            rows, columns = (height + 1) // 2, (width + 1) // 2
            luma = rng.integers(0, 256, (height, width + int(rng.integers(9))), np.uint8)
            chroma = rng.integers(0, 256, (rows, 2 * columns + int(rng.integers(9))), np.uint8)
            own = random_marks(rng, width, height, int(rng.choice([0, 3, 40, 300])), atlas)
            memory = (rig.up(luma), rig.up(chroma))
            addresses = map(rig.address, memory)
            first = sum(map(len, marks))
            canvases[place] = (*addresses, luma.shape[1], chroma.shape[1], width, height, first, len(own))
            marks.append(own)
            paint(luma[:, :width], chroma[:, : 2 * columns].reshape(rows, columns, 2), own, atlas)
            pictures.append((luma, chroma, memory))
        draw_nv12(
            rig.kernels,
            rig.up(canvases.view(np.uint8)),
            len(canvases),
            (int(canvases["width"].max()), int(canvases["height"].max())),
            rig.up(np.concatenate(marks).view(np.uint8)),
            rig.up(atlas),
            rig.stream,
        )
        for luma, chroma, memory in pictures:
            np.testing.assert_array_equal(rig.down(memory[0]), luma)
            np.testing.assert_array_equal(rig.down(memory[1]), chroma)


def test_opaque_marks_need_no_atlas(rig):
    marks = np.zeros(1, MARK)
    marks[0] = (2, 2, 4, 4, -1, 0, 200, 90, 30, 255)
    luma, chroma = rig.up(np.zeros((6, 6), np.uint8)), rig.up(np.zeros((3, 6), np.uint8))
    canvas = np.zeros(1, CANVAS)
    canvas[0] = (rig.address(luma), rig.address(chroma), 6, 6, 6, 6, 0, 1)
    on_device = rig.up(marks.view(np.uint8))
    draw_nv12(rig.kernels, rig.up(canvas.view(np.uint8)), 1, (6, 6), on_device, None, rig.stream)
    want = np.zeros((6, 6), np.uint8)
    want[2:4, 2:4] = 200
    np.testing.assert_array_equal(rig.down(luma), want)
    assert rig.down(chroma)[1].tolist() == [0, 0, 90, 30, 0, 0]
