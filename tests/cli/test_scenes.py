"""A data set that `streamd eval` reads, a clip that the daemon decodes, and what cannot be written."""

import json

import av
import cv2
import pytest
from click.testing import CliRunner

from streamd.cli import group
from streamd.cli.scenes import MOST
from streamd.client.mp4 import Mp4File
from streamd.errors import ClientError
from streamd.scenes import Scene, dataset

SMALL = ("--width", "160", "--height", "96")


def scenes(out, *options):
    return CliRunner().invoke(group, ["scenes", "--out", str(out), *SMALL, *options])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    out = tmp_path_factory.mktemp("clip") / "clip.mp4"
    assert scenes(out, "--seconds", "1", "--seed", "69").exit_code == 0
    return out


def test_a_data_set_has_as_many_pictures_as_asked_for(tmp_path):
    result = scenes(tmp_path / "set", "--images", "5")
    assert result.exit_code == 0
    assert "streamd eval MODEL --data" in result.output
    written = json.loads((tmp_path / "set" / "annotations.json").read_text())["images"]
    assert len(written) == 5
    assert all(cv2.imread(str(tmp_path / "set" / image["file_name"])).shape == (96, 160, 3) for image in written)


def test_a_clip_has_all_its_frames(clip):
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 25
    assert {(frame.width, frame.height) for frame in frames} == {(160, 96)}
    assert [round(float(frame.time) * 25) for frame in frames] == list(range(25))


def test_a_clip_tells_its_colours(clip):
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
    bt601, limited = 6, 1  # H.273's SMPTE 170M; libav's AVCOL_RANGE_MPEG
    assert (frame.colorspace, frame.color_range) == (bt601, limited)


def test_the_same_options_give_the_same_clip(clip, tmp_path):
    again = tmp_path / "again.MP4"
    assert scenes(again, "--seconds", "1", "--seed", "69").exit_code == 0
    assert again.read_bytes() == clip.read_bytes()


def test_a_clip_takes_the_place_of_an_older_one(tmp_path):
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"older")
    assert scenes(out, "--seconds", "1").exit_code == 0
    assert out.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("missing/clip.mp4", "there is no folder {}/missing; make it, or name a file in another"),
        ("file/clip.mp4", "there is no folder {}/file"),
        ("folder.mp4", "is a folder; name a file in it"),
        ("file/set", "{}/file is no folder; name another folder"),
        ("x" * 300, "File name too long"),
        ("set", "{0}/set/images: {0}/set/images is no folder"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line_before_anything_is_drawn(tmp_path, monkeypatch, out, message):
    monkeypatch.delattr("streamd.scenes.Scene.frame")
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "images").touch()
    result = scenes(tmp_path / out, "--seconds", "1", "--images", "1")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert str(tmp_path / out) in result.output
    assert message.format(tmp_path) in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "option", [("--width", "99999"), ("--seconds", "0"), ("--seconds", "nan"), ("--seed", "-1"), ("--images", "4001")]
)
def test_an_option_out_of_range_is_a_usage_error(tmp_path, option):
    result = CliRunner().invoke(group, ["scenes", "--out", str(tmp_path / "clip.mp4"), *option])
    assert result.exit_code == 2


@pytest.mark.parametrize("name", ["clip.mp4", "set"])
def test_ctrl_c_leaves_nothing(tmp_path, monkeypatch, name):
    frame = Scene.frame

    def interrupted(self, index):
        if index:
            raise KeyboardInterrupt
        return frame(self, index)

    monkeypatch.setattr(Scene, "frame", interrupted)
    assert scenes(tmp_path / name, "--seconds", "1").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_clip_on_a_full_disk_leaves_the_older_one(tmp_path, monkeypatch):
    out = tmp_path / "clip.mp4"
    out.write_bytes(b"older")

    def full(self):
        raise ClientError(f"cannot write {self.path}; what was written plays") from OSError(
            28, "No space left on device"
        )

    monkeypatch.setattr(Mp4File, "close", full)
    result = scenes(out, "--seconds", "1")
    assert (result.exit_code, out.read_bytes(), list(tmp_path.iterdir())) == (1, b"older", [out])
    assert result.output.endswith(
        f"streamd: {out}: No space left on device; make room, or choose a file that can be written\n"
    )


def test_the_most_pictures_are_those_of_one_seed():
    assert MOST == dataset.MOST


@pytest.mark.parametrize("name", ["clip.avi", "clip.MKV"])
def test_a_clip_of_another_kind_is_no_folder(tmp_path, name):
    result = scenes(tmp_path / name, "--seconds", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"streamd: {tmp_path / name}: a clip is MP4; name it ")
    assert not list(tmp_path.iterdir())


def test_a_clip_is_drawn_without_a_word_of_the_daemon_s_log(tmp_path):
    result = scenes(tmp_path / "clip.mp4", "--seconds", "1")
    assert "video encoder" not in result.output
