from pathlib import Path

import numpy as np
import pytest

from streamd.errors import DataError
from streamd.frames import Colour, Detections, Picture
from streamd.score.draw import draw, write
from streamd.score.truth import Truth, boxes_of


def gray(width, height, value=100):
    half = ((height + 1) // 2, (width + 1) // 2)
    chroma = np.full(half, 128, np.uint8)
    return Picture(np.full((height, width), value, np.uint8), chroma, chroma, Colour("bt601", True))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 48)])
def test_pictures_keep_size_and_colour(size):
    canvas = draw(gray(*size), None, Detections.none(), (), 0.25)
    assert canvas.shape == (size[1], size[0], 3)
    assert np.unique(canvas).tolist() == [100]


def test_truth_is_white():
    truth = Truth(Path("a"), boxes_of([(10, 10, 40, 40)]), np.zeros(1, np.int32), np.zeros(1, bool))
    assert draw(gray(64, 48), truth, Detections.none(), ("car",), 0.25)[10, 20].tolist() == [255, 255, 255]


def test_only_findings_of_some_confidence_are_drawn():
    found = Detections(boxes_of([(10, 10, 40, 40)]), np.array([0.2], np.float32), np.zeros(1, np.int32))
    assert np.unique(draw(gray(64, 48), None, found, ("car",), 0.25)).tolist() == [100]
    assert len(np.unique(draw(gray(64, 48), None, found, ("car",), 0.1))) > 1


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="draw into a folder that can be written"):
        write(tmp_path / "file" / "a.jpg", np.zeros((8, 8, 3), np.uint8))
