"""A file through the real daemon, over real ZeroMQ, to `subscribe` and `record`: every frame accounted for."""

import signal

import av
import numpy as np
import pytest

FRAMES = 1189  # of the bottle clip


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inside = max(0, width) * max(0, height)
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731 - one line says it best
    return inside / (area(a) + area(b) - inside)


@pytest.fixture
def bottles(house, real):
    """The bottle clip once, as fast as possible, with YOLOX-Nano recognised by its shape."""
    return house.config(
        {"bottle": {"uri": str(real / "bottle-detection.mp4"), "pace": "asap"}},
        {"path": str(real / "yolox_nano.onnx")},
    )


@pytest.mark.timeout(240)
def test_every_frame_of_a_file_is_published_and_recorded_once(house, bottles, read_jsonl):
    subscriber = house.start("subscribe", house.detections, "--json")
    recorder = house.start("record", house.video, "--camera", "bottle", "--out", "recorded")
    code, _, log = house.run("serve", bottles, "--wait-for", "detections", "--wait-for", "video", timeout=200)
    assert code == 0, log
    recorder_out, _ = house.end(recorder)
    messages = read_jsonl(house.end(subscriber)[0])

    detections = [message for message in messages if "seq" in message]
    assert [message["seq"] for message in detections] == list(range(FRAMES))
    assert [message["kind"] for message in messages if "kind" in message] == ["online", "end-of-stream"]
    found = [item["box"] for item in detections[200]["detections"] if item["label"] == "bottle"]
    for truth in ([286, 109, 343, 315], [508, 105, 569, 318]):  # shared/real/README.md
        assert max(iou(box, truth) for box in found) >= 0.9

    (recorded,) = (house.folder / "recorded").glob("bottle-*.mp4")
    assert str(recorded.name) in recorder_out
    with av.open(str(recorded)) as container:
        pictures = list(container.decode(video=0))
    assert len(pictures) == FRAMES
    length_s = float(pictures[-1].pts * pictures[-1].time_base)
    assert length_s == pytest.approx(detections[-1]["pts_ns"] / 1e9, abs=0.05)


def test_a_subscriber_sees_what_it_asked_for_and_leaves(house, clip, read_jsonl):
    config = house.config({"a": {"uri": str(clip), "loop": True}, "b": {"uri": str(clip), "loop": True}}, STREET)
    daemon = house.start("serve", config)
    code, out, _ = house.run("subscribe", house.detections, "--json", "--camera", "b", "--count", "5")
    house.end(daemon, signal.SIGTERM)
    assert code == 0
    assert {message["camera"] for message in read_jsonl(out)} == {"b"}
    assert len(out.splitlines()) == 5
    assert daemon.returncode == 0


def test_a_signal_under_load_drains_and_leaves_a_recording_that_plays_to_its_end(house, clip):
    cameras = {name: {"uri": str(clip), "loop": True, "pace": "asap"} for name in ("a", "b", "c")}
    config = house.config(cameras, STREET, drain_timeout="10s")
    daemon = house.start("serve", config)
    recorder = house.start("record", house.video, "--camera", "a", "--out", "recorded")
    house.run("subscribe", house.detections, "--count", "60")
    _, log = house.end(daemon, signal.SIGTERM, timeout=12)
    house.end(recorder)
    assert daemon.returncode == 0, log
    (recorded,) = (house.folder / "recorded").glob("a-*.mp4")
    with av.open(str(recorded)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


def test_a_killed_recorder_leaves_a_file_that_plays(house, clip):
    config = house.config({"a": {"uri": str(clip), "loop": True}}, STREET)
    daemon = house.start("serve", config)
    recorder = house.start("record", house.video, "--camera", "a", "--out", "recorded")
    house.run("subscribe", house.detections, "--count", "120")
    house.end(recorder, signal.SIGKILL)
    house.end(daemon, signal.SIGTERM)
    (recorded,) = (house.folder / "recorded").glob("a-*.mp4")
    with av.open(str(recorded)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 25


def test_a_reload_adds_and_removes_cameras_and_a_bad_file_changes_nothing(house, clip):
    daemon = house.start("serve", house.config({"a": {"uri": str(clip), "loop": True}}, STREET))
    subscribe = ("subscribe", house.detections, "--json", "--count", "3", "--camera")
    assert house.run(*subscribe, "a")[0] == 0
    house.config({"b": {"uri": str(clip), "loop": True}}, STREET)
    daemon.send_signal(signal.SIGHUP)
    assert house.run(*subscribe, "b")[0] == 0
    (house.folder / "cams.yaml").write_text("cameras: [")
    daemon.send_signal(signal.SIGHUP)
    assert house.run(*subscribe, "b")[0] == 0
    _, log = house.end(daemon, signal.SIGTERM)
    assert "reload refused" in log
    assert daemon.returncode == 0


STREET = {"path": "bundled:street.onnx"}


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Two seconds of moving grey, for tests that care about frames and not about what is on them."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(50):
            picture = np.full((180, 320, 3), 40 + 3 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path
