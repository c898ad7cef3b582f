"""The typed configuration: what each key means, its default and its bounds.

`load` (below) reads a file, reports every fault of it at once, and returns a `Config`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0)]  # written `5s`, `250ms`, `1m`, or a bare number of seconds
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Section(BaseModel):
    """A mapping of the file: unknown keys are faults, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """One model, shared by the cameras that name it."""

    path: str  # a file, relative to the configuration file, or `bundled:NAME`
    device: str = "cpu"  # cpu, or cuda:N
    batch: Annotated[int, Field(ge=1, le=256)] = 1
    max_wait: Seconds = 0.005
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.25
    iou: Annotated[float, Field(ge=0, le=1)] = 0.45
    max_detections: Annotated[int, Field(ge=1, le=10_000)] = 300
    classes: tuple[str, ...] | None = None
    threads: Annotated[int, Field(ge=0, le=256)] = 0  # of ONNX Runtime; 0: one a core


class Reconnect(Section):
    """How a live camera that failed is tried again: exponential back-off with jitter, for ever."""

    initial: Seconds = 0.5
    maximum: Seconds = 30.0


class Camera(Section):
    """One stream in."""

    uri: SecretStr  # rtsp, rtsps, http(s), a file path relative to the configuration file, `bundled:NAME`, `scenes:`
    model: str
    password_file: Path | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    every: Annotated[int, Field(ge=1)] = 1
    pace: Literal["realtime", "asap"] = "realtime"
    loop: bool = False
    open_timeout: Seconds = 10.0
    read_timeout: Seconds = 5.0
    reconnect: Reconnect = Reconnect()


class DetectionsSocket(Section):
    """Where detections and events are published."""

    bind: str = "tcp://127.0.0.1:5555"
    format: Literal["json", "msgpack"] = "json"
    insecure: bool = False
    curve_secret_key_file: Path | None = None


class VideoSocket(Section):
    """Where annotated H.264 is published, and how it is made."""

    bind: str = "tcp://127.0.0.1:5556"
    codec: Literal["auto", "libx264", "h264_nvenc"] = "auto"
    when: Literal["subscribed", "always"] = "subscribed"
    preset: str = "veryfast"
    crf: Annotated[int, Field(ge=0, le=51)] = 23
    bitrate: Annotated[int, Field(ge=0)] = 0  # bits a second, `2M`; 0: constant quality by crf
    keyframe_interval: Seconds = 2.0
    insecure: bool = False
    curve_secret_key_file: Path | None = None


class FileSink(Section):
    """Detections and events appended to a file, one JSON object a line."""

    path: Path


class Publish(Section):
    """Everything that leaves."""

    detections: DetectionsSocket = DetectionsSocket()
    video: VideoSocket | None = VideoSocket()
    file: FileSink | None = None


class Metrics(Section):
    """The HTTP endpoint of /metrics, /livez, /readyz and /status."""

    bind: str = "127.0.0.1:9464"


class Log(Section):
    """Where the log goes and how much of it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Config(Section):
    """The whole file."""

    models: Annotated[dict[Name, Model], Field(min_length=1)]
    cameras: Annotated[dict[Name, Camera], Field(min_length=1)]
    publish: Publish = Publish()
    metrics: Metrics | None = None
    log: Log = Log()
    drain_timeout: Seconds = 10.0
