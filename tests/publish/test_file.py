"""The file of lines: whole lines, and a disk that fills up."""

import errno
import json
import os
from pathlib import Path

import pytest
import structlog

from streamd import config
from streamd.clock import SystemClock
from streamd.errors import PublishError
from streamd.frames import Notice
from streamd.publish import FileSink, open_sinks


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as lines:
        yield lines


def opened(path, base):
    return FileSink(config.Publish(file=config.FileSink(path=path)), SystemClock(), base)


NOTICE = Notice("front", 1, "online", 5)


def test_every_message_is_a_line(tmp_path, frame, found):
    sink = opened("out.jsonl", tmp_path)
    sink.detections([frame], [found], ("person",), "street")
    sink.event(NOTICE)
    sink.close()
    sink.close()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [lines[0]["seq"], lines[1]["kind"]] == [3, "online"]


def test_an_old_file_is_added_to(tmp_path):
    for _ in range(2):
        sink = opened("out.jsonl", tmp_path)
        sink.event(NOTICE)
        sink.close()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(PublishError, match=r"publish.file.path: cannot write .*no/out.jsonl"):
        opened("no/out.jsonl", tmp_path)


def test_a_full_disk_is_logged_once_and_forgotten_when_there_is_room(logged):
    sink = opened("/dev/full", Path("/"))
    for _ in range(5):
        sink.event(NOTICE)
    assert [(line["log_level"], line["reason"]) for line in logged] == [
        ("error", "cannot write /dev/full: No space left on device; make room on its disk")
    ]
    sink.close()


def test_a_line_that_does_not_fit_is_taken_back_whole(tmp_path, logged):
    sink = opened("out.jsonl", tmp_path)
    sink.event(NOTICE)
    real = sink._file

    class Nearly:
        closed = False

        def __getattr__(self, name):
            return getattr(real, name)

        def write(self, data):
            return real.write(data[:10])

    sink._file = Nearly()
    sink.event(NOTICE)
    sink._file = real
    sink.event(NOTICE)
    sink.close()
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 2
    assert os.strerror(errno.ENOSPC) in logged[0]["reason"]
    assert logged[1]["lost"] == 1


def test_open_sinks_speaks_to_all_and_closes_all(tmp_path, settings, frame, found):
    publish = settings.model_copy(update={"file": config.FileSink(path="out.jsonl")})
    with open_sinks(publish, SystemClock(), tmp_path) as sinks:
        sinks.detections([frame], [found], (), "street")
        sinks.event(NOTICE)
        assert not sinks.wanted("front") and sinks.subscribers("video") == 0
        assert sinks.endpoints["video"].startswith("tcp://127.0.0.1:")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_a_file_that_fails_gives_the_sockets_back(tmp_path, settings):
    publish = settings.model_copy(update={"file": config.FileSink(path="no/out.jsonl")})
    with pytest.raises(PublishError):
        open_sinks(publish, SystemClock(), tmp_path)
