"""A daemon, cameras behind proxies, and a reader that keeps all it hears: what tests and table strike at."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import yaml

from streamd import wire
from streamd.client.subscriber import Subscriber
from streamd.errors import ClientError
from tests import made
from tests.faults.proxy import Proxy

SERVER = Path(__file__).resolve().parents[1] / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"
BACKOFF_CAP_S = 0.5
QUICK = {
    "open_timeout": "4s",
    "read_timeout": "2s",
    "reconnect": {"initial": "100ms", "maximum": f"{BACKOFF_CAP_S}s"},
}


class Rig:
    """Everything is started by its methods and ended by `close`. Waits are on conditions, up to `patience_s`."""

    def __init__(self, folder, patience_s=60):
        self.folder = Path(folder)
        self.endpoint = f"ipc://{folder}/det"
        self.video = f"ipc://{folder}/vid"
        self.patience_s = patience_s
        self.heard = Heard(self.endpoint)
        self.status_port = _free_port()
        self.model = {"path": str(made.model(self.folder / "nothing.onnx")), "batch": 4}
        self.daemon = None
        self.cameras = {}
        self.sections = {}
        self._stack = ExitStack()
        self._stack.callback(self.heard.close)

    def server(self, *mounts, port=0):
        """Start an RTSP server; return its port and its process."""
        command = [SYSTEM_PYTHON, str(SERVER), "--port", str(port), *mounts]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._stack.callback(_end, process)
        word, _, number = process.stdout.readline().partition(" ")
        assert word == "ready", f"no RTSP server: {' '.join(command)}"
        return int(number), process

    def proxy(self, target):
        made_proxy = Proxy(target)
        self._stack.callback(made_proxy.close)
        return made_proxy

    def config(self):
        """Write the configuration as `cameras`, `model` and `sections` have it; return its path."""
        tree = {
            "models": {"nothing": self.model},
            "cameras": {name: {"model": "nothing", **QUICK, **camera} for name, camera in self.cameras.items()},
            "publish": {"detections": {"bind": self.endpoint}, "video": {"bind": self.video}},
            "metrics": {"bind": f"127.0.0.1:{self.status_port}"},
            **self.sections,
        }
        path = self.folder / "cams.yaml"
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump(tree))
        part.replace(path)
        return path

    def start(self, program=("-m", "streamd", "serve")):
        """Start the daemon, or a program of Python's that is one but for what is wrong with it."""
        with (self.folder / "log").open("w") as log:
            self.daemon = subprocess.Popen([sys.executable, *program, str(self.config())], stderr=log, cwd=self.folder)
        self._stack.callback(_end, self.daemon)

    def reload(self):
        """Have the daemon read its configuration anew, and wait until it has."""
        self.config()
        before = self.sum("streamd_reloads_total")
        self.daemon.send_signal(signal.SIGHUP)
        self.until(lambda: self.sum("streamd_reloads_total") > before, "the reload")

    def stop(self):
        """End the daemon by SIGTERM; return its exit code."""
        self.daemon.terminate()
        return self.daemon.wait(self.patience_s)

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def status(self, camera):
        """The camera's part of the status page."""
        return json.loads(self._page("status"))["cameras"][camera]

    def sum(self, metric, *labels):
        """The sum of a metric over its labels, those with all of `labels` in them."""
        lines = [line for line in self._page("metrics").splitlines() if line.startswith(metric)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(f'"{label}"' in line for label in labels))

    def _page(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/{name}", timeout=30) as answer:
            return answer.read().decode()

    def until(self, condition, what):
        """Wait until `condition`, looked at with every message heard, several times a second at least."""
        assert self.heard.wait(condition, self.patience_s), f"no sign of {what}\n{self.log[-3000:]}"

    def frames(self, camera, since=0):
        """The detections of a camera among what was heard from `since` on."""
        return [
            each for each in self.heard.messages[since:] if each.camera == camera and isinstance(each, wire.Detections)
        ]

    def events(self, camera, since=0):
        return [each for each in self.heard.messages[since:] if each.camera == camera and isinstance(each, wire.Event)]

    def resources(self):
        """Resident memory in MB, threads and open files of the daemon."""
        return resources(self.daemon.pid)

    def close(self):
        self._stack.close()


class Heard:
    """Every message that a daemon publishes, kept in order by a thread of its own."""

    def __init__(self, endpoint):
        self.messages = []
        self._news = threading.Condition()
        self._ended = False
        self._subscriber = Subscriber(endpoint)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while not self._ended:
            with suppress(ClientError):
                message = self._subscriber.receive(0.1)
                with self._news:
                    if message is not None:
                        self.messages.append(message)
                    self._news.notify_all()
        self._subscriber.close()

    def wait(self, condition, seconds):
        """Wait until `condition` holds; false when it did not in time."""
        with self._news:
            return self._news.wait_for(condition, seconds)

    def close(self):
        self._ended = True
        self._thread.join()


def resources(pid):
    """Resident memory in MB, threads and open files of a process, as Linux counts them."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return (
        int(status["VmRSS"].split()[0]) / 1024,
        int(status["Threads"]),
        sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
    )


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _end(process):
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
