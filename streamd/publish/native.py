"""Sending on a ZeroMQ socket without letting go of Python's lock.

pyzmq lets go of it for every part of every message. A part that nobody waits for takes a microsecond to send; to get
the lock back takes a hundred where dozens of cameras queue for it, and the thread that publishes sends two parts a
frame: on a GPU that was what limited the whole daemon.
"""

import ctypes
import errno
from collections.abc import Callable
from types import ModuleType

import structlog
import zmq

Send = Callable[[bytes, int], object]  # a part, and the flags of zmq_send(3)


def sender(socket: "zmq.Socket[bytes]") -> Send:
    """Return what sends a part on `socket`, to be called with `zmq.NOBLOCK` and while the socket is open.

    It raises `zmq.ZMQError`. Where libzmq cannot be called by hand (a pyzmq that was built otherwise), it is pyzmq's
    own `send`.
    """
    function = _function()
    if function is None:
        structlog.get_logger().info("messages are sent by pyzmq", reason="its libzmq cannot be called by hand")
        return socket.send
    zmq_send, address = function, socket.underlying

    def send(part: bytes, flags: int) -> None:
        while zmq_send(address, part, len(part), flags) < 0:
            code = zmq.zmq_errno()
            if code != errno.EINTR:
                raise zmq.Again(code) if code == zmq.EAGAIN else zmq.ZMQError(code)

    return send


def _function() -> "ctypes._NamedFuncPointer | None":
    try:
        function = ctypes.PyDLL(str(_extension().__file__)).zmq_send
    except (ImportError, OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
    function.restype = ctypes.c_int
    return function


def _extension() -> ModuleType:
    """Return the module through whose file the very libzmq that pyzmq uses is found."""
    from zmq.backend.cython import _zmq  # noqa: PLC0415 - not every pyzmq has it

    return _zmq
