"""The values of the house as messages of the wire: the same for every sink."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET, UnsetType

from streamd import wire
from streamd.frames import Detections, Frame, Notice, Packet, label

_PARTS = np.array([100.0, 100.0, 100.0, 100.0, 10_000.0, 10_000.0])


def detections(
    frame: Frame, found: Detections, labels: Sequence[str], model: str, published_at_ns: int
) -> wire.Detections:
    """Return the message of one inferred frame.

    Boxes are rounded to 1/100 pixel, scores to 1/10000 and angles to 1/10000 radian: far below what a detector
    can tell, and it halves the message.
    """
    class_ids, rows = found.class_ids.tolist(), _rounded(found)
    angles: list[float | UnsetType] = [UNSET] * len(rows) if found.angles is None else [row[5] for row in rows]
    return wire.Detections(
        camera=frame.camera,
        session=frame.session,
        seq=frame.seq,
        pts_ns=frame.pts_ns,
        captured_at_ns=frame.captured_at_ns,
        published_at_ns=published_at_ns,
        width=frame.picture.width,
        height=frame.picture.height,
        model=model,
        detections=tuple(
            [
                wire.Detection(class_id, label(labels, class_id), row[4], (row[0], row[1], row[2], row[3]), angle)
                for class_id, row, angle in zip(class_ids, rows, angles, strict=True)
            ]
        ),
    )


def _rounded(found: Detections) -> list[list[float]]:
    """Return box, score and, where there is one, angle of each object: multiples of 1 / `_PARTS`, all at once.

    A few numbers take numpy as long as hundreds do, and this is done for every frame.
    """
    columns = 5 if found.angles is None else 6
    parts, values = _PARTS[:columns], np.empty((len(found), columns))
    values[:, :4], values[:, 4] = found.boxes, found.scores
    if found.angles is not None:
        values[:, 5] = found.angles
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
