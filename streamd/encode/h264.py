"""One H.264 encoder of libavcodec, whichever it is: pictures in order, access units out in the same order.

A stretch of video has one session, size, colour and feed; when one of them changes, the encoder is emptied and opened
anew. Keyframes come by the clock of the video (pts), not by counting frames, so any frame rate will do, even one that
varies. There are no B-frames and no look-ahead, so every access unit belongs to the oldest frame not yet answered.

How a picture gets into the encoder is told in feed.py; a camera whose pictures change from host to GPU has a new
encoder. A packet's width and height are those of the coded picture, which is even.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from streamd.encode.feed import Feed, Planar, even
from streamd.errors import EncodeError
from streamd.frames import Colour, Frame, Packet, Picture, Surface

TIME_BASE = Fraction(1, 90_000)  # the clock of MPEG; exact times travel beside the encoder, not through it
NOMINAL_RATE = Fraction(30)  # what rate control assumes until it has seen timestamps
NEVER = 1 << 30  # x264's X264_KEYINT_MAX_INFINITE: only we ask for keyframes

_MATRICES = {"bt601": 6, "bt709": 1}  # H.273 tables 2 to 4: SMPTE 170M is 6, BT.709 is 1
_LIMITED, _FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG

Shape = tuple[int, int, int, Colour, str]  # session, width, height, colour, format of frames
ON_DEVICE = "cuda"  # the format of frames in the memory of a GPU


class H264Encoder:
    """The encoder of one camera, named as FFmpeg names it. One thread at a time."""

    def __init__(
        self,
        name: str,
        options: dict[str, str],
        *,
        bitrate: int,
        keyframe_interval_s: float,
        threads: int = 1,
        feeds: Sequence[Feed] = (Planar(),),
    ) -> None:
        """Keep the settings; the encoder opens with the first picture, which goes in by the first feed that takes it.

        `bitrate` is in bits a second, 0 for constant quality as `options` say. One thread an encoder is the best use
        of a machine that encodes several cameras; more of them cost size, as each codes a slice of its own.
        """
        self._name = name
        self._options = options
        self._bitrate = bitrate
        self._interval_ns = int(keyframe_interval_s * 1e9)
        self._threads = threads
        self._feeds = feeds
        self._context: VideoCodecContext | None = None
        self._shape: Shape | None = None
        self._pending: deque[Frame] = deque()
        self._start_ns = 0
        self._last_pts = -1
        self._keyframe_ns = 0
        self._session, self._unit = -1, 0  # outlive the encoder: a session may have several, one after another

    def __call__(self, frame: Frame, picture: Picture | Surface, keyframe: bool) -> Iterable[Packet]:
        """Encode `picture` under the stamps of `frame`; an IDR when `keyframe`, or when one is due.

        Raises:
            EncodeError: the encoder cannot be opened for such a picture, or fails.
        """
        feed = next((feed for feed in self._feeds if feed.takes(picture)), None)
        if feed is None:
            raise ValueError(f"{self._name} has no way for {picture}")
        shape = (frame.session, picture.width, picture.height, picture.colour, feed.pix_fmt)
        packets = [] if shape == self._shape else self.flush()
        context = self._context
        if context is None:
            context, keyframe = self._open(shape, frame), True
        due = keyframe or frame.pts_ns - self._keyframe_ns >= self._interval_ns
        if due:
            self._keyframe_ns = frame.pts_ns
        self._pending.append(frame)
        return packets + self._answer(lambda: context.encode(self._stamped(feed(picture), frame, picture.colour, due)))

    def flush(self) -> list[Packet]:
        """Return what the encoder still holds; the next picture starts anew with an IDR."""
        context = self._context
        packets = [] if context is None else self._answer(lambda: context.encode(None))
        self.close()
        return packets

    def close(self) -> None:
        """Let the encoder go; safe twice."""
        self._context = None
        self._shape = None
        self._pending.clear()

    def _open(self, shape: Shape, frame: Frame) -> VideoCodecContext:
        _, width, height, colour, pix_fmt = shape
        self._context = context = open_context(
            self._name, even(width), even(height), colour, self._options, self._bitrate, self._threads, pix_fmt
        )
        self._shape = shape
        self._start_ns, self._last_pts = frame.pts_ns, -1
        return context

    def _stamped(self, filled: av.VideoFrame, frame: Frame, colour: Colour, keyframe: bool) -> av.VideoFrame:
        ticks = (frame.pts_ns - self._start_ns) * TIME_BASE.denominator // 10**9
        self._last_pts = filled.pts = max(ticks, self._last_pts + 1)  # an encoder refuses a timestamp twice
        filled.time_base = TIME_BASE
        filled.colorspace = filled.color_primaries = filled.color_trc = _MATRICES[colour.matrix]
        filled.color_range = _FULL if colour.full_range else _LIMITED
        filled.pict_type = PictureType.I if keyframe else PictureType.NONE
        return filled

    def _answer(self, encode: "Callable[[], list[av.Packet[av.VideoStream]]]") -> list[Packet]:
        """Run one step of the encoder and stamp what comes out of it."""
        width, height = (0, 0) if self._shape is None else (even(self._shape[1]), even(self._shape[2]))
        try:
            units = encode()
        except (av.FFmpegError, ValueError) as error:
            self.close()
            raise EncodeError(
                f"{self._name} failed on a picture of {width}x{height}: {error}", mend="try `codec: libx264`"
            ) from error
        stamped = ((self._pending.popleft(), unit) for unit in units)
        return [
            Packet(
                camera=frame.camera,
                session=frame.session,
                seq=frame.seq,
                pts_ns=frame.pts_ns,
                captured_at_ns=frame.captured_at_ns,
                width=width,
                height=height,
                keyframe=unit.is_keyframe,
                unit=self._number(frame.session),
                data=bytes(unit),
            )
            for frame, unit in stamped
        ]

    def _number(self, session: int) -> int:
        self._unit = self._unit + 1 if session == self._session else 0
        self._session = session
        return self._unit


def open_context(
    name: str,
    width: int,
    height: int,
    colour: Colour,
    options: dict[str, str],
    bitrate: int,
    threads: int,
    pix_fmt: str = "yuv420p",
) -> VideoCodecContext:
    """Open an encoder for pictures of an even size; one for frames on a GPU opens with the first, which tells which.

    Raises:
        EncodeError: there is no such encoder, or it takes no such picture or option.
    """
    try:
        context = cast("VideoCodecContext", av.CodecContext.create(name, "w"))
        context.width, context.height, context.pix_fmt = width, height, pix_fmt
        context.time_base, context.framerate = TIME_BASE, NOMINAL_RATE
        context.gop_size, context.max_b_frames = NEVER, 0
        context.thread_count = threads
        context.bit_rate = bitrate
        context.colorspace = context.color_primaries = context.color_trc = _MATRICES[colour.matrix]
        context.color_range = _FULL if colour.full_range else _LIMITED
        context.options = options
        if pix_fmt != ON_DEVICE:
            context.open()
    except (av.FFmpegError, ValueError) as error:
        raise EncodeError(
            f"{name} cannot be opened for {width}x{height}: {error}",
            mend="use `codec: libx264`, and a `preset` that the encoder knows",
        ) from error
    return context
