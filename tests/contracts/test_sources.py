"""What every source keeps, wherever its pictures come from."""

import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamd import config
from streamd.clock import SystemClock
from streamd.decode import SOURCES
from streamd.decode.address import address
from streamd.decode.live import LiveSource
from streamd.decode.source import Stats
from streamd.errors import SourceError

SIZE = (96, 64)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def http(tmp_path):
    """The port of a server of the files in `tmp_path`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def closed():
    """A port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def opened(uri, base, **keys):
    camera = config.Camera(uri=uri, model="street", open_timeout=5, **keys)
    place = address(camera, base)
    return SOURCES[place.scheme](place, camera, SystemClock(), Stats())


GOOD = {
    "file": "clip.mkv",
    "http": "http://127.0.0.1:{http}/clip.mkv",
    "scenes": "scenes:?width=96&height=64&fps=25",
}
BAD = {
    "file": "nowhere.mkv",
    "http": "http://viewer:secret@127.0.0.1:{closed}/clip",
    "https": "https://viewer:secret@127.0.0.1:{closed}/clip",
    "rtsp": "rtsp://viewer:secret@127.0.0.1:{closed}/clip",
    "rtsps": "rtsps://viewer:secret@127.0.0.1:{closed}/clip",
    "scenes": "scenes:?width=1&height=1",
}


def test_every_source_is_here_but_those_that_are_another_by_another_protocol():
    assert BAD.keys() == SOURCES.keys()
    assert {SOURCES[scheme] for scheme in SOURCES.keys() - GOOD.keys()} == {LiveSource}
    assert SOURCES["http"] is LiveSource


@pytest.fixture(params=sorted(GOOD))
def source(request, tmp_path, http, write_clip):
    write_clip(tmp_path / "clip.mkv", 25, SIZE)
    return opened(GOOD[request.param].format(http=http), tmp_path)


@pytest.fixture
def stop():
    return threading.Event()


def test_a_source_that_is_there_passes_the_check(source):
    source.check()


def test_it_says_whether_it_is_live_and_how_long_it_bears_to_be_without_a_picture(source):
    assert isinstance(source.live, bool)
    assert source.patience_s > 0


def test_pictures_are_planes_of_half_width_and_height(source, stop):
    picture = next(source.run_once(stop)).picture
    assert (picture.width, picture.height) == SIZE
    assert [plane.shape for plane in (picture.y, picture.u, picture.v)] == [(64, 96), (32, 48), (32, 48)]


def test_timestamps_rise_by_the_length_of_a_frame(source, stop):
    shots = source.run_once(stop)
    a, b, c = next(shots), next(shots), next(shots)
    assert a.duration_ns == b.duration_ns == 40_000_000
    assert [b.pts_ns - a.pts_ns, c.pts_ns - b.pts_ns] == [40_000_000] * 2


def test_a_picture_is_captured_while_the_source_runs(source, stop):
    before_ns = SystemClock().unix_ns()
    shot = next(source.run_once(stop))
    assert before_ns <= shot.captured_at_ns <= SystemClock().unix_ns()


def test_the_stop_signal_ends_it_without_an_error(source, stop):
    shots = source.run_once(stop)
    next(shots)
    stop.set()
    assert len(list(shots)) <= 1


def test_it_can_be_run_again(source, stop):
    assert next(source.run_once(stop)).picture.width == next(source.run_once(stop)).picture.width


@pytest.mark.parametrize("scheme", sorted(BAD))
def test_where_nothing_is_is_an_error_that_names_it_and_no_password(scheme, tmp_path, closed, stop):
    uri = BAD[scheme].format(closed=closed)
    with pytest.raises(SourceError) as caught:
        next(opened(uri, tmp_path).run_once(stop))
    assert "secret" not in str(caught.value)
    assert uri.replace("viewer:secret@", "").removesuffix("/clip") in str(caught.value)
