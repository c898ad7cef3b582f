import typing

import numpy as np
import pytest

from streamd.errors import ModelError
from streamd.manifest import HeadName
from streamd.postprocess import HEADS


def test_every_name_of_a_manifest_is_answered():
    assert set(HEADS) == set(typing.get_args(HeadName))


@pytest.mark.parametrize("name", ["rtdetr"])
def test_a_head_that_is_not_built_says_so(manifest, name):
    with pytest.raises(ModelError, match=f"head '{name}' is not in this version"):
        HEADS[name](manifest(name), confidence=0.5)


def test_the_mend_of_a_head_that_is_not_built_names_all_that_are(manifest):
    with pytest.raises(ModelError) as caught:
        HEADS["rtdetr"](manifest("rtdetr"), confidence=0.5)
    assert set(caught.value.mend.removeprefix("export the model with one of ").split(", ")) == set(HEADS) - {"rtdetr"}


@pytest.mark.parametrize("name", [name for name in HEADS if name not in {"rtdetr"}])
def test_shapes_are_checked_without_a_picture(manifest, name):
    head = HEADS[name](manifest(name, anchors=((10, 13),)))
    with pytest.raises(ModelError, match="the model gave float32"):
        head([np.zeros((1, 2, 3, 4), np.float32)], [])
