"""Which recipe is recommended, and that nothing is claimed beyond what was measured."""

from dataclasses import replace

import polars as pl

from datasel_assets.diagnostics.measures import Measure
from datasel_assets.diagnostics.outcomes import outcomes
from datasel_assets.diagnostics.recommend import Aim, Candidates, recommend
from datasel_assets.diagnostics.spread import Spread

NEAR = Measure("near", "near code", "high", "", judged=False)
VENDI = Measure("vendi", "Vendi", "high", "")
MEASURES = {"near": NEAR, "vendi": VENDI}
SPREAD = Spread(10, {"near": 0.1, "vendi": 50.0}, {"near": 0.01, "vendi": 1.0})
AIM = Aim("Toward code", NEAR, held_out="target: code", note="only a training proves it")
KNOWN = Candidates(
    gains={
        "random": {"near": 0.1, "vendi": 0.0},
        "toward": {"near": 20.0, "vendi": -12.0},
        "costly": {"near": 21.0, "vendi": -9.0},
        "large": {"near": 90.0, "vendi": 9.0},
    },
    figures={name: {"near": 0.3, "vendi": 40.0} for name in ("random", "toward", "costly", "large")},
    costs={"toward": 0.5, "costly": 9.0},
    sizes={"random": 1, "toward": 1, "costly": 1.05, "large": 3},
)


def advice(known: Candidates = KNOWN, aim: Aim = AIM):
    return recommend(known, SPREAD, [aim], MEASURES)


def losses(recipe: str, better_by: float) -> pl.DataFrame:
    lines = [
        ("target: code", arm, seed, loss + 0.001 * seed, 100)
        for seed in range(3)
        for arm, loss in ((recipe, 2.0 - better_by), ("random", 2.0 + 0.0005 * seed))
    ]
    return outcomes(pl.DataFrame(lines, schema=["set", "arm", "seed", "loss", "tokens"], orient="row"))


def test_without_a_training_the_furthest_from_random_is_recommended_with_its_evidence_and_its_price():
    (found,) = advice()
    assert (found.aim, found.recipe) == ("Toward code", "costly")
    assert "near code 0.3 against 0.1 of 10 random draws: +21.0 times their spread" in found.because
    assert "datasel evidence costly" in found.because
    assert found.price == "gives up Vendi (-9.0); only a training proves it"


def test_a_cheaper_one_that_is_not_told_apart_is_named_and_one_that_is_told_apart_is_not():
    assert "cheaper: toward (0.5 CPU s, not 9)" in advice()[0].because
    far = replace(KNOWN, gains=KNOWN.gains | {"toward": {"near": 15.0}})
    assert "cheaper" not in advice(far)[0].because


def test_a_training_counts_more_than_any_measure():
    trained = replace(KNOWN, outcomes={"toward": losses("toward", 0.5), "costly": losses("costly", -0.5)})
    (found,) = advice(trained)
    assert found.recipe == "toward"
    assert found.because.startswith(
        "a model trained on it is -0.500 nats per token against random rows on target: code"
    )
    assert "3 seeds" in found.because
    assert "datasel evidence" not in found.because


def test_a_recipe_that_a_training_has_shown_to_lose_is_not_recommended_by_its_measure():
    (found,) = advice(replace(KNOWN, outcomes={"costly": losses("costly", -0.5)}))
    assert found.recipe == "toward"
    assert "costly" in found.price
    assert "worse than random" in found.price


def test_where_nothing_is_beyond_the_best_of_as_many_random_draws_random_rows_are_recommended():
    lucky = {name: {"near": 3.0} for name in ("random", *(f"r{i}" for i in range(26)))}
    (found,) = advice(Candidates(gains=lucky, figures={}))
    assert found.recipe == "random"
    assert "nothing is told apart from random rows" in found.because
    assert "best of 26 random draws may be 4.5 away" in found.because
    assert found.price == ""


def test_of_an_aim_that_no_recipe_was_measured_by_nothing_is_said():
    assert advice(replace(KNOWN, gains={name: {} for name in KNOWN.gains})) == []


def test_an_aim_without_a_held_out_set_is_told_by_its_measure_whatever_was_trained():
    trained = replace(KNOWN, outcomes={"toward": losses("toward", 0.5)})
    assert advice(trained, replace(AIM, held_out=None))[0].recipe == "costly"
