import os

import cv2
import numpy as np
import pytest

from streamd.errors import DataError
from streamd.int8 import data
from streamd.int8.data import Sources, find, inputs, shown
from streamd.manifest import Input


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((40, 60, 3), 40 * i, np.uint8))
    return tmp_path


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for i in range(20):
        writer.write(np.full((48, 64, 3), 12 * i, np.uint8))
    writer.release()
    return path


def batch(path, shape=(2, 3, 4, 5), labels=True):
    values = np.arange(np.prod(shape), dtype="<f4")
    data = np.array(shape, "<i4").tobytes() + values.tobytes()
    path.write_bytes(data + (np.zeros(shape[0], "<i4").tobytes() if labels else b""))
    return path


def levels(pictures):
    return [round(float(picture.y.mean())) for picture in pictures]


def test_a_folder_is_searched_for_every_kind(folder, video):
    batch(folder / "batch0")
    (folder / "notes.md").write_text("nothing to see here, move along")
    found = find([folder])
    assert [path.name for path in found.images] == [f"{i}.png" for i in range(6)]
    assert (found.videos, found.batches) == ((video,), (folder / "batch0",))


def test_a_list_names_files_beside_it(folder):
    (folder / "list.txt").write_text("# two of them\n1.png\n\n3.png\n")
    assert [path.name for path in find([folder / "list.txt"]).images] == ["1.png", "3.png"]


@pytest.mark.parametrize("text", ["", "none.png\n"])
def test_a_list_of_nothing_is_refused(folder, text):
    (folder / "list.txt").write_text(text)
    with pytest.raises(DataError, match=r"list\.txt.*: lists"):
        find([folder / "list.txt"])


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        find([tmp_path / "none"])
    with pytest.raises(DataError, match="holds no picture"):
        find([tmp_path])


def test_pictures_are_spread_evenly(folder):
    assert len(list(shown(find([folder]), 3))) == 3
    assert levels(shown(find([folder]), 0)) == sorted(levels(shown(find([folder]), 0)))


def test_a_video_is_spread_over_its_part(video):
    sources = Sources(videos=(video,))
    everything = levels(shown(sources, 0))
    assert len(everything) == 20
    assert levels(shown(sources, 4)) == [everything[i] for i in (2, 7, 12, 17)]
    assert levels(shown(sources, 0, part=(0.5, 1))) == everything[10:]
    assert levels(shown(sources, 0, every=6)) == everything[::6]


def test_each_video_and_the_images_have_an_equal_share(folder, video):
    assert len(list(shown(find([folder]), 8))) == 8


def test_pictures_become_inputs_by_the_manifest(folder):
    spec = Input("images", 32, 24)
    (row, *_) = (value.copy() for value in inputs(spec, shown(find([folder]), 1)))
    assert (row.shape, row.dtype) == ((1, 3, 24, 32), np.float32)


def test_batch_files_are_taken_as_they_stand(tmp_path):
    path = batch(tmp_path / "batch0")
    rows = list(inputs(Input("images", 5, 4), [], [path]))
    assert [row.shape for row in rows] == [(1, 3, 4, 5)] * 2
    assert np.array_equal(np.concatenate(rows).ravel(), np.arange(120))


def test_a_batch_file_of_another_size_is_named(tmp_path):
    path = batch(tmp_path / "batch0")
    with pytest.raises(DataError, match="batch0: its pictures are 3x4x5, the model takes 3x8x8"):
        list(inputs(Input("images", 8, 8), [], [path]))


def test_a_batch_file_with_a_value_that_is_none_is_named(tmp_path):
    path = batch(tmp_path / "batch0")
    data = bytearray(path.read_bytes())
    data[16:20] = np.float32("nan").tobytes()
    path.write_bytes(data)
    with pytest.raises(DataError, match="batch0: holds NaN or infinite values"):
        list(inputs(Input("images", 5, 4), [], [path]))


def test_a_cut_batch_file_is_never_passed_over(tmp_path):
    batch(tmp_path / "batch0")
    cut = batch(tmp_path / "batch1")
    cut.write_bytes(cut.read_bytes()[:-40])
    for path in (tmp_path, cut):
        with pytest.raises(DataError, match="batch1: a batch file of 2x3x4x5 has 496 or 504 bytes, this one has 464"):
            find([path])


@pytest.mark.parametrize("line", ["gone.png", "x" * 5000, "a\0b", "."])
def test_a_line_of_a_list_that_is_no_file_is_named(folder, line):
    (folder / "list.txt").write_text(f"1.png\n{line}\n")
    with pytest.raises(DataError, match=r"list\.txt:2: lists .*: no such file"):
        find([folder / "list.txt"])


@pytest.mark.parametrize(("name", "message"), [("pipe", "is a pipe or a device"), ("x" * 300, "File name too long")])
def test_what_is_no_file_is_never_opened(tmp_path, name, message):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=message):
        find([tmp_path / name])


def test_a_folder_called_like_a_picture_is_none(folder):
    (folder / "a.png").mkdir()
    assert len(find([folder]).images) == 6


def test_a_video_without_frames_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "pictures", lambda _: iter(()))
    with pytest.raises(DataError, match=r"none\.mp4: its video holds no frames"):
        list(shown(Sources(videos=(tmp_path / "none.mp4",)), 5))


@pytest.mark.parametrize("name", ["1.png", "caf\xe9.png"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_list_may_come_from_windows_and_names_may_be_any_bytes(folder, name, mark):
    raw = name.encode("latin-1")
    (folder / "0.png").rename(folder / os.fsdecode(raw))
    (folder / "list.txt").write_bytes(mark + raw + b"\r\n")
    assert [os.fsencode(path.name) for path in find([folder / "list.txt"]).images] == [raw]


def test_a_line_of_a_list_that_is_of_no_kind_is_named(folder):
    (folder / "other.txt").write_text("1.png\n")
    (folder / "list.txt").write_text("1.png\nother.txt\n")
    with pytest.raises(DataError, match=r"list\.txt:2: other\.txt is neither a picture"):
        find([folder / "list.txt"])


def test_cameras_are_sent_to_calibrate(tmp_path):
    (tmp_path / "cams.yaml").write_text("cameras: {}\n")
    with pytest.raises(DataError, match=r"cams\.yaml: names cameras, .*run `streamd calibrate`"):
        find([tmp_path / "cams.yaml"])


@pytest.mark.parametrize(("frames", "part"), [(0, (0, 1)), (3, (0, 1)), (2, (0.5, 1)), (0, (0.5, 1))])
def test_the_images_that_are_shown_can_be_told(folder, monkeypatch, frames, part):
    monkeypatch.setattr(data, "picture_from_image", lambda path: path)
    sources = find([folder])
    images = Sources(sources.images)
    assert list(shown(images, frames, part=part)) == data.shown_images(images, frames, part=part)
    assert len(data.shown_images(images, frames, part=part)) == (frames or round((part[1] - part[0]) * 6))
