"""h264_nvenc: the encoder of NVIDIA GPUs that have one (A100, H100 and H200 do not), fed from host or GPU memory."""

from collections.abc import Sequence
from typing import Any, cast

import av
import structlog
from av.video.frame import CudaContext

from streamd import config
from streamd.encode.feed import Feed, Planar
from streamd.encode.h264 import ON_DEVICE, H264Encoder, open_context
from streamd.errors import DeviceError, EncodeError
from streamd.frames import Colour, Frame, Picture, Surface
from streamd.gpu.canvas import Canvases
from streamd.gpu.device import Gpu

NAME = "h264_nvenc"
PRESETS = ("p1", "p2", "p3", "p4", "p5", "p6", "p7")


def encoder(video: config.VideoSocket, feeds: Sequence[Feed] = (Planar(),)) -> H264Encoder:
    """Return an encoder of one camera, as the configuration sets it, of the pictures that `feeds` take."""
    return H264Encoder(
        NAME, options(video), bitrate=video.bitrate, keyframe_interval_s=video.keyframe_interval, feeds=feeds
    )


def options(video: config.VideoSocket) -> dict[str, str]:
    """Return NVENC's options: no delay, every keyframe an IDR with its SPS and PPS, keyframes only when asked."""
    chosen = {
        "preset": video.preset if video.preset in PRESETS else "p4",  # x264's preset names mean nothing here
        "tune": "ull",
        "zerolatency": "1",
        "delay": "0",
        "forced-idr": "1",
        "no-scenecut": "1",
    }
    return chosen | ({"rc": "cbr"} if video.bitrate else {"rc": "vbr", "cq": str(video.crf)})


def probe() -> None:
    """Find out whether the GPU and its driver have the encoder.

    Raises:
        EncodeError: they have not.
    """
    open_context(NAME, 256, 256, Colour(), {}, 0, 1)


class OnDevice:
    """NV12 surfaces as they are in the memory of their GPU: nothing is copied.

    NVENC is told where the luma is and finds the chroma behind it, so only a surface whose planes stand so is taken
    (libavcodec/nvenc.c, nvenc_register_frame). The frame keeps the surface's memory until it is coded.
    """

    pix_fmt = ON_DEVICE

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._stream = gpu.stream()
        self._readable = gpu.event()
        self._context: CudaContext | None = None

    def takes(self, picture: Picture | Surface) -> bool:
        """Tell whether it is even NV12 in one piece."""
        return (
            isinstance(picture, Surface)
            and (picture.sample_bytes, picture.width % 2, picture.height % 2) == (1, 0, 0)
            and picture.chroma_pitch == picture.pitch
            and picture.chroma == picture.pixels + picture.pitch * picture.height
        )

    def __call__(self, picture: Picture | Surface) -> av.VideoFrame:
        """Return `picture` as a frame, once it is ready: NVENC waits for no stream of ours."""
        assert isinstance(picture, Surface)
        rows = picture.height + picture.height // 2
        with self._gpu.active():
            self._gpu.order([picture], self._stream)
            self._readable.record(self._stream)
            self._readable.synchronize()
            self._context = self._context or self._current()
            memory: Any = cast(Any, self._gpu.memory(picture.pixels, rows * picture.pitch, picture.owner))
            planes = memory.reshape(rows, picture.pitch)[:, : picture.width]
            return av.VideoFrame.from_dlpack(
                (planes[: picture.height], planes[picture.height :]),
                format="nv12",
                device_id=self._gpu.index,
                cuda_context=self._context,
            )

    def _current(self) -> CudaContext:
        """Return the context that is current: CUDA's primary one, which CuPy works in.

        By its name FFmpeg would not take it, for it insists on flags that CuPy does not set
        (libavutil/hwcontext_cuda.c, cuda_context_init).
        """
        self._gpu.bind()
        return CudaContext(self._gpu.index, primary_ctx=False, current_ctx=True)


def takes_surfaces(gpu: Gpu) -> bool:
    """Find out, by encoding one picture, whether NVENC takes what is in the memory of `gpu`."""
    stream = gpu.stream()
    try:
        canvas = Canvases(gpu).take(256, 256, stream)
        surface = canvas.lend(Colour())
        canvas.finish(stream)
        trial = H264Encoder(NAME, {}, bitrate=0, keyframe_interval_s=1, feeds=(OnDevice(gpu),))
        coded = [*trial(Frame("", 0, 0, 0, 0, surface), surface, True), *trial.flush()]
    except (EncodeError, DeviceError) as error:
        structlog.get_logger().info("pictures go to NVENC by way of the host", reason=error.what)
        return False
    return len(coded) == 1
