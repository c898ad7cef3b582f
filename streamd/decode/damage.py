"""Which frames are as they were sent. Damaged ones are never shown, nor is what is built on them.

What is known of a packet before it is decoded travels through the decoder on the packet, and is judged in the order
in which frames come out.
"""

from typing import Any

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from msgspec import Struct

from streamd.decode.gaps import Gaps
from streamd.decode.refused import Refusals
from streamd.decode.source import Stats


class Note(Struct, frozen=True):
    """What is noted on a packet, and found again on the frame that comes of it."""

    captured_at_ns: int
    torn: bool = False  # by the container's word
    gaps: int = 0  # in the frame numbers, up to and with this packet
    whole: bool = False  # whether nothing from here on is built on what was before
    number: int = 0  # of the packet, from 1


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
        self._refusals = Refusals(context)

    def note(self, packet: "Packet[Any]", captured_at_ns: int) -> Note:
        """Return what is to be noted on a packet that the decoder is given."""
        if self._gaps is None:
            self._refusals.feed(packet.is_keyframe)
            return Note(captured_at_ns, packet.is_corrupt, number=self._refusals.fed)
        if packet.has_sidedata("new_extradata"):  # as in FLV and MP4, where a stream may change amid
            self._gaps.stated(bytes(packet.get_sidedata("new_extradata")))
        before = self._gaps.count
        whole = self._gaps.read(bytes(packet))
        self._stats.corrupt += self._gaps.count - before
        self._patched = self._patched or self._gaps.cold
        self._refusals.feed(whole)
        return Note(captured_at_ns, packet.is_corrupt, self._gaps.count, whole, self._refusals.fed)

    def unnoted(self, captured_at_ns: int) -> Note:
        """Return what goes for a frame that brings no note: that of the latest packet, and nothing said against it."""
        return Note(captured_at_ns, number=self._refusals.fed)

    def refused(self, count: int) -> None:
        """Count packets that the decoder is found to have refused when it was given the latest one."""
        if count:
            self._damaged(count)
            self._refusals.add(count)

    def hides(self, frame: VideoFrame, note: Note) -> bool:
        """Return whether `frame` is not to be shown, and count it if so. Frames come in the order of output."""
        on_gpu = frame.format.name == "cuda"
        if note.gaps > self._counted:  # what is missing came before
            self._lost += note.gaps - self._counted
            self._counted = note.gaps
        self._lost += self._refusals.passed(note.number, on_gpu)
        if note.torn or frame.is_corrupt:
            self._damaged(1)
            self._lost += 1
            self._patched = True
            return True
        if note.whole or (frame.key_frame and self._gaps is None):
            self._patched = False
            self._mended = max(self._mended, note.gaps)
            self._refusals.mend(note.number, on_gpu)
        if not self._patched and not self._refusals.spoil(note.number, on_gpu) and note.gaps <= self._mended:
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
