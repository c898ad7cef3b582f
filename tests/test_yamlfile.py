import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamd import yamlfile
from streamd.yamlfile import Place, YamlError


def test_every_key_and_item_has_its_place():
    places = yamlfile.read("a: 1\nb:\n  - x\n  - c: 2\n").places
    assert places == {
        (): Place(1, 1),
        ("a",): Place(1, 1),
        ("b",): Place(2, 1),
        ("b", 0): Place(3, 5),
        ("b", 1): Place(4, 5),
        ("b", 1, "c"): Place(4, 5),
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("12:30", "12:30"), ("1:30:00", "1:30:00"),
        ("2024-01-01", "2024-01-01"), ("0123", 123), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("0b1", "0b1"),
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None), ("-3", -3), ("1e3", 1000.0),
        ("-.inf", float("-inf")), ("'1'", "1"), ('"true"', "true"), ("!!str 1", "1"), ("! 1", "1"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_says(text, value):
    found = yamlfile.read(f"key: {text}").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text():
    assert yamlfile.read("1: a\non: b\n~: c").value == {"1": "a", "on": "b", "~": "c"}


def test_a_key_that_stands_twice_is_a_fault_with_both_places():
    document = yamlfile.read("cams:\n  front: 1\n  side: 2\n  front: 3\n")
    (fault,) = document.faults
    assert (fault.place, fault.path) == (Place(4, 3), ("cams", "front"))
    assert "first on line 2" in fault.message
    assert document.value["cams"] == {"front": 1, "side": 2}


def test_an_alias_stands_for_its_anchor():
    assert yamlfile.read("a: &x [1, 2]\nb: *x").value == {"a": [1, 2], "b": [1, 2]}


def test_merged_keys_give_way_to_own_ones_and_keep_their_place():
    document = yamlfile.read("base: &b {x: 1, y: 2}\ncam:\n  <<: *b\n  y: 3\n")
    assert document.value["cam"] == {"x": 1, "y": 3}
    assert document.places["cam", "x"] == Place(1, 11)
    assert document.places["cam", "y"] == Place(4, 3)


def test_of_several_merged_mappings_the_first_wins():
    document = yamlfile.read("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}")
    assert document.value["c"] == {"x": 1, "z": 3}
    assert document.places["c", "x"] == Place(1, 8)


def test_a_quoted_merge_key_is_a_plain_key():
    assert yamlfile.read("{'<<': 1}").value == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: b: c", 1, 5, "quotes"),
        ("a: 1\n\tb: 2", 2, 1, "not tabs"),
        ("a: [1\nb: 2", 2, 2, "begun on line 1"),
        ("a: 'x", 1, 6, "unexpected end"),
        ("a: *x", 1, 4, "no anchor"),
        ("a: &a [*a]", 1, 8, "contains itself"),
        ("a: 1\n---\nb: 2", 3, 1, "second document"),
        ("? [a]\n: b", 1, 3, "plain text"),
        ("a: {<<: 3}", 1, 9, "merges a mapping"),
        ("a: \x07", 1, 1, "text file"),
        ("[" * 500_000, 1, 65, "64 levels"),
        ("{a: " * 70 + "}" * 70, 1, 257, "64 levels"),
    ],
)
def test_what_is_no_yaml_says_where_and_why(text, line, column, words):
    with pytest.raises(YamlError) as caught:
        yamlfile.read(text)
    assert words in caught.value.message
    assert caught.value.place == Place(line, column)


def test_a_billion_laughs_are_not_laughed():
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    rows += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(YamlError, match="more than 100000 values"):
        yamlfile.read("\n".join(rows))


def test_a_tag_that_makes_objects_is_a_fault():
    document = yamlfile.read("a: !!python/object/apply:os.system [ls]")
    assert "means nothing here" in document.faults[0].message


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "--- \n...\n"])
def test_an_empty_text_is_none(text):
    assert yamlfile.read(text).value is None


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@\n \t,?<~0.", max_size=60))
def test_garbage_is_read_or_refused_and_nothing_else(text):
    try:
        document = yamlfile.read(text)
    except YamlError:
        return
    assert document.places[()].line >= 1
