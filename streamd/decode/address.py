"""Where a camera's URI points, and a spelling of it without user and password, the only one that messages show."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from streamd import config, uri


@dataclass(frozen=True, slots=True)
class Address:
    """`scheme` chooses the source; `target` is what it opens, password and all; `shown` names it in messages."""

    scheme: str
    target: str = field(repr=False)
    shown: str


def address(camera: config.Camera, base: Path) -> Address:
    """Return where `camera` points; relative files stand beside the configuration, in `base`.

    Raises:
        ConfigError: the password file cannot be read.
    """
    target = config.address(camera, base)
    if target.startswith("scenes:"):
        return Address("scenes", target, target)
    if "://" not in target:
        return Address("file", target, camera.uri.get_secret_value())
    parts = urlsplit(target)
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}"  # a query may hold a token
    return Address(parts.scheme, target, uri.redact(shown))
