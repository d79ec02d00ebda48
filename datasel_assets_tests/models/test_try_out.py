"""Trying a selection out: which rows every arm is trained on, and what it is measured on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.fine_tune import Arm
from datasel_assets.models.proxy_rows import Pool, pool_of
from datasel_assets.models.try_out import COUNTED_ROWS, LOSSES, arms_of, enough, held_out_sets, try_out
from datasel_assets.specs.proxy_eval import ProxyEvalSpec

N = 60
ROWS = pool_of(f"row number {i}" for i in range(N))
TOKENS = 10
"""Tokens of every row."""


class Start:
    """A start that holds out every fifth row; the loss of an arm is the number of rows that it was trained on."""

    def __init__(self) -> None:
        self.runs: list[tuple[list[str], int, int]] = []

    def sides(self, names: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        places = np.arange(names.height)[::-1]
        return places[places % 5 > 0], places[places % 5 == 0]

    def row_tokens(self, messages: pl.Series) -> np.ndarray:
        return np.full(len(messages), TOKENS)

    def measure(self, rows: pl.DataFrame, tokens: int, spec: Any, seed: int, held_out: Mapping[str, Sequence]) -> Arm:
        self.runs.append((rows["row_id"].to_list(), tokens, seed))
        self.held_out = held_out
        sizes = {name: len(found) for name, found in held_out.items()}
        return Arm(dict.fromkeys(held_out, float(rows.height)), sizes, 1, tokens, 0.5)


def pool() -> Pool:
    sources = pl.Series("source", ["few" if i in (0, 5) else "many" for i in range(N)])
    known = Pool.of(ROWS)
    return Pool(known.names.with_columns(sources), known.read)


def tried(selected: Sequence[int], **options: Any):
    start, told = Start(), []
    spec = ProxyEvalSpec(**{"seeds": 2, "epochs": 1.5, **options})
    ids = ROWS["row_id"].gather(list(selected))
    aims = {"aim": [[{"role": "assistant", "content": "yes"}]]}
    result = try_out(start, pool(), "mine", ids, spec, aims, lambda done, total: told.append((done, total)))
    return start, result, told


def test_every_arm_is_trained_on_as_many_tokens_as_the_selection_gives():
    start, result, told = tried([1, 2, 3, 5])
    # Row 5 is held out: three rows of ten tokens, seen one and a half times.
    assert result.tokens == 45
    assert (result.selected, result.chosen) == (4, 3)
    assert {tokens for _, tokens, _ in start.runs} == {45}
    by_run = {(arm, seed): rows for (rows, _, seed), arm in zip(start.runs, ARMS, strict=True)}
    names = ROWS["row_id"].to_list()
    assert by_run["start", 0] == []
    assert by_run["mine", 0] == by_run["mine", 1] == [names[3], names[2], names[1]]
    assert len(by_run["random", 0]) == 3
    assert len(by_run["full pool", 0]) == 5
    assert by_run["random", 0] == by_run["full pool", 0][:3] != by_run["random", 1]
    unseen = set(names[::5])
    assert not any(unseen & set(rows) for rows, _, _ in start.runs)
    assert told == [(done, 7) for done in range(1, 8)]


ARMS = ["start", "mine", "random", "full pool", "mine", "random", "full pool"]


def test_there_is_a_line_for_each_set_arm_and_seed_and_the_start_stands_with_every_seed():
    _, result, _ = tried([1, 2, 3])
    assert dict(result.losses.schema) == LOSSES
    counts = result.losses.group_by("arm", "set").len()
    assert counts.height == 4 * 3
    assert counts["len"].to_list() == [2] * 12
    assert result.losses.filter(pl.col("arm") == "start")["loss"].to_list() == [0.0] * 6
    assert result.losses.filter(pl.col("arm") == "mine")["loss"].to_list() == [3.0] * 6
    assert result.seconds == {"start": 0.5, "mine": 1.0, "random": 1.0, "full pool": 1.0}


def test_arms_are_measured_on_held_out_rows_and_targets():
    start, result, _ = tried([1], held_out_rows=7)
    assert list(start.held_out) == ["other sources", "source: many", "target: aim"]
    texts = {name: [row[-1]["content"] for row in found] for name, found in start.held_out.items()}
    assert texts["other sources"] == ["row number 5", "row number 0"]
    assert texts["source: many"] == [f"row number {i}" for i in range(55, 20, -5)]
    assert texts["target: aim"] == ["yes"]
    assert result.held_out == 10
    assert result.seen == 0


def test_a_heavy_row_is_trained_on_in_copies_and_a_weightless_one_not_at_all():
    start, names = Start(), ROWS["row_id"].to_list()
    weights = {names[1]: 2.0, names[2]: 1.0, names[3]: 0.0}
    ids = ROWS["row_id"].gather([1, 2, 3])
    try_out(start, pool(), "mine", ids, ProxyEvalSpec(seeds=2), {}, lambda done, total: None, weights)
    trained = {(arm, seed): rows for (rows, _, seed), arm in zip(start.runs, ARMS, strict=True)}
    assert trained["mine", 0] == trained["mine", 1] == [names[2], names[1], f"{names[1]} copy 1"]
    capped = Start()
    try_out(capped, pool(), "mine", ids, ProxyEvalSpec(seeds=2), {}, lambda done, total: None, weights, 1)
    assert capped.runs[1][0] == [names[2], names[1]]


def test_copies_of_held_out_rows_that_may_be_trained_on_are_counted():
    class Careless(Start):
        def sides(self, names: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
            return np.arange(names.height), np.array([4, 9])

    spec, ids = ProxyEvalSpec(seeds=2), ROWS["row_id"][:1]
    assert try_out(Careless(), pool(), "mine", ids, spec, {}, lambda done, total: None).seen == 2


def test_a_selection_of_held_out_rows_alone_is_refused():
    with pytest.raises(ValueError, match="all 2 rows that mine selected are held out"):
        tried([0, 5])


def test_the_random_recipe_is_compared_with_another_draw():
    assert arms_of("mine", full_pool=True) == ["mine", "random", "full pool"]
    assert arms_of("mine", full_pool=False) == ["mine", "random"]
    assert arms_of("random", full_pool=True) == ["random", "full pool"]


@pytest.mark.parametrize(("wanted", "rows"), [(1, 1), (10, 1), (11, 2), (10 * COUNTED_ROWS + 1, COUNTED_ROWS + 1)])
def test_an_arm_takes_just_enough_rows_for_its_tokens(wanted, rows):
    ids = [str(i) for i in range(2 * COUNTED_ROWS)]
    assert enough(ids, wanted, lambda part: np.full(len(part), 10)) == rows
    assert enough(ids[:3], 99, lambda part: np.full(len(part), 10)) == 3


def test_the_first_rows_of_each_source_are_measured_and_small_sources_together():
    names = pl.DataFrame({"source": ["a"] * 10 + ["b"] * 4 + ["c"] * 3 + ["d"] * 20})
    found = held_out_sets(names, np.arange(37)[::-1], 6)
    assert {name: places.tolist() for name, places in found.items()} == {
        "source: d": [36, 35, 34, 33, 32, 31],
        "source: a": [9, 8, 7, 6, 5, 4],
        "other sources": [16, 15, 14, 13, 12, 11, 10],
    }
