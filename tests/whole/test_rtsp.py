"""A real RTSP server through the daemon: cameras come, go and come back, and nobody else minds."""

import itertools
import json
import signal
from collections import Counter

import pytest

from streamd.client import Subscriber

pytestmark = [pytest.mark.rtsp, pytest.mark.timeout(120)]

STREET = {"path": "bundled:street.onnx"}
QUICK = {"open_timeout": "5s", "read_timeout": "2s", "reconnect": {"initial": "100ms", "maximum": "300ms"}}


def camera(port, mount, **keys):
    return {"uri": f"rtsp://127.0.0.1:{port}/{mount}", **QUICK, **keys}


def messages(house, *arguments):
    code, out, err = house.run("subscribe", house.detections, "--json", *arguments)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("batch", [1, 4])
def test_four_cameras_at_once_are_all_published(house, rtsp, batch):
    port, _ = rtsp(*(f"/{name}=pattern:320x240:10" for name in "abcd"))
    config = house.config({name: camera(port, name) for name in "abcd"}, {**STREET, "batch": batch})
    daemon = house.start("serve", config)
    seen = Counter(message["camera"] for message in messages(house, "--count", "80") if "seq" in message)
    _, log = house.end(daemon, signal.SIGTERM)
    assert daemon.returncode == 0, log
    assert set(seen) == set("abcd")
    assert min(seen.values()) >= 5


def test_a_camera_comes_back_in_a_new_session_when_its_server_does(house, rtsp):
    port, server = rtsp("/a=pattern:320x240:10")
    daemon = house.start("serve", house.config({"a": camera(port, "a")}, STREET))
    first = messages(house, "--count", "5")[-1]["session"]
    server.kill()
    server.wait()
    told = messages(house, "--count", "3")
    assert {"offline", "reconnecting"} & {message.get("kind") for message in told}
    rtsp("/a=pattern:320x240:10", port=port)
    back = next(message for message in messages(house, "--count", "60") if message["session"] > first)
    assert back["camera"] == "a"
    house.end(daemon, signal.SIGTERM)
    assert daemon.returncode == 0


def test_a_dead_camera_neither_stops_the_others_nor_the_end(house, rtsp):
    port, _ = rtsp("/a=pattern:320x240:10")
    config = house.config({"a": camera(port, "a"), "dead": camera(9, "x"), "gone": camera(port, "gone")}, STREET)
    daemon = house.start("serve", config)
    with Subscriber(house.detections, "a", kinds=["det"]) as subscriber:  # however much is told of it beside
        alive = list(itertools.islice(subscriber, 20))
    _, log = house.end(daemon, signal.SIGTERM, timeout=12)
    assert len({message.seq for message in alive if message.camera == "a"}) == 20
    assert daemon.returncode == 0
    assert "no such stream" in log
    assert "refused" in log


def test_the_password_of_a_camera_never_reaches_the_log(house, rtsp):
    port, _ = rtsp("/a=pattern:320x240:10", "--user", "viewer:s3cret.W%rd")
    keys = {"uri": f"rtsp://viewer:s3cret.W%25rd@127.0.0.1:{port}/a", **QUICK}
    wrong = {"uri": f"rtsp://viewer:wr0ngWord@127.0.0.1:{port}/a", **QUICK}
    daemon = house.start("serve", house.config({"a": keys, "b": wrong}, STREET, log={"level": "debug"}))
    assert [message for message in messages(house, "--camera", "a", "--count", "5") if "seq" in message]
    _, log = house.end(daemon, signal.SIGTERM)
    assert "user name or password refused" in log
    for word in ("s3cret", "wr0ngWord"):
        assert word not in log
