"""The timing cache of a GPU: what TensorRT measured of kernels, kept between builds so that the next is quick.

A cache is for one version of TensorRT and one GPU. One that TensorRT does not take is begun anew: it only costs time.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from streamd import output
from streamd.engine.target import Target
from streamd.infer.library import Library


@dataclass(frozen=True, slots=True)
class TimingCache:
    """The file of a cache."""

    path: Path

    def load(self, config: Any) -> None:  # noqa: ANN401 - an IBuilderConfig
        """Give `config` what the file holds, or an empty cache."""
        try:
            data = self.path.read_bytes()
        except OSError:
            data = b""
        if data and not _taken(config, data):
            structlog.get_logger().warning("timing cache not usable, begun anew", path=str(self.path))
            data = b""
        if not data:
            _taken(config, b"")

    def save(self, config: Any) -> None:  # noqa: ANN401 - an IBuilderConfig
        """Keep what `config` has gathered; that it cannot be kept is told, and no error."""
        cache = config.get_timing_cache()
        if cache is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            output.write(self.path, bytes(cache.serialize()))
        except OSError as error:
            structlog.get_logger().warning("timing cache not kept", path=str(self.path), reason=error.strerror)


def of(library: Library, target: Target | None, folder: Path) -> TimingCache:
    """Return the cache of a GPU in `folder`."""
    name = re.sub(r"[^\w.-]+", "-", target.name.strip()) if target else "no-gpu"
    capability = f"-sm{target.compute_capability.replace('.', '')}" if target else ""
    return TimingCache(folder / f"{library.name}-{library.version}-{name}{capability}.timing")


def _taken(config: Any, data: bytes) -> bool:  # noqa: ANN401
    cache = config.create_timing_cache(data)
    return cache is not None and bool(config.set_timing_cache(cache, False))
