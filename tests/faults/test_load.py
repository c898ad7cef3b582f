"""The gate that a soak must pass lets no leak through, of what is made up or of a daemon's."""

import pytest

from tests.faults.load import SOAK_MB_PER_H, SOAK_S, climb_mb_per_h, grown, slope_mb_per_h, watch

STEADY = (130.0, 18, 40)


def samples(*used):
    return [(10.0 * number, each) for number, each in enumerate(used)]


def test_what_stands_still_has_not_grown():
    assert grown(samples(*[STEADY] * 9), 1.0) == []


def test_a_megabyte_in_an_hour_is_too_much_where_that_is_the_bound():
    rising = [(130 + number / 360, 18, 40) for number in range(9)]
    assert grown(samples(*rising), 0.9) == ["memory by +1.00 MB/h, not under 0.9"]
    assert grown(samples(*rising), 1.1) == []


@pytest.mark.parametrize(("index", "said"), [(1, "threads from 18 to 19"), (2, "open files from 40 to 41")])
def test_one_that_is_left_behind_is_found(index, said):
    more = tuple(value + (place == index) for place, value in enumerate(STEADY))
    assert grown(samples(*[STEADY] * 4, *[more] * 5), 1.0) == [said]
    assert grown(samples(*[STEADY, STEADY, more] * 3), 1.0) == []


PAGE_MB = 4 / 1024
HEAP_STEPS = {12: 0.34, 40: 0.17, 75: 0.17, 110: 0.34}  # MB, by sample: what two heaps took of a busy machine


def soaked(mb_per_h, steps=(), every_s=10.0, number=150):
    """The samples of 25 minutes in which memory, counted in pages, leaks evenly and jumps now and then."""
    jumps = dict(steps)
    used = (
        130 + at * every_s / 3600 * mb_per_h + sum(mb for when, mb in jumps.items() if when <= at)
        for at in range(number)
    )
    return samples(*((mb // PAGE_MB * PAGE_MB, 18, 40) for mb in used))


def test_steps_of_a_heap_are_no_climb():
    assert slope_mb_per_h(soaked(0, HEAP_STEPS)) > 2
    assert climb_mb_per_h(soaked(0, HEAP_STEPS)) == 0


@pytest.mark.parametrize("mb_per_h", [0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("steps", [{}, HEAP_STEPS], ids=["even", "steps"])
def test_a_leak_climbs_with_steps_and_without(mb_per_h, steps):
    assert climb_mb_per_h(soaked(mb_per_h, steps)) == pytest.approx(mb_per_h, rel=0.15)


def test_a_leak_at_every_break_of_a_camera_climbs():
    breaks = dict.fromkeys(range(0, 150, 3), 0.01)
    assert climb_mb_per_h(soaked(0, breaks)) == pytest.approx(1.2, rel=0.05)
    assert len(grown(soaked(0, breaks), 1.0, climb_mb_per_h)) == 1


LEAKY = """
import sys, threading
from streamd.cli import main
from streamd.corridor import Doorway

kept, put = [], Doorway.put

def leaky(self, item):
    kept.append(b"x" * 4_000 + bytes([len(kept) % 256]))
    if len(kept) % 25 == 0:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    put(self, item)

Doorway.put = leaky
main(["serve", sys.argv[1]])
"""


def test_a_daemon_that_keeps_four_kilobytes_a_frame_and_a_thread_now_and_then_does_not_pass(rig, write_clip):
    clip = {"uri": str(write_clip(rig.folder / "clip.mp4", 50)), "loop": True}
    rig.cameras = {"one": clip, "two": clip}
    rig.start(("-c", LEAKY))
    rig.until(lambda: all(len(rig.frames(name)) > 50 for name in rig.cameras), "frames")
    memory, threads = grown(list(watch(rig, SOAK_S / 2, SOAK_S / 40)), SOAK_MB_PER_H)
    assert memory.startswith("memory by ") and threads.startswith("threads from ")
