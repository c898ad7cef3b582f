import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8 import graph as graphs
from streamd.int8.calibrate import Calibration, calibrate
from streamd.int8.placement import plan
from streamd.int8.scales import LEAST, SMALLEST, choose, quantize_weight, rounded, share
from streamd.int8.thresholds import METHODS, minmax

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def detector(detector_model):
    return graphs.prepare(detector_model)


@pytest.fixture(scope="module")
def calibration(detector, pictures):
    return calibrate(detector, pictures)


@pytest.mark.parametrize("method", METHODS)
def test_scales_are_normal_float16_and_shared_by_group(detector, calibration, method):
    placement = plan(detector)
    scales = choose(detector, placement, calibration, METHODS[method])
    assert set(scales.activations) == set(placement.tensors)
    for scale in scales.activations.values():
        assert scale == np.float16(scale) >= SMALLEST
    for group in placement.groups:
        assert len({scales.activations[name] for name in group}) == 1


def test_the_largest_of_a_group_serves_all(detector):
    placement = plan(detector)
    group = placement.groups[0]
    amax = dict.fromkeys(placement.tensors, 1.0) | {group[-1]: 254.0}
    assert {share(placement, amax).activations[name] for name in group} == {2.0}


def test_pictures_keep_their_range(detector, calibration):
    scales = choose(detector, plan(detector), calibration, lambda _: 0.01)
    assert scales.activations["images"] == rounded(calibration.histograms["images"].amax / 127)


def test_a_tensor_that_is_zero_throughout_is_scaled_for_one_and_said(detector):
    placement = plan(detector)
    scales = share(placement, dict.fromkeys(placement.tensors, 0.0))
    assert set(scales.activations.values()) == {rounded(1 / 127)}
    assert len(scales.remarks) == len(placement.tensors)


@pytest.mark.parametrize(("scale", "expected"), [(0.1, np.float16(0.1)), (1e-9, np.float32(1e-9)), (1e9, 65504.0)])
def test_a_scale_is_rounded_to_a_normal_float16_where_one_is_near(scale, expected):
    assert rounded(scale) == expected


def test_the_calibration_of_another_model_is_refused(detector, calibration):
    other = Calibration("0" * 64, "", 1, calibration.histograms)
    detector.sha256 = "1" * 64
    try:
        with pytest.raises(DataError, match="the calibration is of the model 000000000000"):
            choose(detector, plan(detector), other, minmax)
    finally:
        detector.sha256 = ""


def test_a_calibration_that_lacks_a_tensor_is_refused(detector):
    with pytest.raises(DataError, match="has no tensor"):
        choose(detector, plan(detector), Calibration("", "", 1, {}), minmax)


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_err_by_half_a_step_of_their_own_channel(axis):
    weight = (RNG.normal(size=(6, 5, 3, 3)) * np.logspace(-1, 2, 6).reshape(6, 1, 1, 1)).astype(np.float32)
    codes, scale = quantize_weight(weight, axis)
    along = scale.reshape([-1 if i == axis else 1 for i in range(4)])
    assert scale.shape == (weight.shape[axis],)
    assert (np.abs(codes * along - weight) <= along * 0.51 + 127 * along * 2**-11).all()
    assert codes.min() >= -127


def test_an_empty_channel_has_a_scale_and_no_codes():
    codes, scale = quantize_weight(np.zeros((2, 3), np.float32), 0)
    assert (scale == np.float32(SMALLEST)).all()
    assert not codes.any()


def test_a_bias_that_would_overflow_widens_the_scale_of_its_channel():
    weight, bias = np.full((2, 1), 1e-3, np.float32), np.array([0.0, 1e9], np.float32)
    _, scale = quantize_weight(weight, 0, bias, 0.01)
    assert bias[1] / (scale[1] * 0.01) < 2**31
    assert scale[0] == pytest.approx(1e-3 / 127, rel=1e-3)


def test_a_method_that_clips_much_is_remarked_on(detector, calibration):
    few = choose(detector, plan(detector), calibration, METHODS["minmax"])
    many = choose(detector, plan(detector), calibration, lambda histogram: 0.1 * histogram.amax)
    assert not [remark for remark in few.remarks if "clipped" in remark]
    assert "have over 1 % of their values clipped" in many.remarks[0]


def test_weights_too_small_for_a_float16_scale_keep_their_codes():
    weight = (RNG.normal(size=(4, 8)) * np.array([[1e-2], [1e-4], [1e-7], [1e-10]])).astype(np.float32)
    codes, scale = quantize_weight(weight, 0)
    assert (np.abs(codes).max(axis=1) == 127).all()
    assert (np.abs(codes * scale[:, None] - weight) <= scale[:, None] * 0.51 + 127 * scale[:, None] * 2**-11).all()


def test_a_channel_that_is_next_to_nothing_has_a_scale_that_can_be_multiplied():
    _, scale = quantize_weight(np.full((1, 2), 1e-38, np.float32), 0, np.array([1e-30], np.float32), 1e-15)
    assert scale[0] * np.float32(LEAST) >= np.finfo(np.float32).tiny


def test_an_activation_too_small_for_float16_is_remarked_on(detector):
    placement = plan(detector)
    assert not share(placement, dict.fromkeys(placement.tensors, 1e-3)).remarks
    assert "float16 has less than 127 steps" in share(placement, dict.fromkeys(placement.tensors, 1e-6)).remarks[0]
