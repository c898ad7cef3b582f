from pathlib import Path

import pytest

from streamd.config import read_keys, read_secret
from streamd.errors import ConfigError


@pytest.mark.parametrize("read", [read_secret, read_keys])
@pytest.mark.parametrize(
    "path,said",
    [
        ("/nowhere", "cannot be read: No such file or directory"),
        ("/dev/null/x", "cannot be read: Not a directory"),
        ("/" + "a" * 300, "cannot be read: File name too long"),  # as a folder that we may not search: no path of ours
        ("/tmp", "is no file"),
        ("/dev/zero", "is no file"),
    ],
)
def test_a_secret_that_cannot_be_read_is_one_line(read, path, said):
    with pytest.raises(ConfigError, match=said):
        read(Path(path))
