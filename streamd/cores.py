"""Which of the machine's cores a thread runs on, for threads that take turns anyway.

Python runs one thread at a time. On a machine of many cores the next one mostly sleeps on an idle core, and waking that
takes longer than most turns last: dozens of threads of short turns spend half their time between two turns, and twice
the processor's. On a few cores, which are awake as others run there, the next one simply comes next. With the whole
process on one core (`taskset`), 32 files on an H200 came to what they did on sixteen, in half the processor's time, and
on four to a tenth more: one run each. `python -m tests.hollow` shows it without a GPU.

So threads that leave their work to a GPU gather on a few cores; those that work without Python's lock do not.
"""

import os
from functools import cache

MOST = 4  # more than one, since decoding takes a fifth of a millisecond of each frame's without Python's lock
SHARE = 4  # of so many cores, one is for them


def gather() -> None:
    """Have the calling thread run on the cores that all such threads share."""
    _run_on(shared(_all()))


def scatter() -> None:
    """Have the calling thread, and those that it starts from now on, run on all cores again."""
    _run_on(_all())


def shared(cores: frozenset[int]) -> frozenset[int]:
    """Return those of `cores` that threads gather on: the last ones, as interrupts are mostly served by the first."""
    count = min(MOST, max(1, len(cores) // SHARE))
    return frozenset(sorted(cores)[-count:])


@cache
def _all() -> frozenset[int]:
    """Return the cores that this process was given. Asked first by a thread that still has them all."""
    return frozenset(os.sched_getaffinity(0))


def _run_on(cores: frozenset[int]) -> None:
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        return  # forbidden, or they are not ours any more: it runs where the system says, only slower
