"""The address of a source, taken apart; and how to write any text without the passwords in it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

LIVE = ("rtsp", "rtsps", "http", "https")
HIDDEN = "***"
SHORTEST = 4  # a shorter secret is not searched for: it would blot out half of every line

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_LOGIN = re.compile(r":/{1,3}((?:(?!:/)[^\s\"<>])*)@", re.ASCII)  # greedy: up to the last `@` of the word
_QUERY = re.compile(
    r"(?i)\b(pass|password|passwd|pwd|psw|token|access_token|secret|api_?key|auth|key|sig|signature)=([^&\s\"'<>]+)"
)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Uri:
    """`scheme://user:password@host:port/path`, with `user` and `password` in plain text, empty where there is none.

    `path` is all that follows the port. A file path has no scheme and is all `path`. `host` is empty where none can
    be read.
    """

    scheme: str
    user: str
    password: str
    host: str
    port: int | None
    path: str

    def __repr__(self) -> str:
        return f"Uri({redact(str(self))!r})"

    def __str__(self) -> str:
        if not self.scheme:
            return self.path
        login = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{login}{'@' if login else ''}{host}{port}{self.path}"

    def with_password(self, password: str) -> "Uri":
        """Return the same address with another password."""
        return replace(self, password=password)


def split(text: str) -> Uri:
    """Take an address apart as RFC 3986 does, save that a `@` or a stray `%` in a password may stand as it is.

    A `%` with two hexadecimal digits after it is an escape; `%25` is the sign itself.
    """
    match = _SCHEME.match(text)
    if not match:
        return Uri("", "", "", "", None, text)
    scheme, rest = match.group(1).lower(), text[match.end() :]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    login, _, place = authority.rpartition("@")
    user, _, password = login.partition(":")
    host = _HOST.fullmatch(place)
    if not host:
        return Uri(scheme, _plain(user), _plain(password), "", None, rest[len(login) :].removeprefix("@"))
    port = int(host.group(2)) if host.group(2) else None
    return Uri(scheme, _plain(user), _plain(password), host.group(1).strip("[]"), port, rest[len(authority) :])


def escape_login(text: str) -> str:
    """Return `text` fit to stand before the `@` of an address; escapes that are already in it are kept."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe="%:")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without the `secrets` (see `forms`), the login of any URL, and the tokens of any query.

    It rather hides too much: all of a URL up to its last `@` is taken for the login.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if "@" in text:
        text = _LOGIN.sub(lambda login: f"{login.group(0)[: -len(login.group(1)) - 1]}{HIDDEN}@", text)
    return _QUERY.sub(rf"\1={HIDDEN}", text) if "=" in text else text


def secrets(text: str) -> frozenset[str]:
    """Return what must not be told of an address: its password, in plain and as it is written, and its tokens."""
    parts = split(text)
    if not parts.scheme:
        return frozenset()
    authority = re.split("[/?#]", text.partition("://")[2], maxsplit=1)[0]
    written = authority.rpartition("@")[0].partition(":")[2]
    return frozenset({parts.password, written, *(value for _, value in _QUERY.findall(parts.path))} - {""})


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return every way in which the secrets may be written, plain and percent-encoded, longest first."""
    found: set[str] = set()
    for secret in secrets:
        encoded = {quote(secret, safe=safe) for safe in ("", "/", "!$&'()*+,;=:", "!$&'()*+,;=:@/", "%:")}
        lower = {re.sub("%[0-9A-F]{2}", lambda escape: escape.group(0).lower(), form) for form in encoded}
        found |= {secret, unquote(secret), repr(secret)[1:-1], *encoded, *lower}
    return tuple(sorted((form for form in found if len(form) >= SHORTEST), key=lambda form: (-len(form), form)))


def _plain(text: str) -> str:
    return unquote(_STRAY_PERCENT.sub("%25", text))
