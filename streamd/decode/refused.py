"""Packets that a decoder refused, and which frames to come are built on them.

Decoders give frames later than they refuse packets: those of earlier packets are still to come, and are as they were
sent. So all is told by the numbers of packets.
"""

from av.codec.codec import Capabilities
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from msgspec import Struct


class Refused(Struct):
    """Packets that the decoder refused."""

    first: int  # the packet with which the first of them was told; 0: some packet before the first frame
    last: int  # the same of the last: a key frame mends it that comes of a later packet
    uncounted: int  # how many of them are not yet in the count of what was lost


class Refusals:
    """Those of one stream, whose packets are numbered from 1."""

    def __init__(self, context: VideoCodecContext) -> None:
        """`context` is that of the decoder on the CPU."""
        self._behind = _behind(context)
        self.fed = 0  # packets so far
        self._key = 0  # the latest packet that mends what was damaged before it
        self._refused: list[Refused] = []
        self._begun = False  # whether a frame has come

    def feed(self, key: bool) -> None:
        """Note that the decoder is given a packet, and whether that mends what was before."""
        self.fed += 1
        self._key = self.fed if key else self._key

    def add(self, count: int) -> None:
        """Note that packets are found to have been refused when the latest one was given."""
        latest = self._refused[-1] if self._refused else None
        if latest and latest.last - self._behind[1] >= self._key:  # nothing mends the one and not the other
            latest.last = self.fed
            latest.uncounted += count
        else:  # NVDEC does not tell before its first frame
            self._refused.append(Refused(self.fed if self._begun else 0, self.fed, count))

    def passed(self, number: int, on_gpu: bool) -> int:
        """Return how many were refused before the packet of a frame that comes out, and are not counted yet."""
        if not self._begun:
            self._begin(number, on_gpu)
        lost = 0
        for past in self._refused:
            if self._follows(number, past, on_gpu):
                lost, past.uncounted = lost + past.uncounted, 0
        return lost

    def mend(self, number: int, on_gpu: bool) -> None:
        """Note that from this packet's frame on, nothing is built on what was sent before."""
        late = 0 if on_gpu else self._behind[1]
        self._refused = [past for past in self._refused if past.last >= number + late]

    def spoil(self, number: int, on_gpu: bool) -> bool:
        """Return whether the frame of this packet may be built on one that was refused."""
        return any(self._follows(number, past, on_gpu) for past in self._refused)

    def _follows(self, number: int, past: Refused, on_gpu: bool) -> bool:
        return number + self._late(on_gpu) >= past.first

    def _late(self, on_gpu: bool) -> int:
        return 0 if on_gpu else self._behind[0]

    def _begin(self, number: int, on_gpu: bool) -> None:
        """Judge what was refused before the first frame: earlier packets, where so many are missing, or later ones."""
        self._begun = True
        for past in self._refused:
            if number > past.uncounted:
                past.last = number - 1
            else:
                past.first = number + 1 + self._late(on_gpu)


def _behind(context: VideoCodecContext) -> tuple[int, int]:
    """Return how many packets late FFmpeg on the CPU tells of a refused one: for what it spoils, for what mends it."""
    others = context.thread_count - 1
    if context.codec.capabilities & Capabilities.frame_threads and ThreadType.FRAME in context.thread_type:
        return others, others  # each thread has one packet, and they answer in turn
    if context.codec.capabilities & Capabilities.auto_threads:
        return 0, others + 1  # dav1d: soon or late; it refuses all that is built on it, too
    return 0, 0
