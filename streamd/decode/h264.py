"""The units (NAL units) that packets of H.264 are made of, and what one of them says of recovery.

By ITU-T H.264 (08/2021), and ISO/IEC 14496-15 for how MP4 holds them.
"""

from collections.abc import Iterator

from streamd.decode.bits import Bits, Truncated, unescaped

SLICE, PARTITION, IDR, SEI, SPS, PPS = 1, 2, 5, 6, 7, 8  # nal_unit_type, table 7-1

_LONGEST = 4096  # bytes of a unit that are looked at: more than any parameter set, or how a slice begins, takes
_START = b"\x00\x00\x01"
_RECOVERY_POINT = 6  # payloadType, D.1.1


def length_size(extradata: bytes | None) -> int:
    """Return how many bytes state a unit's length in the packets of a stream; 0 where start codes part them.

    ISO/IEC 14496-15, 5.2.4.1: an `avcC` begins with a 1.
    """
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == 1 else 0


def parameter_sets(extradata: bytes | None) -> Iterator[bytes]:
    """Yield the parameter sets that a container states for its stream, as units."""
    if not length_size(extradata):
        yield from units(extradata or b"", 0)
        return
    assert extradata is not None
    at = 5
    for mask in (31, 255):  # first those of sequences, then those of pictures
        count = extradata[at] & mask if at < len(extradata) else 0
        at += 1
        for _ in range(count):
            end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : end]
            at = end


def units(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield how the NAL units of a packet begin: parted by start codes (annex B), or each after its length."""
    return _by_length(packet, length_bytes) if length_bytes else _by_start_code(packet)


def recovery_count(unit: bytes) -> int | None:
    """Return recovery_frame_cnt of a recovery point among supplemental information, 7.3.2.3 and D.1.8; None without.

    The pictures are right again, in output order, from the reference picture on whose frame_num is so many further.
    """
    payload = unescaped(unit[1:])
    at = 0
    while at + 2 < len(payload):
        kind, at = _sei_number(payload, at)
        size, at = _sei_number(payload, at)
        if kind == _RECOVERY_POINT:
            try:
                return Bits(payload[at : at + size]).ue()
            except Truncated:
                return None
        at += size
    return None


def _sei_number(payload: bytes, at: int) -> tuple[int, int]:
    """Return a number of 7.3.2.3.1, in which each byte of 255 says that more follows, and where it ends."""
    total = 0
    while at < len(payload) and payload[at] == 255:
        total += 255
        at += 1
    return total + (payload[at] if at < len(payload) else 0), at + 1


def _by_length(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes < len(packet):
        begin = at + length_bytes
        at = begin + int.from_bytes(packet[at:begin], "big")
        if at > begin:
            yield packet[begin : min(at, begin + _LONGEST)]


def _by_start_code(packet: bytes) -> Iterator[bytes]:
    begin = packet.find(_START)
    while begin >= 0:
        begin += len(_START)
        end = packet.find(_START, begin)
        unit = packet[begin : min(end if end >= 0 else len(packet), begin + _LONGEST)]
        if unit:
            yield unit
        begin = end
