"""A reload, as the loop that watches the daemon does it: of a file that is any file at all, at any time."""

from pathlib import Path

import pytest
from hypothesis import given

from streamd import config, serve
from streamd.clock import SystemClock
from streamd.errors import ConfigError
from streamd.flow.pipeline import Pipeline
from streamd.metrics import Metrics
from streamd.notify import Notifier
from streamd.secrecy import Hide
from tests.config.test_fuzz import FUZZ
from tests.documents import documents

GOOD = """
models: {street: {path: "bundled:street.onnx"}}
cameras: {front: {uri: "scenes:", model: street}}
log: {level: error}
"""


class Daemon:
    """Takes whatever it is given."""

    stopping = ending = False

    def __init__(self, settings):
        self.settings = settings

    def reload(self, settings):
        self.settings = settings
        return ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("serve")
    for name in ("street.onnx", "clip.mp4"):
        (made / name).write_bytes(b"there")
    return made


def watch(path):
    """A loop that has read the file of before."""
    path.write_text(GOOD)
    daemon, metrics = Daemon(config.load(path, {})), Metrics(SystemClock())
    pages = Pipeline([], serve.StopGroup())
    return daemon, metrics, serve.Watch(daemon, path, {}, Hide(()), Notifier({}), metrics, pages, SystemClock())


def test_whatever_the_file_is_it_is_applied_whole_or_the_old_one_stays(folder):
    path = folder / "cams.yaml"
    daemon, metrics, loop = watch(path)
    seen = {True: 0, False: 0}

    @FUZZ
    @given(documents())
    def reload(data):
        old, before = daemon.settings, metrics.generation
        path.write_bytes(data)
        loop._reload()
        try:
            new = config.load(Path(path), {})
        except ConfigError:
            assert daemon.settings is old
            assert (metrics.generation, bool(metrics.refused)) == (before, True)
        else:
            assert daemon.settings == new
            assert (metrics.generation, metrics.refused) == (before + 1, "")
        seen[daemon.settings is old] += 1

    reload()
    assert min(seen.values()) > 20, seen


@pytest.mark.parametrize("state", ["stopping", "ending"])
def test_a_reload_that_comes_too_late_is_refused_at_once(folder, state):
    daemon, metrics, loop = watch(folder / "late.yaml")
    old, before = daemon.settings, metrics.generation
    setattr(daemon, state, True)
    loop._reload()
    assert (daemon.settings, metrics.generation) == (old, before)
    assert (metrics.reloads["refused"], metrics.reloads["accepted"]) == (1, 0)
    assert metrics.refused.startswith("the daemon is ending")
