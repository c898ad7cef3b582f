from structlog.testing import capture_logs

from streamd.errors import DeviceError
from streamd.gpu.graph import record


def test_what_was_recorded_is_done_once_now_and_at_every_call(late_gpu):
    done, stream = [], late_gpu.stream()
    again = record(late_gpu, lambda: stream.add(lambda: done.append(1)), stream, "head")
    assert len(done) == 1
    again()
    again()
    stream.synchronize()
    assert len(done) == 3


def test_what_cannot_be_recorded_is_done_call_by_call_and_told(late_gpu, monkeypatch):
    def refuse(work, stream):
        raise DeviceError("not this")

    monkeypatch.setattr(late_gpu, "capture", refuse)
    done, stream = [], late_gpu.stream()
    with capture_logs() as told:
        again = record(late_gpu, lambda: stream.add(lambda: done.append(1)), stream, "head")
    again()
    stream.synchronize()
    assert len(done) == 2
    assert [(line["event"], line["of"], line["reason"]) for line in told] == [("no CUDA graph", "head", "not this")]
