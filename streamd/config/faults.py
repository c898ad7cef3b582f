"""What pydantic found, in words: what was expected, what stands there, and an example to write instead."""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from streamd.config.text import Fault
from streamd.yamlfile import KeyPath, Value

Details = Mapping[str, Any]  # one of pydantic's errors: its type, loc, msg and ctx

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of names",
    "model_type": "a mapping of keys",
    "path_type": "a path",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_NAME = "a name is letters, digits, `_`, `.` and `-`, begins with a letter or digit, and has 64 characters at most"


def explain(error: ValidationError, model: type[BaseModel], tree: Value) -> list[Fault]:
    """Return one fault for each error that `model` found in `tree`."""
    return [_fault(dict(details), model, tree) for details in error.errors(include_url=False)]


def nearest(word: str, words: Iterable[str]) -> str:
    """Return `; did you mean ...?` when one of `words` is close to `word`, else nothing."""
    known = {known.lower().replace("-", "_"): known for known in words}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return f"; did you mean `{known[close[0]]}`?" if close else ""


def _fault(details: Details, model: type[BaseModel], tree: Value) -> Fault:
    path = tuple(part for part in details["loc"] if part != "[key]")
    if details["loc"][-1:] == ("[key]",):
        return Fault(path, f"{_NAME}; write another name")
    if details["type"] == "extra_forbidden":
        return Fault(path, _unknown_key(model, path))
    example = _example(model, path)
    if details["type"] == "missing":
        return Fault(path, f"is missing{example or '; write it, and what it holds indented below it'}")
    return Fault(path, _wrong_value(details, _got(model, path, tree), _at(tree, path), example))


def _wrong_value(details: Details, got: str, value: Value, example: str) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return f"must be {word} {context[limit]:g}, got {got}{example}"
    if kind == "literal_error":
        words = str(context["expected"]).replace("'", "")
        return f"expected {words}, got {got}{nearest(str(value), words.replace(' or ', ', ').split(', '))}"
    if kind in ("too_short", "string_too_short"):
        return f"is empty; give it something to hold{example}"
    if kind == "value_error":
        return f"{context['error']}{example}"
    if kind == "string_type" and isinstance(value, int | float):
        return f"expected text, got {got}; put it in quotes"
    return f"expected {_EXPECTED.get(kind, details['msg'].removeprefix('Input should be '))}, got {got}{example}"


def _unknown_key(model: type[BaseModel], path: KeyPath) -> str:
    section = _section(model, path[:-1])
    keys = list(section.model_fields) if section else []
    meant = nearest(str(path[-1]), keys) or f"; the keys here are {', '.join(keys)}"
    return f"no such key{meant}"


def _got(model: type[BaseModel], path: KeyPath, tree: Value) -> str:
    value = _at(tree, path)
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str) and _is_secret(model, path):
        return "a text"
    said = str(value).lower() if isinstance(value, bool) else repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def _at(tree: Value, path: KeyPath) -> Value:
    for part in path:
        if isinstance(tree, dict):
            tree = tree.get(str(part))
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree


def _example(model: type[BaseModel], path: KeyPath) -> str:
    """Return `; for example ...` for the nearest key of the path that has an example."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    section = _section(model, path[:-1]) if path else None
    field = section.model_fields.get(str(path[-1])) if section else None
    if field is None or not field.examples:
        return ""
    value = field.examples[0]
    if isinstance(value, list):
        value = f"[{', '.join(value)}]"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"; for example `{path[-1]}: {text}`"


def _is_secret(model: type[BaseModel], path: KeyPath) -> bool:
    section = _section(model, path[:-1])
    field = section.model_fields.get(str(path[-1])) if section and path else None
    return field is not None and field.annotation is SecretStr


def _section(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the class of the mapping at `path`; None where there is no mapping of keys."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = _bare(field.annotation) if field else None
        else:
            arguments = get_args(kind)
            kind = _bare(arguments[1]) if get_origin(kind) is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _bare(kind: Any) -> Any:  # noqa: ANN401  a type, of which typing has no type
    """Return a type without `Annotated` and without `| None`."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return next((_bare(part) for part in get_args(kind) if part is not type(None)), None)
    return kind
