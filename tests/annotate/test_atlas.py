import numpy as np
import pytest

from streamd.annotate.atlas import Atlas
from streamd.annotate.lettering import advance, lay_out, scale_of, write

TEXT = "Fußgänger 87%"


@pytest.mark.parametrize("height", [9, 18, 36])
def test_a_letter_is_what_opencv_writes(height):
    atlas = Atlas.of(TEXT, height)
    for letter, glyph in atlas.glyphs.items():
        sheet = np.zeros((200, 200), np.uint8)
        write(sheet, letter, 80, 100, scale_of(height))
        rows, columns = slice(100 + glyph.top, 100 + glyph.top + glyph.height), slice(80 + glyph.left, None)
        mask = atlas.coverage[glyph.mask :][: glyph.width * glyph.height].reshape(glyph.height, glyph.width)
        np.testing.assert_array_equal(sheet[rows, columns][:, : glyph.width], mask)
        assert mask.sum() == sheet.sum() and (letter == " ") == (mask.size == 0)


@pytest.mark.parametrize("height", [9, 18, 36])
def test_letters_one_after_the_other_are_as_wide_as_their_text(height):
    widths = sum(advance(letter, scale_of(height)) for letter in TEXT)
    letters = lay_out(TEXT, height)
    assert widths == pytest.approx(letters.width - 2 * letters.left, abs=3)


def test_a_label_is_even_and_holds_its_text():
    for height in range(9, 40):
        letters = lay_out(TEXT, height)
        sheet = np.zeros((letters.height + 40, letters.width + 40), np.uint8)
        write(sheet, TEXT, 20 + letters.left, 20 + letters.baseline, letters.scale)
        inside = sheet[20:-20, 20:-20]
        assert (letters.width % 2, letters.height % 2) == (0, 0) and inside.sum() == sheet.sum() > 0
