"""Where a camera's URI points, and a spelling of it without user and password, the only one that messages show."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from streamd import config, uri
from streamd.config.files import locate, read_secret
from streamd.errors import SourceError


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
        SourceError: the URI names no host.
    """
    written = camera.uri.get_secret_value()
    if written == "scenes" or written.startswith("scenes:"):
        return Address("scenes", written, written)
    source = uri.split(written)
    if not source.scheme or written.startswith("file:"):
        return Address("file", str(locate(written, base)), written)
    if not source.host:
        mend = f"write {source.scheme}://USER:PASSWORD@HOST/PATH, with `/`, `?` and `#` of a password percent-encoded"
        raise SourceError("no host can be read from its URI", mend=mend)
    if camera.password_file is not None:
        source = source.with_password(read_secret(locate(camera.password_file, base)))
    target = str(source)
    place = urlsplit(target)
    host = place.netloc.rpartition("@")[2]
    return Address(source.scheme, target, f"{place.scheme}://{host}{place.path}")  # a query may hold a token
