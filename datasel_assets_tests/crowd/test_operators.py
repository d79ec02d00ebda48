"""Operators over answers by name: classes, shares, and pairs with what follows from them."""

import math

import pytest

from datasel_assets.crowd.answers import numbered
from datasel_assets.crowd.operators import classify, count, filtered, match

ANSWERS = [
    ("a", "w1", "yes"),
    ("a", "w2", "yes"),
    ("a", "w3", "no"),
    ("b", "w1", "no"),
    ("c", "w1", "yes"),
    ("c", "w2", "no"),
]
NAMED = numbered(*(list(column) for column in zip(*ANSWERS, strict=True)))


def test_a_class_is_told_with_how_probable_it_is_and_a_tie_has_none():
    a, b, c = classify(NAMED)
    assert (a.task, a.answer, a.posterior, a.n, a.agreed) == ("a", "yes", pytest.approx(2 / 3), 3, pytest.approx(2 / 3))
    assert (b.answer, b.posterior) == ("no", 1.0)
    assert (c.answer, c.posterior, c.agreed) == (None, 0.5, 0.0)


def test_things_are_kept_by_their_class_and_how_sure_it_is():
    assert [one.task for one in filtered(NAMED, {"yes"}, 0.5)] == ["a"]
    assert filtered(NAMED, {"yes"}, 0.9) == []


def test_what_is_tied_counts_in_parts_and_a_whole_pool_has_no_interval():
    no, yes = count(NAMED)
    assert (no.tasks, yes.tasks) == (1.5, 1.5)
    assert 0 < yes.low < yes.share == 0.5 < yes.high < 1
    assert [(one.low, one.high) for one in count(NAMED, of=3)] == [(0.5, 0.5)] * 2


def same(left: str, right: str, worker: str = "w") -> tuple[str, str, str, bool]:
    return left, right, worker, True


def different(left: str, right: str, worker: str = "w") -> tuple[str, str, str, bool]:
    return left, right, worker, False


def test_what_follows_from_answers_is_told_and_only_what_does_not_is_asked_next():
    pairs = [("a", "b", 0.9), ("b", "c", 0.8), ("a", "c", 0.7), ("c", "d", 0.6), ("a", "d", 0.5), ("e", "a", 0.1)]
    found = match(pairs, [same("a", "b"), same("c", "b"), different("d", "c")])
    told = {(pair.left, pair.right): (pair.is_same, pair.how, pair.next) for pair in found.pairs}
    assert told == {
        ("a", "b"): (True, "asked", False),
        ("b", "c"): (True, "asked", False),
        ("a", "c"): (True, "deduced", False),
        ("c", "d"): (False, "asked", False),
        ("a", "d"): (False, "deduced", False),
        ("e", "a"): (None, "open", True),
    }
    assert found.sets == [["a", "b", "c"], ["d"], ["e"]]


def test_of_open_pairs_those_that_might_follow_from_others_wait():
    pairs = [("a", "b", 0.9), ("b", "c", 0.8), ("a", "c", 0.7)]
    assert [pair.next for pair in match(pairs, []).pairs] == [True, True, False]
    assert [pair.next for pair in match(pairs, [], per_round=1).pairs] == [True, False, False]
    assert all(math.isnan(pair.posterior) for pair in match(pairs, []).pairs)


def test_doubt_is_asked_again_and_nothing_follows_from_it():
    pairs = [("a", "b", 0.9), ("b", "c", 0.8), ("a", "c", 0.7)]
    found = match(pairs, [same("a", "b", "x"), different("a", "b", "y"), same("b", "c", "x")])
    assert [(pair.is_same, pair.how, pair.next) for pair in found.pairs][:2] == [
        (None, "unsure", True),
        (True, "asked", False),
    ]
    assert match(pairs, [same("a", "b")], least=2).pairs[0].how == "unsure"


def test_an_answer_against_surer_ones_is_a_conflict_and_does_not_count_until_it_is_asked_again():
    pairs = [("a", "b", 0.9), ("b", "c", 0.8), ("a", "c", 0.7)]
    sure = [same("a", "b", "x"), same("a", "b", "y"), same("b", "c", "x"), same("b", "c", "y")]
    weak = [different("a", "c", worker) for worker in "xyz"] + [same("a", "c", "v")]
    found = match(pairs, [*sure, *weak], certain=0.7)
    assert [(pair.is_same, pair.how, pair.next) for pair in found.pairs] == [
        (True, "asked", False),
        (True, "asked", False),
        (True, "conflict", True),
    ]


def test_a_perfect_crowd_that_is_asked_round_by_round_finds_every_set_and_asks_few_pairs():
    """CROWD-4: n - k matches and k (k - 1) / 2 others, where the matches come first."""
    items = [f"{name}{i}" for name in "abcd" for i in range(4)]
    pairs = [(x, y, 0.9 if x[0] == y[0] else 0.1) for n, x in enumerate(items) for y in items[n + 1 :]]
    answers: list[tuple[str, str, str, bool]] = []
    found = match(pairs, answers, per_round=1)
    while waiting := [pair for pair in found.pairs if pair.next]:
        answers += [(pair.left, pair.right, "w", pair.left[0] == pair.right[0]) for pair in waiting]
        found = match(pairs, answers, per_round=1)
    assert [len(one) for one in found.sets] == [4] * 4
    assert sum(answer[3] for answer in answers) == 16 - 4
    assert sum(not answer[3] for answer in answers) == 6
