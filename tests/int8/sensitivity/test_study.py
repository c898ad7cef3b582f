from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from streamd.errors import ModelError
from streamd.int8 import graph as graphs
from streamd.int8 import qdq
from streamd.int8.placement import plan
from streamd.int8.scales import Scales
from streamd.int8.sensitivity import screen
from streamd.int8.sensitivity.feed import Feed
from streamd.int8.sensitivity.outcome import Outcome
from streamd.int8.sensitivity.report import columned
from streamd.int8.sensitivity.study import Study
from tests.int8.sensitivity.conftest import Bad, seen


@pytest.fixture(scope="module")
def study(bad):
    return bad.study()


@pytest.fixture(scope="module")
def alone(study):
    return {group.name: measure for group, measure in study.alone()}


@pytest.fixture(scope="module")
def all_but(study):
    return {group.name: measure for group, measure in study.all_but()}


def firsts(study, bad, found):
    """By which metrics the bad group is the most sensitive, and by which it is not."""
    ranges = [screen.ratio(bad.graph, group) for group in study.groups]
    columns = columned([found[group.name] for group in study.groups], ranges)
    wanted = bad.name(study)
    best = {metric: study.groups[int(np.argmax(values))].name for metric, values in columns.items()}
    return {metric: name == wanted for metric, name in best.items()}


@pytest.mark.parametrize("mode", ["alone", "all_but"])
def test_a_planted_bad_group_is_first_by_every_metric(study, bad, mode, request):
    first = firsts(study, bad, request.getfixturevalue(mode))
    assert first == dict.fromkeys(("mse", "sqnr", "cosine", "kl", "drop", "range"), True)


def test_the_running_total_leaps_at_the_planted_group(study, bad):
    totals = [measure.whole["mse"] for _, measure in study.one_by_one()]
    leaps = np.diff([0, *totals])
    assert study.groups[int(np.argmax(leaps))].name == bad.name(study)


def test_the_running_total_ends_with_everything_in_int8(study):
    *_, (_, last) = study.one_by_one()
    every = study.of([name for group in study.groups for name in group.tensors])
    assert last.whole == pytest.approx(every.whole, rel=1e-3)


def test_what_is_fed_at_a_cut_comes_to_what_the_whole_model_does(study, alone):
    for group in study.groups[::5]:
        assert alone[group.name].whole == pytest.approx(study.of(group.tensors).whole, rel=1e-3, abs=1e-9)


def test_a_small_budget_changes_the_cuts_and_not_the_answers(bad, alone):
    study = bad.study(budget=0)
    for group, measure in study.alone():
        assert measure.whole == pytest.approx(alone[group.name].whole, rel=1e-3, abs=1e-9)


def test_one_group_alone_is_the_file_with_its_scales_alone(study, bad, alone, run):
    group = study.groups[3]
    chosen = Scales({name: bad.scales.activations[name] for name in group.tensors})
    models = [observed(qdq.write(bad.graph, bad.placement, scales), study) for scales in (chosen, Scales())]
    noise = count = 0
    for picture in bad.feed.inputs:
        got, expected = (study.parts.split(run(model, picture, study.parts.tensors))["boxes"] for model in models)
        noise += np.square(got - expected).sum()
        count += got.size
    assert alone[group.name].parts["boxes"]["mse"] == pytest.approx(noise / count, rel=1e-3)


def observed(model, study):
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in study.parts.tensors
    )
    return model


def test_nothing_to_quantize_is_told(bad):
    outcome = bad.study()._outcome
    with pytest.raises(ModelError, match="nothing in it is quantized"):
        Study(bad.graph, bad.manifest, plan(bad.graph, lambda _: True), bad.scales, bad.feed, outcome)


def test_every_measure_is_told(bad):
    study = bad.study()
    told = []
    study.advance = lambda: told.append(1)
    list(study.all_but())
    assert len(told) == len(study.groups) + 1


def test_without_the_plant_the_same_group_is_not_the_first(good):
    """So the tests above can fail."""
    study = good.study()
    (group,) = (one for one in study.groups if good.tensor in one.tensors)
    found = dict(study.alone())
    better = [one.name for one in study.groups if found[one].whole["sqnr"] > found[group].whole["sqnr"]]
    assert better


def test_what_is_left_out_wins_back_and_what_is_taken_in_loses(study, bad):
    """The signs: all three modes count what is lost as more."""
    (worst,) = (group for group in study.groups if group.name == bad.name(study))
    alone, won = dict(study.alone())[worst], dict(study.all_but())[worst]
    everything = study.of([name for group in study.groups for name in group.tensors])
    rest = study.of([name for group in study.groups if group is not worst for name in group.tensors])
    for metric in ("mse", "cosine", "kl", "drop"):
        assert 0 < alone.whole[metric] <= everything.whole[metric] * 1.2
        assert won.whole[metric] == pytest.approx(everything.whole[metric] - rest.whole[metric], rel=0.02)
        assert won.whole[metric] > 0
    assert everything.whole["sqnr"] > rest.whole["sqnr"]
    assert study.of([]).whole == {"mse": 0, "sqnr": -130, "cosine": pytest.approx(0, abs=1e-12), "kl": 0, "drop": 0}


@pytest.mark.parametrize("mode", ["alone", "all_but"])
def test_of_a_classifier_too_it_is_first_by_every_metric_of_its_scores(bad_classifier, mode):
    study = bad_classifier.study()
    found = {group.name: measure for group, measure in getattr(study, mode)()}
    first = firsts(study, bad_classifier, found)
    assert {metric: first[metric] for metric in ("mse", "sqnr", "cosine", "kl", "range")} == dict.fromkeys(
        ("mse", "sqnr", "cosine", "kl", "range"), True
    )
    assert set(found[bad_classifier.name(study)].parts) == {"scores"}


def test_the_divergence_of_a_classifier_is_that_of_its_softmax(bad_classifier, run):
    study = bad_classifier.study()
    group = next(group for group in study.groups if group.name == bad_classifier.name(study))
    chosen = Scales({name: bad_classifier.scales.activations[name] for name in group.tensors})
    models = [qdq.write(bad_classifier.graph, bad_classifier.placement, scales) for scales in (Scales(), chosen)]
    expected = []
    for picture in bad_classifier.feed.inputs:
        logits = [next(iter(run(model, picture).values())).astype(np.float64).ravel() for model in models]
        p, q = (np.exp(one - one.max()) / np.exp(one - one.max()).sum() for one in logits)
        expected.append((p * np.log(p / q)).sum())
    assert study.of(group.tensors).whole["kl"] == pytest.approx(np.mean(expected), rel=1e-2)


def of_batch(model, rows):
    """Return the small detector as it is exported for a fixed batch: its Reshapes say so."""
    made = ModelProto.FromString(model.SerializeToString())
    for tensor in made.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.int64 and value.size > 2:
            tensor.CopyFrom(
                numpy_helper.from_array(np.where(value < 2, np.where(value < 0, -1, rows), value), tensor.name)
            )
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = rows
    del made.graph.value_info[:]
    made.graph.output[0].type.tensor_type.ClearField("shape")
    return made


def test_a_model_of_a_fixed_batch_is_measured_as_that_of_one(detector_model, about):
    one = Bad(detector_model, about)
    three = Bad(detector_model, about)
    three.graph = graphs.prepare(of_batch(one.graph.model, 3))
    three.feed = Feed.of(about.input, seen(4), 3)
    groups = [group.name for group in one.study().groups]
    expected, found = (dict(zip(groups, made.study().alone(), strict=True)) for made in (one, three))
    for name in groups:
        assert found[name][1].whole == pytest.approx(expected[name][1].whole, rel=1e-3, abs=1e-9)


def test_a_study_with_other_scales_is_that_of_those_scales_and_leaves_the_first_alone(study, bad):
    rough = replace(bad.scales, activations={name: 64 * scale for name, scale in bad.scales.activations.items()})
    every = list(bad.scales.activations)
    before = study.of(every).whole
    outcome = Outcome(bad.manifest, bad.feed.geometries, confidence=0.5)
    anew = Study(bad.graph, bad.manifest, bad.placement, rough, bad.feed, outcome)
    assert study.rescaled(rough).of(every).whole == anew.of(every).whole != before
    assert study.of(every).whole == before
