import pytest
import zmq

from streamd.checkup import Missing
from streamd.publish import probe


def test_zeromq_tells_its_versions():
    assert probe.bound() == f"{zmq.zmq_version()}, pyzmq {zmq.__version__}"


def test_a_zeromq_that_can_encrypt_says_so():
    if not zmq.has("curve"):
        pytest.skip("this ZeroMQ was built without libsodium")
    assert probe.encrypts() == "encrypts"


def test_a_zeromq_that_cannot_is_missing_it(monkeypatch):
    monkeypatch.setattr(zmq, "has", lambda capability: False)
    with pytest.raises(Missing, match="libsodium"):
        probe.encrypts()
