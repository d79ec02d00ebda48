"""Verdicts from repeated trainings."""

import math

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.outcomes import BETTER, EVEN, NONE, OUTCOME_SCHEMA, WORSE, outcomes, summary, token_loss


def losses(arms: dict[str, list[float]], name: str = "x") -> pl.DataFrame:
    rows = [(name, arm, seed, value, 100) for arm, values in arms.items() for seed, value in enumerate(values)]
    return pl.DataFrame(rows, schema=["set", "arm", "seed", "loss", "tokens"], orient="row")


def test_the_interval_is_students_t_of_the_paired_differences():
    found = outcomes(losses({"random": [3.0, 3.2, 3.1], "mine": [2.8, 2.9, 2.9]}))
    row = found.row(by_predicate=pl.col("arm") == "mine", named=True)
    differences = np.array([-0.2, -0.3, -0.2])
    # t of 0.975 with two degrees of freedom has the closed form 0.95 * sqrt(2 / (1 - 0.95**2)).
    reach = 0.95 * math.sqrt(2 / (1 - 0.95**2)) * differences.std(ddof=1) / math.sqrt(3)
    assert row["difference"] == pytest.approx(differences.mean())
    assert (row["low"], row["high"]) == pytest.approx((differences.mean() - reach, differences.mean() + reach))
    assert row["verdict"] == BETTER
    assert found.schema == OUTCOME_SCHEMA


@pytest.mark.parametrize(
    ("mine", "verdict"),
    [([2.0, 2.01, 2.0], BETTER), ([4.0, 4.01, 4.0], WORSE), ([2.9, 3.2, 3.0], EVEN), ([2.0], NONE)],
)
def test_only_a_difference_beyond_the_spread_of_the_seeds_counts(mine, verdict):
    found = outcomes(losses({"random": [3.0, 3.02, 3.01], "mine": mine}))
    assert found.row(by_predicate=pl.col("arm") == "mine", named=True)["verdict"] == verdict


def test_runs_are_paired_by_seed_whatever_their_order_and_missing_ones_are_left_out():
    frame = losses({"random": [3.0, 4.0, 5.0], "mine": [2.9, 3.9, float("nan")]})
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    found = outcomes(shuffled).row(by_predicate=pl.col("arm") == "mine", named=True)
    assert found["difference"] == pytest.approx(-0.1)
    assert found["runs"] == 2
    assert outcomes(frame).equals(outcomes(shuffled))


def test_the_summary_says_plainly_when_random_rows_are_not_beaten():
    even = outcomes(losses({"random": [3.0, 3.2], "mine": [3.1, 3.1]}))
    assert summary(even, "mine") == ("no difference shown on x: it does not beat random rows of equal tokens anywhere")
    both = pl.concat(
        [
            losses({"random": [3.0, 3.0], "mine": [2.0, 2.0]}, "a"),
            losses({"random": [3.0, 3.0], "mine": [4.0, 4.0]}, "b"),
        ]
    )
    assert summary(outcomes(both), "mine") == "better than random on a; worse than random on b"
    assert summary(outcomes(losses({"random": [3.0, 3.0]})), "mine") == "nothing could be compared with random rows"


def test_the_loss_of_a_token_weighs_turns_by_their_tokens():
    assert token_loss(np.array([-2.0, -1.0]), np.array([1, 2])) == 1.0
    assert math.isnan(token_loss(np.empty(0), np.empty(0)))


def test_the_picture_shows_every_arm_and_copes_with_nothing_to_compare():
    found = outcomes(losses({"random": [3.0, 3.2], "mine": [2.9, 3.0], "full pool": [2.8, 3.1], "start": [4.0]}))
    for frame in (found, found.clear()):
        png = plots.outcomes(frame, "mine")
        assert png.startswith(b"\x89PNG")
        assert len(png) <= plots.MAX_BYTES
