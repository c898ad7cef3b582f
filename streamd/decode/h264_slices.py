"""How slices of H.264 begin: of which picture they are, and whether that one has the numbers begin anew.

All by ITU-T H.264 (08/2021), 7.3.3, whose names the fields have.
"""

from collections.abc import Mapping

from msgspec import Struct

from streamd.decode.bits import Bits, unescaped
from streamd.decode.h264 import IDR
from streamd.decode.h264_sets import PictureSet, Sequence

_HEAD = 40  # bytes that hold what `slice_of` reads: three numbers of at most 65 bits, and some 20 bits
_B, _I, _SI = 1, 2, 4  # slice_type, table 7-6
_LIST_END = 3  # modification_of_pic_nums_idc that ends the list, 7.3.3.1
_RESET = 5  # memory_management_control_operation, table 7-9
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}  # of the others, how many numbers follow, 7.3.3.3


class Slice(Struct, frozen=True):
    """How a slice begins, and of what unit it is."""

    sequence: Sequence
    pictures: PictureSet
    idr: bool
    reference: bool
    kind: int  # slice_type, less 5 where all slices of the picture are of one
    first_mb: int
    frame_num: int
    field: int  # 0 of a frame, 1 of a top field, 2 of a bottom field

    def goes_on(self, other: "Slice | None") -> bool:
        """Whether it is of the picture that `other` is of; so far as 7.4.1.2.4 is needed here."""
        return (
            other is not None
            and self.first_mb != 0
            and (self.frame_num, self.field, self.idr, self.reference)
            == (other.frame_num, other.field, other.idr, other.reference)
        )


def slice_of(unit: bytes, sequences: Mapping[int, Sequence], pictures: Mapping[int, PictureSet]) -> Slice | None:
    """Return how a slice begins, given the parameter sets by their numbers; None where those it names never came.

    Raises:
        Truncated: it breaks off.
    """
    return _slice(Bits(unescaped(unit[1:_HEAD])), unit, sequences, pictures)


def resets(unit: bytes, head: Slice) -> bool:
    """Return whether a slice has its picture count as number 0 for what follows, as a key frame does, 7.4.3.

    `head` is how `unit` begins.

    Raises:
        Truncated: it breaks off.
    """
    if head.idr or not head.reference or head.pictures.groups:
        return False
    bits = Bits(unescaped(unit[1:]))
    _slice(bits, unit, {head.sequence.number: head.sequence}, {head.pictures.number: head.pictures})
    _skip_order(bits, head)
    if head.pictures.redundant:
        bits.ue()
    _skip_references(bits, head)
    if bits.u(1):  # adaptive_ref_pic_marking_mode_flag
        while operation := bits.ue():
            if operation == _RESET:
                return True
            for _ in range(_OPERANDS.get(operation, 0)):
                bits.ue()
    return False


def _slice(
    bits: Bits, unit: bytes, sequences: Mapping[int, Sequence], pictures: Mapping[int, PictureSet]
) -> Slice | None:
    first_mb, kind = bits.ue(), bits.ue() % 5
    picture = pictures.get(bits.ue())
    sequence = sequences.get(picture.sequence) if picture else None
    if picture is None or sequence is None:
        return None
    if sequence.planes:
        bits.u(2)  # colour_plane_id
    frame_num = bits.u(sequence.frame_num_bits)
    field = 1 + bits.u(1) if sequence.fields and bits.u(1) else 0
    return Slice(sequence, picture, unit[0] & 31 == IDR, unit[0] & 0x60 != 0, kind, first_mb, frame_num, field)


def _skip_order(bits: Bits, head: Slice) -> None:
    order, both = head.sequence.order, head.pictures.order_in_frame and not head.field
    if order.kind == 0:
        bits.u(order.bits)
    elif order.kind == 1 and order.stated:
        bits.se()
    else:
        return
    if both:
        bits.se()


def _skip_references(bits: Bits, head: Slice) -> None:
    """Pass over the lists of references and their weights, 7.3.3.1 and 7.3.3.2."""
    if head.kind == _B:
        bits.u(1)  # direct_spatial_mv_pred_flag
    if head.kind in (_I, _SI):
        return
    lists = 2 if head.kind == _B else 1
    references = list(head.pictures.references[:lists])
    if bits.u(1):  # num_ref_idx_active_override_flag
        references = [bits.ue() + 1 for _ in references]
    for _ in references:
        if bits.u(1):
            while bits.ue() != _LIST_END:
                bits.ue()
    if head.pictures.weighted_both if head.kind == _B else head.pictures.weighted:
        _skip_weights(bits, sum(references), colour=head.sequence.colour)


def _skip_weights(bits: Bits, references: int, *, colour: bool) -> None:
    bits.ue()
    if colour:
        bits.ue()
    for _ in range(references):
        for numbers in (2, 4) if colour else (2,):  # of luma, of both colours
            if bits.u(1):
                for _ in range(numbers):
                    bits.se()
