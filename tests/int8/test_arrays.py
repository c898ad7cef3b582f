import io
import random
import zipfile

import numpy as np
import pytest

from streamd.int8.arrays import SpoiltError, read

PACKINGS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def header(text):
    """A .npy member whose header says this."""
    raw = text.encode()
    raw += b" " * (63 - (10 + len(raw)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + bytes(64)


def packed(member, how=zipfile.ZIP_STORED, name="counts.npy"):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        archive.writestr(name, member)
    return made.getvalue()


def described(shape, kind="'<i8'"):
    return header(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}")


def test_arrays_are_read_by_name(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", counts=np.arange(4), more=np.zeros((2, 3)))
    found = read(tmp_path / "a.npz")
    assert {name: value.shape for name, value in found.items()} == {"counts": (4,), "more": (2, 3)}


def test_a_file_that_is_not_there_is_left_to_whoever_asked(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.npz")


@pytest.mark.parametrize("how", PACKINGS)
def test_no_spoilt_file_gets_through_as_another_error(tmp_path, how):
    """Cut and flipped at random: it is read as it stands, or refused."""
    chance = random.Random(0)
    whole = packed(described("(8,)"), how)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        for _ in range(min(len(data), chance.randrange(1, 4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "a.npz").write_bytes(data)
        try:
            read(tmp_path / "a.npz")
        except (SpoiltError, OSError) as error:
            assert str(error)
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    "member",
    [
        described(f"({10**30},)"),
        described(f"({10**14},)"),
        described("(-1,)"),
        described("(1,)", "'O'"),
        described("(1,)", "('<i8', 3.5)"),
        described("(1,)", "{'a': 1}"),
        header("(" * 300 + ")" * 300),
        header("{[1]: 2}"),
        b"",
    ],
    ids=range(9),
)
def test_a_header_that_no_array_has_is_refused(tmp_path, member):
    (tmp_path / "a.npz").write_bytes(packed(member) if member else b"")
    with pytest.raises(SpoiltError):
        read(tmp_path / "a.npz")


def test_a_single_array_is_not_a_file_of_arrays(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(SpoiltError):
        read(tmp_path / "a.npz")
