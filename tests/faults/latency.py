"""How late detections are, and whether they have become later."""

from itertools import groupby

import numpy as np


def late_ms(frame):
    """From a frame's capture to its detections being sent."""
    return (frame.published_at_ns - frame.captured_at_ns) / 1e6


def p95_ms(frames):
    """The 95th percentile; not a number where there are no frames."""
    return float(np.percentile([late_ms(frame) for frame in frames], 95)) if frames else float("nan")


def change(before, after, draws=2_000):
    """By how much the 95th percentile of `after` exceeds that of `before`, as a share, and its 95 % interval.

    What delays one frame delays its neighbours, so whole seconds are drawn and not frames: a block bootstrap (Kuensch
    1989, "The Jackknife and the Bootstrap for General Stationary Observations").
    """
    if not before or not after:
        return (float("nan"),) * 3
    rng = np.random.default_rng(0)
    blocks = [_seconds(before), _seconds(after)]
    ratios = []
    for _ in range(draws):
        calm, struck = (
            np.percentile(np.concatenate([each[at] for at in rng.integers(0, len(each), len(each))]), 95)
            for each in blocks
        )
        ratios.append(struck / calm - 1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return p95_ms(after) / p95_ms(before) - 1, float(low), float(high)


def _seconds(frames):
    ordered = sorted(frames, key=lambda frame: frame.captured_at_ns)
    return [
        np.array([late_ms(frame) for frame in group])
        for _, group in groupby(ordered, key=lambda frame: frame.captured_at_ns // 10**9)
    ]
