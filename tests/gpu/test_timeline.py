from streamd.gpu.timeline import TIMED_EVERY, Timeline
from tests.gpu.late_gpu import LateGpu


def once(timeline, slot):
    """Take a slot through all of its steps; return how long each took."""
    for step in (timeline.filling, timeline.running, timeline.reading):
        with step(slot):
            pass
    timeline.wait(slot)
    return timeline.seconds(slot)


def test_one_of_many_runs_is_timed_whichever_slot_it_is_in():
    timeline = Timeline(LateGpu(None), 3)
    told = [once(timeline, number % 3) for number in range(3 * TIMED_EVERY)]
    timed = [number for number, seconds in enumerate(told) if seconds]
    assert timed == [0, TIMED_EVERY, 2 * TIMED_EVERY]
    assert told[0] == {"fill": 1e-3, "run": 1e-3, "read": 1e-3}
