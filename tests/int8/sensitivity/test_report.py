import json
from xml.etree import ElementTree

import pytest

from streamd.int8.groups import Group
from streamd.int8.sensitivity import chart, report
from streamd.int8.sensitivity.metrics import Measure

SVG = "{http://www.w3.org/2000/svg}"


def measure(value, drop):
    whole = {"mse": value, "sqnr": 10 * value, "cosine": value / 2, "kl": value / 3, "drop": drop}
    return Measure({"boxes": {"mse": value}, "scores": {"mse": value, "kl": value / 3}}, whole)


@pytest.fixture
def made():
    groups = [Group((f"t{i}",), (f"layer <{i}>",), i, 10 * i) for i in range(4)]
    found = {"alone": [measure(v, d) for v, d in ((0.1, 0.0), (0.4, 0.2), (0.2, 0.1), (0.0, -0.1))]}
    found["one-by-one"] = found["alone"]
    ranges = [1.0, 2.0, 3.0, 4.0]
    return report.Report(
        "m.onnx", "00", 8, "mse", "mAP50-95", 0.6, 1.0, report.correlated(found, ranges),
        report.grouped(groups, found, ranges),
    )  # fmt: skip


def test_the_table_has_the_most_sensitive_group_first_and_the_running_total_by_depth(made):
    alone, running = report.as_text(made, "mse").split("\n\n")[1:]
    order = [line.split(">")[0][-1] for line in alone.splitlines()[2:6]]
    assert order == ["1", "2", "0", "3"]
    assert [line.split(">")[0][-1] for line in running.splitlines()[2:6]] == ["0", "1", "2", "3"]


def test_the_correlation_with_the_drop_is_in_the_table(made):
    assert made.correlation == {"alone": {"mse": 1, "sqnr": 1, "cosine": 1, "kl": 1, "range": pytest.approx(-0.4)}}
    assert "rank correlation with the drop of mAP50-95" in report.as_text(made, "mse")


def test_json_has_every_group_part_metric_and_rank(made):
    read = json.loads(report.as_json(made))
    assert read["higher_is"] == "more sensitive"
    second = read["groups"][1]
    assert second["ranks"]["alone"] == {"mse": 1, "sqnr": 1, "cosine": 1, "kl": 1, "range": 3, "drop": 1}
    assert second["parts"]["alone"]["scores"]["kl"] == pytest.approx(0.4 / 3)
    assert set(second["values"]) == {"alone", "one-by-one"}


def test_the_chart_is_svg_with_a_bar_for_each_group_metric_and_mode(made):
    root = ElementTree.fromstring(chart.draw(made))
    bars = [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
    assert len(bars) == 4 * (6 + 5)  # weight ranges once
    assert any("layer <1>" in one.find(f"{SVG}title").text for one in bars)


def test_the_tallest_bar_is_that_of_the_most_sensitive_group(made):
    root = ElementTree.fromstring(chart.draw(made))
    bars = [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None][:4]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights.index(max(heights)) == 1
    assert len({bar.get("fill") for bar in bars}) == 2


def test_a_column_that_does_not_vary_can_be_drawn(made):
    groups = [Group(("t",), ("a",), 0, 0), Group(("u",), ("b",), 1, 0)]
    found = {"alone": [measure(0.0, 0.0)] * 2}
    same = report.Report("m", "", 1, "mse", "agreement", 1.0, 0.0, {}, report.grouped(groups, found, [1.0, 1.0]))
    ElementTree.fromstring(chart.draw(same))


def fills(drops):
    groups = [Group((f"t{i}",), (f"l{i}",), i, 1) for i in range(len(drops))]
    found = {"alone": [measure(1.0, drop) for drop in drops]}
    made = report.grouped(groups, found, [1.0] * len(drops))
    root = ElementTree.fromstring(chart.draw(report.Report("m", "", 1, "mse", "mAP", 1.0, 0.0, {}, made)))
    bars = [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
    return [
        bar.get("fill") == chart.WORST for bar in bars[-2 * len(drops) : -len(drops)]
    ]  # the last row has the weight ranges


def test_the_worst_three_stand_out_and_none_of_many_equals():
    assert fills([0.1, 0.4, 0.2, 0.3, 0.0]) == [False, True, True, True, False]
    assert fills([0.0] * 5) == [False] * 5
    assert fills([0.0, 0.5, 0.0, 0.0, 0.0]) == [False, True, False, False, False]
