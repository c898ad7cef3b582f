"""The values that travel down the corridor: frozen, slotted, and owned by whoever holds them.

A `Picture` is 8-bit planar YUV 4:2:0 on the host, a `Surface` the same in the memory of a GPU. Both may be views of
decoder memory that is still a reference picture, so they are never written: who wants to draw makes a copy first.

What is made for every frame is a `Struct`: dozens of cameras share Python's lock, and a frozen dataclass would hold it
ten times as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]

Matrix = Literal["bt601", "bt709"]
EventKind = Literal["online", "offline", "reconnecting", "end-of-stream", "config"]
# A camera is connecting until its first frame, online while frames come, stalled when none has come for half of its
# `read_timeout`, reconnecting when its stream failed, failed when that is of a kind that no new try mends by itself,
# and ended when it was stopped or a file is over. Live cameras are tried again from failed, too.
State = Literal["connecting", "online", "stalled", "reconnecting", "ended", "failed"]


# The weights of R and B in luma, Kr and Kb; that of G is what is left of 1. ITU-R BT.601-7 2.5.1, BT.709-6 item 3.2
LUMA: dict[Matrix, tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


class Colour(Struct, frozen=True):
    """How Y, U and V become R, G and B: the matrix, and whether Y spans 0..255 (full) or 16..235 (limited)."""

    matrix: Matrix = "bt601"
    full_range: bool = False


class Picture(Struct, frozen=True):
    """8-bit YUV 4:2:0 planes. y is (H, W); u and v are ((H+1)//2, (W+1)//2); rows may be padded (strided)."""

    y: U8
    u: U8
    v: U8
    colour: Colour = Colour()

    @property
    def width(self) -> int:
        """Columns of the Y plane, in pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of the Y plane, in pixels."""
        return int(self.y.shape[0])

    def copy(self) -> "Picture":
        """Return a picture in memory of its own, free to be drawn on."""
        return Picture(self.y.copy(), self.u.copy(), self.v.copy(), self.colour)


class Surface(Struct, frozen=True):
    """A picture in the memory of a GPU: NV12 (1 byte a sample), P010 (2 bytes), or packed B, G, R without chroma.

    `pixels` and `chroma` are addresses, pitches are bytes from row to row, width and height are pixels. `owner` keeps
    the memory: as long as it is referenced nobody else writes there, so whoever has a kernel read it holds it until
    that kernel has ended. `ready` is what `Gpu.order` has its readers wait for; None: nothing.
    """

    pixels: int
    pitch: int
    width: int
    height: int
    chroma: int = 0
    chroma_pitch: int = 0
    sample_bytes: int = 1
    colour: Colour = Colour()
    owner: object = None
    ready: Any = None

    def __post_init__(self) -> None:
        pair = 2 * self.sample_bytes
        odd = self.pixels % self.sample_bytes or self.pitch % self.sample_bytes
        if odd or self.chroma % pair or self.chroma_pitch % pair:
            raise ValueError(f"{self}: planes and pitches are whole samples, of chroma whole pairs")


class Frame(Struct, frozen=True):
    """One decoded frame of one camera.

    `session` is the UNIX time in milliseconds at which this stretch of the stream began, strictly greater than the
    one before, so `(session, seq)` orders all frames of a camera. `seq` counts decoded frames within the session
    from 0. `infer` is false for the frames that `every: N` passes over.
    """

    camera: str
    session: int
    seq: int
    pts_ns: int
    captured_at_ns: int
    picture: Picture | Surface
    infer: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """What orders the frames of one camera."""
        return (self.session, self.seq)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a camera's stream, told to subscribers as an event.

    `state` is what the camera is from then on, None for what changes nothing; `cause` is a bounded word for `reason`.
    """

    camera: str
    session: int
    kind: EventKind
    at_ns: int
    reason: str = ""
    state: State | None = None
    cause: str = ""


class Detections(Struct, frozen=True):
    """What a head found on one frame, best score first, boxes in source pixels.

    boxes (N, 4) float32 x1, y1, x2, y2; scores (N,) float32 0..1; class_ids (N,) int32;
    angles (N,) float32 radians for rotated boxes, else None.
    """

    boxes: F32
    scores: F32
    class_ids: I32
    angles: F32 | None = None

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    @staticmethod
    def none() -> "Detections":
        """Return the detections of a frame on which nothing was found."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def label(labels: Sequence[str], class_id: int) -> str:
    """Return what a class is called, wherever it is told: its label, or `class 7` where a model has none for it."""
    return labels[class_id] if 0 <= class_id < len(labels) else f"class {class_id}"


@dataclass(frozen=True, slots=True)
class Packet:
    """One H.264 access unit in Annex B form; when `keyframe`, SPS and PPS stand before the IDR slice.

    `seq` is that of its frame; `unit` counts the access units of a session from 0, whichever frames were filmed.
    """

    camera: str
    session: int
    seq: int
    pts_ns: int
    captured_at_ns: int
    width: int
    height: int
    keyframe: bool
    unit: int
    data: bytes
