"""The systemd units as they are installed: those in systemd/, with this installation's paths, and what they mean."""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamd import bundled, output
from streamd.errors import DataError

Kind = Literal["system", "template", "user"]

UNITS: dict[Kind, str] = {"system": "streamd.service", "template": "streamd@.service", "user": "user/streamd.service"}
CONFIGS: dict[Kind, str] = {
    "system": "/etc/streamd/streamd.yaml",
    "template": "/etc/streamd/%i.yaml",
    "user": "%E/streamd/streamd.yaml",
}
PROGRAM = "/opt/streamd/.venv/bin/streamd"
HIDDEN = ("/home/", "/root/", "/run/user/")  # what ProtectHome= hides

MEANINGS = {
    "Type": "it is started once it says so: sockets bound, models loaded",
    "WatchdogSec": "it is restarted when frames wait and no model finishes any for so long",
    "ExecReload": "`systemctl reload` applies the file as it now is; one that is not valid changes nothing",
    "DynamicUser": "it runs as a user of its own, who owns nothing else and is gone when it ends",
    "ProtectSystem": "all files are read-only but those of the next three",
    "RuntimeDirectory": "for ipc:// sockets, below /run (a user's: $XDG_RUNTIME_DIR)",
    "StateDirectory": "for `publish.file`, below /var/lib (a user's: ~/.local/state, with older systemd ~/.config)",
    "CacheDirectory": "for compiled kernels, below /var/cache (a user's: ~/.cache)",
    "LoadCredential": "secrets that only it can read, in $CREDENTIALS_DIRECTORY",
    "DevicePolicy": "of devices, only NVIDIA's and those such as /dev/null",
    "CapabilityBoundingSet": "none of root's powers, whatever it runs",
    "SystemCallFilter": "only the system calls that services need",
    "RestrictAddressFamilies": "IP and local sockets alone",
    "TimeoutStopSec": "how long it may drain before it is killed",
}

_NAME = re.compile(r"[\w.-]+", re.ASCII)
_PLAIN = re.compile(r"[\w./@:+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit to install."""

    name: str
    text: str

    def meanings(self) -> list[tuple[str, str]]:
        """Return its settings that deserve a word, each with one, in their order."""
        keys = dict.fromkeys(line.partition("=")[0] for line in self.text.splitlines() if re.match(r"[A-Z]\w+=", line))
        return [(key, MEANINGS[key]) for key in keys if key in MEANINGS]


def unit(kind: Kind, program: Path, config: Path | None = None, credentials: tuple[str, ...] = ()) -> Unit:
    """Return the unit that runs `program` on `config`, with `credentials` (ID:PATH) loaded.

    Raises:
        DataError: a path or credential that systemd would misread, or that the service could not see.
    """
    text = (bundled.folder("systemd") / UNITS[kind]).read_text()
    for path in (program, *([config] if config else [])):
        _check(path, kind)
    text = text.replace(PROGRAM, str(program))
    if config is not None:
        text = text.replace(CONFIGS[kind], str(config))
    for credential in credentials:
        name, _, file = credential.partition(":")
        if not _NAME.fullmatch(name) or not (file.startswith("/") and _PLAIN.fullmatch(file)):
            raise DataError(f"credential {credential!r}", mend="write NAME:/ABSOLUTE/PATH")
    loaded = "".join(f"LoadCredential={credential}\n" for credential in credentials)
    return Unit(Path(UNITS[kind]).name, text.replace("ExecStartPre=", f"{loaded}ExecStartPre=", 1))


def _check(path: Path, kind: Kind) -> None:
    if not path.is_absolute() or not _PLAIN.fullmatch(str(path)):
        raise DataError(f"{path}: a unit needs an absolute path of letters, digits and . / - _ @ + :", mend="move it")
    if kind != "user" and str(path).startswith(HIDDEN):
        raise DataError(
            f"{path}: the service cannot see home folders (ProtectHome=)",
            mend="install into /opt/streamd/.venv and configure in /etc/streamd, or use --user",
        )


def write(unit: Unit, folder: Path, configs: Path | None = None, *, force: bool = False) -> tuple[Path, bool]:
    """Write a unit into a folder; return its path, and whether it was not there as it is already.

    Before it `configs` is made, the folder of the configuration, as the user who installs: the service itself must not
    own it. The unit comes last, so none is there that lacks something; if it cannot be written nothing new stays.

    Raises:
        DataError: it is there and says otherwise, or a folder or it cannot be made.
    """
    path = folder / unit.name
    try:
        known = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise _failed(f"read {path}", error) from error
    new = known != unit.text.encode()
    if known is not None and new and not force:
        raise DataError(f"{path} is there and says otherwise", mend="compare with --print, then use --force")
    with ExitStack() as made:
        for each in (configs, folder) if configs else (folder,):
            try:
                made.enter_context(output.folder(each))
            except OSError as error:
                raise _failed(f"make {each}", error) from error
        try:
            if new:
                output.write(path, unit.text.encode())
        except OSError as error:
            raise _failed(f"write {path}", error) from error
    return path, new


def _failed(what: str, error: OSError) -> DataError:
    return DataError(f"cannot {what}: {error.strerror}", mend="use sudo, or --user")
