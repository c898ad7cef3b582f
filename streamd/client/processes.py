"""The daemons of this machine that run a configuration file, as /proc tells of them."""

import os
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def serving(config: Path, proc: Path = PROC) -> list[int]:
    """Return the ids of the processes `streamd serve CONFIG` that mean this very file; those that we may look at."""
    return sorted(int(each.name) for each in proc.iterdir() if each.name.isdecimal() and _serves(each, config))


def is_daemon(pid: int, proc: Path = PROC) -> bool:
    """Tell whether a process is a `streamd serve`: any other would die of the signal that has a daemon reload."""
    return _served(proc / str(pid)) is not None


def environment(pid: int, proc: Path = PROC) -> dict[str, str] | None:
    """Return the environment that a process was started with; None where we may not look."""
    try:
        held = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    return dict(each.split("=", 1) for each in os.fsdecode(held).split("\0") if "=" in each)


def _serves(process: Path, config: Path) -> bool:
    arguments = _served(process)
    with suppress(OSError):
        folder = (process / "cwd").readlink() if arguments else process
        return any(_same(folder / each, config) for each in arguments or ())
    return False


def _served(process: Path) -> list[str] | None:
    """Return what stands behind `streamd serve` in a process's command line; None where it runs something else."""
    try:
        arguments = [os.fsdecode(each) for each in (process / "cmdline").read_bytes().split(b"\0")]
    except OSError:
        return None
    program, *more = (Path(each).name for each in arguments[:4])
    # What starts it and stays, as `docker-init -- streamd serve` or `sudo streamd serve`, is not it.
    own = program == "streamd" or (program.startswith(("python", "pypy")) and "streamd" in more)
    if not own or "serve" not in arguments:
        return None
    return [each for each in arguments[arguments.index("serve") + 1 :] if each]


def _same(path: Path, config: Path) -> bool:
    with suppress(OSError):
        return path.samefile(config)
    return False
