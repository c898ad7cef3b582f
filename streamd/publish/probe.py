"""Whether ZeroMQ is there, and can encrypt. For `streamd doctor`."""

from collections.abc import Iterator

import zmq

from streamd.checkup import Missing, Probe

REINSTALL = "pip install --force-reinstall 'pyzmq>=26' (its wheels have it)"


def probes() -> Iterator[Probe]:
    """Yield the looks."""
    yield Probe("ZeroMQ", bound, REINSTALL)
    yield Probe("CURVE", encrypts, REINSTALL)


def bound() -> str:
    """Return its versions, once it has bound a socket."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.bind("inproc://streamd-doctor")
    return f"{zmq.zmq_version()}, pyzmq {zmq.__version__}"


def encrypts() -> str:
    """Make a pair of keys; Missing where this ZeroMQ has no encryption."""
    if not zmq.has("curve"):
        raise Missing("this ZeroMQ was built without libsodium")
    zmq.curve_keypair()
    return "encrypts"
