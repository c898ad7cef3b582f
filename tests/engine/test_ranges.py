"""Ranges told to the tensors, against the recorded bindings of every version that takes them."""

import pytest

from streamd.engine.build import Implicit
from streamd.errors import DataError, ModelError
from tests.engine.conftest import OLD, builder_flags


@pytest.mark.parametrize("version", OLD)
def test_ranges_are_told_to_the_tensors(library, version, run):
    found = library(version)
    run(found, int8="dynamic-range", implicit=Implicit(scales={"images": 1 / 127}))
    assert found.api.called("ITensor.set_dynamic_range") == [(-1.0, 1.0)]
    assert builder_flags(found) == {"INT8", "FP16"}


def test_a_quantized_model_is_not_quantized_again(library, run, street_qdq):
    with pytest.raises(ModelError, match="Q and DQ nodes say what is INT8; leave out --int8 dynamic-range"):
        run(library("tensorrt 8.6.1"), street_qdq, int8="dynamic-range", implicit=Implicit(scales={"images": 1.0}))


def test_scales_of_another_model_are_refused(library, run):
    with pytest.raises(DataError, match="not one tensor of the network has a scale"):
        run(library("tensorrt 8.6.1"), int8="dynamic-range", implicit=Implicit(scales={"other": 1.0}))
