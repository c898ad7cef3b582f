"""Writes H.264 bit by bit, for tests: parameter sets, how slices begin, supplemental information (ITU-T H.264, 7.3)."""

from dataclasses import dataclass

HIGH, BASELINE = 100, 66
IDR, SLICE = 5, 1
P, B, I = range(3)  # noqa: E741 - the names that slices have


class Writer:
    def __init__(self):
        self.bits = ""

    def u(self, count, value):
        assert 0 <= value < 1 << count
        self.bits += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, value):
        code = f"{value + 1:b}"
        self.bits += "0" * (len(code) - 1) + code
        return self

    def se(self, value):
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def unit(self, header):
        """A NAL unit: its header, the bits with a stop bit behind them, and escapes where they are due."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        return bytes([header]) + escaped(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def escaped(payload):
    out, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


@dataclass(frozen=True)
class Sets:
    """A stream's sequence and picture parameter set, as far as tests vary them."""

    profile: int = HIGH
    constraints: int = 0
    sps: int = 0
    pps: int = 0
    chroma: int = 1
    planes: bool = False
    scaling: bool = False
    frame_num_bits: int = 4
    order: int = 0
    order_bits: int = 6
    order_stated: bool = False  # of kind 1
    gaps_allowed: bool = False
    fields: bool = False
    order_in_frame: bool = False
    references: tuple[int, int] = (1, 1)
    weighted: bool = False
    bipred: int = 0
    redundant: bool = False
    groups: int = 1

    @property
    def has_colour(self):
        return self.profile != HIGH or (self.chroma != 0 and not (self.chroma == 3 and self.planes))

    def sequence(self):
        out = Writer().u(8, self.profile).u(8, self.constraints).u(8, 30).ue(self.sps)
        if self.profile == HIGH:
            self._chroma(out)
        out.ue(self.frame_num_bits - 4).ue(self.order)
        if self.order == 0:
            out.ue(self.order_bits - 4)
        elif self.order == 1:
            out.u(1, not self.order_stated).se(-3).se(5).ue(2).se(1).se(-1)
        out.ue(4).u(1, self.gaps_allowed).ue(9).ue(7).u(1, not self.fields)
        if self.fields:
            out.u(1, 0)
        return out.u(1, 1).u(1, 0).u(1, 0).unit(0x67)

    def _chroma(self, out):
        out.ue(self.chroma)
        if self.chroma == 3:
            out.u(1, self.planes)
        out.ue(0).ue(0).u(1, 0).u(1, self.scaling)
        if self.scaling:
            for index in range(12 if self.chroma == 3 else 8):
                out.u(1, index % 2)
                if index % 4 == 1:
                    out.se(-8)  # ends the list at once
                elif index % 4 == 3:
                    for _ in range(16 if index < 6 else 64):
                        out.se(1)

    def picture(self):
        out = Writer().ue(self.pps).ue(self.sps).u(1, 1).u(1, self.order_in_frame).ue(self.groups - 1)
        if self.groups > 1:
            return out.ue(0).unit(0x68)
        out.ue(self.references[0] - 1).ue(self.references[1] - 1).u(1, self.weighted).u(2, self.bipred)
        return out.se(0).se(0).se(0).u(1, 1).u(1, 0).u(1, self.redundant).unit(0x68)

    def slice(
        self,
        number,
        *,
        idr=False,
        ref=True,
        first_mb=0,
        kind=P,
        field=0,
        marking=(),
        changes=(),
        override=None,
        weights=(),
    ):
        """A slice of picture `number`; `changes` are those of reference lists, `marking` what becomes of references."""
        out = Writer().ue(first_mb).ue(kind).ue(self.pps)
        if self.planes and self.chroma == 3:
            out.u(2, 1)
        out.u(self.frame_num_bits, number)
        if self.fields:
            out.u(1, field > 0)
            if field:
                out.u(1, field - 1)
        if idr:
            out.ue(0)
        self._order(out, field)
        if self.redundant:
            out.ue(0)
        self._references(out, kind, changes, override, weights)
        if ref and idr:
            out.u(2, 0)
        elif ref:
            out.u(1, bool(marking))
            for operation, *operands in marking:
                out.ue(operation)
                for operand in operands:
                    out.ue(operand)
            if marking:
                out.ue(0)
        return out.u(32, 0xDEADBEEF).unit((0x60 if ref else 0) | (IDR if idr else SLICE))

    def _order(self, out, field):
        if self.order == 0:
            out.u(self.order_bits, 1)
        elif self.order == 1 and self.order_stated:
            out.se(-2)
        else:
            return
        if self.order_in_frame and not field:
            out.se(1)

    def _references(self, out, kind, changes, override, weights):
        if kind == B:
            out.u(1, 1)
        if kind == I:
            return
        lists = 2 if kind == B else 1
        counts = override[:lists] if override else self.references[:lists]
        out.u(1, override is not None)
        if override:
            for count in counts:
                out.ue(count - 1)
        for _ in counts:
            out.u(1, bool(changes))
            for operation, operand in changes:
                out.ue(operation).ue(operand)
            if changes:
                out.ue(3)
        if self.weighted if kind == P else self.bipred == 1:
            self._weights(out, sum(counts), weights)

    def _weights(self, out, count, weights):
        out.ue(5)
        if self.has_colour:
            out.ue(5)
        for index in range(count):
            stated = index < len(weights) and weights[index]
            for numbers in (2, 4) if self.has_colour else (2,):
                out.u(1, bool(stated))
                for _ in range(numbers if stated else 0):
                    out.se(stated)


def information(*payloads):
    """Supplemental information: payloads of (type, bytes)."""
    data = bytearray()
    for kind, payload in payloads:
        for number in (kind, len(payload)):
            data += b"\xff" * (number // 255) + bytes([number % 255])
        data += payload
    return b"\x06" + escaped(bytes(data) + b"\x80")


def recovery(count):
    """A recovery point that is complete after `count` frame numbers."""
    out = Writer().ue(count).u(1, 0).u(1, 0).u(2, 0)
    bits = out.bits + "1" + "0" * (-(len(out.bits) + 1) % 8)
    return information((6, int(bits, 2).to_bytes(len(bits) // 8, "big")))


def annex_b(*units):
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)
