"""The typed configuration: how a file becomes one, and what its values mean.

`load` reads a file and reports every fault of it at once, each with its place and what to write instead:

    text.py      bytes -> plain values, variables filled in, and the place of each key
    models.py    the sections and keys; pydantic holds the values to them
    kinds.py     the kinds of values: durations, names, and their bounds
    faults.py    what pydantic found, in words
    check.py     what no single key can tell: files, models and cameras (sockets.py: addresses, files.py: files)
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from streamd import uri
from streamd.config import check, faults, text
from streamd.config.files import locate, read_keys, read_secret
from streamd.config.models import (
    Camera,
    Config,
    DetectionsSocket,
    FileSink,
    Log,
    Metrics,
    Model,
    Publish,
    Reconnect,
    Section,
    VideoSocket,
)
from streamd.config.sockets import loopback, open_door
from streamd.errors import ConfigError

__all__ = [
    "Camera", "Config", "DetectionsSocket", "FileSink", "Log", "Metrics", "Model", "Publish", "Reconnect", "Section",
    "VideoSocket", "load", "locate", "loopback", "open_door", "pages", "parse", "read", "read_keys", "read_secret",
    "schema", "secrets",
]  # fmt: skip

read = text.read


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read a configuration file; `env` holds the variables that it may name.

    Raises:
        ConfigError: the file cannot be read, or cannot be used; every fault of it, in file order.
    """
    return parse(read(path), path, env)


def parse(data: bytes, path: Path, env: Mapping[str, str]) -> Config:
    """Turn the bytes of the file `path` into a configuration.

    Raises:
        ConfigError: the file cannot be used; every fault of it, in file order.
    """
    source = text.parse(data, path, env)
    found = list(source.faults)
    config: Config | None = None
    try:
        config = Config.model_validate(source.tree)
    except ValidationError as error:
        found += faults.explain(error, Config, source.tree)
    found += check.check(source.tree, path.parent)
    findings = source.findings(found)
    if config is None or any(finding.severity == "error" for finding in findings):
        raise ConfigError(findings)
    return config.located(path.parent, findings)


def pages(path: Path, env: Mapping[str, str]) -> Metrics | None:
    """Return the `metrics` of a configuration file, whatever else may be wrong with it; None where it has none.

    Whoever asks a daemon how it is need not have its passwords, nor its variables.

    Raises:
        ConfigError: the file, or this section of it, cannot be read.
    """
    data = read(path)
    source = text.parse(data, path, env)
    section = source.tree.get("metrics") if isinstance(source.tree, dict) else None
    if section is None:
        return None
    if not any(fault.path[:1] == ("metrics",) for fault in source.faults):
        with suppress(ValidationError):
            return Metrics.model_validate(section)
    return parse(data, path, env).metrics


def secrets(config: Config) -> tuple[str, ...]:
    """Return every password, key and token that the configuration holds or names, for the log to hide.

    Raises:
        ConfigError: a file of one cannot be read.
    """
    found: set[str] = set()
    for camera in config.cameras.values():
        found |= uri.secrets(camera.uri.get_secret_value())
    sockets = (config.publish.detections, config.publish.video)
    files = [
        *(camera.password_file for camera in config.cameras.values()),
        *(socket.curve_secret_key_file for socket in sockets if socket is not None),
        config.metrics.token_file if config.metrics is not None else None,
    ]
    found |= {read_secret(locate(file, config.base)) for file in files if file is not None}
    return tuple(sorted(found - {""}))


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(schema_generator=_Schema),
    }


class _Schema(GenerateJsonSchema):
    """Without titles, which only say the keys again."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Give no field a title."""
        return False
