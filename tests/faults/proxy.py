"""A TCP proxy that misbehaves as it is told: between the daemon and an RTSP server that knows nothing of it.

It forwards every connection to `target`. What comes back from the server can be held, slowed down, cut off, or changed
packet by packet where RTP travels interleaved with RTSP (RFC 2326, 10.12).
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

Tamper = Callable[[bytearray], bytes]  # one RTP packet, header and all; what is to travel on instead, empty for nothing

_HEADER = 12  # bytes of an RTP header without extensions
_FRAGMENT = 28  # RFC 6184, 5.8: a unit in parts, whose own type stands in the next byte
_KEY = 5  # a slice of a key frame
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close by RST


class Proxy:
    """Listens at `port` until `close`; everything may be set at any time, from any thread."""

    def __init__(self, target: int) -> None:
        """`target` is a port of 127.0.0.1; it may change, for the connections to come."""
        self.target = target
        self.bytes_per_s: int | None = None
        self.tamper: Tamper | None = None
        self.connections = 0  # ever taken
        self._flowing = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    def hold(self) -> None:
        """Keep every connection open, and let nothing more through: a black hole for whoever comes now."""
        self._flowing = False

    def release(self) -> None:
        """Go on where `hold` came."""
        self._flowing = True

    def reset(self) -> None:
        """Break every connection off by a TCP reset."""
        self._call(self._reset())

    def close(self) -> None:
        """Break everything off and end."""
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _shut(self) -> None:
        self._server.close()  # not safe from another thread, whatever the last connection does meanwhile
        await self._reset()

    async def _reset(self) -> None:
        writers, self._writers = self._writers, set()
        for writer in writers:
            _abort(writer)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        self._writers.add(there_writer)
        forth = asyncio.ensure_future(self._forth(reader, there_writer))
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._back(there_reader, writer)
        forth.cancel()
        for each in (writer, there_writer):
            self._writers.discard(each)
            each.close()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _message(reader):
            if data[:2] == b"$\0" and self.tamper is not None:
                packet = self.tamper(bytearray(data[4:]))
                data = data[:2] + len(packet).to_bytes(2, "big") + packet if packet else b""
            while not self._flowing and not writer.is_closing():
                await asyncio.sleep(0.005)
            await self._send(writer, data)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        step = max(1, self.bytes_per_s // 20) if self.bytes_per_s else len(data) or 1
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await writer.drain()
            if self.bytes_per_s:
                await asyncio.sleep(0.05)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Read one interleaved packet, or one RTSP response with its body; nothing at the end."""
    first = await reader.read(1)
    if first == b"$":
        head = await reader.readexactly(3)
        return first + head + await reader.readexactly(int.from_bytes(head[1:], "big"))
    if not first:
        return b""
    head = first + await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    return head + await reader.readexactly(length)


def _abort(writer: asyncio.StreamWriter) -> None:
    line = writer.get_extra_info("socket")
    if line is not None:
        with suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    writer.transport.abort()


def flip(share: float, seed: int = 0) -> Tamper:
    """Flip one bit of the payload of so many packets of a hundred."""
    rng = random.Random(seed)

    def tamper(packet: bytearray) -> bytes:
        if rng.random() < share and len(packet) > _HEADER + 2:
            packet[rng.randrange(_HEADER + 2, len(packet))] ^= 1 << rng.randrange(8)
        return packet

    return tamper


def truncate(share: float, seed: int = 0) -> Tamper:
    """Cut so many packets short, at half of their payload."""
    rng = random.Random(seed)
    return lambda packet: packet[: (_HEADER + len(packet)) // 2 + 1] if rng.random() < share else packet


def lose(share: float, seed: int = 0) -> Tamper:
    """Lose so many packets."""
    rng = random.Random(seed)
    return lambda packet: b"" if rng.random() < share else packet


def begin(pictures: int) -> Tamper:
    """Let through so many pictures of H.264, a key frame first, and lose all that comes before and after."""
    left = pictures
    begun = False

    def tamper(packet: bytearray) -> bytes:
        nonlocal left, begun
        kind = packet[_HEADER + 1] & 31 if packet[_HEADER] & 31 == _FRAGMENT else packet[_HEADER] & 31
        begun = begun or kind == _KEY
        taken = packet if begun and left > 0 else b""
        left -= begun and packet[1] >> 7  # the marker: the last packet of a picture
        return taken

    return tamper


def shift(seconds: float) -> Tamper:
    """Set the camera's clock, as RTP tells it, forward or back."""

    def tamper(packet: bytearray) -> bytes:
        stamp = int.from_bytes(packet[4:8], "big") + round(seconds * 90_000)
        packet[4:8] = (stamp % 2**32).to_bytes(4, "big")
        return packet

    return tamper
