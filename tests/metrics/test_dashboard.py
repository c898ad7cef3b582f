"""The dashboard asks only for what is told: metrics, labels and the functions that fit their kind."""

import json
import re
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamd import bundled
from streamd.decode import Stats
from streamd.metrics.exposition import expose

BOARD = json.loads((bundled.folder("configs") / "grafana.json").read_text())
EXPRESSIONS = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
NAME = re.compile(r"\b(?:streamd|process)_\w+")


@pytest.fixture
def told(metrics, frame):
    """Every sample that a busy daemon tells: its name, and the names of its labels."""
    camera = metrics.camera("front")
    camera.watch(Stats(reconnects=Counter(timeout=1)))
    camera.decoded(frame())
    camera.queues["model"] = lambda: 0
    with camera.stage("film"), metrics.model("street").stage("run"):
        metrics.model("street").ran(1)
    metrics.gpu_bytes["cuda:0"] = 1
    metrics.subscriptions["video"] = lambda: 1
    families = text_string_to_metric_families(expose(metrics).decode())
    found = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_that_it_names_is_told(told):
    named = {name for text in EXPRESSIONS for name in NAME.findall(text)}
    assert named and named <= told.keys()


def test_every_label_that_it_names_is_there(told):
    for text in EXPRESSIONS:
        (names, labels) = (NAME.findall(text), set())
        for group in re.findall(r"by \(([^)]*)\)", text):
            labels |= set(group.split(", "))
        for selector in re.findall(r"\{([^}]*)\}", text):
            labels |= {part.split("=")[0].strip() for part in selector.split(", ")}
        assert all(labels - {"instance"} <= told[name] for name in names), text


def test_every_panel_shows_something_of_its_own():
    assert all(panel["targets"] for panel in BOARD["panels"])
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


FIRST = """
streamd_frames_total streamd_frames_dropped_total streamd_latency_seconds_bucket streamd_model_stage_seconds_bucket
streamd_frame_age_seconds streamd_reconnects_total streamd_batch_rows_sum streamd_queue_frames streamd_subscriptions
streamd_gpu_memory_used_bytes streamd_config_generation
"""


@pytest.mark.parametrize("name", FIRST.split())
def test_what_an_operator_asks_first_is_shown(name):
    assert any(name in text for text in EXPRESSIONS)
