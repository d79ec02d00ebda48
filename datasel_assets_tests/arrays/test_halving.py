"""Batches that are halved, against a device that holds so many tokens and no more."""

import gc
import itertools
import weakref
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.arrays.halving import RowDoesNotFitError, TokenBudget, run_halving
from datasel_assets.arrays.token_batches import packed_cost, padded_cost, plan_packed, plan_padded

PLANS = {"packed": (plan_packed, packed_cost), "padded": (plan_padded, padded_cost)}


class Full(Exception):
    """The device is full."""


packed = partial(run_halving, plan=plan_packed, cost=packed_cost, failure=Full)


class Device:
    """Holds ``limit`` tokens, and remembers what it was asked for."""

    def __init__(self, lengths: np.ndarray, limit: int, cost) -> None:
        self.lengths, self.limit, self.cost = lengths, limit, cost
        self.done: list[np.ndarray] = []
        self.failed: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> int:
        if self.cost(self.lengths[batch]) > self.limit:
            self.failed.append(batch)
            raise Full
        self.done.append(batch)
        return int(batch.sum())


def run(lengths: list[int], budget: TokenBudget, limit: int, kind: str = "packed", **more) -> tuple[Device, list]:
    plan, cost = PLANS[kind]
    device = Device(np.array(lengths), limit, cost)
    return device, list(run_halving(device, device.lengths, budget, plan=plan, cost=cost, failure=Full, **more))


@given(
    lengths=st.lists(st.integers(0, 40), max_size=30),
    budget=st.integers(1, 500),
    limit=st.integers(40, 200),
    kind=st.sampled_from(list(PLANS)),
)
def test_every_row_with_tokens_is_computed_once_whatever_the_device_holds(lengths, budget, limit, kind):
    device, results = run(lengths, TokenBudget(budget), limit, kind)
    rows = [row for batch, _ in results for row in batch]
    assert sorted(rows) == [row for row, length in enumerate(lengths) if length]
    assert [value for _, value in results] == [int(batch.sum()) for batch in device.done]


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), limit=st.integers(40, 200))
def test_each_failure_at_least_halves_the_batch_or_leaves_single_rows(lengths, limit):
    device, _ = run(lengths, TokenBudget(10_000), limit)
    costs = [int(device.lengths[batch].sum()) for batch in device.failed]
    longest = max(lengths)
    assert all(later <= max(earlier // 2, longest) for earlier, later in itertools.pairwise(costs))


def test_the_smaller_budget_holds_for_the_next_call():
    budget, said = TokenBudget(1000), []
    device, _ = run([10] * 16, budget, limit=40, on_halved=said.append)
    assert said == [80, 40]
    assert budget.tokens == 40
    again, _ = run([10] * 16, budget, limit=40)
    assert len(device.failed) == 2
    assert again.failed == []


def test_what_was_computed_before_a_failure_is_not_computed_again():
    lengths = np.array([8, 8, 4, 4, 4, 4])
    asked = []

    def work(batch: np.ndarray) -> None:
        asked.append(batch.tolist())
        if len(batch) == 4:
            raise Full

    batches = [
        b.tolist()
        for b, _ in run_halving(work, lengths, TokenBudget(16), plan=plan_packed, cost=packed_cost, failure=Full)
    ]
    assert asked == [[0, 1], [2, 3, 4, 5], [2, 3], [4, 5]]
    assert batches == [[0, 1], [2, 3], [4, 5]]


def test_a_row_that_does_not_fit_alone_is_named_by_its_length():
    with pytest.raises(RowDoesNotFitError, match="one row of 50 tokens") as caught:
        run([3, 50, 3], TokenBudget(1000), limit=10)
    assert caught.value.tokens == 50
    assert isinstance(caught.value.__cause__, Full)


def test_another_error_is_not_taken_for_a_full_device():
    def work(batch: np.ndarray) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(packed(work, np.ones(3), TokenBudget(9)))


def test_nothing_holds_on_to_a_failed_batch_while_memory_is_given_back():
    class Tensor:
        """Stands for what a batch takes."""

    alive: list[bool] = []
    kept: list[weakref.ref] = []

    def work(batch: np.ndarray) -> None:
        taken = Tensor()
        kept.append(weakref.ref(taken))
        if len(batch) > 1:
            raise Full(taken)

    def on_halved(tokens: int) -> None:
        gc.collect()
        alive.append(kept[-1]() is not None)

    list(packed(work, np.array([1, 1]), TokenBudget(9), on_halved=on_halved))
    assert alive == [False]
