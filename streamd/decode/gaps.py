"""Sees that pictures of an H.264 stream never came, and from where on what follows is whole again.

FFmpeg makes a missing picture up from the one before and goes on, and tells nobody: every picture to the next key frame
is smeared. The stream tells it: each reference picture is numbered one further than the one before (frame_num, ITU-T
H.264, 7.4.3), and a picture's first slice begins at its first macroblock. A picture that nothing refers to, as most
B-frames are, has no number of its own: its loss cannot be seen, and spoils nothing but itself.

Knows packets alone: what came of them, the stream puts together (stream.py).
"""

from collections import deque

from streamd.decode import h264
from streamd.decode.bits import Truncated
from streamd.decode.h264_sets import PictureSet, Sequence, picture_set, sequence
from streamd.decode.h264_slices import Slice, resets, slice_of

# So many gaps among so many pictures are no network's work, with which nothing could be watched at all: it is a camera
# that numbers its pictures in a way of its own.
_MOST_GAPS, _AMONG = 16, 64


class Gaps:
    """Follows the frame numbers of one stream."""

    def __init__(self, extradata: bytes | None) -> None:
        """`extradata` is what the container states of the stream, its parameter sets as a rule."""
        self.count = 0  # gaps so far
        self.believed = True  # but while the stream numbers in a way of its own: then none is counted
        self.cold = False  # whether it began amid a recovery, and none has been completed since
        self._sequences: dict[int, Sequence] = {}
        self._picture_sets: dict[int, PictureSet] = {}
        self._slice: Slice | None = None  # the latest
        self._reference: tuple[bytes, Slice] | None = None  # the first slice of the latest reference picture
        self._last: int | None = None  # its number: PrevRefFrameNum
        self._healing: int | None = None  # the number of the reference picture that completes a recovery
        self._pictures = 0
        self._recent: deque[int] = deque(maxlen=_MOST_GAPS)  # at which pictures the latest gaps were
        self.stated(extradata)

    def stated(self, extradata: bytes | None) -> None:
        """Go by what the container states of the stream from here on."""
        self._length_bytes = h264.length_size(extradata)
        for unit in h264.parameter_sets(extradata):
            self._keep(unit)

    def read(self, packet: bytes) -> bool:
        """Return whether pictures are whole again from this packet's on, in output order.

        They are from a key frame on, and from where a recovery point says, which is all that streams of periodic intra
        refresh have (D.2.8), unless a gap came between.
        """
        whole = False
        recovery: int | None = None
        for unit in h264.units(packet, self._length_bytes):
            kind = unit[0] & 31
            if kind in (h264.SLICE, h264.PARTITION, h264.IDR):
                whole = self._follow(unit, recovery) or whole
            elif kind == h264.SEI:
                count = h264.recovery_count(unit)
                recovery = recovery if count is None else count
            else:
                self._keep(unit)
        return whole

    def spoilt(self) -> None:
        """Note damage that was found elsewhere: a recovery under way is built on it, and of no use."""
        self._healing = None

    def _keep(self, unit: bytes) -> None:
        kind = unit[0] & 31 if unit else 0
        try:
            if kind == h264.SPS:
                stated = sequence(unit)
                self._sequences[stated.number] = stated
            elif kind == h264.PPS:
                picture = picture_set(unit)
                self._picture_sets[picture.number] = picture
        except Truncated:
            return  # what it was for is damaged, and the decoder says so

    def _follow(self, unit: bytes, recovery: int | None) -> bool:
        try:
            head = slice_of(unit, self._sequences, self._picture_sets)
        except Truncated:
            return False  # the decoder says so
        if head is None:
            return False
        before, self._slice = self._slice, head
        if head.goes_on(before):
            return False
        torn = head.first_mb != 0 and not head.sequence.any_order
        missing = self._missing(head)
        self._pictures += 1
        if self._pictures == 1 and recovery and head.frame_num == 0:
            # For any other number FFmpeg makes up the pictures before it; here it has nothing to build on, leaves the
            # picture out, and what that would have renewed stays as it is.
            self.cold, recovery = True, None
        if torn or missing:
            self._gap()
        if head.reference:
            self._last, self._reference = head.frame_num, (unit, head)
        elif missing:
            self._last = (head.frame_num - 1) % head.sequence.frame_nums
        return not torn and self._whole(head, recovery)

    def _missing(self, head: Slice) -> bool:
        """Return whether reference pictures are missing before this one, 7.4.3."""
        if self._last is None or head.idr or head.sequence.gaps_allowed:
            return False
        further = (head.frame_num - self._last) % head.sequence.frame_nums
        if further <= 1:
            return False
        return head.frame_num > 1 or not self._began_anew()

    def _began_anew(self) -> bool:
        """Return whether the latest reference picture counts as number 0 for those that follow it."""
        try:
            return self._reference is not None and resets(*self._reference)
        except Truncated:
            return False

    def _gap(self) -> None:
        self._healing = None
        self._recent.append(self._pictures)
        self.believed = len(self._recent) < _MOST_GAPS or self._pictures - self._recent[0] >= _AMONG
        self.count += self.believed

    def _whole(self, head: Slice, recovery: int | None) -> bool:
        """Return whether a key frame or a recovery is complete with this picture."""
        frame_nums = head.sequence.frame_nums
        left = frame_nums if self._healing is None else (self._healing - head.frame_num) % frame_nums
        if recovery is not None and recovery < left:  # also where the one awaited was left out, as a stream may
            self._healing = (head.frame_num + recovery) % frame_nums
        if not head.idr and not (head.reference and head.frame_num == self._healing):
            return False
        self._healing, self.cold = None, False
        return True
