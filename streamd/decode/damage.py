"""Which frames are as they were sent. Damaged ones are never shown, nor is what is built on them.

What is known of a packet before it is decoded travels through the decoder on the packet, and is judged in the order
in which frames come out.
"""

from typing import Any

from av.codec.codec import Capabilities
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from msgspec import Struct

from streamd.decode.gaps import Gaps
from streamd.decode.source import Stats


class Note(Struct, frozen=True):
    """What is noted on a packet, and found again on the frame that comes of it."""

    captured_at_ns: int
    torn: bool = False  # by the container's word
    gaps: int = 0  # in the frame numbers, up to and with this packet
    whole: bool = False  # whether nothing from here on is built on what was before
    number: int = 0  # of the packet, from 1


class Refused(Struct):
    """Packets that one decoder refused."""

    on_gpu: bool
    first: int  # the number of the first one, or less where it is not known
    last: int  # of the last one: a key frame mends it that comes of a later packet
    uncounted: int  # how many of them are not yet in the count of what was lost


class Damage:
    """The damage of one stream: found by the container, the decoder, or (of H.264) by what its packets say.

    A damaged frame is passed over, and so is what follows it up to the next key frame, since decoders patch damage up
    and go on from what they made up. A frame that comes after a missing one is passed over alike, up to the next key
    frame or complete recovery.

    Decoders give frames later than they refuse packets: those of earlier packets are still to come, and are as they
    were sent.
    """

    def __init__(self, video: VideoStream, stats: Stats) -> None:
        """Count in `stats`."""
        context = video.codec_context
        self._gaps = Gaps(context.extradata) if context.codec.canonical_name == "h264" else None
        self._stats = stats
        self._lost = 0
        self._patched = False  # whether what the decoder builds on was damaged
        self._counted = 0  # gaps that are in `_lost`
        self._mended = 0  # gaps that nothing is built on any more
        self.fed = 0  # packets so far
        self._key = 0  # the latest one that mends what was damaged before it
        self._refused: list[Refused] = []  # those that frames to come may be built on
        self._behind = _behind(context)
        self._begun: set[bool] = set()  # whether frames have come from the CPU, from the GPU

    def note(self, packet: "Packet[Any]", captured_at_ns: int) -> Note:
        """Return what is to be noted on a packet that the decoder is given."""
        self.fed += 1
        if self._gaps is None:
            self._key = self.fed if packet.is_keyframe else self._key
            return Note(captured_at_ns, packet.is_corrupt, number=self.fed)
        if packet.has_sidedata("new_extradata"):  # as in FLV and MP4, where a stream may change amid
            self._gaps.stated(bytes(packet.get_sidedata("new_extradata")))
        before = self._gaps.count
        whole = self._gaps.read(bytes(packet))
        self._stats.corrupt += self._gaps.count - before
        self._patched = self._patched or self._gaps.cold
        self._key = self.fed if whole else self._key
        return Note(captured_at_ns, packet.is_corrupt, self._gaps.count, whole, self.fed)

    def refused(self, count: int, *, on_gpu: bool, given_up: bool = False) -> None:
        """Count packets that the decoder is found to have refused when it was given the latest one.

        `on_gpu` says which decoder that was; `given_up`, that the other one has then taken over, and may already have
        been given some packets again. One refused packet was the reason for that; any others are the other decoder's.
        """
        if not count:
            return
        self._damaged(count)
        # NVDEC tells what it refused only once it has given a frame, the packets given again are told of all at once.
        known = not given_up and (not on_gpu or True in self._begun)
        reason = int(given_up and True in self._begun)
        self._refuse(reason, on_gpu=True, known=True)
        self._refuse(count - reason, on_gpu=on_gpu and not given_up, known=known)

    def hides(self, frame: VideoFrame, note: Note) -> bool:
        """Return whether `frame` is not to be shown, and count it if so. Frames come in the order of output."""
        on_gpu = frame.format.name == "cuda"
        if on_gpu not in self._begun:
            self._begin(note.number, on_gpu)
        if note.gaps > self._counted:  # what is missing came before
            self._lost += note.gaps - self._counted
            self._counted = note.gaps
        self._pass(note.number, on_gpu)
        if note.torn or frame.is_corrupt:
            self._damaged(1)
            self._lost += 1
            self._patched = True
            return True
        if note.whole or (frame.key_frame and self._gaps is None):
            self._patched = False
            self._mended = max(self._mended, note.gaps)
            self._refused = [past for past in self._refused if past.last >= note.number or past.on_gpu != on_gpu]
        spoilt = any(past.first <= note.number for past in self._refused if past.on_gpu == on_gpu)
        if not self._patched and not spoilt and note.gaps <= self._mended:
            return False
        self._stats.skipped += 1
        self._lost += 1
        return True

    def lost(self) -> int:
        """Return how many frames are known to have been lost since it was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def _damaged(self, count: int) -> None:
        self._stats.corrupt += count
        if self._gaps:
            self._gaps.spoilt()

    def _refuse(self, count: int, *, on_gpu: bool, known: bool) -> None:
        """Note refused packets; unless it is known which they were, they are any so far."""
        if not count:
            return
        most, least = (0, 0) if on_gpu else self._behind
        first, last = (self.fed - most, self.fed - least) if known else (0, self.fed)
        latest = self._refused[-1] if self._refused else None
        if latest and latest.on_gpu == on_gpu and latest.last >= self._key:  # nothing mends the one and not the other
            latest.last = max(latest.last, last)
            latest.uncounted += count
        else:
            self._refused.append(Refused(on_gpu, first, last, count))

    def _begin(self, number: int, on_gpu: bool) -> None:
        """Judge what a decoder refused before its first frame: earlier packets, where so many are missing, or later."""
        self._begun.add(on_gpu)
        for past in self._refused:
            if past.on_gpu == on_gpu and not past.first:
                if number > past.uncounted:
                    past.last = number - 1
                else:
                    past.first = number + 1

    def _pass(self, number: int, on_gpu: bool) -> None:
        """Count as lost what was refused up to the packet of a frame, of which there will be no frames any more.

        What one decoder refused is nothing to the other, which begins at a key frame, or with all there is.
        """
        if not on_gpu:  # nor will there be frames from there
            self._refused = [past for past in self._refused if not past.on_gpu]
        for past in self._refused:
            if past.on_gpu == on_gpu and past.first <= number:
                self._lost += past.uncounted
                past.uncounted = 0


def _behind(context: VideoCodecContext) -> tuple[int, int]:
    """Return how many packets back FFmpeg on the CPU tells of a refused one: for `Refused.first`, and for `last`."""
    others = context.thread_count - 1
    if context.codec.capabilities & Capabilities.frame_threads and ThreadType.FRAME in context.thread_type:
        return others, others  # each thread has one packet, and they answer in turn
    if context.codec.capabilities & Capabilities.auto_threads:
        return 0, others + 1  # dav1d: soon or late; it refuses all that is built on it, too
    return 0, 0
