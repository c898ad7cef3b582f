import numpy as np
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


def test_a_group_called_like_another_is_another(ranked):
    twin = Group(("a",), (), 9, 0)  # of a model whose layers are called like its tensors
    losses = {ranked[0]: 0.3, twin: 0.2}

    def judged(left):
        return sum(losses.values()) - sum(losses.get(group, 0) for group in left)

    found = search([ranked[0], twin], judged, share, target=0.01, cap=1)
    assert found.left == [ranked[0], twin]
    assert found.drop == pytest.approx(0)


def test_a_target_that_all_miss_and_some_reach_is_reached_with_the_fewest(ranked):
    """Leaving `e` out makes it worse, as where two errors cancel."""

    def judged(left):
        return 0.3 * ("a" not in names(left)) + 0.2 * ("e" in names(left))

    found = search(ranked, judged, share, target=0.01, cap=1)
    assert (names(found.left), found.reached) == (["a"], True)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_model_does_what_is_told_was_measured_and_fits(seed):
    random = np.random.default_rng(seed)
    ranked = [Group((str(i),), (str(i),), i, int(random.integers(100))) for i in range(random.integers(1, 12))]
    head = int(random.integers(50))
    total = head + sum(group.macs for group in ranked) + 1
    noise = {}

    def judged(left):
        lost = sum(1 / (i + 1) for i, group in enumerate(ranked) if group not in left) / 10
        return noise.setdefault(frozenset(left), lost + random.normal() / 50)

    def share(left):
        return (head + sum(group.macs for group in left)) / total

    target, cap = float(random.random() / 5), float(random.random())
    found = search(ranked, judged, share, target=target, cap=cap)
    assert found.drop == noise[frozenset(found.left)]
    assert found.reached == (found.drop <= target)
    assert found.share == share(found.left)
    assert found.share <= cap or not found.left
    assert found.base == share([])
    assert len(found.steps) <= 2 * len(ranked) + 3
