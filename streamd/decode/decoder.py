"""Where a stream is decoded: on the GPU as long as that works, else on the CPU.

A stream that NVDEC cannot decode is seen at its first frame, or for want of one; the packets kept until then go to
the software decoder, and nothing is lost. One that fails later goes on from a key frame. That lasts until the stream
is opened anew, so that a burst of damage does not cost a camera its GPU for good.
"""

import os

import av
import structlog
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamd import cores
from streamd.decode.nvdec import Nvdec, Unfit, Unit
from streamd.gpu.device import Gpu


class Hardware:
    """The GPU that a camera may decode on; tells once, for each reason, why it does not."""

    def __init__(self, camera: str, gpu: Gpu) -> None:
        self.gpu = gpu
        self._camera = camera
        self._told: set[str] = set()

    def open(self, video: VideoStream) -> Nvdec | None:
        """Return a decoder of `video`; None where it is none for NVDEC."""
        try:
            return Nvdec(video, self.gpu)
        except Unfit as unfit:
            self.tell(unfit)
            return None

    def tell(self, unfit: Unfit) -> None:
        """Log that the camera is decoded in software."""
        reason = str(unfit)
        if reason not in self._told:
            self._told.add(reason)
            structlog.get_logger().warning("decoded in software", camera=self._camera, reason=reason)


class Decoder:
    """The decoder of one stream. The thread that decodes makes it, as it gathers with others while NVDEC works."""

    def __init__(self, video: VideoStream, *, live: bool, hardware: Hardware | None = None) -> None:
        """In software, live streams are decoded by slice threads, files by frame threads too.

        Those are faster, but each holds one frame back.
        """
        self._software = video.codec_context
        self._software.thread_type = "SLICE" if live else "AUTO"
        # A process may hold many cameras, and the models need their cores: on two, one thread a camera is best.
        self._software.thread_count = max(1, min(2 if live else 4, (os.cpu_count() or 1) // 2))
        self._software.copy_opaque = True  # carries the time of arrival from the packet to its frame
        self._hardware = hardware
        self._nvdec = hardware.open(video) if hardware else None
        self._waiting_for_key = False
        if self._nvdec:
            cores.gather()
        elif hardware:
            cores.scatter()

    def decode(self, packet: Unit) -> tuple[list[VideoFrame], int]:
        """Return the frames that `packet` completes, and how many packets were found damaged; None flushes."""
        if self._nvdec is None or self._hardware is None:
            return self._in_software(packet)
        try:
            return self._nvdec.decode(packet)
        except Unfit as unfit:
            self._hardware.tell(unfit)
            start = self._nvdec.start
            self._nvdec = None
            cores.scatter()
            if start:
                return self._again(start)
            self._waiting_for_key = True
            frames, damaged = self._in_software(packet)
            return unfit.frames + frames, unfit.damaged + damaged

    def close(self) -> None:
        """Give back what it has on the GPU, but for the frames that are still held; safe twice."""
        self._nvdec = None

    def _again(self, packets: list[Unit]) -> tuple[list[VideoFrame], int]:
        results = [self._in_software(packet) for packet in packets]
        return [frame for frames, _ in results for frame in frames], sum(damaged for _, damaged in results)

    def _in_software(self, packet: Unit) -> tuple[list[VideoFrame], int]:
        if self._waiting_for_key and packet is not None and not packet.is_keyframe:
            return [], 0
        self._waiting_for_key = False
        try:
            return self._software.decode(packet), 0
        except av.FFmpegError:  # whatever it dislikes of this packet, the next may be better
            return [], 1
