"""Bits of an H.264 NAL unit, read from the first on (ITU-T H.264, 7.2 and 9.1). Knows no syntax."""


def unescaped(escaped: bytes) -> bytes:
    """Return the bytes of a unit without the emulation_prevention_three_byte of 7.4.1, which keeps start codes out."""
    return escaped.replace(b"\x00\x00\x03", b"\x00\x00")


class Truncated(Exception):
    """More bits were asked for than there are, or a number that no unit can hold."""


class Bits:
    """A cursor over the bits of `payload`, which has been unescaped."""

    __slots__ = ("_left", "_value")

    def __init__(self, payload: bytes) -> None:
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def u(self, count: int) -> int:
        """Return the next `count` bits as a number; `Truncated` where there are fewer."""
        self._left -= count
        if self._left < 0:
            raise Truncated
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Return the next Exp-Golomb number, 9.1; `Truncated` where it does not end, or has more than 32 bits."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if not rest or zeros > 32:
            raise Truncated
        self._left -= 2 * zeros + 1
        if self._left < 0:
            raise Truncated
        return (rest >> self._left) - 1

    def se(self) -> int:
        """Return the next signed Exp-Golomb number, 9.1.1: 0, 1, -1, 2, -2 and so on."""
        number = self.ue()
        return (number + 1) // 2 if number % 2 else -(number // 2)
