"""A pair of CURVE keys as two files: NAME.secret, for its owner alone, and NAME.public, for whoever is to trust it."""

import os
from pathlib import Path

import zmq

from streamd.errors import ClientError


def write_pair(name: Path) -> tuple[Path, Path]:
    """Make a pair of keys, write each to its file, and return the files, the secret one first.

    Raises:
        ClientError: one of them is there already, or cannot be written.
    """
    secret, public = (name.with_name(f"{name.name}.{kind}") for kind in ("secret", "public"))
    if not name.name:
        raise ClientError(f"{str(name)!r} is no name for a key", mend="give one such as /etc/streamd/server")
    for path in (secret, public):
        if os.path.lexists(path):
            raise ClientError(f"{path} is there already", mend="give another name, or remove it first")
    public_key, secret_key = zmq.curve_keypair()
    _write(secret, secret_key, 0o600)
    try:
        _write(public, public_key, 0o644)
    except ClientError:
        secret.unlink()
        raise
    return secret, public


def _write(path: Path, key: bytes, mode: int) -> None:
    try:
        path.touch(mode, exist_ok=False)
        try:
            path.write_bytes(key + b"\n")
        except OSError:
            path.unlink()
            raise
    except OSError as error:
        raise ClientError(
            f"cannot write {path}: {error.strerror}", mend="name a folder that you may write to"
        ) from error
