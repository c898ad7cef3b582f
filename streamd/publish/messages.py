"""The values of the house as messages of the wire: the same for every sink."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from msgspec import UNSET

from streamd import wire
from streamd.frames import Detections, Frame, Notice, Packet, label

_PARTS = np.array([100.0, 100.0, 100.0, 100.0, 10_000.0, 10_000.0])


def detections(
    frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str, now: Callable[[], int]
) -> Iterator[wire.Detections]:
    """Yield the message of each frame of a run, stamped as it is asked for by `now`, UNIX nanoseconds.

    Boxes are rounded to 1/100 pixel, scores to 1/10000 and angles to 1/10000 radian: far below what a detector
    can tell, and it halves the message.
    """
    objects = iter(_objects(found, labels))
    for frame, one in zip(frames, found, strict=True):
        held = tuple(islice(objects, len(one)))
        picture = frame.picture
        yield wire.Detections(
            camera=frame.camera,
            session=frame.session,
            seq=frame.seq,
            pts_ns=frame.pts_ns,
            captured_at_ns=frame.captured_at_ns,
            published_at_ns=now(),
            width=picture.width,
            height=picture.height,
            model=model,
            detections=held,
        )


def _objects(found: Sequence[Detections], labels: Sequence[str]) -> list[wire.Detection]:
    """Return the objects of all frames, one after another."""
    class_ids = np.concatenate([one.class_ids for one in found]).tolist()
    return [
        wire.Detection(
            class_id,
            label(labels, class_id),
            row[4],
            (row[0], row[1], row[2], row[3]),
            row[5] if len(row) > 5 else UNSET,
        )
        for class_id, row in zip(class_ids, _rounded(found), strict=True)
    ]


def _rounded(found: Sequence[Detections]) -> list[list[float]]:
    """Return box, score and, where there is one, angle of each object: multiples of 1 / `_PARTS`, all at once.

    A few numbers take numpy as long as hundreds do, and this is done for every frame.
    """
    angles = [one.angles for one in found if one.angles is not None]  # a frame without an object need have none
    columns = 6 if angles else 5
    parts, values = _PARTS[:columns], np.empty((sum(map(len, found)), columns))
    np.concatenate([one.boxes for one in found], out=values[:, :4])
    np.concatenate([one.scores for one in found], out=values[:, 4])
    if angles:
        np.concatenate(angles, out=values[:, 5])
    values *= parts
    np.rint(values, values)
    values /= parts
    rounded: list[list[float]] = values.tolist()
    return rounded


def event(notice: Notice) -> wire.Event:
    """Return the message of something that happened to a camera."""
    return wire.Event(
        camera=notice.camera,
        session=notice.session,
        kind=notice.kind,
        at_ns=notice.at_ns,
        reason=notice.reason,
        state=notice.state or UNSET,
        cause=notice.cause or UNSET,
    )


def video(packet: Packet) -> wire.VideoHeader:
    """Return what stands before an access unit."""
    return wire.VideoHeader(
        camera=packet.camera,
        session=packet.session,
        seq=packet.seq,
        pts_ns=packet.pts_ns,
        captured_at_ns=packet.captured_at_ns,
        width=packet.width,
        height=packet.height,
        keyframe=packet.keyframe,
        unit=packet.unit,
    )
