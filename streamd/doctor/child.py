"""The looks of one room, in a process of its own that may hang or crash: it is ended, and the rest is looked at anew.

The child writes one line of JSON before each look, one after it, and one at its end, into a pipe that no library knows
of. What libraries print goes to a file, whose last line may explain a crash.
"""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

from streamd.checkup import Part, Probe

CODE = "from streamd.doctor import child; child.main()"
KILLED_S = 2.0  # a process that hangs inside the driver cannot even be killed: it is left to the kernel
CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """A part; whether its look called the GPU's driver, and whether it had to be given up."""

    part: Part
    gpu: bool = False
    timed_out: bool = False


def ask(room: str, first: str, environment: Mapping[str, str], patience_s: float, *, gpu: bool) -> Iterator[Answer]:
    """Yield what the room's probe.py finds. `first` names what is told when the room itself cannot be loaded.

    Without `gpu`, looks that call the driver are told as broken, and not tried.
    """
    done: list[str] = []
    while True:
        timed_out = False
        run = _Run([room, first, str(int(gpu)), *done], environment)
        try:
            for message in run.messages(patience_s):
                if "part" in message:
                    done.append(message["part"]["name"])
                    yield Answer(Part(**message["part"]))
            if run.ended:
                return
            said = run.crash()
        except TimeoutError:
            said, timed_out = f"gave no answer in {patience_s:g} s", True
            gpu = gpu and not run.gpu
        finally:
            run.close()
        name = run.looking or first
        if name in done:  # it ended by itself, in between two looks: there is no getting past that
            name = f"{room} ({first})"
        done.append(name)
        mend = "see `dmesg`; reinstall the NVIDIA driver" if run.gpu else "pip install --force-reinstall streamd"
        yield Answer(Part(name, "broken", said, mend), run.gpu, timed_out)
        if not run.looking:
            return


class _Run:
    """One child."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.looking = ""  # at what, while it does
        self.gpu = False
        self.ended = False
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._pipe, written = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", CODE, str(written), *arguments],
            env={**environment, "CUPY_CACHE_IN_MEMORY": "1"},  # so that CuPy compiles, and keeps nothing
            stdin=subprocess.DEVNULL,
            stdout=self._noise,
            stderr=self._noise,
            pass_fds=[written],
        )
        os.close(written)

    def messages(self, patience_s: float) -> Iterator[dict[str, Any]]:
        """Yield what the child says until it says no more; TimeoutError when it is silent for so long."""
        held = b""
        while True:
            ready, _, _ = select.select([self._pipe], [], [], patience_s)
            if not ready:
                raise TimeoutError
            chunk = os.read(self._pipe, CHUNK)
            if not chunk:
                return
            *lines, held = (held + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                self.looking, self.gpu = message.get("looking", ""), message.get("gpu", False)
                self.ended = "ended" in message
                yield message

    def crash(self) -> str:
        """Return how the child ended, and its last words."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_S)
        code = self._process.returncode
        how = f"crashed with {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        self._noise.seek(0)
        words = self._noise.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {words[-1].strip()}" if words else how

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_S)
        os.close(self._pipe)
        self._noise.close()


def main() -> None:
    """Be the child: `DESCRIPTOR ROOM FIRST GPU [DONE...]`."""
    descriptor, room, first, gpu, *done = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(int(descriptor), "w", encoding="utf-8", buffering=1) as out:
        for probe in _probes(room, first):
            if probe.name in done:
                continue
            print(json.dumps({"looking": probe.name, "gpu": probe.gpu}), file=out)
            part = probe() if gpu == "1" or not probe.gpu else _untried(probe)
            print(json.dumps({"part": asdict(part)}), file=out)
        print(json.dumps({"ended": True}), file=out)


def _probes(room: str, first: str) -> Iterator[Probe]:
    """Yield the room's looks, or the one that tells why it cannot be loaded."""
    try:
        module = importlib.import_module(f"streamd.{room}.probe")
    except Exception as error:  # noqa: BLE001 - told by the look
        reason = error

        def fail() -> str:
            raise reason

        yield Probe(first, fail, "pip install --force-reinstall streamd")
        return
    yield from module.probes()


def _untried(probe: Probe) -> Part:
    return Part(probe.name, "broken", "not tried: the GPU does not answer", "see the driver")
