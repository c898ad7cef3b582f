"""The message format, version 1. No sockets here: structs, topics, and their bytes.

Topics end in a slash, so that no camera's topic is a prefix of another's: `det/front/`, `event/front/`, `h264/front/`.
Additive changes keep `v`; readers ignore keys they do not know.
"""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamd import frames
from streamd.errors import ClientError

VERSION: Final = 1

Version = Literal[1]  # a message of another version is refused by name, not misread
Format = Literal["json", "msgpack"]
Topic = Literal["det", "event", "h264"]
M = TypeVar("M", bound=Struct)
Box = tuple[float, float, float, float]

_SessionId = Annotated[int, Meta(description="UNIX milliseconds at which this stretch of the stream began")]


class Detection(Struct, frozen=True):
    """One object. `box` is x1, y1, x2, y2 in pixels of the source frame."""

    class_id: int
    label: str
    score: float
    box: Box
    angle: float | UnsetType = UNSET
    track_id: int | UnsetType = UNSET


class Detections(Struct, frozen=True):
    """One inferred frame; published also when nothing was found."""

    camera: str
    session: _SessionId
    seq: Annotated[int, Meta(description="decoded frames of this session, from 0; a gap is a frame not inferred")]
    pts_ns: int
    captured_at_ns: int
    published_at_ns: int
    width: int
    height: int
    model: str
    detections: tuple[Detection, ...]
    v: Version = VERSION


class Event(Struct, frozen=True):
    """Something that happened to a camera. `state` is what it is from then on; `cause` is one word for `reason`."""

    camera: str
    session: _SessionId
    kind: frames.EventKind
    at_ns: int
    reason: str = ""
    state: frames.State | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    v: Version = VERSION


class VideoHeader(Struct, frozen=True):
    """The part before an H.264 access unit (Annex B; SPS and PPS before every IDR)."""

    camera: str
    session: _SessionId
    seq: int
    pts_ns: int
    captured_at_ns: int
    width: int
    height: int
    keyframe: bool
    unit: Annotated[int, Meta(description="access units of this session, from 0; a gap is a unit lost on its way")] = 0
    codec: Literal["h264"] = "h264"
    v: Version = VERSION


MESSAGES: dict[str, type[Struct]] = {"detections": Detections, "event": Event, "video": VideoHeader}


def topic(kind: Topic, camera: str = "") -> bytes:
    """Return the topic of one camera, or the prefix of every camera's when `camera` is empty."""
    return f"{kind}/{camera}/".encode() if camera else f"{kind}/".encode()


def encode(message: Struct, form: Format = "json") -> bytes:
    """Return the bytes of a message as one UTF-8 JSON object or one MessagePack map."""
    return msgspec.json.encode(message) if form == "json" else msgspec.msgpack.encode(message)


def decode(data: bytes | memoryview, kind: type[M]) -> M:
    """Read a message in either format; JSON objects begin with `{`, which no MessagePack map does.

    Raises:
        ClientError: the bytes are no such message.
    """
    try:
        if bytes(data[:1]) == b"{":
            return msgspec.json.decode(data, type=kind)
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # ValidationError is a DecodeError
        raise ClientError(
            f"not a version {VERSION} {kind.__name__} message: {error}",
            mend="check that the endpoint is a streamd publisher",
        ) from error


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of `detections`, `event` or `video`."""
    return msgspec.json.schema(MESSAGES[kind])
