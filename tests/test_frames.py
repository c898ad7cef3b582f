import pytest

from streamd.frames import LUMA, label


@pytest.mark.parametrize(("class_id", "name"), [(0, "person"), (1, "car"), (2, "class 2"), (-1, "class -1")])
def test_a_class_without_a_label_is_called_by_its_number(class_id, name):
    assert label(("person", "car"), class_id) == name


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_green_weighs_most(matrix):
    assert 1 - sum(LUMA[matrix]) > max(LUMA[matrix])
