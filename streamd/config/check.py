"""What no single key can tell: files that are missing, models that nobody defined, addresses that mean nothing.

The checks read the plain values, so that they speak also of a file in which other things are wrong; a value of the
wrong type is passed over, for faults.py speaks of it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from streamd import uri
from streamd.config.faults import nearest
from streamd.config.files import locate, missing, secret_file, unwritable
from streamd.config.sockets import check_publish
from streamd.config.text import Fault, mapping, text_of
from streamd.errors import ModelError
from streamd.units import parse_seconds
from streamd.yamlfile import KeyPath, Value

SUFFIXES = (".onnx", ".engine")
SCHEMES = "rtsp://, rtsps://, http://, https://, a file's path, bundled:NAME and scenes"

_DEVICE = re.compile(r"cpu|cuda(:[0-9]{1,3})?", re.ASCII)


def check(tree: Value, base: Path) -> Iterator[Fault]:
    """Yield what is wrong between the keys and outside the file; `base` is the file's folder."""
    models, cameras = mapping(tree, "models"), mapping(tree, "cameras")
    for name, model in models.items():
        yield from _model(("models", name), mapping(model), base)
        if cameras and not any(text_of(camera, "model") == name for camera in cameras.values()):
            yield Fault(("models", name), "no camera uses this model; it is not loaded", "warning")
    for name, camera in cameras.items():
        yield from _camera(("cameras", name), mapping(camera), base, list(models))
    yield from check_publish(tree, base)


def _model(path: KeyPath, model: dict[str, Value], base: Path) -> Iterator[Fault]:
    device = text_of(model, "device")
    if device and not _DEVICE.fullmatch(device):
        yield Fault((*path, "device"), f"no device is called {device!r}; write cpu, or cuda:0 for the first GPU")
    text = text_of(model, "path")
    if not text:
        return
    if not text.endswith(SUFFIXES):
        yield Fault((*path, "path"), f"{text!r} ends in neither of .onnx and .engine; name a model file")
        return
    if text.endswith(".engine") and device in (None, "cpu"):
        yield Fault((*path, "device"), "an engine runs on a GPU; write `device: cuda:0`")
    built = text_of(model, "build") == "on-start"
    if built and not text.endswith(".engine"):
        yield Fault((*path, "build"), "only an engine is built; write `path: NAME.engine`, or leave `build` out")
    said = missing(text, base)
    if said and built and text.endswith(".engine"):
        yield from _buildable(path, text, base)
    elif said:
        yield Fault((*path, "path"), said)
    else:
        yield from _classes(path, model, locate(text, base))


def _buildable(path: KeyPath, text: str, base: Path) -> Iterator[Fault]:
    """Check an engine that is not there yet and shall be built."""
    said = missing(text.removesuffix(".engine") + ".onnx", base) or unwritable(locate(text, base))
    if said:
        yield Fault((*path, "path"), f"is not there, and cannot be built: {said}")


def _classes(path: KeyPath, model: dict[str, Value], file: Path) -> Iterator[Fault]:
    """Check `classes` against the manifest beside the model; without a manifest, the daemon asks the model."""
    if not any(each.exists() for each in (file.with_suffix(".json"), file.with_name(f"{file.name}.json"))):
        return
    from streamd import manifest  # noqa: PLC0415  it imports numpy, and most checks need none

    try:
        found = manifest.load(file)
    except ModelError as error:
        yield Fault((*path, "path"), str(error))
        return
    classes = model.get("classes")
    if found is None or not isinstance(classes, list):
        return
    for index, label in enumerate(classes):
        if isinstance(label, str) and label not in found.labels:
            known = nearest(label, found.labels) or f"; it knows {', '.join(found.labels[:20])}"
            yield Fault((*path, "classes", index), f"the model knows no class {label!r}{known}")


def _camera(path: KeyPath, camera: dict[str, Value], base: Path, models: list[str]) -> Iterator[Fault]:
    model = text_of(camera, "model")
    if model and model not in models:
        there = nearest(model, models) or (
            f"; there are {', '.join(models)}" if models else "; define it under `models:`"
        )
        yield Fault((*path, "model"), f"there is no model {model!r}{there}")
    address = text_of(camera, "uri")
    if address:
        said = _uri(address, base)
        if said:
            yield Fault((*path, "uri"), said)
    yield from _password_file(path, camera, base)
    waits = mapping(camera, "reconnect")
    initial, maximum = (_seconds(waits.get(key), default) for key, default in (("initial", 0.5), ("maximum", 30.0)))
    if initial is not None and maximum is not None and initial > maximum:
        yield Fault((*path, "reconnect"), "the first wait is longer than the longest; raise `maximum`")


def _uri(text: str, base: Path) -> str:
    """Return what is wrong with a camera's address, or nothing."""
    if text == "scenes" or text.startswith("scenes:"):
        return ""
    if "://" in text and not text.startswith("file://"):
        return _url(text)
    word = text.partition(":")[0]
    if word in uri.LIVE and not (base / text).exists():
        return f"has no `//` after {word}:; write {word}://HOST/PATH"
    if "@" in text and not (base / text).exists():  # it may hold a password
        return "is neither an address nor a file that is there; write rtsp:// before an address"
    return missing(text, base)


def _url(text: str) -> str:
    parts = uri.split(text)
    if parts.scheme not in uri.LIVE:
        scheme = text.partition("://")[0]
        return f"nothing is known of {scheme}://{nearest(scheme, uri.LIVE) or f'; there are {SCHEMES}'}"
    if not parts.host:
        if "@" in parts.path:
            return "no host can be read; in a password write %2F for /, %3F for ? and %23 for #, or use `password_file`"
        return f"names no host; write {parts.scheme}://HOST/PATH"
    if parts.port is not None and not 0 < parts.port < 65536:
        return f"has the port {parts.port}; a port is 1 to 65535"
    return "" if text.isprintable() and " " not in text else "holds a blank; write it as %20"


def _password_file(path: KeyPath, camera: dict[str, Value], base: Path) -> Iterator[Fault]:
    text = text_of(camera, "password_file")
    if not text:
        return
    path = (*path, "password_file")
    parts = uri.split(text_of(camera, "uri") or "rtsp://user@host")
    if not parts.scheme:
        yield Fault(path, "a file needs no password; remove this key")
    elif parts.password:
        yield Fault(path, "`uri` holds a password already; keep one of them")
    elif not parts.user:
        yield Fault(path, "`uri` names no user; write USER@ before its host")
    yield from secret_file(path, base / text)


def _seconds(value: Value, default: float) -> float | None:
    try:
        return default if value is None else parse_seconds(value)
    except ValueError:
        return None
