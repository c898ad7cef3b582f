import stat

import pytest
import zmq

from streamd.client.keys import write_pair
from streamd.errors import ClientError


def test_a_pair_belongs_together_and_the_secret_one_is_its_owner_s(tmp_path):
    secret, public = write_pair(tmp_path / "server.office")
    assert (secret.name, public.name) == ("server.office.secret", "server.office.public")
    assert zmq.curve_public(secret.read_bytes().strip()) == public.read_bytes().strip()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["secret", "public"])
def test_nothing_is_overwritten(tmp_path, kind):
    (tmp_path / f"server.{kind}").write_text("precious")
    with pytest.raises(ClientError, match=f"server.{kind} is there already"):
        write_pair(tmp_path / "server")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ClientError, match="No such file or directory; name a folder"):
        write_pair(tmp_path / "no" / "server")
