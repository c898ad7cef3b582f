"""The daemons of this machine that run a configuration file, as /proc tells of them."""

import os
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def serving(config: Path, proc: Path = PROC) -> list[int]:
    """Return the ids of the processes `streamd serve CONFIG` that mean this very file; those that we may look at."""
    return sorted(int(each.name) for each in proc.iterdir() if each.name.isdecimal() and _serves(each, config))


def _serves(process: Path, config: Path) -> bool:
    with suppress(OSError):
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if b"serve" in arguments and any(Path(os.fsdecode(each)).name == "streamd" for each in arguments[:4]):
            folder = (process / "cwd").readlink()
            rest = [os.fsdecode(each) for each in arguments[arguments.index(b"serve") + 1 :] if each]
            return any(_same(folder / each, config) for each in rest)
    return False


def _same(path: Path, config: Path) -> bool:
    with suppress(OSError):
        return path.samefile(config)
    return False
