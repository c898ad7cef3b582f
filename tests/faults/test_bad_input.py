"""Whatever is wrong with what the daemon is given: exit 1, one line that names it, and no traceback."""

import json
import socket

import av
import numpy as np
import pytest
import yaml
from onnx import TensorProto

from tests.faults.served import Loaded

FLOAT = TensorProto.FLOAT


@pytest.fixture(scope="module")
def loaded():
    made = Loaded()
    yield made
    made.close()


@pytest.fixture
def serve(tmp_path, clip, model, loaded):
    """Runs `streamd serve` on one camera and one model; returns its exit code and the last line it printed."""

    def run(uri=clip, path=model, **sections):
        tree = {
            "models": {"model": {"path": str(path)}},
            "cameras": {"front": {"uri": str(uri), "model": "model", "pace": "asap"}},
            "publish": {"detections": {"bind": f"ipc://{tmp_path}/d"}, "video": {"bind": f"ipc://{tmp_path}/v"}},
            "log": {"level": "error"},
            **sections,
        }
        config = tmp_path / "cams.yaml"
        config.write_text(yaml.safe_dump(tree))
        code = loaded.serve(config, tmp_path / "told")
        told = (tmp_path / "told").read_text()
        assert "Traceback" not in told
        lines = told.splitlines()
        assert len(lines) <= 1, told
        return code, "".join(lines)

    return run


@pytest.fixture
def clip(tmp_path, write_clip):
    return write_clip(tmp_path / "clip.mp4", 10)


@pytest.fixture
def model(tmp_path, write_model):
    return write_model(tmp_path / "good.onnx")


def test_good_input_is_served(serve):
    assert serve() == (0, "")


def test_an_empty_file(serve, tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    code, line = serve(empty)
    assert code == 1
    assert "empty.mp4" in line
    assert "empty" in line


def test_a_file_that_is_no_video(serve, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("not a video\n" * 100)
    code, line = serve(text)
    assert code == 1
    assert "notes.mp4" in line


def test_a_video_without_frames(serve, tmp_path, write_clip):
    code, line = serve(write_clip(tmp_path / "none.mp4", 0))
    assert code == 1
    assert "none.mp4" in line


def test_an_mp4_cut_off_before_its_index(serve, clip):
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    code, line = serve(clip)
    assert code == 1
    assert "clip.mp4" in line


def test_a_folder_for_a_video(serve, tmp_path):
    code, line = serve(tmp_path)
    assert code == 1
    assert str(tmp_path) in line


def test_a_model_that_is_missing(serve, tmp_path):
    code, line = serve(path=tmp_path / "nowhere.onnx")
    assert code == 1
    assert "nowhere.onnx" in line


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_model_that_is_corrupt(serve, tmp_path, content):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(content)
    code, line = serve(path=broken)
    assert code == 1
    assert "broken.onnx" in line


def test_a_model_whose_head_is_not_known(serve, tmp_path, write_model):
    odd = write_model(tmp_path / "odd.onnx", [("images", FLOAT, (1, 3, 32, 32))], output=(1, 7, 11, 13))
    code, line = serve(path=odd)
    assert code == 1
    assert "odd.onnx" in line
    assert "1x7x11x13" in line


def test_a_model_of_two_inputs(serve, tmp_path, write_model):
    two = write_model(tmp_path / "two.onnx", [("images", FLOAT, (1, 3, 32, 32)), ("sizes", FLOAT, (1, 2))])
    code, line = serve(path=two)
    assert code == 1
    assert "sizes" in line


def test_a_model_of_int8_inputs(serve, tmp_path, write_model):
    small = write_model(tmp_path / "small.onnx", [("images", TensorProto.INT8, (1, 3, 32, 32))])
    code, line = serve(path=small)
    assert code == 1
    assert "int8" in line


def test_a_port_in_use(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = serve(publish={"detections": {"bind": f"tcp://127.0.0.1:{port}"}, "video": None})
    assert code == 1
    assert str(port) in line


def test_a_class_that_the_model_does_not_know(serve, model):
    code, line = serve(models={"model": {"path": str(model), "classes": ["persn"]}})
    assert code == 1
    assert "persn" in line


@pytest.mark.parametrize("size", [(2, 2), (66, 50), (130, 2)])
def test_sizes_at_the_edge_are_served_and_filmed(serve, tmp_path, size, write_clip):
    video = {"bind": f"ipc://{tmp_path}/v", "when": "always"}
    publish = {"detections": {"bind": f"ipc://{tmp_path}/d"}, "video": video}
    assert serve(write_clip(tmp_path / "edge.mp4", 5, size), publish=publish) == (0, "")


def test_a_frame_of_8k_is_served_and_filmed(serve, tmp_path, write_clip):
    video = {"bind": f"ipc://{tmp_path}/v", "when": "always", "preset": "ultrafast"}
    publish = {"detections": {"bind": f"ipc://{tmp_path}/d"}, "video": video, "file": {"path": "out.jsonl"}}
    assert serve(write_clip(tmp_path / "8k.mp4", 1, (7680, 4320)), publish=publish) == (0, "")
    lines = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [(line["width"], line["height"]) for line in lines if "detections" in line] == [(7680, 4320)]


def test_a_picture_of_one_pixel_is_served_and_filmed(serve, tmp_path):
    pixel = tmp_path / "pixel.png"
    with av.open(str(pixel), "w", format="image2") as container:
        stream = container.add_stream("png", 1)
        stream.width, stream.height, stream.pix_fmt = 1, 1, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.full((1, 1, 3), 200, np.uint8), "rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    video = {"bind": f"ipc://{tmp_path}/v", "when": "always"}
    assert serve(pixel, publish={"detections": {"bind": f"ipc://{tmp_path}/d"}, "video": video}) == (0, "")
