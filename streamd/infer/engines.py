"""What can be told of a `.engine` file without running it: its plan, whether it fits here, and how to make it anew.

Ultralytics writes a header before the plan: 4 bytes, little-endian, the length of a JSON object, then that object.
A plan of TensorRT itself begins with other bytes, which as a length would be beyond any file. Loads no library.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamd.errors import ModelError
from streamd.manifest import Built

PREFIX = 4
LONGEST = 1 << 20  # bytes of a header; Ultralytics' are some kilobytes
AMPERE = (8, 0)


@dataclass(frozen=True, slots=True)
class Engine:
    """The content of an engine file. `metadata` is Ultralytics' header, as an ONNX file of theirs would say it."""

    plan: memoryview
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Here:
    """What an engine would run on: the library and its version, and the GPU; `onnx_sha256` of the ONNX file as it is.

    What is not known is empty, and is not compared.
    """

    library: str
    version: str
    gpu: str = ""
    compute_capability: str = ""
    onnx_sha256: str = ""


def read(path: Path) -> Engine:
    """Read an engine, with or without a header.

    Raises:
        ModelError: it cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", mend="name an engine that can be read") from error
    size, header = _header(data)
    if len(data) <= size:
        raise ModelError(f"{path}: holds no engine", mend="build it again with `streamd build`")
    return Engine(memoryview(data)[size:], header)


def check(path: Path, built: Built, here: Here) -> list[str]:
    """Refuse an engine that was built for something else, or from a file that has changed since; return warnings.

    Raises:
        ModelError: it names both sides, and the command that builds it anew.
    """
    if refusal := foreign(built, here) or stale(built, here):
        raise ModelError(f"{path}: {refusal}", mend=f"build it anew: {rebuild(path, built)}")
    if here.gpu and built.gpu and here.gpu != built.gpu and not _portable(built):
        return [f"{path}: built on {built.gpu}, this is {here.gpu}: it runs, and may be slower than one built here"]
    return []


def foreign(built: Built, here: Here) -> str:
    """Return how an engine is not for what is here, both sides named; empty where it is.

    A plan runs on the very version of TensorRT that built it, or on a later one where it is version-compatible; on the
    compute capability it was built for, or on Ampere and later where it is hardware-compatible, or on any GPU where
    it is TensorRT-RTX's, which compiles when it is loaded.
    """
    theirs, ours = _side(built.library, built.tensorrt, built), _side(here.library, here.version, here)
    fits = built.library == here.library and (
        built.tensorrt == here.version
        or ("--version-compatible" in built.options and _number(built.tensorrt) <= _number(here.version))
    )
    if fits and here.compute_capability and built.compute_capability and not _portable(built):
        if "--hardware-compatible" in built.options:
            fits = _number(here.compute_capability) >= AMPERE
        else:
            fits = built.compute_capability == here.compute_capability
    return "" if fits else f"built for {theirs}, this is {ours}"


def stale(built: Built, here: Here) -> str:
    """Return how an engine is older than its ONNX file, both sides named; empty where it is not."""
    if not here.onnx_sha256 or here.onnx_sha256 == built.onnx_sha256:
        return ""
    name = built.onnx or "the ONNX file"
    return f"built from {name} {built.onnx_sha256[:12]} (sha256), which now is {here.onnx_sha256[:12]}"


def rebuild(path: Path, built: Built) -> str:
    """Return the command that builds the engine at `path` anew."""
    model = str(path.parent / built.onnx) if built.onnx else "MODEL.onnx"
    return shlex.join(["streamd", "build", model, "--out", str(path), *built.options])


def _portable(built: Built) -> bool:
    return built.library == "tensorrt_rtx"


def _side(library: str, version: str, at: Built | Here) -> str:
    name = "TensorRT-RTX" if library == "tensorrt_rtx" else "TensorRT"
    where = f" on {at.gpu}" if at.gpu else ""
    return f"{name} {version}{where}" + (f" (sm_{at.compute_capability.replace('.', '')})" if where else "")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _header(data: bytes) -> tuple[int, dict[str, str]]:
    """Return how many bytes stand before the plan, and what they say."""
    length = int.from_bytes(data[:PREFIX], "little")
    if not 2 <= length <= min(LONGEST, len(data) - PREFIX):
        return 0, {}
    text = data[PREFIX : PREFIX + length]
    if text[:1] != b"{":
        return 0, {}
    try:
        said = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return 0, {}
    return PREFIX + length, {str(key): _as_onnx(key, value) for key, value in said.items()}


def _as_onnx(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value as Ultralytics writes it into ONNX metadata: the text of a Python literal.

    JSON has made text of the numbers that `names` is keyed by.
    """
    if key == "names" and isinstance(value, dict):
        value = {int(k) if re.fullmatch(r"\d{1,9}", str(k)) else k: name for k, name in value.items()}
    return value if isinstance(value, str) else repr(value)
