import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.recipes.budget import Limits, fill, resolve
from datasel_assets.specs.recipe import BudgetSpec

SOURCES = ("a", "b", "c")
FREE = np.iinfo(np.int64).max


def limits(budget: dict, pool_rows: int = 100, eligible: tuple[int, ...] = (50, 30, 20)) -> Limits:
    return resolve(BudgetSpec.model_validate(budget), pool_rows, SOURCES, np.array(eligible))


@pytest.mark.parametrize(("fraction", "rows", "expected"), [(0.035, 9300, 326), (0.5, 3, 2), (0.001, 10, 1), (1, 7, 7)])
def test_a_fraction_of_the_pool_is_rounded_half_up_and_never_zero(fraction, rows, expected):
    assert limits({"fraction": fraction}, rows, (rows, 0, 0)).total == expected


def test_a_fraction_refers_to_the_whole_pool_so_that_recipes_stay_comparable():
    assert limits({"fraction": 0.1}, 1000, (200, 100, 50)).total == 100


def test_more_rows_than_eligible_means_all_of_them():
    found = limits({"rows": 500})
    assert (found.total, found.asked) == (100, 500)


def test_shares_refer_to_the_rows_of_the_budget_and_round_to_the_safe_side():
    found = limits(
        {"rows": 30, "per_source": {"a": {"min_share": 0.1, "max_share": 0.5}, "default": {"max_share": 0.35}}}
    )
    assert found.minimum.tolist() == [3, 0, 0]
    assert found.maximum.tolist() == [15, 10, 10]


def test_default_bounds_leave_out_sources_without_eligible_rows():
    found = limits({"rows": 10, "per_source": {"default": {"min_rows": 2}}}, eligible=(5, 0, 9))
    assert found.minimum.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("per_source", "message"),
    [
        ({"a": {"min_rows": 8}, "b": {"min_rows": 7}}, "add up to 15 rows, the budget is 10: a 8, b 7"),
        ({"default": {"max_rows": 2}}, "let 6 rows through, the budget is 10: a 2, b 2, c 2"),
        ({"c": {"min_rows": 25}}, "at least 25 rows of c are asked for, but only 20 are eligible"),
        ({"d": {"min_rows": 1}}, "not in the pool .which has a, b, c"),
        ({"a": {"min_share": 0.9, "max_rows": 3}}, "at least 9 and at most 3 rows of a cannot both hold"),
    ],
)
def test_bounds_that_cannot_be_met_are_refused_with_their_numbers(per_source, message):
    with pytest.raises(ValueError, match=message):
        limits({"rows": 10, "per_source": per_source})


def by_hand(bounds: Limits, source: list[int], cost: list[int] | None) -> list[bool]:
    """Row by row: keep room for what the minimums still ask for."""
    spent = [1] * len(source) if cost is None else cost
    seen, outstanding = [0, 0, 0], {}
    for position, own in enumerate(source):
        if seen[own] < bounds.minimum[own]:
            outstanding[position] = spent[position]
        seen[own] += 1
    given, left, full, accepted = [0, 0, 0], bounds.total, False, []
    for position, own in enumerate(source):
        reserved = position in outstanding
        if reserved:
            left -= outstanding.pop(position)
            take = True
        elif given[own] >= bounds.maximum[own]:
            take = False
        else:
            full = full or spent[position] > left - sum(outstanding.values())
            take = not full
            left -= spent[position] if take else 0
        given[own] += take
        accepted.append(take)
    return accepted


@settings(max_examples=300)
@given(data=st.data())
def test_filling_equals_the_greedy_that_keeps_room_for_the_minimums(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    source = rng.integers(0, 3, data.draw(st.integers(1, 40)))
    supply = np.bincount(source, minlength=3)
    minimum = np.minimum(rng.integers(0, 4, 3), supply)
    maximum = np.where(rng.random(3) < 0.5, FREE, minimum + rng.integers(0, 6, 3))
    cost = rng.integers(1, 9, len(source)) if data.draw(st.booleans()) else None
    least = minimum.sum() if cost is None else 9 * minimum.sum()
    total = int(max(least, 9) + rng.integers(0, 30))
    bounds = Limits("rows" if cost is None else "tokens", total, total, SOURCES, minimum, maximum)
    filled = fill(bounds, source, cost)
    assert filled.accepted.tolist() == by_hand(bounds, source.tolist(), None if cost is None else cost.tolist())
    taken = np.bincount(source[filled.accepted], minlength=3)
    assert (taken >= minimum).all()
    assert (taken <= maximum).all()
    assert filled.used <= total


def test_a_token_budget_takes_the_longest_prefix_that_fits_and_stops_there():
    bounds = limits({"tokens": 10})
    filled = fill(bounds, np.zeros(4, int), np.array([4, 5, 3, 1]))
    assert filled.accepted.tolist() == [True, True, False, False]
    assert (filled.used, filled.enough) == (9, True)


def test_a_first_row_beyond_the_whole_token_budget_is_an_error():
    with pytest.raises(ValueError, match=r"first row .* has 50,000 tokens, more than the budget of 10"):
        fill(limits({"tokens": 10}), np.zeros(2, int), np.array([50_000, 1]))


def test_minimums_beyond_a_token_budget_are_an_error():
    bounds = limits({"tokens": 10, "per_source": {"a": {"min_rows": 2}}})
    with pytest.raises(ValueError, match="minimums per source take 12 tokens, the budget is 10"):
        fill(bounds, np.zeros(2, int), np.array([6, 6]))


def test_a_source_is_only_called_full_when_it_is():
    bounds = limits({"rows": 4, "per_source": {"a": {"max_rows": 3}, "b": {"max_rows": 2}}})
    filled = fill(bounds, np.array([0, 0, 0, 0, 1, 1, 1]), None)
    assert filled.accepted.tolist() == [True, True, True, False, True, False, False]
    assert filled.capped.tolist() == [False, False, False, True, False, False, False]


def test_an_order_that_is_too_short_is_reported():
    bounds = limits({"rows": 5, "per_source": {"c": {"min_rows": 1}}})
    assert not fill(bounds, np.zeros(4, int), None).enough  # room for more
    assert not fill(bounds, np.zeros(9, int), None).enough  # the row of c has not come yet
    assert fill(bounds, np.array([0, 0, 0, 0, 2]), None).enough
