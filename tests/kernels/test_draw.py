import numpy as np
import pytest

from streamd.annotate.paint import eight_bit, paint
from streamd.frames import Surface
from streamd.gpu.draw import copy_nv12, draw_nv12
from streamd.gpu.layouts import CANVAS, MARK, OUTLINE, SUBPIXELS, UNIT

CASES = 200


def random_marks(rng, width, height, count, atlas):
    """Marks inside, across the edges and beside the picture; some through a mask, some outlines of turned boxes."""
    marks = np.zeros(count, MARK)
    for mark in marks:
        mark["left"], mark["top"] = rng.integers(-20, width + 5), rng.integers(-20, height + 5)
        mark["right"], mark["bottom"] = mark["left"] + rng.integers(0, 40), mark["top"] + rng.integers(0, 30)
        across, down = mark["right"] - mark["left"], mark["bottom"] - mark["top"]
        mark["mask"] = rng.choice([-1, OUTLINE])
        angle, middle = rng.uniform(-4, 4), [mark["left"] + across / 2, mark["top"] + down / 2]
        lengths = SUBPIXELS * np.array([*middle, *rng.uniform(0, 30, 2), rng.choice([1, 2, 9])])
        for name, length in zip(("centre_x", "centre_y", "along", "across", "line"), lengths, strict=True):
            mark[name] = length
        mark["cosine"], mark["sine"] = UNIT * np.cos(angle), UNIT * np.sin(angle)
        if rng.random() < 0.4:
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
    marks[0] = (2, 2, 4, 4, -1, 0, 200, 90, 30, 255, *[0] * 7)
    luma, chroma = rig.up(np.zeros((6, 6), np.uint8)), rig.up(np.zeros((3, 6), np.uint8))
    canvas = np.zeros(1, CANVAS)
    canvas[0] = (rig.address(luma), rig.address(chroma), 6, 6, 6, 6, 0, 1)
    on_device = rig.up(marks.view(np.uint8))
    draw_nv12(rig.kernels, rig.up(canvas.view(np.uint8)), 1, (6, 6), on_device, None, rig.stream)
    want = np.zeros((6, 6), np.uint8)
    want[2:4, 2:4] = 200
    np.testing.assert_array_equal(rig.down(luma), want)
    assert rig.down(chroma)[1].tolist() == [0, 0, 90, 30, 0, 0]


@pytest.mark.parametrize("far", [(1 << 27, 1 << 27), (-(1 << 27), 0)])
def test_a_turned_box_as_large_as_they_come_does_not_overflow(rig, far):
    luma, chroma = np.zeros((6, 6), np.uint8), np.zeros((3, 3, 2), np.uint8)
    marks = np.zeros(1, MARK)
    marks[0] = (0, 0, 6, 6, OUTLINE, 0, 200, 90, 30, 255, *far, 1 << 27, 1 << 27, 32, 11585, -11585)
    memory = rig.up(luma), rig.up(chroma.reshape(3, 6))
    canvas = np.zeros(1, CANVAS)
    canvas[0] = (rig.address(memory[0]), rig.address(memory[1]), 6, 6, 6, 6, 0, 1)
    draw_nv12(rig.kernels, rig.up(canvas.view(np.uint8)), 1, (6, 6), rig.up(marks.view(np.uint8)), None, rig.stream)
    paint(luma, chroma, marks, np.zeros(0, np.uint8))
    np.testing.assert_array_equal(rig.down(memory[0]), luma)


def random_planes(rng, width, height, sample_bytes):
    """Planes of any pitch, at any whole sample: luma, chroma, and both as one sees the picture in them."""
    rows, columns, dtype = (height + 1) // 2, (width + 1) // 2 * 2, np.uint16 if sample_bytes == 2 else np.uint8
    wide = int(rng.choice([0, 2, 14, 64]))
    luma = rng.integers(0, 1 << 8 * sample_bytes, (height, width + wide), dtype)
    chroma = rng.integers(0, 1 << 8 * sample_bytes, (rows, columns + wide), dtype)
    return luma, chroma, luma[:, :width], chroma[:, :columns]


@pytest.mark.parametrize("sample_bytes", [1, 2])
def test_a_copy_is_the_picture_in_eight_bits(rig, guarded, sample_bytes):
    rng = np.random.default_rng(sample_bytes)
    for case in range(CASES // 2):
        width, height = int(rng.integers(1, 1100 if case % 10 == 0 else 70)), int(rng.integers(1, 40))
        luma, chroma, seen_luma, seen_chroma = random_planes(rng, width, height, sample_bytes)
        memory = rig.up(luma), rig.up(chroma)
        even, pitch = width + width % 2, (width + int(rng.choice([1, 16, 33]))) // 16 * 16 + 16
        out = guarded((height + (height + 1) // 2, pitch), np.uint8)
        surface = Surface(
            *(rig.address(memory[0]), luma.strides[0], width, height),
            *(rig.address(memory[1]), chroma.strides[0], sample_bytes),
        )
        to = Surface(rig.address(out), pitch, width, height, rig.address(out) + height * pitch, pitch)
        copy_nv12(rig.kernels, surface, to, rig.stream)
        made = rig.down(out)
        as_bytes = eight_bit if sample_bytes == 2 else np.asarray
        np.testing.assert_array_equal(made[:height, :width], as_bytes(seen_luma))
        np.testing.assert_array_equal(made[height:, :even], as_bytes(seen_chroma))
        assert (made[:height, width:] == 0xA5).all() and (made[height:, even:] == 0xA5).all()


def test_a_surface_without_chroma_is_not_copied(rig):
    surface = Surface(64, 64, 64, 64)
    with pytest.raises(ValueError, match="cannot be copied"):
        copy_nv12(rig.kernels, surface, Surface(64, 64, 64, 64, 64, 64), rig.stream)
