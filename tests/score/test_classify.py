from pathlib import Path

import numpy as np
import pytest

from streamd.frames import Detections
from streamd.score.classify import score
from streamd.score.truth import Truth, boxes_of


def truth(kind):
    return Truth(Path("a.png"), boxes_of(()), np.array([kind], np.int32), np.zeros(0, bool))


def answers(*kinds):
    return Detections(
        boxes_of([(0, 0, 1, 1)] * len(kinds)), np.zeros(len(kinds), np.float32), np.array(kinds, np.int32)
    )


def test_the_likeliest_answer_counts_for_both():
    assert (score([truth(3)], [answers(3, 1)]).top1, score([truth(3)], [answers(3, 1)]).top5) == (1, 1)


def test_a_later_answer_counts_for_five_alone():
    result = score([truth(1), truth(1), truth(1)], [answers(0, 1), answers(1, 0), answers(2, 3, 4, 5, 1)])
    assert (result.top1, result.top5) == (pytest.approx(1 / 3), 1)


def test_no_answer_is_wrong():
    assert score([truth(1)], [Detections.none()]).top5 == 0
