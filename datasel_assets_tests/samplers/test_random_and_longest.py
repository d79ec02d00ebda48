import numpy as np
import pytest

from datasel_assets.samplers import Candidates, longest, random


def ids(n: int, start: int = 0) -> np.ndarray:
    return np.array([f"{i:08x}" for i in range(start, start + n)])


def order_of(row_ids: np.ndarray, seed: int) -> list[str]:
    return row_ids[random.sample(Candidates(row_ids), len(row_ids), random.Params(), seed).order].tolist()


def test_rows_that_are_appended_only_slip_in_between():
    before, after = order_of(ids(200), 3), order_of(ids(500), 3)
    old = set(before)
    assert [row for row in after if row in old] == before


def test_seeds_give_unrelated_orders():
    place = {row: i for i, row in enumerate(order_of(ids(2000), 0))}
    other = [place[row] for row in order_of(ids(2000), 1)]
    assert abs(np.corrcoef(other, np.arange(2000))[0, 1]) < 4 / np.sqrt(2000)


def test_every_row_is_as_likely_as_any_other():
    n, take, seeds = 50, 10, 400
    counts = np.zeros(n)
    for seed in range(seeds):
        counts[random.sample(Candidates(ids(n)), take, random.Params(), seed).order] += 1
    expected = seeds * take / n
    chi_squared = ((counts - expected) ** 2 / (expected * (1 - take / n))).sum()
    assert chi_squared < 100  # 49 degrees of freedom: one in 30,000


def test_the_draw_of_a_seed_never_changes():
    # Written down once: a change of numpy or of the hash must not change released selections.
    assert order_of(ids(6), 0) == ["00000002", "00000001", "00000003", "00000005", "00000000", "00000004"]


def test_a_random_row_has_no_score():
    sample = random.sample(Candidates(ids(3)), 2, random.Params(), 0)
    assert np.isnan(sample.scores).all()
    assert sample.weights is None


def test_longest_takes_the_largest_lengths_and_breaks_ties_by_id():
    pool = Candidates(np.array(["d", "b", "a", "c", "e"]), scores=np.array([5, 9, 5, np.nan, 5.0]))
    sample = longest.sample(pool, 4, longest.Params(), 0)
    assert pool.row_ids[sample.order].tolist() == ["b", "a", "d", "e"]
    assert sample.scores.tolist() == [9, 5, 5, 5]


def test_longest_only_reads_columns_that_are_lengths():
    with pytest.raises(ValueError, match="n_response_tokens"):
        longest.Params.model_validate({"by": "quality"})
