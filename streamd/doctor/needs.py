"""Which parts a configuration cannot do without, and on whose account. Whatever has a substitute is not among them."""

from streamd.config import Config, Model

BASE = (
    "Python", "monotonic clock", "OpenCV", "ZeroMQ", "PyAV", "software decoding", "libx264", "ONNX Runtime",
)  # fmt: skip


def needs(settings: Config | None) -> dict[str, str]:
    """Return the names of the parts, each with who needs it: streamd itself, or a key of the configuration."""
    found = dict.fromkeys(BASE, "streamd")
    if settings is None:
        return found
    found["open files"] = "cameras"
    used = {camera.model for camera in settings.cameras.values()}
    for name in sorted(used):
        found |= dict.fromkeys(_of_model(settings.models[name]), f"models.{name}")
    video = settings.publish.video
    if video is not None and video.codec == "h264_nvenc":
        found["h264_nvenc"] = "publish.video.codec"
    if any(socket and socket.curve_secret_key_file for socket in (settings.publish.detections, video)):
        found["CURVE"] = "publish"
    return found


def _of_model(model: Model) -> list[str]:
    if model.device == "cpu":
        return []
    gpu = model.device if ":" in model.device else f"{model.device}:0"
    runtime = "TensorRT" if model.path.endswith(".engine") else "ONNX Runtime CUDA"
    return ["driver", gpu, "CuPy", runtime]
