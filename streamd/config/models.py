"""The sections of the configuration file: what each key means, its default and its bounds.

The descriptions here are those of the JSON Schema that editors show; `configs/cams.yaml` is the reference.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from streamd.config.kinds import BitRate, FilePath, Fraction, Name, NotBool, Ready, Seconds, Secret, Text, Timeout
from streamd.errors import Finding


class Section(BaseModel):
    """A mapping of the file: unknown keys are faults, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """One model, shared by the cameras that name it."""

    path: Text = Field(
        description="A .onnx file (runs on ONNX Runtime) or an .engine (runs on TensorRT), relative to this file; "
        "or bundled:NAME. A manifest of the same name ending in .json may stand beside it.",
        examples=["models/street.onnx", "bundled:street.onnx"],
    )
    device: Text = Field(
        default="cpu", description="Where it runs: cpu, or cuda:N for the N-th GPU.", examples=["cpu", "cuda:0"]
    )
    batch: Annotated[int, Field(ge=1, le=256), NotBool] = Field(
        default=1, description="The most frames in one run; a model with a fixed batch keeps its own.", examples=[4]
    )
    build: Literal["never", "on-start"] = Field(
        default="never",
        description="Of an .engine: on-start has `streamd build` make it of the .onnx beside it before the daemon is "
        "ready, with the options that it was built with last; one that is current stays. never leaves it alone.",
        examples=["on-start"],
    )
    preprocess: Literal["auto", "host", "hybrid", "device"] = Field(
        default="auto",
        description="Where frames become the model's input: host, all on the CPU; hybrid, the CPU letterboxes and the "
        "GPU does the rest; device, all on the GPU, which then also decodes. auto is device on a GPU.",
        examples=["auto"],
    )
    max_wait: Seconds = Field(
        default=0.005, description="How long the first frame of a batch waits for company.", examples=["5ms"]
    )
    confidence: Fraction = Field(
        default=0.25, description="Detections that score less are not reported.", examples=[0.25]
    )
    iou: Fraction = Field(
        default=0.45,
        description="Of two boxes of one class whose intersection over union is more than this, the better stays.",
        examples=[0.45],
    )
    max_detections: Annotated[int, Field(ge=1, le=10_000), NotBool] = Field(
        default=300, description="The most detections reported of one frame, best first.", examples=[300]
    )
    classes: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None, description="The classes to report, by their labels; null for all.", examples=[["person", "car"]]
    )
    threads: Annotated[int, Field(ge=0, le=256), NotBool] = Field(
        default=0, description="Threads that ONNX Runtime uses; 0 is one a core.", examples=[2]
    )


class Reconnect(Section):
    """How a live camera that failed is tried again: exponential back-off with jitter, for ever."""

    initial: Timeout = Field(
        default=0.5, description="The wait before the first new try; it doubles each time.", examples=["500ms"]
    )
    maximum: Timeout = Field(default=30.0, description="The longest wait between two tries.", examples=["30s"])


class Camera(Section):
    """One stream in."""

    uri: Secret = Field(
        description="rtsp://, rtsps://, http(s)://, a video file relative to this file, bundled:NAME, or scenes. "
        "A variable in the user or password is percent-encoded by itself.",
        examples=["rtsp://192.0.2.10/stream1", "rtsp://viewer:${PASSWORD}@192.0.2.10/stream1", "clips/street.mp4"],
    )
    model: Text = Field(description="Which of the models watches it.", examples=["street"])
    password_file: FilePath | None = Field(
        default=None,
        description="A file with the password of the user in `uri`, relative to this file; null for none.",
        examples=["/run/credentials/front-door"],
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="How RTSP carries the video.", examples=["tcp"])
    decode: Literal["auto", "software"] = Field(
        default="auto",
        description="Where it is decoded: auto is on the GPU of its model where that can, else on the CPU.",
        examples=["auto"],
    )
    every: Annotated[int, Field(ge=1), NotBool] = Field(
        default=1, description="Infer on every n-th frame.", examples=[2]
    )
    pace: Literal["realtime", "asap"] = Field(
        default="realtime", description="Files: by their timestamps, or as fast as possible.", examples=["realtime"]
    )
    loop: bool = Field(default=False, description="Files: begin again at the end.", examples=[True])
    open_timeout: Timeout = Field(default=10.0, description="How long opening the stream may take.", examples=["10s"])
    read_timeout: Timeout = Field(
        default=5.0, description="How long a live stream may be silent before it is opened anew.", examples=["5s"]
    )
    reconnect: Reconnect = Field(default=Reconnect(), description="How a live camera that failed is tried again.")


class Socket(Section):
    """What the ZeroMQ sockets have in common."""

    insecure: bool = Field(
        default=False,
        description="Allow an address that other machines reach without encryption, or without a list of clients.",
        examples=[True],
    )
    curve_secret_key_file: FilePath | None = Field(
        default=None,
        description="A file with the server's CURVE secret key (40 characters, Z85), as `streamd keygen` writes it: "
        "the socket is encrypted with it.",
        examples=["/etc/streamd/server.secret"],
    )
    curve_client_keys_file: FilePath | None = Field(
        default=None,
        description="A file with the public CURVE keys of those who may connect, one a line; # begins a comment. "
        "It is read again when it changes, for connections from then on.",
        examples=["/etc/streamd/clients"],
    )


class DetectionsSocket(Socket):
    """Where detections and events are published."""

    bind: Text = Field(
        default="tcp://127.0.0.1:5555",
        description="tcp://ADDRESS:PORT or ipc://PATH.",
        examples=["tcp://127.0.0.1:5555", "ipc:///run/streamd/detections.sock"],
    )
    format: Literal["json", "msgpack"] = Field(
        default="json", description="How messages are written.", examples=["json"]
    )


class VideoSocket(Socket):
    """Where annotated H.264 is published, and how it is made."""

    bind: Text = Field(
        default="tcp://127.0.0.1:5556",
        description="tcp://ADDRESS:PORT or ipc://PATH.",
        examples=["tcp://127.0.0.1:5556", "ipc:///run/streamd/video.sock"],
    )
    codec: Literal["auto", "libx264", "h264_nvenc"] = Field(
        default="auto", description="The encoder; auto is h264_nvenc where the GPU has it.", examples=["auto"]
    )
    when: Literal["subscribed", "always"] = Field(
        default="subscribed", description="Make video only while somebody watches, or always.", examples=["subscribed"]
    )
    preset: Text = Field(
        default="veryfast", description="The encoder's trade of speed for size.", examples=["veryfast"]
    )
    crf: Annotated[int, Field(ge=0, le=51), NotBool] = Field(
        default=23, description="Constant quality: 0 is lossless, 51 the worst. Not used with a bitrate.", examples=[23]
    )
    bitrate: BitRate = Field(
        default=0, description="Bits a second, such as 2M; 0 is constant quality by crf.", examples=["2M"]
    )
    keyframe_interval: Timeout = Field(
        default=2.0, description="The most time between keyframes: how long a late joiner waits.", examples=["2s"]
    )


class FileSink(Section):
    """Detections and events appended to a file, one JSON object a line."""

    path: FilePath = Field(
        description="The file, relative to this file; its folder must be there.",
        examples=["/var/lib/streamd/out.jsonl"],
    )


class Publish(Section):
    """Everything that leaves."""

    detections: DetectionsSocket = Field(default=DetectionsSocket(), description="The socket of detections and events.")
    video: VideoSocket | None = Field(
        default=VideoSocket(), description="The socket of annotated video; null for none."
    )
    file: FileSink | None = Field(default=None, description="Detections and events also to a file; null for none.")


class Metrics(Section):
    """The HTTP endpoint of /metrics, /livez, /readyz and /status."""

    bind: Text = Field(default="127.0.0.1:9464", description="ADDRESS:PORT.", examples=["127.0.0.1:9464"])
    token_file: FilePath | None = Field(
        default=None,
        description="A file with a token that every request must bear (`Authorization: Bearer TOKEN`).",
        examples=["/etc/streamd/metrics.token"],
    )
    insecure: bool = Field(
        default=False, description="Allow an address that other machines reach, without a token.", examples=[True]
    )
    ready: Ready = Field(
        default="any",
        description="How many cameras must deliver for /readyz to say so: any, all, or a number. Files that have "
        "ended do not count.",
        examples=["all"],
    )


class Log(Section):
    """Where the log goes and how much of it."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is worth a line.", examples=["info"]
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="For people or for machines; auto is for people on a terminal.", examples=["auto"]
    )


class Config(Section):
    """The whole file. `base` is its folder, `warnings` what was found in it that does no harm."""

    models: Annotated[dict[Name, Model], Field(min_length=1)] = Field(description="The models, by name.")
    cameras: Annotated[dict[Name, Camera], Field(min_length=1)] = Field(description="The cameras, by name.")
    publish: Publish = Field(default=Publish(), description="Everything that leaves.")
    metrics: Metrics | None = Field(
        default=None, description="The HTTP endpoint for metrics and health; null for none."
    )
    log: Log = Field(default=Log(), description="The log.")
    drain_timeout: Seconds = Field(
        default=10.0, description="How long the daemon may take to end once it is told to.", examples=["10s"]
    )

    _base: Path = PrivateAttr(default=Path())
    _warnings: tuple[Finding, ...] = PrivateAttr(default=())

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self._base

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was found in the file that does not keep it from being used."""
        return self._warnings

    def located(self, base: Path, warnings: tuple[Finding, ...] = ()) -> "Config":
        """Return the same configuration, as read from a file in the folder `base`."""
        copy = self.model_copy()
        copy._base, copy._warnings = base, warnings
        return copy
