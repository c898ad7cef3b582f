"""The work of a camera's film: each frame with its detections drawn on it, encoded and published. See corridor.py."""

from collections.abc import Iterable
from typing import Protocol

import structlog

from streamd.annotate.overlay import Overlay
from streamd.corridor import Audience, Sink
from streamd.errors import DeviceError, EncodeError
from streamd.flow.stage import Work
from streamd.frames import Detections, Frame, Packet, Picture, Surface
from streamd.metrics import CameraMetrics


class Encoder(Protocol):
    """Turns pictures into H.264."""

    def __call__(self, frame: Frame, picture: Picture | Surface, keyframe: bool) -> Iterable[Packet]:
        """Encode a picture under the stamps of `frame`."""

    def flush(self) -> Iterable[Packet]:
        """Yield what the encoder still holds."""

    def close(self) -> None:
        """Let the encoder go; safe twice."""


class Annotator(Protocol):
    """Draws detections on a copy of a picture, wherever that is."""

    def __call__(self, picture: Picture | Surface, detections: Detections) -> Picture | Surface:
        """Return the copy, of the same kind."""

    def close(self) -> None:
        """Let its memory go; safe twice."""


class Film(Work[Frame, None]):
    """Draws, encodes and publishes a camera's frames, each with the detections that belong to it.

    An encoder that fails, or a GPU without memory for it, costs that camera its video, is logged once, and costs
    nobody else anything.
    """

    def __init__(
        self,
        overlay: Overlay,
        annotate: Annotator,
        encoder: Encoder,
        audience: Audience,
        sink: Sink,
        metrics: CameraMetrics,
    ) -> None:
        self._overlay = overlay
        self._annotate = annotate
        self._encoder = encoder
        self._audience = audience
        self._sink = sink
        self._metrics = metrics
        self._broken = False
        self._log = structlog.get_logger()

    def __call__(self, frame: Frame) -> Iterable[None]:
        """Publish one frame of video; waits for the frame's detections."""
        found = self._overlay.take(frame)
        if not self._broken:
            try:
                with self._metrics.stage("film"):
                    drawn = self._annotate(frame.picture, found)
                    self._publish(self._encoder(frame, drawn, self._audience.arrived()))
            except (DeviceError, EncodeError) as error:
                self._broken = True
                self._log.error("no video of this camera", camera=frame.camera, reason=str(error))
        return ()

    def flush(self) -> Iterable[None]:
        """Publish what the encoder still holds."""
        if not self._broken:
            try:
                self._publish(self._encoder.flush())
            except (DeviceError, EncodeError) as error:
                self._log.error("the last frames of this camera's video are lost", reason=str(error))
        return ()

    def close(self) -> None:
        """Let the encoder go, and what was drawn with."""
        self._encoder.close()
        self._annotate.close()

    def _publish(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._sink.video(packet)
            self._metrics.filmed(packet)
