"""Models that are added, replaced and taken away while cameras run: nobody else loses a frame."""

import threading

import numpy as np
import onnx
import pytest

from streamd.errors import ModelError, SourceError
from tests.daemons import STREET, House, whole


@pytest.fixture
def house(tmp_path, write_clip):
    made = House(tmp_path, write_clip(tmp_path / "clip.mp4", 250))
    made.daemon.start()
    yield made
    made.close()


def test_a_changed_model_is_swapped_and_nobody_loses_a_frame(house):
    house.more("one"), house.more("two")
    old = house.daemon._models["a"]
    house.models["a"]["confidence"] = 0.9
    assert house.reload() == ()
    house.more("one", 10), house.more("two", 10)
    assert not house.daemon._models.changing
    assert house.daemon._models["a"] is not old
    assert whole(house.sink.of("one")) and whole(house.sink.of("two"))
    assert {session for _, session, _, _ in house.sink.of("one")} == {house.sink.of("one")[0][1]}
    assert house.sink.events.count(("one", "online", "")) == 1
    assert not any(kind == "config" for _, kind, _ in house.sink.events)


def test_a_model_whose_file_has_changed_is_swapped(house):
    house.more("one")
    model = onnx.load(house.folder / "a.onnx")
    model.doc_string = "another"
    onnx.save(model, house.folder / "a.next")
    old, other = house.daemon._models["a"], house.daemon._models["b"]
    (house.folder / "a.next").replace(house.folder / "a.onnx")
    (house.folder / "a.json").unlink()
    about = (STREET.with_suffix(".json")).read_text()
    (house.folder / "a.json").write_text(about.replace(about[about.index('"sha256"') :].split(",")[0] + ",", ""))
    house.reload()
    house.more("one", 10)
    assert house.daemon._models["a"] is not old
    assert house.daemon._models["b"] is other


def test_nothing_has_changed_and_nothing_is_touched(house):
    house.more("one")
    old = house.daemon._models["a"]
    house.reload()
    assert house.daemon._models["a"] is old and not house.daemon._models.changing


def test_a_model_that_cannot_be_loaded_changes_nothing(house):
    house.more("one")
    old = house.daemon._models["a"]
    (house.folder / "b.onnx").write_bytes(b"no model")
    house.models["a"]["confidence"] = 0.9
    with pytest.raises(ModelError):
        house.reload()
    house.more("one"), house.more("two")
    assert house.daemon._models["a"] is old
    assert house.daemon.settings.models["a"].confidence == 0.25
    assert set(house.metrics.models) == {"a", "b"}


def test_models_come_and_go_with_their_cameras(house):
    house.more("two")
    house.models["c"] = house.copy("c")
    house.cameras["two"] = "c"
    house.reload()
    house.until(lambda: ("two", "config", "changed") in house.sink.events and "b" not in house.metrics.models)
    house.more("two")
    assert set(house.metrics.models) == {"a", "c"}
    assert whole(house.sink.of("one"))
    assert sum(name.startswith("b/") for name in house.daemon.pipeline.running()) == 0


def test_video_goes_on_over_a_swap_with_the_boxes_of_its_own_frames(house):
    house.sink.watched = frozenset({"one"})
    house.until(lambda: len(house.sink.units) > 5)
    overlay = house.daemon._models["a"].overlays["one"]
    house.models["a"]["confidence"] = 0.9
    house.reload()
    house.until(lambda: not house.daemon._models.changing)
    known = len(house.sink.units)
    house.until(lambda: len(house.sink.units) > known + 5)
    seqs = [seq for _, _, seq in house.sink.units]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert house.daemon._models["a"].overlays["one"] is overlay
    assert overlay._posters == 1


def test_other_labels_start_their_cameras_anew(house):
    house.more("one")
    path = house.folder / "a.json"
    path.write_text(path.read_text().replace('"person"', '"pedestrian"'))
    house.reload()
    house.until(lambda: ("one", "config", "changed") in house.sink.events)
    house.more("one"), house.more("two")
    assert whole(house.sink.of("two"))
    assert house.daemon._models["a"].labels[0] == "pedestrian"


def test_many_swaps_leave_nothing_behind(house):
    house.more("one")
    threads = threading.active_count()
    for turn in range(5):
        house.models["a"]["confidence"] = 0.3 + turn / 100
        house.reload()
        house.until(lambda: not house.daemon._models.changing)
    house.more("one")
    assert threading.active_count() == threads
    assert whole(house.sink.of("one")) and whole(house.sink.of("two"))
    assert np.isfinite(house.metrics.model("a").rows.total)


def test_a_model_that_is_still_being_replaced_is_not_replaced_again(house):
    house.more("one")
    for confidence in (0.4, 0.5):
        house.models["a"]["confidence"] = confidence
        if confidence == 0.4:
            house.reload()
    with pytest.raises(ModelError, match="model a is still being replaced; reload again"):
        house.reload()
    house.until(lambda: not house.daemon._models.changing)
    assert house.daemon.settings.models["a"].confidence == 0.4


def test_a_model_that_leaves_is_counted_until_it_has_left_though_it_is_asked_for_again(house):
    house.more("one")
    house.cameras["one"] = "b"
    house.reload()
    assert house.daemon._models.changing
    counted = house.metrics.models["a"]
    house.cameras["one"] = "a"
    with pytest.raises(ModelError, match="model a is still being replaced; reload again"):
        house.reload()
    assert house.metrics.models["a"] is counted
    house.until(lambda: not house.daemon._models.changing)
    assert set(house.metrics.models) == {"b"}


def test_a_model_that_was_loaded_in_vain_is_not_counted(house):
    house.models["c"] = house.copy("c")
    house.cameras["one"], house.shows["one"] = "c", {"uri": str(house.folder / "a.onnx")}
    with pytest.raises(SourceError):
        house.reload()
    assert set(house.metrics.models) == {"a", "b"}


def test_a_model_that_nobody_uses_any_more_may_go_while_it_is_being_replaced(house):
    house.more("one")
    house.models["a"]["confidence"] = 0.4
    house.reload()
    assert house.daemon._models.changing
    house.cameras["one"] = "b"
    house.reload()
    house.until(lambda: not house.daemon._models.changing)
    house.more("one"), house.more("two")
    assert set(house.metrics.models) == {"b"}
    assert not any(name.startswith("a/") for name in house.daemon.pipeline.running())
