"""A folder with what the smallest configuration names, and what a text comes to in it."""

import pytest

from streamd import config
from streamd.errors import ConfigError


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that MINIMAL names."""
    (tmp_path / "street.onnx").write_bytes(b"model")
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    return tmp_path


@pytest.fixture
def load(folder):
    """Load a text as `cams.yaml` of the folder."""

    def load(text, **env):
        path = folder / "cams.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config.load(path, env)

    return load


@pytest.fixture
def faults(load, folder):
    """The findings of a text, one `LINE:COLUMN: KEY: MESSAGE` each."""

    def faults(text, **env):
        with pytest.raises(ConfigError) as caught:
            load(text, **env)
        return [str(finding).removeprefix(f"{folder}/cams.yaml:") for finding in caught.value.findings]

    return faults
