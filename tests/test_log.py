import io
import json

import pytest
import structlog

from streamd import log

PASSWORDS = ["a.b.c.d", "50%off", "p@ss@word", "a/b/c/d", "a:b:c:d", "a#b#c#d", ".%@/:#", "with blank", 'quo"te\\']


class Clock:
    def __init__(self):
        self.now_ns = 0

    def monotonic_ns(self):
        return self.now_ns

    def unix_ns(self):
        return self.now_ns


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def out(clock):
    """A stream that the log goes to as JSON; `setup` again for another form."""
    stream = io.StringIO()
    log.setup("info", "json", stream, clock=clock)
    yield stream
    structlog.reset_defaults()


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_has_one_object_a_line(out):
    structlog.get_logger().info("bound", port=5555)
    (event,) = lines(out)
    assert (event["event"], event["port"], event["level"]) == ("bound", 5555, "info")


def test_what_is_below_the_level_is_not_written(out):
    structlog.get_logger().debug("noise")
    assert out.getvalue() == ""


def test_a_terminal_gets_lines_for_people_and_a_pipe_json(out, clock):
    for stream in (Terminal(), io.StringIO()):
        log.setup("info", "auto", stream, clock=clock)
        structlog.get_logger().info("bound")
        assert stream.getvalue().startswith("{") is not stream.isatty()


def test_journald_reads_the_priority(out, clock):
    log.setup("info", "json", out, clock=clock, journal=True)
    structlog.get_logger().error("bad")
    assert out.getvalue().startswith("<3>{")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_known_password_never_reaches_the_stream(out, clock, password, form):
    log.setup("info", form, out, secrets=[password], clock=clock)
    logger = structlog.get_logger().bind(bound=password)
    try:
        raise ValueError(f"cannot open rtsp://u:{password}@h")
    except ValueError as error:
        logger.exception(f"with {password}", error=error, deep={"a": [password, (password.encode(),)]}, n=1)
    assert password not in out.getvalue()
    assert json.dumps(password)[1:-1] not in out.getvalue()
    assert "ValueError" in out.getvalue()


@pytest.mark.parametrize("password", [each for each in PASSWORDS if " " not in each and '"' not in each])
def test_an_unknown_password_in_a_url_never_reaches_the_stream(out, password):
    structlog.get_logger().info("open", uri=f"rtsp://john.doe:{password}@h:554/s")
    assert password not in out.getvalue()
    assert "john" not in out.getvalue()


def test_an_object_is_written_as_its_redacted_text(out):
    structlog.get_logger().info("open", error=OSError("rtsp://u:secret@h failed"))
    assert lines(out)[0]["error"] == "rtsp://***@h failed"


def test_repeats_of_a_camera_are_folded_and_counted(out, clock):
    logger = structlog.get_logger().bind(camera="front")
    for _ in range(5):
        logger.warning("no answer")
    clock.now_ns += int(log.FOLD_S * 1e9)
    logger.warning("no answer")
    assert [line.get("repeated") for line in lines(out)] == [None, 4]


@pytest.mark.parametrize("other", [{"camera": "side"}, {"camera": "front", "stage": "film"}, {"model": "street"}])
def test_messages_of_different_origin_are_not_folded(out, other):
    structlog.get_logger().info("ended", camera="front")
    structlog.get_logger().info("ended", **other)
    assert len(lines(out)) == 2


def test_a_stranger_who_knocks_over_and_over_does_not_fill_the_log(out, clock):
    for address in 50 * ("192.0.2.1", "192.0.2.2"):
        structlog.get_logger().warning("refused a client", socket="publish.video", address=address)
    assert [line["address"] for line in lines(out)] == ["192.0.2.1", "192.0.2.2"]


def test_messages_of_the_daemon_itself_are_not_folded(out):
    for _ in range(2):
        structlog.get_logger().info("reloaded")
    assert len(lines(out)) == 2


def test_debug_messages_are_not_folded(out, clock):
    log.setup("debug", "json", out, clock=clock)
    for _ in range(2):
        structlog.get_logger().debug("frame", camera="front")
    assert len(lines(out)) == 2


def test_what_folding_remembers_is_bounded(clock):
    fold = log.Fold(clock)
    for number in range(3 * log.FOLD_KEYS):
        fold(None, "info", {"event": "x", "camera": str(number)})
    assert len(fold._seen) == log.FOLD_KEYS


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left on device"), ValueError("closed")])
def test_a_log_that_cannot_be_written_disturbs_nobody(out, error):
    class Broken(io.StringIO):
        def write(self, text):
            raise error

    log.setup("info", "json", Broken())
    structlog.get_logger().error("something")


def test_a_process_without_stderr_logs_nothing(out, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    log.setup()
    structlog.get_logger().error("something")
