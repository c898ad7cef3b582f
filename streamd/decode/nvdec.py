"""Decoding on the GPU: NVDEC through FFmpeg, each frame left where it was decoded.

FFmpeg (libavcodec/nvdec.c) maps a surface of the decoder and, unless it is asked for `unsafe_output`, copies it on
the GPU into memory of its own, by the CUDA default stream; the decoder has its surface back before the frame comes out.
So frames may be held for as long as one likes: each costs memory of the GPU, none costs the decoder. A frame's memory
goes back to FFmpeg with the last reference to the frame, and a later frame is then written there.

A frame's planes are those of the coded picture, which begins where the displayed one does, and is as large or larger.
"""

import errno
from collections.abc import Sequence
from typing import TypeAlias, cast

import av
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamd.decode.picture import SAMPLE_BYTES
from streamd.gpu.device import Gpu

Unit: TypeAlias = "Packet[Stream] | None"  # what a decoder is fed, None to flush it; generic only in PyAV's stubs

# FFmpeg's own decoders, which hand over to NVDEC; the one it takes by itself for AV1, libdav1d, does not.
_DECODERS = ("h264", "hevc", "av1")
_PATIENCE = 8  # packets in a row that fail
_LONGEST_START = 64  # packets before the first frame: more than any codec reorders


class Unfit(Exception):
    """NVDEC is not for this stream, or no longer; says why, and has the `frames` that came before, and the damage."""

    def __init__(self, reason: str, frames: Sequence[VideoFrame] = (), damaged: int = 0) -> None:
        super().__init__(reason)
        self.frames = list(frames)
        self.damaged = damaged


class Nvdec:
    """The decoder of one stream, on one GPU."""

    def __init__(self, video: VideoStream, gpu: Gpu) -> None:
        """Make it; `Unfit` where the GPU or FFmpeg cannot."""
        self._context = open_context(video, gpu)
        self._codec = video.codec_context.codec.canonical_name
        self._size: tuple[int, int] | None = None  # of the last frame
        self._failed = 0  # packets since the last frame
        self.start: list[Unit] = []  # the packets until the first frame, for another decoder to begin at

    def decode(self, packet: Unit) -> tuple[list[VideoFrame], int]:
        """Return the frames that `packet` completes, all on the GPU, and how many packets were damaged; None flushes.

        Damage before the first frame is told with it: until then it may be that NVDEC cannot decode the stream at all.

        Raises:
            Unfit: what came is not for the kernels, or nothing came for too long.
        """
        started = self._size is not None
        if not started:
            self.start.append(packet)
        try:
            frames: list[VideoFrame] = self._context.decode(packet)
        except av.FFmpegError as error:
            self._failed += 1
            if error.errno == errno.ENOSYS and not started:
                raise Unfit(f"this GPU's NVDEC does not decode {self._codec}") from error
            if self._failed >= _PATIENCE or (packet is None and not started):
                reason = f"{self._failed} packets in a row failed: {error.strerror}"
                raise Unfit(reason, damaged=int(started)) from error
            return [], int(started)
        for count, frame in enumerate(frames):
            reason = self._refusal(frame)
            if reason:
                raise Unfit(reason, frames[:count])
        if frames:
            damaged = 0 if started else self._failed
            self._failed, self.start = 0, []
            return frames, damaged
        if not started:
            self._check_start(packet)
        return [], 0

    def _refusal(self, frame: VideoFrame) -> str:
        """Return why the kernels would misread a frame; nothing where they would not."""
        size = (frame.width, frame.height)
        shape = f"{size[0]}x{size[1]}"
        if frame.format.name != "cuda":  # FFmpeg was refused a decoder by NVDEC, and went on without
            return f"NVDEC does not take {self._codec}, {frame.format.name}, {shape}"
        layout = frame.sw_format.name if frame.sw_format else "nothing known"
        if layout not in SAMPLE_BYTES:
            return f"NVDEC gives {layout}, neither NV12 nor P010"
        if size[1] % 2:  # of AV1: FFmpeg looks for the chroma of NVDEC's surface one row off, and copies a row too few
            return f"an odd height, {shape}"
        shown = (self._context.width, self._context.height)
        if size not in (shown, self._size):  # FFmpeg crops surfaces at the right and the bottom only
            return f"its picture of {shown[0]}x{shown[1]} does not begin at the corner of the coded one"
        self._size = size
        return ""

    def _check_start(self, packet: Unit) -> None:
        waited = len(self.start)
        if waited > _LONGEST_START or (packet is None and waited > 1):
            raise Unfit(f"no frame came of its first {waited} packets")


def open_context(video: VideoStream, gpu: Gpu) -> VideoCodecContext:
    """Return a decoder of `video` on `gpu`.

    It is one beside the container's: that stays there to go on in software, and could not be NVDEC's for AV1.

    FFmpeg is given the context that is current, by then CUDA's primary one, which is CuPy's. It would not take the
    primary one by that name: it insists on flags that a context which CuPy or TensorRT made has not ("Primary context
    already active with incompatible flags", libavutil/hwcontext_cuda.c).

    Raises:
        Unfit: NVDEC through FFmpeg has not this codec, or cannot be had on this machine.
    """
    given = video.codec_context
    codec = given.codec.canonical_name
    if codec not in _DECODERS:
        raise Unfit(f"NVDEC is used for {', '.join(_DECODERS)}, not for {codec}")
    place: dict[str, object] = {"primary_ctx": "0", "current_ctx": "1"}
    hardware = HWAccel("cuda", str(gpu.index), allow_software_fallback=True, options=place, is_hw_owned=True)
    try:
        with gpu.active():
            gpu.bind()
            context = cast("VideoCodecContext", av.CodecContext.create(codec, "r", hwaccel=hardware))
    except av.FFmpegError as error:
        raise Unfit(f"FFmpeg cannot use cuda:{gpu.index}: {error.strerror}") from error
    if not context.is_hwaccel:
        raise Unfit(f"this build of FFmpeg has no NVDEC for {codec}")
    context.extradata = given.extradata
    if given.pix_fmt is not None:
        # FFmpeg's AV1 decoder asks what the GPU can do only once it knows how it would decode without.
        context.pix_fmt = given.pix_fmt
    context.reorder_depth = given.reorder_depth  # else the first frames of a stream that does not state it are lost
    context.color_range, context.colorspace = given.color_range, given.colorspace  # of the container; the stream's win
    context.thread_count = 1  # NVDEC decodes; threads of FFmpeg would only hold frames back
    context.copy_opaque = True
    return context
