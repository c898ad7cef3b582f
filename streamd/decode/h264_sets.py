"""Parameter sets of H.264, as far as the heads of slices are read by them. Fields are named for what they are used for.

All by ITU-T H.264 (08/2021).
"""

from dataclasses import dataclass

from streamd.decode.bits import Bits, unescaped

_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})  # profiles that state it
_ANY_ORDER = frozenset({66, 88})  # Baseline and Extended, A.2.1 and A.2.3
_CONSTRAINED = 0x40  # constraint_set1_flag: what Main, too, can decode


@dataclass(frozen=True, slots=True)
class Order:
    """How a slice states the order of output, 7.3.2.1.1."""

    kind: int  # pic_order_cnt_type
    bits: int = 0  # of pic_order_cnt_lsb, of kind 0
    stated: bool = False  # whether slices of kind 1 state differences: not delta_pic_order_always_zero_flag


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence parameter set."""

    number: int
    colour: bool  # ChromaArrayType is not 0
    planes: bool  # separate_colour_plane_flag
    frame_num_bits: int
    order: Order
    gaps_allowed: bool  # gaps_in_frame_num_value_allowed_flag
    fields: bool  # not frame_mbs_only_flag
    any_order: bool  # whether a picture may begin with another slice than its first

    @property
    def frame_nums(self) -> int:
        """MaxFrameNum, 7-10."""
        return 1 << self.frame_num_bits


@dataclass(frozen=True, slots=True)
class PictureSet:
    """A picture parameter set."""

    number: int
    sequence: int
    order_in_frame: bool  # bottom_field_pic_order_in_frame_present_flag
    groups: bool  # of slices: num_slice_groups_minus1 is not 0, and nothing below is read, as FFmpeg does not either
    references: tuple[int, int] = (0, 0)  # by default, of each list
    weighted: bool = False  # predictions of P slices
    weighted_both: bool = False  # weighted_bipred_idc is 1: those of B slices, explicitly
    redundant: bool = False  # redundant_pic_cnt_present_flag


def sequence(unit: bytes) -> Sequence:
    """Return what a sequence parameter set states, 7.3.2.1.1; `Truncated` where it breaks off."""
    bits = Bits(unescaped(unit[1:]))
    profile, constraints = bits.u(8), bits.u(8)
    bits.u(8)  # level_idc
    number = bits.ue()
    colour, planes = _chroma(bits) if profile in _CHROMA else (True, False)
    frame_num_bits = bits.ue() + 4
    order = _order(bits)
    bits.ue()  # max_num_ref_frames
    gaps_allowed = bool(bits.u(1))
    bits.ue(), bits.ue()  # width and height
    any_order = profile in _ANY_ORDER and not constraints & _CONSTRAINED
    return Sequence(number, colour, planes, frame_num_bits, order, gaps_allowed, not bits.u(1), any_order)


def picture_set(unit: bytes) -> PictureSet:
    """Return what a picture parameter set states, 7.3.2.2; `Truncated` where it breaks off."""
    bits = Bits(unescaped(unit[1:]))
    number, of_sequence = bits.ue(), bits.ue()
    bits.u(1)  # entropy_coding_mode_flag
    order_in_frame = bool(bits.u(1))
    if bits.ue():
        return PictureSet(number, of_sequence, order_in_frame, groups=True)
    references = bits.ue() + 1, bits.ue() + 1
    weighted, weighted_both = bool(bits.u(1)), bits.u(2) == 1
    bits.se(), bits.se(), bits.se()  # quantisers
    bits.u(2)  # deblocking, constrained_intra_pred_flag
    redundant = bool(bits.u(1))
    return PictureSet(number, of_sequence, order_in_frame, False, references, weighted, weighted_both, redundant)


def _chroma(bits: Bits) -> tuple[bool, bool]:
    """Return whether there is colour, and whether in planes of their own; pass over what is stated of samples."""
    chroma_format = bits.ue()
    planes = chroma_format == 3 and bool(bits.u(1))
    bits.ue(), bits.ue()  # bits of luma and chroma
    bits.u(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.u(1):  # seq_scaling_matrix_present_flag
        for index in range(12 if chroma_format == 3 else 8):
            if bits.u(1):
                _skip_scaling(bits, 16 if index < 6 else 64)
    return chroma_format != 0 and not planes, planes


def _skip_scaling(bits: Bits, size: int) -> None:
    """Pass over a scaling list, 7.3.2.1.1.1, which ends early where the next scale would be 0."""
    scale = 8
    for _ in range(size):
        scale = (scale + bits.se()) % 256
        if scale == 0:
            return


def _order(bits: Bits) -> Order:
    kind = bits.ue()
    if kind == 0:
        return Order(kind, bits.ue() + 4)
    if kind != 1:
        return Order(kind)
    stated = not bits.u(1)
    bits.se(), bits.se()
    for _ in range(bits.ue()):
        bits.se()
    return Order(kind, stated=stated)
