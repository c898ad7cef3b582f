"""Rigs, one a test file: a daemon takes longer to start than a fault to strike."""

import pytest

from tests.faults.rig import Rig


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    made = Rig(tmp_path_factory.mktemp("rig"))
    yield made
    made.close()
