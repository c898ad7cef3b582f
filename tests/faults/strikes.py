"""The faults that a camera can have, one by one: how each strikes, what is then told, and how it goes away again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.faults import proxy as tampers

FPS = 25
MOUNT = f"pattern:160x128:{FPS}"
LARGE, JPEG = f"pattern:192x160:{FPS}", f"jpeg:160x128:{FPS}"


class Scene:
    """One camera of a rig: its proxy, its server, and all that was told of it since it was struck."""

    def __init__(self, rig, name, others, target=None):
        """`others` are ports of servers with the same mount in another shape, `target` of one with this one."""
        self.rig = rig
        self.name = name
        self.others = others
        self.target, self.server = (target, None) if target else rig.server(f"/{name}={MOUNT}")
        self.proxy = rig.proxy(self.target)
        self.since = 0
        self.session = 0
        self.before = {}

    @property
    def camera(self):
        """Its section of the configuration."""
        return {"uri": f"rtsp://viewer:right@127.0.0.1:{self.proxy.port}/{self.name}"}

    def restart(self, *options):
        """Kill the server and start another in its place."""
        self.kill()
        _, self.server = self.rig.server(f"/{self.name}={MOUNT}", *options, port=self.target)

    def kill(self):
        self.server.kill()
        self.server.wait()

    def divert(self, port):
        """Have the camera's address lead to another server."""
        self.proxy.target = port
        self.proxy.reset()

    def ready(self):
        """Wait until it is online and frames come; what happens from now on counts."""
        rig = self.rig
        rig.until(lambda: rig.status(self.name)["state"] == "online", "a camera that is online")
        seen = len(rig.heard.messages)
        rig.until(lambda: rig.frames(self.name, seen), "frames")
        self.since, self.before = len(rig.heard.messages), rig.status(self.name)
        self.session = rig.frames(self.name)[-1].session

    def causes(self):
        return {event.cause for event in self.rig.events(self.name, self.since) if isinstance(event.cause, str)}

    def states(self):
        return [event.state for event in self.rig.events(self.name, self.since)]

    def sizes(self):
        return {(frame.width, frame.height) for frame in self.rig.frames(self.name, self.since)}

    def frames_back(self, strike, since):
        """The frames that came as they did before it was struck."""
        return [
            frame
            for frame in self.rig.frames(self.name, since)
            if (frame.width, frame.height) == (160, 128)
            and (strike.same_session is not False or frame.session > self.session)
        ]

    def back(self, strike, since):
        """Whether frames come again as they did before it was struck."""
        frames = self.frames_back(strike, since)
        return bool(frames) and frames[-1].seq > 0

    def count(self, key):
        """How often something that the status page counts has happened since it was struck."""
        return self.rig.status(self.name)[key] - self.before[key]


@dataclass(frozen=True)
class Strike:
    """`begin` does it, `told` sees that the daemon noticed, `end` undoes it.

    `same_session`: whether the stream goes on as it was; None where it may or may not.
    """

    begin: Callable[[Scene], None]
    told: Callable[[Scene], bool]
    end: Callable[[Scene], None]
    same_session: bool | None = False


def _hold(scene, *, reopened=False):
    scene.proxy.hold()
    if reopened:
        scene.proxy.reset()


def _slow(scene):
    scene.proxy.bytes_per_s = 40


def _tamper(make, scene):
    scene.proxy.tamper = make()


def _well(scene):
    """Undo all that a proxy may have been told."""
    scene.proxy.bytes_per_s = scene.proxy.tamper = None
    scene.proxy.release()
    if scene.proxy.target != scene.target:
        scene.divert(scene.target)


def _unlock(scene):
    scene.restart()


STRIKES: dict[str, Strike] = {
    "server killed, started again": Strike(
        lambda scene: scene.kill(),
        lambda scene: {"refused", "reset", "invalid"} & scene.causes(),
        lambda scene: scene.restart(),
    ),
    "black hole: accepts, never answers": Strike(
        partial(_hold, reopened=True), lambda scene: "timeout" in scene.causes(), _well
    ),
    "stall, for good": Strike(_hold, lambda scene: {"stalled", "reconnecting"} <= set(scene.states()), _well),
    "stall, for a moment": Strike(_hold, lambda scene: "stalled" in scene.states(), _well, same_session=True),
    "connection reset": Strike(
        lambda scene: scene.proxy.reset(), lambda scene: "reconnecting" in scene.states(), lambda scene: None
    ),
    "slow trickle, 40 bytes a second": Strike(_slow, lambda scene: "reconnecting" in scene.states(), _well),
    "wrong password": Strike(
        lambda scene: scene.restart("--user", "viewer:changed"),
        lambda scene: "denied" in scene.causes() and "failed" in scene.states(),
        _unlock,
    ),
    "another size after a reconnect": Strike(
        lambda scene: scene.divert(scene.others["large"]), lambda scene: (192, 160) in scene.sizes(), _well
    ),
    "another codec after a reconnect": Strike(
        lambda scene: scene.divert(scene.others["jpeg"]),
        lambda scene: (
            "online" in scene.states() and scene.rig.frames(scene.name, scene.since)[-1].session > scene.session
        ),
        _well,
    ),
    "a bit flipped in half of all packets": Strike(
        partial(_tamper, partial(tampers.flip, 0.5)), lambda scene: scene.count("corrupt") > 0, _well, None
    ),
    "half of all packets cut short": Strike(
        partial(_tamper, partial(tampers.truncate, 0.5)), lambda scene: scene.count("corrupt") > 0, _well, None
    ),
    "clock set an hour ahead": Strike(
        partial(_tamper, partial(tampers.shift, 3600)), lambda scene: scene.count("jumps") > 0, _well, True
    ),
    "clock set an hour back": Strike(
        partial(_tamper, partial(tampers.shift, -3600)), lambda scene: scene.count("jumps") > 0, _well, True
    ),
}
