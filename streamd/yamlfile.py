"""YAML text to plain values, with the place of every key. It has never heard of streamd.

The values are those of YAML 1.2's core schema, so `yes`, `on`, `1:30`, `0123` and `2024-01-01` are what they look
like and not booleans, sexagesimals, octals or dates. Keys are always text. Anchors, aliases and merge keys work; how
much they may unfold to is bounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
KeyPath = tuple[str | int, ...]
Event = Any  # one of yaml.events, whose stubs know no attributes

MAX_NODES = 100_000  # values after aliases are unfolded
MAX_DEPTH = 64

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {
    word: value for value, name in ((True, "true"), (False, "false")) for word in (name, name.title(), name.upper())
}
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the text; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a text that could still be read, and the key it concerns."""

    place: Place
    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says. `places` holds the place of every key and list item by its path; `()` is the top."""

    value: Value
    places: dict[KeyPath, Place]
    faults: tuple[Fault, ...]


class YamlError(Exception):
    """A text that is no YAML, and where it stops being it."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


def read(text: str) -> Document:
    """Read one YAML document; an empty text is a document whose value is None.

    Raises:
        YamlError: the text is no YAML, holds several documents, or unfolds to too much.
    """
    events = list(_events(text))
    if not events:
        return Document(None, {(): Place(1, 1)}, ())
    builder = _Builder(events)
    value, after = builder.build(0, ())
    if after < len(events):
        raise YamlError("a second document begins here; keep one", _place(events[after]))
    return Document(value, builder.places, tuple(builder.faults))


def _events(text: str) -> Iterator[Event]:
    """Yield the events of the nodes, without those of the stream and the documents around them."""
    around = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
    # libyaml's own composer recurses in C and dies of deep nesting; its events do not
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # here and not later: libyaml's time is quadratic in the depth
                raise YamlError(f"is nested more than {MAX_DEPTH} levels deep", _place(event))
            if not isinstance(event, around):
                yield event
    except yaml.MarkedYAMLError as error:
        raise _explain(error, text) from error
    except yaml.reader.ReaderError as error:
        raise YamlError("holds a character that no YAML file may hold; is this a text file?", Place(1, 1)) from error


def _explain(error: yaml.MarkedYAMLError, text: str) -> YamlError:
    """Say where and why libyaml stopped, and what is most often the cause."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return YamlError(error.problem or "not YAML", Place(1, 1))
    said = " ".join(filter(None, (error.context, error.problem)))
    if error.context_mark and error.context_mark.line < mark.line:
        said += f" (begun on line {error.context_mark.line + 1})"
    lines = text.splitlines()
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        said += "; indent with spaces, not tabs"
    elif error.problem == "mapping values are not allowed in this context":
        said += "; put a value that holds `: ` in quotes, and check the indentation"
    return YamlError(said, Place(mark.line + 1, mark.column + 1))


def _place(event: Event) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


@dataclass
class _Builder:
    """Turns events into values. An alias replays the events of its anchor at the place where it stands."""

    events: list[Event]
    places: dict[KeyPath, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    unfolding: list[int] = field(default_factory=list)
    nodes: int = 0

    def build(self, at: int, path: KeyPath) -> tuple[Value, int]:
        """Return the value that begins at event `at`, and the index of the event after it."""
        event = self.events[at]
        place = self.places.setdefault(path, _place(event))
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            limit = f"{MAX_NODES} values" if self.nodes > MAX_NODES else f"{MAX_DEPTH} levels"
            raise YamlError(f"unfolds to more than {limit}", _place(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path), at + 1
        if event.anchor:
            self.anchors[event.anchor] = at
        self.unfolding.append(at)
        try:
            if isinstance(event, yaml.ScalarEvent):
                return self._scalar(event, path, place), at + 1
            self._tag(event, path, place, ("map", "seq"))
            if isinstance(event, yaml.SequenceStartEvent):
                return self._list(at + 1, path)
            return self._dict(at + 1, path)
        finally:
            self.unfolding.pop()

    def _alias(self, event: Event, path: KeyPath) -> Value:
        start = self.anchors.get(event.anchor)
        if start is None:
            raise YamlError(f"*{event.anchor} names no anchor above it", _place(event))
        if start in self.unfolding:
            raise YamlError(f"*{event.anchor} contains itself", _place(event))
        return self.build(start, path)[0]

    def _list(self, at: int, path: KeyPath) -> tuple[Value, int]:
        items: list[Value] = []
        while not isinstance(self.events[at], yaml.SequenceEndEvent):
            item, at = self.build(at, (*path, len(items)))
            items.append(item)
        return items, at + 1

    def _dict(self, at: int, path: KeyPath) -> tuple[Value, int]:
        mapping: dict[str, Value] = {}
        merges: list[tuple[Value, dict[KeyPath, Place]]] = []
        while not isinstance(self.events[at], yaml.MappingEndEvent):
            key, place = self._key(at), _place(self.events[at])
            child: KeyPath = (*path, key)
            if key == "<<" and self.events[at].implicit[0]:
                outside, self.places = self.places, {}
                value, at = self.build(at + 1, ())
                merges.append((value, self.places))
                self.places = outside
                continue
            if key in mapping:
                first = self.places[child].line
                self.faults.append(Fault(place, child, f"stands here twice, first on line {first}; keep one"))
                child = (*child, "<again>")
            self.places[child] = place
            value, at = self.build(at + 1, child)
            mapping.setdefault(key, value)
        for value, places in merges:
            self._merge(mapping, path, value, places)
        return mapping, at + 1

    def _key(self, at: int) -> str:
        event = self.events[at]
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        raise YamlError("a key must be plain text", _place(event))

    def _merge(self, mapping: dict[str, Value], path: KeyPath, value: Value, places: dict[KeyPath, Place]) -> None:
        """Add the keys of a merged mapping, or of a list of them, that the mapping does not have yet."""
        parts, depth = (value, 1) if isinstance(value, list) else ([value], 0)
        wanted: dict[str | int, int] = {}  # key -> the part that it comes from
        for index, part in enumerate(parts):
            if not isinstance(part, dict):
                raise YamlError("`<<` merges a mapping, or a list of mappings", places[()])
            for key in part.keys() - mapping.keys():
                wanted[key] = index
            mapping.update({key: part[key] for key in part if key not in mapping})
        for old, place in places.items():
            if len(old) > depth and wanted.get(old[depth], -1) == (old[0] if depth else 0):
                self.places[(*path, *old[depth:])] = place

    def _scalar(self, event: Event, path: KeyPath, place: Place) -> Value:
        text = str(event.value)
        tag = self._tag(event, path, place, ("str", "int", "float", "bool", "null"))
        if tag == "str" or (not tag and not event.implicit[0]):
            return text
        return _core(text)

    def _tag(self, event: Event, path: KeyPath, place: Place, known: tuple[str, ...]) -> str:
        tag = "str" if event.tag == "!" else (event.tag or "").removeprefix(_TAG)
        if tag and tag not in known and tag != "str":
            self.faults.append(Fault(place, path, f"the tag {event.tag} means nothing here; remove it"))
            return "str"
        return tag


def _core(text: str) -> Value:
    """Return what a plain scalar means in the core schema of YAML 1.2 (section 10.3.2 of its specification)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
