"""Where the pages of a daemon are: written as ADDRESS:PORT, or found in its configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

DEFAULT = "127.0.0.1:9464"


class Pages(NamedTuple):
    """Where the pages are, and the token that they want; none where it is empty."""

    address: str
    token: str = ""


def pages(
    where: str,
    token_file: Path | None = None,
    root: Path = Path("/"),
    environment: Mapping[str, str] = os.environ,
) -> Pages:
    """Return what is meant by ADDRESS:PORT, http://ADDRESS:PORT or the file of a configuration.

    `root` is where the files that a configuration names are looked for, and `environment` holds its variables: ours,
    or those of the daemon.

    Raises:
        ConfigError: the file or its `metrics` cannot be used, or the file of a token.
        ClientError: the configuration has no `metrics`.
    """
    from streamd import config  # noqa: PLC0415 - pydantic is slow to start
    from streamd.errors import ClientError  # noqa: PLC0415 - likewise

    token = "" if token_file is None else config.read_secret(token_file)
    if not where.endswith((".yaml", ".yml")) and not Path(where).is_file():
        return Pages(where.removeprefix("http://").rstrip("/"), token)
    metrics = config.pages(Path(where), environment)
    if metrics is None:
        raise ClientError(f"{where} has no `metrics:`", mend="write it, and restart the daemon")
    if not token and metrics.token_file is not None:
        file = config.locate(metrics.token_file, Path(where).absolute().parent)
        token = config.read_secret(root / file.relative_to("/"))
    return Pages(here(metrics.bind), token)


def here(bind: str) -> str:
    """Return the address to call where `bind` is the one that is listened at."""
    host, _, port = bind.rpartition(":")
    return f"{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]', '*': '127.0.0.1'}.get(host, host) }:{port}"
