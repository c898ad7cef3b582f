import json
from dataclasses import replace

import numpy as np
import pytest

from streamd import infer, manifest
from streamd.decode import picture_from_image
from streamd.errors import DataError, SourceError
from streamd.score import dataset, table
from streamd.score.evaluate import compare, evaluate
from streamd.score.served import Options, Served, translation


def test_a_detector_that_finds_the_car(coco, fixed_box):
    (row,) = evaluate([fixed_box()], dataset.read(coco()).spread(1), Options())
    assert row.detect.classes[1].ap50_95 == 1
    assert row.unknown == ()


def test_the_precision_of_an_engine_is_what_its_manifest_tells(coco, fixed_box, monkeypatch):
    plain = fixed_box()
    monkeypatch.setitem(infer.BACKENDS, ".engine", lambda path, sidecar, **options: infer.load(plain))
    engine = plain.with_name("plan.engine")
    engine.write_bytes(b"a plan")
    (row,) = evaluate([engine], dataset.read(coco()), Options())
    assert row.precision is None and json.loads(table.as_json([row]))["rows"][0]["precision"] is None
    assert table.as_text([row]).splitlines()[1].split()[:2] == ["plan.engine", "-"]
    manifest.save(manifest.load(plain), engine)
    (row,) = evaluate([engine], dataset.read(coco()), Options())
    assert row.precision == "fp32"


def test_labels_are_matched_by_name_and_not_by_number(coco, fixed_box):
    (row,) = evaluate([fixed_box(labels=(" CAR ", "bus"))], dataset.read(coco()).spread(1), Options())
    assert row.detect.classes[1].ap50 == 1
    assert row.unknown == ("person",)


def test_a_model_without_a_class_in_common(coco, fixed_box):
    with pytest.raises(DataError, match="it knows cat, dog, wanted are person, car: not one class in common"):
        evaluate([fixed_box(labels=("cat", "dog"))], dataset.read(coco()), Options())


def test_numbered_classes_are_taken_in_order(fixed_box):
    model = Served(fixed_box(labels=("class 0", "class 1")), Options())
    assert translation(model.path, model.manifest, ("a", "b")).tolist() == [0, 1]


def test_a_classifier(classes, brightness):
    (row,) = evaluate([brightness], dataset.read(classes), Options(batch=2))
    assert (row.classify.top1, row.classify.top5) == (1, 1)


def test_a_detector_on_data_to_classify(classes, fixed_box):
    with pytest.raises(DataError, match="is labelled to classify; score it on data labelled to detect"):
        evaluate([fixed_box(labels=("dark", "bright"))], dataset.read(classes), Options())


def test_latency_is_of_batch_one_and_of_the_batch_asked_for(classes, brightness):
    (row,) = evaluate([brightness], dataset.read(classes), Options(batch=2))
    assert [one.batch for one in row.latency] == [1, 2]
    assert all(0 < one.median_ms <= one.p95_ms for one in row.latency)


def test_progress_counts_every_picture(coco, fixed_box):
    seen = []
    evaluate([fixed_box()], dataset.read(coco()), Options(), advance=seen.append)
    assert sum(seen) == 2


def test_drawings_have_a_folder_a_model(coco, fixed_box, tmp_path):
    evaluate([fixed_box(), fixed_box(name="other.onnx")], dataset.read(coco()), Options(), drawings=tmp_path / "drawn")
    drawn = sorted(path.relative_to(tmp_path / "drawn").as_posix() for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert drawn == [f"{model}/images/{name}.jpg" for model in ("1-box", "2-other") for name in "ab"]


def test_pictures_of_one_stem_are_drawn_apart(classes, brightness, tmp_path):
    for path in ("a.jpg", "a.webp"):
        (classes / "dark" / path).write_bytes((classes / "dark" / "a.png").read_bytes())
    evaluate([brightness], dataset.read(classes), Options(), drawings=tmp_path / "drawn")
    drawn = sorted(path.name for path in (tmp_path / "drawn" / "1-brightness" / "dark").iterdir())
    assert drawn == ["a.jpg", "a.png.jpg", "a.webp.jpg", "b.jpg"]


def test_drawings_stay_in_their_folder_wherever_a_picture_lies(coco, fixed_box, tmp_path):
    folder = coco()
    (folder / "set").mkdir()
    for name in ("images", "annotations.json"):
        (folder / name).rename(folder / "set" / name)
    text = (folder / "set" / "annotations.json").read_text()
    (folder / "set" / "annotations.json").write_text(text.replace("b.png", "../elsewhere/b.png"))
    (folder / "elsewhere").mkdir()
    (folder / "set" / "images" / "b.png").rename(folder / "elsewhere" / "b.png")
    evaluate([fixed_box()], dataset.read(folder / "set"), Options(), drawings=tmp_path / "drawn")
    drawn = sorted(path.relative_to(tmp_path / "drawn").as_posix() for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert drawn == ["1-box/b.jpg", "1-box/images/a.jpg"]


def test_one_picture_listed_twice_is_drawn_twice(coco, fixed_box, tmp_path):
    folder = coco(lambda file: file["images"].append({"id": 1, "file_name": "b.png", "width": 64, "height": 48}))
    evaluate([fixed_box()], dataset.read(folder), Options(batch=2), drawings=tmp_path / "drawn")
    drawn = sorted(path.name for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert drawn == ["a.jpg", "b.jpg", "b.png.jpg"]


def test_a_picture_that_is_none(coco, fixed_box):
    folder = coco()
    (folder / "images" / "b.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"b\.png"):
        evaluate([fixed_box()], dataset.read(folder), Options())


def test_a_model_agrees_with_itself(coco, fixed_box):
    video = coco() / "images" / "a.png"
    (row,) = compare([fixed_box()], fixed_box(), [video], Options(), Options())
    assert (row.agreement.matched90, row.agreement.drift) == (1, 0)


def test_exact_preprocessing_agrees_with_the_hosts(classes, brightness):
    exact = Served(brightness, Options(preprocess="exact"))
    host = Served(brightness, Options())
    picture = picture_from_image(dataset.read(classes).truths[0].path)
    exact.fill([picture], 0), host.fill([picture], 0)
    assert np.allclose(exact.backend.input(0), host.backend.input(0), atol=1.5 / 255)


def test_the_classes_of_a_reference_are_matched_by_name(coco, fixed_box):
    video = coco() / "images" / "a.png"
    other = fixed_box(labels=("person", "car"), name="other.onnx")
    (row,) = compare([other], fixed_box(), [video], Options(), Options())
    assert row.agreement.matched50 == 0


def test_a_reference_with_two_classes_of_one_name(coco, fixed_box):
    video = coco() / "images" / "a.png"
    reference = fixed_box(labels=("car", "Car"))
    (row,) = compare([reference], reference, [video], Options(), Options())
    assert row.agreement.matched50 == 1
    with pytest.raises(DataError, match=r"other\.onnx: wanted are classes 0 and 1, both called 'Car'"):
        compare([fixed_box(name="other.onnx")], reference, [video], Options(), Options())


def test_a_classifier_and_a_comparison_tell_what_a_model_cannot_know(classes, brightness, coco, fixed_box):
    (classes / "dim").mkdir()
    (classes / "dark" / "a.png").rename(classes / "dim" / "a.png")
    text = table.as_text(evaluate([brightness], dataset.read(classes), Options()))
    assert "brightness.onnx has no class for dim: counted as missed." in text
    video = classes / "dark" / "b.png"
    rows = compare([fixed_box(labels=("bus", "person"), name="b.onnx")], fixed_box(), [video], Options(), Options())
    assert "b.onnx has no class for car: counted as missed." in table.as_markdown(rows)


def test_a_long_list_of_unknown_classes_is_cut(coco, fixed_box):
    labels = [f"kind {number}" for number in range(30)]
    (row,) = evaluate([fixed_box()], dataset.read(coco()).spread(1), Options())
    assert "kind 19 and 10 more: counted" in table.as_text([replace(row, unknown=tuple(labels))])


def test_the_tables(coco, fixed_box):
    models = [fixed_box(), fixed_box(score=0.5, labels=("car", "bus"), name="other.onnx")]
    rows = evaluate(models, dataset.read(coco()).spread(1), Options())
    text, markdown, data = table.as_text(rows), table.as_markdown(rows), json.loads(table.as_json(rows))
    assert "1.0000 (+0.0000)" in text
    assert "other.onnx has no class for person: counted as missed." in text
    assert markdown.startswith("| model | precision | size MB | mAP50-95 | mAP50 | ms @1 | p95 @1 |\n| --- |")
    assert data["rows"][1]["difference"]["mAP50-95"] == 0
    assert data["rows"][0]["detect"]["classes"][1]["label"] == "car"


def test_models_of_one_name_are_told_apart_by_their_path(coco, fixed_box, tmp_path):
    rows = evaluate([fixed_box()] * 2, dataset.read(coco()).spread(1), Options())
    assert table.as_text(rows).splitlines()[1].startswith(str(tmp_path))
