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


class Sheet:
    """A random NV12 picture of any size and pitch, and the marks that go onto it."""

    def __init__(self, rng, atlas):
        self.width, self.height = int(rng.integers(1, 90)), int(rng.integers(1, 80))
        rows, columns = (self.height + 1) // 2, (self.width + 1) // 2
        self.luma = rng.integers(0, 256, (self.height, self.width + int(rng.integers(9))), np.uint8)
        self.chroma = rng.integers(0, 256, (rows, 2 * columns + int(rng.integers(9))), np.uint8)
        self.marks = random_marks(rng, self.width, self.height, int(rng.choice([0, 3, 40, 300])), atlas)

    def painted(self, atlas):
        """The planes as the reference paints them; what is beside the picture stays."""
        luma, chroma = self.luma.copy(), self.chroma.copy()
        columns = (self.width + 1) // 2
        pairs = chroma[:, : 2 * columns].reshape(len(chroma), columns, 2)
        paint(luma[:, : self.width], pairs, self.marks, atlas)
        chroma[:, : 2 * columns] = pairs.reshape(len(chroma), -1)
        return luma, chroma


@pytest.mark.parametrize("seed", range(10))
def test_marks_come_out_as_the_reference_paints_them_byte_for_byte(rig, seed):
    rng = np.random.default_rng(seed)
    atlas = rng.choice([0, 255, 90], 4000).astype(np.uint8)
    for _ in range(CASES // 10):
        sheets = [Sheet(rng, atlas) for _ in range(rng.integers(1, 4))]
        marks = rig.up(np.concatenate([sheet.marks for sheet in sheets]).view(np.uint8))
        size = (max(sheet.width for sheet in sheets), max(sheet.height for sheet in sheets))
        wanted = [sheet.painted(atlas) for sheet in sheets]
        for _ in rig.both_ways():
            planes = [(rig.up(sheet.luma), rig.up(sheet.chroma)) for sheet in sheets]
            canvases, first = np.zeros(len(sheets), CANVAS), 0
            for place, (sheet, memory) in enumerate(zip(sheets, planes, strict=True)):
                pitches = (sheet.luma.shape[1], sheet.chroma.shape[1])
                addresses = (rig.address(memory[0]), rig.address(memory[1]))
                canvases[place] = (*addresses, *pitches, sheet.width, sheet.height, first, len(sheet.marks))
                first += len(sheet.marks)
            table = rig.up(canvases.view(np.uint8))
            draw_nv12(rig.kernels, table, len(sheets), size, marks, rig.up(atlas), rig.stream)
            for memory, want in zip(planes, wanted, strict=True):
                np.testing.assert_array_equal(rig.down(memory[0]), want[0])
                np.testing.assert_array_equal(rig.down(memory[1]), want[1])


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
