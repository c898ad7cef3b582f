"""Configuration files for Hypothesis to draw: made from the schema, then spoilt, as values and as text."""

import copy
import json

import yaml
from hypothesis import strategies as st

from streamd import config

NAMES = st.sampled_from(["front", "back.2", "a-b_c"])
# What a value of a key may be where the schema says too little for a file that could be used
GOOD = {
    "uri": ["clip.mp4", "rtsp://127.0.0.1/a", "rtsps://viewer:p%40ss@h/s?x=1", "http://h/a.mp4", "scenes:?seed=3"],
    "path": ["street.onnx", "bundled:street.onnx"],
    "model": ["front", "a-b_c"],
    "device": ["cpu"],
    "build": ["never"],
    "classes": [None, ["person"]],
    "password_file": [None],
    "curve_secret_key_file": [None],
    "curve_client_keys_file": [None],
    "token_file": [None],
    "file": [None, {"path": "out.jsonl"}],
    "bind": ["tcp://127.0.0.1:5571", "ipc:///tmp/streamd-fuzz", "tcp://[::1]:*"],
    "metrics": [None, {"bind": "127.0.0.1:9999"}, {"bind": "127.0.0.1:9998", "ready": 2}],
}
ODD_VALUES = [
    None, True, -1, 0, 10**30, -(10**400), 1e308, float("nan"), "", " ", "\0", "${NOPE}", "${", "$${x}", "${SET}", "é",
    "x" * 3_000, "9" * 400, "1e999", "-5ms", "\u2028", "a\nb", [], {}, [[[]]], {"a": {"b": 1}}, ["person", 1, None],
    "rtsp://", "rtsp://u:p@@h/", "http://[::1", "rtsp://h:99999/", "scenes:?width=-1", "://", "bundled:../../etc",
    "rtsp://user:%zz@h/x", "file:///dev/null", "clip.mp4\0", "tcp://0.0.0.0:1", "tcp://127.0.0.1:70000", "ipc://",
]  # fmt: skip
ODD_KEYS = ["", "é", "a\nb", "x" * 100, "<<", "*", "cameras", "0", "null", "\u2028", "uri", "publish", "日本"]
ODD_TEXTS = [
    "\0", "\t", ":", "{", "}", "[", "&a ", "*a", "<<: *a", "!!python/object:os.system ", "|", ">", "%", "@", "'", '"',
    "# ", "- ", "\u2028", "\ufeff", "\r\n", "---\n", "...\n", "é", "\ud7ff", "? ", "!!binary ", "0x", "&a [*a]",
]  # fmt: skip


def drawn(node, key, schema):
    """Return a strategy of what a node of the JSON Schema allows."""
    if key in GOOD:
        return st.sampled_from(GOOD[key])
    if "$ref" in node:
        return drawn(schema["$defs"][node["$ref"].rpartition("/")[2]], key, schema)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "anyOf" in node:
        return st.one_of([drawn(each, "", schema) for each in node["anyOf"]])
    if node["type"] == "object":
        return section(node, schema)
    lowest = node.get("minimum", node.get("exclusiveMinimum", -1) + 1)
    return {
        "boolean": st.booleans(),
        "null": st.none(),
        "integer": st.integers(lowest, node.get("maximum", 10**6)),
        "number": st.floats(lowest, node.get("maximum", 1e6), allow_nan=False),
        "string": st.sampled_from(["5ms", "2s", "1m"] if "pattern" in node else ["plain", "two words", "7"]),
        "array": st.just(["person"]),
    }[node["type"]]


def section(node, schema):
    """Return a strategy of a mapping: of names, or of keys of which only the required are always there."""
    if "properties" not in node:
        each = node.get("additionalProperties") or next(iter(node["patternProperties"].values()))
        return st.dictionaries(NAMES, drawn(each, "", schema), min_size=1, max_size=2)
    keys = {key: drawn(each, key, schema) for key, each in node["properties"].items()}
    required = set(node.get("required", ()))
    return st.fixed_dictionaries(
        {key: each for key, each in keys.items() if key in required},
        optional={key: each for key, each in keys.items() if key not in required},
    )


def places(tree, path=()):
    """Yield the path of every value."""
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*path, key))


def spoilt(tree, path, how, value, key):
    """Return the tree with one value changed, taken away, renamed, or given an unknown key."""
    tree = copy.deepcopy(tree)
    if not path:
        return value if how == "change" else {**tree, key: value} if isinstance(tree, dict) else tree
    home = tree
    for part in path[:-1]:
        home = home[part]
    if how == "change" or isinstance(home, list):
        home[path[-1]] = value
    elif how == "take":
        del home[path[-1]]
    elif how == "rename":
        home[key] = home.pop(path[-1])
    else:
        home[key] = value
    return tree


SCHEMA = config.schema()
TREES = section(SCHEMA, SCHEMA)


@st.composite
def documents(draw):
    """Draw the bytes of a file that is right, or wrong in up to three values and up to two places of its text."""
    tree = draw(TREES)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        path = draw(st.sampled_from(list(places(tree))))
        how = draw(st.sampled_from(["change", "change", "take", "rename", "add"]))
        tree = spoilt(tree, path, how, draw(st.sampled_from(ODD_VALUES)), draw(st.sampled_from(ODD_KEYS)))
    text = json.dumps(tree) if draw(st.booleans()) else yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        text = mangled(draw, text)
    return text.encode(errors="surrogatepass")


def mangled(draw, text):
    """Return the text with something put into it, a line doubled or lost, or its end cut off."""
    at = draw(st.integers(0, len(text)))
    lines = text.splitlines(keepends=True) or [""]
    line = draw(st.integers(0, len(lines) - 1))
    how = draw(st.sampled_from(["put", "double", "lose", "cut"]))
    if how == "put":
        return text[:at] + draw(st.sampled_from(ODD_TEXTS)) + text[at:]
    if how == "cut":
        return text[:at]
    lines[line : line + 1] = [lines[line]] * (2 if how == "double" else 0)
    return "".join(lines)
