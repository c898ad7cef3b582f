import pytest

from streamd.int8.groups import Group
from streamd.int8.partial import affordable, search

COSTS = {"a": 40, "b": 10, "c": 20, "d": 5, "e": 5}
TOTAL = 200


@pytest.fixture
def ranked():
    return [Group((name,), (name,), i, COSTS[name]) for i, name in enumerate(COSTS)]


def names(groups):
    return [group.name for group in groups]


def share(left):
    return sum(group.macs for group in left) / TOTAL


def judge(losses, plain=0.1):
    """A model in which leaving a group out wins back what it loses."""
    return lambda left: plain + sum(losses.values()) - sum(losses.get(group.name, 0) for group in left)


def test_nothing_is_left_out_where_the_target_holds_already(ranked):
    found = search(ranked, judge({}, plain=0.001), share, target=0.01, cap=0.5)
    assert (found.left, found.reached, found.share, found.steps) == ([], True, 0, [(0, 0.001)])


def test_the_fewest_of_the_most_sensitive_are_left_out(ranked):
    found = search(ranked, judge({"a": 0.3, "b": 0.2, "c": 0.1}, plain=0), share, target=0.01, cap=1)
    assert names(found.left) == ["a", "b", "c"]
    assert found.reached
    assert found.drop == pytest.approx(0)
    assert found.plain == pytest.approx(0.6)
    assert found.share == pytest.approx(0.35)


def test_a_group_that_ranked_high_and_wins_nothing_is_put_back(ranked):
    found = search(ranked, judge({"b": 0.2, "c": 0.1}, plain=0), share, target=0.01, cap=1)
    assert names(found.left) == ["b", "c"]


def test_the_cap_is_never_exceeded_and_what_does_not_fit_is_passed_over(ranked):
    assert names(affordable(ranked, share, 0.1)) == ["b", "d", "e"]
    found = search(ranked, judge({"a": 0.3, "b": 0.2}, plain=0), share, target=0.01, cap=0.1)
    assert not found.reached
    assert found.share <= 0.1
    assert "b" in names(found.left)
    assert found.drop == pytest.approx(0.3)


def test_without_room_for_any_group_nothing_is_left_out(ranked):
    found = search(ranked, judge({"a": 0.3}), share, target=0.01, cap=0.01)
    assert (found.left, found.reached) == ([], False)


def test_no_set_is_run_twice_and_every_run_is_told(ranked):
    seen, told = [], []

    def judged(left):
        seen.append(frozenset(names(left)))
        return judge({"a": 0.3, "b": 0.2, "c": 0.1}, plain=0)(left)

    found = search(ranked, judged, share, target=0.01, cap=1, advance=lambda: told.append(1))
    assert len(seen) == len(set(seen)) == len(told) == len(found.steps)
