import hashlib

import numpy as np
import onnx
import pytest

from streamd.errors import DataError, ModelError
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import calibrate, observed
from streamd.int8.histogram import Histogram


@pytest.fixture
def detector(detector_model):
    return graphs.prepare(detector_model)


def test_every_observed_tensor_is_counted_in_full(detector, pictures):
    result = calibrate(detector, pictures)
    assert result.frames == 3
    assert set(result.histograms) == set(observed(detector))
    sizes = {
        value.name: int(np.prod([dim.dim_value for dim in value.type.tensor_type.shape.dim]))
        for value in [*detector.model.graph.value_info, *detector.model.graph.input]
    }
    assert {name: h.total for name, h in result.histograms.items()} == {
        name: 3 * sizes[name] for name in sizes if name in result.histograms
    }


def test_the_input_itself_is_observed(detector, pictures):
    histogram = calibrate(detector, pictures).histograms["images"]
    assert histogram.maximum == max(picture.max() for picture in pictures)


def test_the_budget_changes_how_it_runs_and_not_what_comes_out(detector, pictures):
    whole, pieces = calibrate(detector, pictures), calibrate(detector, pictures, budget=1)
    for name, histogram in whole.histograms.items():
        assert pieces.histograms[name].amax == pytest.approx(histogram.amax, rel=1e-4)
        assert pieces.histograms[name].total == histogram.total


def test_data_is_streamed_and_never_kept(detector, pictures):
    taken = []

    def batches():
        for i in range(5):
            taken.append(i)
            yield pictures[0]

    seen = []
    calibrate(detector, batches(), progress=lambda frames: seen.append((frames, len(taken))))
    assert seen == [(i, i) for i in range(1, 6)]


def test_the_same_data_has_the_same_fingerprint(detector, pictures):
    first = calibrate(detector, pictures).data_sha256
    assert calibrate(detector, pictures).data_sha256 == first
    assert calibrate(detector, pictures[:2]).data_sha256 != first


def test_an_empty_set_is_refused(detector):
    with pytest.raises(DataError, match="calibration set is empty"):
        calibrate(detector, [])


def test_a_batch_of_the_wrong_size_is_refused(detector):
    with pytest.raises(DataError, match="a batch is 1x3x32x64, model takes 1x3x64x64"):
        calibrate(detector, [np.zeros((1, 3, 32, 64), np.float32)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_tensor(detector, pictures, bad):
    spoilt = pictures[0].copy()
    spoilt[0, 0, 0, 0] = bad
    with pytest.raises(DataError, match="tensor images"):
        calibrate(detector, [spoilt])


def test_a_model_of_two_inputs_is_refused(net):
    model = net.model(net.node("Add", net.conv("images", 3, 4), "other"))
    model.graph.input.append(type(model.graph.input[0])(name="other", type=model.graph.input[0].type))
    with pytest.raises(ModelError, match="has 2 inputs"):
        calibrate(graphs.prepare(model), [])


def test_batches_of_two_sizes_are_counted_alike(net, pictures):
    model = net.model(net.conv(net.layer("images", 3, 8), 8, 4), shape=("n", 3, 64, 64))
    graph = graphs.prepare(model)
    single = calibrate(graph, pictures)
    mixed = calibrate(graph, [np.concatenate(pictures[:2]), pictures[2]])
    assert mixed.frames == single.frames
    for name, histogram in single.histograms.items():
        assert mixed.histograms[name].total == histogram.total


def test_a_model_with_nothing_to_quantize_is_refused():
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"]
    body = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelError, match="no layer that INT8 would serve"):
        calibrate(graphs.prepare(model), [np.zeros((1, 3, 8, 8), np.float32)])


def test_pictures_that_leave_everything_zero_are_refused(net):
    model = net.model(net.conv(net.layer("images", 3, 8, bias=False), 8, 4, bias=False), shape=(1, 3, 8, 8))
    with pytest.raises(DataError, match="every tensor was zero on every picture; name real pictures"):
        calibrate(graphs.prepare(model), [np.zeros((1, 3, 8, 8), np.float32)])


def fixed(net, rows):
    """A model that takes exactly so many pictures, and mixes nothing between them."""
    return graphs.prepare(net.model(net.conv(net.layer("images", 3, 8, 3), 8, 4), shape=(rows, 3, 64, 64)))


@pytest.mark.parametrize("count", [3, 6])
def test_a_fixed_batch_sees_as_many_pictures_at_a_time(net, pictures, count):
    shown = [pictures[i % 3] for i in range(count)]
    result = calibrate(fixed(net, 3), iter(shown))
    assert result.frames == count
    assert result.histograms["images"].total == count * pictures[0].size
    assert result.data_sha256 == hashlib.sha256(b"".join(one.tobytes() for one in shown)).hexdigest()


def test_the_last_run_of_a_fixed_batch_is_filled_up_with_its_own(net, pictures):
    buffer = np.empty_like(pictures[0])

    def shown():
        for picture in pictures:
            buffer[...] = picture
            yield buffer

    seen = []
    result = calibrate(fixed(net, 2), shown(), progress=seen.append)
    assert (result.frames, seen) == (3, [2, 3])
    expected = Histogram()
    for index in (0, 1, 2, 2):
        expected.add(pictures[index], "images")
    np.testing.assert_array_equal(result.histograms["images"].counts, expected.counts)


def test_a_picture_of_another_size_does_not_fit_a_fixed_batch(net, pictures):
    with pytest.raises(DataError, match=r"a batch is 1x3x32x64, .* takes 1x3x64x64"):
        calibrate(fixed(net, 2), [pictures[0][:, :, :32]])
