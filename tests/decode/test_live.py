"""Live sources against real sockets: GStreamer's RTSP server, and servers that misbehave."""

import http.server
import itertools
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamd import config
from streamd.clock import SystemClock
from streamd.decode import open_camera
from streamd.frames import Frame, Notice

LONG = {"open_timeout": 90, "read_timeout": 90}  # longer than a test may take: only the stop signal ends a wait


def live(uri, **keys):
    keys.setdefault("reconnect", {"initial": 0.01, "maximum": 0.05})
    return open_camera("front", config.Camera(uri=uri, model="m", **keys), Path("/"), SystemClock())


def until(camera, enough):
    """What the camera yields up to the first item that is enough, and then up to its end."""
    stop = threading.Event()
    items = []
    for item in camera.frames(stop):
        items.append(item)
        if enough(items):
            stop.set()
    frames = [item for item in items if isinstance(item, Frame)]
    notices = [item for item in items if isinstance(item, Notice)]
    assert notices.pop(0).state == "connecting"
    return frames, notices


def frames_seen(count):
    return lambda items: sum(isinstance(item, Frame) for item in items) >= count


def notices_seen(kind, count=1):
    return lambda items: sum(isinstance(item, Notice) and item.kind == kind for item in items) >= count


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_frames_arrive_from_a_key_frame_on(transport, rtsp):
    port, _ = rtsp("/test=pattern:320x240")
    frames, notices = until(live(f"rtsp://127.0.0.1:{port}/test", transport=transport), frames_seen(10))
    assert [frame.seq for frame in frames[:10]] == list(range(10))
    assert frames[0].picture.y.shape == (240, 320)
    assert notices[0].kind == "online"
    assert notices[-1].reason == "stopped"


@pytest.mark.rtsp
def test_sound_beside_the_video_is_left_alone(rtsp):
    port, _ = rtsp("/test=loud:320x240")
    camera = live(f"rtsp://127.0.0.1:{port}/test")
    frames, _ = until(camera, frames_seen(10))
    assert [frame.seq for frame in frames[:10]] == list(range(10))
    assert camera.stats.corrupt == 0


@pytest.mark.rtsp
def test_captured_at_is_the_time_the_packet_arrived(rtsp):
    port, _ = rtsp("/test=pattern:320x240")
    before = time.time_ns()
    frames, _ = until(live(f"rtsp://127.0.0.1:{port}/test"), frames_seen(10))
    stamps = [frame.captured_at_ns for frame in frames]
    assert before < stamps[0]
    assert stamps == sorted(stamps)
    assert stamps[-1] < time.time_ns()


@pytest.mark.rtsp
def test_a_looped_file_goes_on_past_its_end(rtsp, clip):
    path = clip(frames=15, fps=50, size=(320, 240), options={"bf": "0"})
    port, _ = rtsp(f"/clip={path}", "--loop")
    camera = live(f"rtsp://127.0.0.1:{port}/clip")
    frames, _ = until(camera, frames_seen(25))
    assert [frame.seq for frame in frames[:25]] == list(range(25))
    assert len({frame.session for frame in frames}) == 1 and camera.stats.reconnects == {}


@pytest.mark.rtsp
def test_a_server_that_dies_and_comes_back_is_found_again(rtsp):
    port, process = rtsp("/test=pattern:320x240")
    camera = live(f"rtsp://127.0.0.1:{port}/test")

    def enough(items):
        if len(items) == 5:
            process.kill()
            process.wait()
        if isinstance(items[-1], Notice) and items[-1].kind == "reconnecting" and not restarted:
            restarted.append(rtsp("/test=pattern:320x240", port=port))
        return bool(restarted) and isinstance(items[-1], Frame)

    restarted = []
    frames, notices = until(camera, enough)
    kinds = [notice.kind for notice in notices]
    assert kinds[:3] == ["online", "offline", "reconnecting"]
    assert kinds[-2:] == ["online", "end-of-stream"]
    assert frames[-1].session > frames[0].session


@pytest.mark.rtsp
def test_a_server_that_freezes_is_given_the_read_timeout_once(rtsp):
    port, server = rtsp("/test=pattern:320x240:25")
    items = live(f"rtsp://127.0.0.1:{port}/test", read_timeout=1).frames(threading.Event())
    for _ in range(12):  # two notices, ten frames
        next(items)
    server.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    notice = next(item for item in items if isinstance(item, Notice))
    assert (notice.kind, notice.cause) == ("offline", "timeout")
    assert "read_timeout" in notice.reason
    assert time.monotonic() - frozen < 1.8  # a second read would make it 2


@pytest.mark.rtsp
@pytest.mark.parametrize("method", ["digest", "basic"])
def test_a_password_of_special_characters_is_accepted(method, rtsp, tmp_path):
    port, _ = rtsp("/test=pattern:320x240", "--user", "viewer:.%@/:#", "--auth", method)
    secret = tmp_path / "secret"
    secret.write_text(".%@/:#\n")
    frames, _ = until(live(f"rtsp://viewer@127.0.0.1:{port}/test", password_file=str(secret)), frames_seen(1))
    assert frames


@pytest.mark.rtsp
def test_a_wrong_password_is_named_as_such_and_never_shown(rtsp):
    port, _ = rtsp("/test=pattern:320x240", "--user", "viewer:right")
    camera = live(f"rtsp://viewer:wrong-one@127.0.0.1:{port}/test")
    frames, notices = until(camera, notices_seen("reconnecting"))
    assert frames == []
    assert "refused; check the user and password" in notices[0].reason
    assert "wrong-one" not in notices[0].reason
    assert (notices[0].state, notices[0].cause) == ("failed", "denied")
    assert camera.stats.reconnects["denied"] == 1


@pytest.mark.rtsp
def test_a_path_that_does_not_exist_is_named_as_such(rtsp):
    port, _ = rtsp("/test=pattern:320x240")
    _, notices = until(live(f"rtsp://127.0.0.1:{port}/nowhere"), notices_seen("reconnecting"))
    assert "no such stream" in notices[0].reason


@pytest.mark.parametrize(("scheme", "cause", "state"), [("rtsps", "tls", "failed"), ("https", "tls", "failed")])
def test_a_server_that_speaks_no_tls_is_told_as_that(scheme, cause, state, answering):
    port = answering(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
    _, notices = until(live(f"{scheme}://127.0.0.1:{port}/x", open_timeout=5), notices_seen("reconnecting"))
    assert (notices[0].cause, notices[0].state) == (cause, state)
    assert "TLS" in notices[0].reason


def test_a_host_that_is_not_known_is_unreachable():
    _, notices = until(live("rtsp://nowhere.invalid/x", open_timeout=5), notices_seen("reconnecting"))
    assert (notices[0].cause, notices[0].state) == ("unreachable", "reconnecting")
    assert "no host of that name" in notices[0].reason


def test_nobody_listening_is_tried_again(listener):
    port = listener.getsockname()[1]
    listener.close()
    camera = live(f"rtsp://127.0.0.1:{port}/x")
    _, notices = until(camera, notices_seen("reconnecting", 3))
    assert "connection refused" in notices[0].reason
    assert camera.stats.reconnects["refused"] == 3


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_silent_server_runs_into_the_open_timeout(scheme, listener):
    uri = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x"
    camera = live(uri, open_timeout=0.3)
    _, notices = until(camera, notices_seen("reconnecting"))
    assert "no answer within 0.3 s" in notices[0].reason
    assert camera.stats.reconnects["timeout"] == 1


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_stop_interrupts_the_opening_of_a_silent_server(scheme, listener):
    uri = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x"
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert [notice.state for notice in live(uri, **LONG).frames(stop)] == ["connecting", "ended"]


@pytest.fixture
def answering():
    """Starts a server that says `words` to everyone and keeps the line open."""
    server = socket.create_server(("127.0.0.1", 0))
    lines = []

    def start(words):
        def serve():
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                lines.append(line)
                line.sendall(words)

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1]

    yield start
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for line in lines:
        line.close()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_of_garbage_is_tried_again(scheme, answering):
    port = answering(b"\x00\xff garbage \r\n" * 2000)
    camera = live(f"{scheme}://127.0.0.1:{port}/x", open_timeout=0.5, read_timeout=0.5)
    frames, notices = until(camera, notices_seen("reconnecting", 2))
    assert frames == []
    assert [notice.state for notice in notices] == ["reconnecting", "reconnecting", "ended"]


@pytest.fixture
def stalled_http(answering, clip):
    """A stream that is sent in part and then stands still."""
    path = clip("clip.ts", frames=100, fps=200, size=(320, 240), options={"g": "10"})
    return answering(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + path.read_bytes())


def test_a_stream_that_falls_silent_runs_into_the_read_timeout(stalled_http):
    camera = live(f"http://127.0.0.1:{stalled_http}/x.ts", open_timeout=1, read_timeout=0.3)
    frames, notices = until(camera, notices_seen("reconnecting"))
    assert frames
    assert [notice.state for notice in notices] == ["online", "reconnecting", "reconnecting", "ended"]
    assert [notice.cause for notice in notices[1:3]] == ["timeout", "timeout"]
    assert "no data within 0.3 s" in notices[1].reason


def test_a_stop_interrupts_a_read_of_a_stream_that_fell_silent(stalled_http):
    camera = live(f"http://127.0.0.1:{stalled_http}/x.ts", open_timeout=1, read_timeout=90)
    stop = threading.Event()
    items = []
    for item in camera.frames(stop):
        items.append(item)
        if frames_seen(90)(items):
            threading.Timer(0.2, stop.set).start()
    assert items[-1].reason == "stopped"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def web(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_file_over_http_is_live_and_begins_again_when_it_has_ended(web, clip):
    clip("clip.mp4", frames=10, fps=100)
    camera = live(f"http://127.0.0.1:{web}/clip.mp4")
    assert camera.live
    frames, _ = until(camera, frames_seen(15))
    assert [frame.seq for frame in frames[:15]] == [*range(10), *range(5)]
    assert camera.stats.reconnects == {"ended": 1}


def test_hls_over_http_plays(web, clip, tmp_path):
    source = clip(frames=40, options={"g": "10"})
    with av.open(str(source)) as given, av.open(str(tmp_path / "live.m3u8"), "w", format="hls") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux():
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    frames, _ = until(live(f"http://127.0.0.1:{web}/live.m3u8"), frames_seen(20))
    assert len(frames) >= 20


def test_motion_jpeg_over_http_plays(answering):
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))
    part = b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg.tobytes() + b"\r\n"
    port = answering(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n\r\n" + part * 40)
    frames, _ = until(live(f"http://127.0.0.1:{port}/video", read_timeout=1, open_timeout=2), frames_seen(10))
    assert frames[0].picture.y.shape == (48, 64)
    assert all(a.pts_ns < b.pts_ns for a, b in itertools.pairwise(frames))
