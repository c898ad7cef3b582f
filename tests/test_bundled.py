import pytest

from streamd import bundled


@pytest.mark.parametrize("kind", ["assets", "kernels", "configs"])
def test_every_kind_of_bundled_file_is_found(kind):
    assert any(bundled.folder(kind).iterdir())


def test_a_kind_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match="no folder nonsense"):
        bundled.folder("nonsense")
