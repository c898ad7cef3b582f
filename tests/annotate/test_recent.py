from streamd.annotate.recent import Recent


def test_a_thing_is_made_once():
    made = []
    recent = Recent(4)
    assert [recent.get("a", lambda: made.append(1) or "A") for _ in range(3)] == ["A"] * 3 and made == [1]


def test_the_one_asked_for_longest_ago_goes_first():
    recent = Recent(2)
    for key in "abac":
        recent.get(key, key.upper)
    assert [recent.get(key, lambda: "new") for key in "ac"] == ["A", "C"]
    assert recent.get("b", lambda: "new") == "new" and len(recent) == 2
