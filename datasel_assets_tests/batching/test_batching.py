import re
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.batching.ask import (
    Ledger,
    ask_batches,
    count_tokens,
    f1,
    nearest_example,
    parse_reply,
    render_prompt,
)
from datasel_assets.batching.batches import batch_questions, cluster_questions
from datasel_assets.batching.cover import greedy_cover
from datasel_assets.batching.demonstrations import choose_demonstrations
from datasel_assets.batching.features import distance_percentiles, pair_features

HOW = ("random", "similarity", "diversity")


def drawn(seed: int = 0, q: int = 100, d: int = 300) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.random((q, 2)), draw.random((d, 2))


def eager(sets: list[np.ndarray], n: int, cost: np.ndarray) -> list[int]:
    """The definition: in every step all sets are looked at."""
    is_open, chosen = np.ones(n, bool), []
    while True:
        gains = np.array([is_open[items].sum() for items in sets])
        if not len(sets) or not gains.any():
            return chosen
        price = np.where(gains > 0, cost / np.maximum(gains, 1), np.inf)
        chosen.append(int(price.argmin()))
        is_open[sets[chosen[-1]]] = False


def test_the_cover_of_a_small_example():
    """BAT-1: the large set, then the one with two that are left, then the last."""
    sets = [np.array(one) for one in ([0, 1], [0, 1, 2], [2, 3, 4], [5], [3, 5])]
    assert greedy_cover(sets, 6) == [1, 2, 3]
    assert greedy_cover(sets, 7) == [1, 2, 3]  # nobody has 6
    assert greedy_cover(sets, 6, np.array([1.0, 9, 1, 1, 0.5])) == [4, 0, 2]


@given(
    st.lists(st.sets(st.integers(0, 9), max_size=6), max_size=12),
    st.lists(st.integers(1, 4), min_size=12, max_size=12),
)
def test_the_lazy_cover_is_the_eager_one(sets: list[set[int]], cost: list[int]):
    """BAT-1, ties by place."""
    arrays = [np.array(sorted(one), np.int64) for one in sets]
    weights = np.array(cost[: len(sets)], np.float64)
    assert greedy_cover(arrays, 10, weights) == eager(arrays, 10, weights)


@pytest.mark.parametrize("seed", range(3))
def test_every_question_that_can_be_covered_is_in_its_own_prompt(seed: int):
    """BAT-2."""
    questions, pool = drawn(seed)
    questions[:3] += 5  # out of everybody's reach
    reach = 0.08
    batches = batch_questions("diversity", cluster_questions(questions, 0.03), 8, seed)
    found = choose_demonstrations("covering", questions, pool, batches, np.ones(len(pool)), reach)
    distance = np.linalg.norm(questions[:, None] - pool[None], axis=2)
    covered = (distance <= reach).any(axis=1)
    np.testing.assert_array_equal(found.uncovered, np.flatnonzero(~covered))
    assert {0, 1, 2} <= set(found.uncovered.tolist())
    for batch, shown in zip(batches, found.per_batch, strict=True):
        for question in batch:
            if covered[question]:
                assert distance[question, shown].min() <= reach
            else:
                assert distance[question, shown].min() == distance[question, found.bought].min()
        assert set(shown.tolist()) <= set(found.bought.tolist())
    for question in found.uncovered:
        assert distance[question].argmin() in found.bought


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("q", [0, 1, 7, 8, 9, 100])
def test_every_question_is_in_exactly_one_batch_of_at_most_eight(how: str, q: int):
    """BAT-3."""
    questions = np.random.default_rng(q).random((q, 2))
    batches = batch_questions(how, cluster_questions(questions, 0.1), 8, seed=1)
    assert sorted(np.concatenate([np.empty(0, int), *batches]).tolist()) == list(range(q))
    assert all(1 <= len(batch) <= 8 for batch in batches)


def test_similar_batches_lie_closer_together_than_diverse_ones():
    """BAT-4."""
    draw = np.random.default_rng(0)
    questions = np.concatenate([draw.normal(center, 0.02, (20, 2)) for center in range(10)])
    clusters = cluster_questions(questions, 0.05, 3)

    def spread(how: str) -> float:
        batches = batch_questions(how, clusters, 8)
        return np.mean(
            [np.linalg.norm(questions[a] - questions[b]) for one in batches for a, b in combinations(one, 2)]
        )

    assert spread("similarity") < 0.5 * spread("random") < spread("random") < spread("diversity")


def test_a_diverse_batch_has_a_question_of_each_of_eight_clusters():
    clusters = np.repeat(np.arange(8), 5)
    for batch in batch_questions("diversity", clusters, 8, seed=2):
        assert sorted(clusters[batch].tolist()) == list(range(8))


def answered(replies) -> tuple[list, Ledger, list[str]]:
    """Ask ten questions in two batches of five; ``replies`` makes a reply of a prompt."""
    ledger, sent = Ledger(), []

    def ask(prompt: str, batch: np.ndarray) -> str:
        sent.append(prompt)
        return replies(prompt, batch)

    batches = [np.arange(5), np.arange(5, 10)]
    shown = [[("an example", True)], [("another", False)]]
    found = ask_batches(batches, shown, [f"are {i} and {i} one?" for i in range(10)], ask, "Match.", ledger, retries=2)
    return found, ledger, sent


def test_tokens_are_those_of_the_prompts_that_were_sent():
    """BAT-5."""
    found, ledger, sent = answered(lambda prompt, batch: "\n".join(f"{n}. yes" for n in range(1, len(batch) + 1)))
    assert found == [True] * 10
    assert ledger.prompt_tokens == [count_tokens(prompt) for prompt in sent]
    assert sent[0] == render_prompt("Match.", [("an example", True)], [f"are {i} and {i} one?" for i in range(5)])
    assert sum(ledger.reply_tokens) == 30
    ledger.labels = 2
    assert ledger.cost(1.0, 2.0, 0.5) == pytest.approx(sum(ledger.prompt_tokens) / 1000 + 60 / 1000 + 1)


def test_a_reply_that_never_can_be_read_costs_its_own_question_and_stays_in_the_figures():
    """BAT-6: question 3 always spoils its prompt; the batch is asked again, halved, and asked one by one."""

    def spoiled(prompt: str, batch: np.ndarray) -> str:
        return "I would rather not say" if 3 in batch else "\n".join(["yes"] * len(batch))

    found, ledger, _ = answered(spoiled)
    assert found == [True, True, True, None, True, True, True, True, True, True]
    assert ledger.unread == 1
    assert ledger.again == 2 * 4  # 0-4, 2-4, 3-4 and 3 alone: each twice again
    gold = [True] * 10
    assert f1(found, gold) == pytest.approx(18 / 19)
    assert f1([None], [False]) == 0
    assert f1([None, True], [False, True]) == pytest.approx(2 / 3)


def test_a_reply_is_read_when_it_has_an_answer_for_each_question():
    assert parse_reply("1. Yes, they are.\n2) NO", 2) == [True, False]
    assert parse_reply("1. yes\n2. no\n3. yes", 2) is None
    assert parse_reply("I know nothing of eyes or yesterday", 1) is None


def test_features_with_a_percentile_of_zero_are_batched():
    """BAT-7."""
    questions = np.repeat([[0.0], [1.0]], 20, axis=0)
    radius = distance_percentiles(questions, questions, [1])[0]
    assert radius == 0
    clusters = cluster_questions(questions, radius, 8)
    assert len(set(clusters.tolist())) == 2


def test_attributes_that_both_lack_are_equal_and_one_that_one_lacks_is_different():
    pytest.importorskip("rapidfuzz")
    found = pair_features([["abcd", None, "x", ""]], [["abxd", "", None, "y"]])
    np.testing.assert_allclose(found[:, 0], [6 / 8, 1, 0, 0])


def test_a_fixed_choice_is_the_same_for_every_batch_and_the_nearest_are_the_nearest():
    questions, pool = drawn()
    batches = batch_questions("random", np.zeros(len(questions), int), 8)
    tokens = np.ones(len(pool))
    fixed = choose_demonstrations("fixed", questions, pool, batches, tokens, 0.1)
    assert len(fixed.bought) == 8
    assert all(np.array_equal(one, fixed.bought) for one in fixed.per_batch)
    by_batch = choose_demonstrations("topk_batch", questions, pool, batches, tokens, 0.1)
    by_question = choose_demonstrations("topk_question", questions, pool, batches, tokens, 0.1)
    distance = np.linalg.norm(questions[:, None] - pool[None], axis=2)
    for batch, shown, nearest in zip(batches, by_batch.per_batch, by_question.per_batch, strict=True):
        assert set(shown.tolist()) == set(np.argsort(distance[batch].min(axis=0))[:8].tolist())
        assert set(nearest.tolist()) == set(distance[batch].argmin(axis=1).tolist())
    covering = choose_demonstrations("covering", questions, pool, batches, tokens, 0.15)
    assert len(covering.bought) < len(by_question.bought) / 2


def test_of_examples_that_cover_as_much_the_shortest_is_shown():
    questions, pool = np.zeros((4, 1)), np.array([[0.1], [0.1], [0.1]])
    found = choose_demonstrations("covering", questions, pool, [np.arange(4)], np.array([9, 2, 5]), 0.2)
    # One label is enough, and which one is decided before any text is read.
    assert [one.tolist() for one in found.per_batch] == [[0]]
    two = choose_demonstrations(
        "covering",
        np.array([[0.0], [1.0], [0.5]]),
        np.array([[0.0], [1.0]]),
        [np.array([2]), np.array([0, 1])],
        np.array([9, 2]),
        0.6,
    )
    assert [one.tolist() for one in two.per_batch] == [[1], [0, 1]]


def test_whoever_answers_as_the_nearest_example_is_right_where_classes_lie_apart():
    draw = np.random.default_rng(0)
    same = draw.random(200) < 0.5
    features = np.where(same, 0.9, 0.2)[:, None] + draw.normal(0, 0.05, (200, 1))
    questions, pool, gold, truth = features[:80], features[80:], same[80:], same[:80].tolist()
    batches = batch_questions("diversity", cluster_questions(questions, 0.02), 8)
    shown = choose_demonstrations("covering", questions, pool, batches, np.ones(120), 0.15)
    answer = nearest_example(questions, batches, shown.per_batch, pool, gold)
    texts = [[("", bool(gold[one])) for one in each] for each in shown.per_batch]
    found = ask_batches(batches, texts, [""] * 80, answer, "", Ledger())
    assert f1(found, truth) == 1


PUBLISHED = {
    # attributes, DBSCAN's minimum, Q, pool, eps, theta, clusters, labels, uncovered, labels of topk_question, F1, F1
    "abt_buy": (("name",), 8, 1916, 7659, 0.0015, 0.0125, 26 + 213, 32, 0, 756, 0.12, 0.22),
    "amazon_google": (("title", "manufacturer"), 1, 2293, 9167, 0.0020, 0.0165, 234, 106, 21, 980, 0.24, 0.30),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_labels_bought_on_public_pairs_are_those_of_an_earlier_reading_of_the_method(name: str, shared_data: Path):
    pytest.importorskip("rapidfuzz")
    attributes, least, q, d, eps, theta, clusters, labels, uncovered, of_each, floor, floor_of_each = PUBLISHED[name]
    frame = pl.read_parquet(shared_data / f"er_{name}.parquet")
    sides = [
        [{k: v.strip() for k, v in re.findall(r"COL (\S+) VAL (.*?)(?= COL |$)", text)} for text in frame[side]]
        for side in ("left", "right")
    ]
    features = pair_features(*([[record.get(a) for record in side] for a in attributes] for side in sides))
    asked = (frame["_split"] == "test").to_numpy()
    gold = (frame["label"] == "1").to_numpy()
    questions, pool = features[asked], features[~asked]
    assert (len(questions), len(pool)) == (q, d)
    radius, reach = distance_percentiles(questions, pool, [1, 8])
    assert (round(radius, 4), round(reach, 4)) == (eps, theta)
    groups = cluster_questions(questions, radius, least)
    assert len(set(groups.tolist())) == clusters
    batches = batch_questions("diversity", groups, 8)
    covering = choose_demonstrations("covering", questions, pool, batches, np.ones(d), reach)
    nearest = choose_demonstrations("topk_question", questions, pool, batches, np.ones(d), reach)
    assert len(covering.uncovered) == uncovered
    # There the nearest examples of uncovered questions are not counted, since they were forgotten.
    assert labels - 1 <= len(covering.bought) <= labels + uncovered
    assert len(nearest.bought) == of_each
    for shown, expected in ((covering, floor), (nearest, floor_of_each)):
        answer = nearest_example(questions, batches, shown.per_batch, pool, gold[~asked])
        texts = [[("", False)] * len(each) for each in shown.per_batch]
        found = ask_batches(batches, texts, [""] * q, answer, "", Ledger())
        assert f1(found, gold[asked].tolist()) == pytest.approx(expected, abs=0.01)
