"""The two sockets of the wire: detections and events on one, video on the other. design.md, section 4."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import zmq

from streamd import config, wire
from streamd.clock import Clock
from streamd.frames import Detections, Frame, Notice, Packet
from streamd.publish import messages
from streamd.publish.curve import Doorkeeper
from streamd.publish.outlet import Outlet

# How far a subscriber may fall behind before it loses messages; only such a one costs this memory.
DETECTIONS_KEPT = 10_000
VIDEO_KEPT = 2_000


class ZeroMQSink:
    """Publishes over ZeroMQ. Any thread may call; no call waits."""

    def __init__(self, publish: config.Publish, clock: Clock, base: Path = Path()) -> None:
        """Bind both sockets; a key file is relative to `base`.

        Where a socket is encrypted, clients come in only while somebody runs `doorkeeper.serve`.

        Raises:
            PublishError: an address that cannot be bound or must not be, or a key that cannot be used.
        """
        self._clock = clock
        self._form = publish.detections.format
        self._context = zmq.Context()
        self._outlets: dict[Literal["detections", "video"], Outlet] = {}
        self.doorkeeper: Doorkeeper | None = None
        try:
            lists = _lists(publish, base)
            if lists:
                self.doorkeeper = Doorkeeper(self._context, lists)
            self._outlets["detections"] = Outlet(
                self._context, "publish.detections", publish.detections, clock, DETECTIONS_KEPT, base
            )
            if publish.video is not None:
                self._outlets["video"] = Outlet(self._context, "publish.video", publish.video, clock, VIDEO_KEPT, base)
        except BaseException:
            self.close()
            raise

    def detections(
        self, frames: Sequence[Frame], found: Sequence[Detections], labels: Sequence[str], model: str
    ) -> None:
        """Publish what a run found on its frames, also when that is nothing."""
        for message in messages.detections(frames, found, labels, model, self._clock.unix_ns):
            self._send("detections", wire.topic("det", message.camera), wire.encode(message, self._form))

    def event(self, notice: Notice) -> None:
        """Publish what happened to a camera."""
        message = messages.event(notice)
        self._send("detections", wire.topic("event", notice.camera), wire.encode(message, self._form))

    def video(self, packet: Packet) -> None:
        """Publish an access unit; nothing where the configuration has no video."""
        if "video" in self._outlets:
            header = wire.encode(messages.video(packet), self._form)
            self._send("video", wire.topic("h264", packet.camera), header, packet.data)

    def wanted(self, camera: str) -> bool:
        """Tell whether anybody watches the camera's video now; cheap enough to ask for every frame."""
        outlet = self._outlets.get("video")
        return outlet is not None and outlet.wants(wire.topic("h264", camera))

    def subscribers(self, socket: Literal["detections", "video"]) -> int:
        """Return how many different subscriptions to detections, or to video, there are now."""
        outlet = self._outlets.get(socket)
        return 0 if outlet is None else outlet.count(wire.topic("det" if socket == "detections" else "h264"))

    @property
    def endpoints(self) -> dict[Literal["detections", "video"], str]:
        """Where the sockets are bound, with the port that was chosen where the configuration left it open."""
        return {name: outlet.endpoint for name, outlet in self._outlets.items()}

    def close(self) -> None:
        """Let what was sent reach the subscribers that read, for a second at most, and close; safe twice."""
        for outlet in self._outlets.values():
            outlet.close()
        if self.doorkeeper is not None:
            self.doorkeeper.close()
        self._context.term()

    def _send(self, socket: Literal["detections", "video"], *parts: bytes) -> None:
        self._outlets[socket].send(parts)


def _lists(publish: config.Publish, base: Path) -> dict[str, Path | None]:
    """Return the file of clients of each encrypted socket."""
    sockets = {"publish.detections": publish.detections, "publish.video": publish.video}
    return {
        key: None if socket.curve_client_keys_file is None else config.locate(socket.curve_client_keys_file, base)
        for key, socket in sockets.items()
        if socket is not None and socket.curve_secret_key_file is not None
    }
