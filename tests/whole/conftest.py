"""The real commands, each in a process of its own, joined by real sockets."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml


class House:
    """Starts streamd commands in a folder of their own, and ends what is left of them."""

    def __init__(self, folder):
        self.folder = folder
        self.detections = f"ipc://{folder}/det"
        self.video = f"ipc://{folder}/vid"
        self._running = []

    def config(self, cameras, model, **sections):
        path = self.folder / "cams.yaml"
        tree = {
            "models": {"model": model},
            "cameras": {name: {"model": "model", **camera} for name, camera in cameras.items()},
            "publish": {"detections": {"bind": self.detections}, "video": {"bind": self.video}},
            **sections,
        }
        path.write_text(yaml.safe_dump(tree))
        return path

    def start(self, *arguments, **environment):
        """Start a command of ours."""
        return self.spawn([sys.executable, "-m", "streamd", *map(str, arguments)], {**os.environ, **environment})

    def spawn(self, command, environment):
        """Start a process; what it prints goes to files, since nobody reads along."""
        number = len(self._running)
        with (self.folder / f"{number}.out").open("w") as out, (self.folder / f"{number}.err").open("w") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, cwd=self.folder, env=environment)
        self._running.append(process)
        return process

    def printed(self, process):
        """What a command has written to stdout and stderr."""
        number = self._running.index(process)
        return (self.folder / f"{number}.out").read_text(), (self.folder / f"{number}.err").read_text()

    def run(self, *arguments, timeout=60):
        process = self.start(*arguments)
        process.wait(timeout)
        return process.returncode, *self.printed(process)

    def end(self, process, how=signal.SIGINT, timeout=30):
        """Send a signal, wait, and return what the process printed."""
        process.send_signal(how)
        process.wait(timeout)
        return self.printed(process)

    def close(self):
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def read_jsonl():
    return lambda text: [json.loads(line) for line in text.splitlines()]
