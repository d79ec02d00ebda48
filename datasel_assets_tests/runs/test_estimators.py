"""Effects against closed forms, against all subsets of a small game, and against a truth that was planted."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from datasel_assets.runs import designs, semivalues
from datasel_assets.runs.estimators import ESTIMATORS, MEANINGS, OF_DESIGN
from datasel_assets.runs.lasso import lasso
from datasel_assets.runs.least_squares import ols
from datasel_assets.runs.memorisation import influence, memorisation
from datasel_assets.runs.observed import Effects, Observed, RunsError
from datasel_assets.runs.semivalues import banzhaf, beta_shapley, difference_of_means, shapley
from datasel_assets.runs.verdict import largest_by_chance, verdict
from datasel_assets_tests.runs.planted import COPY, NATURAL, POISON, UNITS, design_of, simulate, truth

NAMES = [f"u{i}" for i in range(UNITS)]


def every_subset(k: int, value) -> Observed:
    """All subsets of k units but the empty one, each as likely, with the value of each, and that of none as start."""
    masks = np.array([[bool(code >> i & 1) for i in range(k)] for code in range(1, 2**k)])
    outcomes = np.array([value(frozenset(np.flatnonzero(mask))) for mask in masks])
    shares = designs.proportional(masks, np.ones(k))
    half = np.full(len(masks), 0.5)
    return Observed.of(shares, np.arange(len(masks)), outcomes, half, np.array([value(frozenset())]))


def marginal(k: int, value, weight) -> np.ndarray:
    """The definition: the weighted mean of what unit i adds to each subset of the others."""
    found = np.zeros(k)
    for i in range(k):
        others = [j for j in range(k) if j != i]
        for size in range(k):
            for some in combinations(others, size):
                found[i] += weight(size) * (value(frozenset({*some, i})) - value(frozenset(some)))
    return found


def game(members: frozenset) -> float:
    """Units help with falling returns, and 1 and 2 are of use only together."""
    return float(np.sqrt(sum(i + 1 for i in members)) + 2.0 * ({1, 2} <= members))


def test_values_of_a_game_are_those_of_their_definition_when_every_subset_was_trained_on(monkeypatch):
    from scipy.special import beta

    monkeypatch.setattr(semivalues, "FEW", 1.0)  # five units have hardly any subsets
    k = 5
    observed, natural = every_subset(k, game), np.ones(k)
    for estimate, weight in (
        (banzhaf, lambda j: 0.5 ** (k - 1)),
        (shapley, lambda j: 1 / (k * comb(k - 1, j))),
        (lambda o, n: beta_shapley(o, n, 4.0, 1.0), lambda j: beta(j + 1, k - 1 - j + 4) / beta(4, 1)),
    ):
        found = estimate(observed, natural).values[:, 0]
        np.testing.assert_allclose(found, marginal(k, game, weight), atol=1e-12)


def test_shapley_values_add_up_to_what_all_units_gain_together(monkeypatch):
    monkeypatch.setattr(semivalues, "FEW", 1.0)
    found = shapley(every_subset(5, game), np.ones(5)).values
    assert found.sum() == pytest.approx(game(frozenset(range(5))) - game(frozenset()))


def test_shapley_values_of_subsets_of_all_sizes_come_near_the_truth_of_a_game_that_adds_up():
    k, worth = 8, np.arange(8.0)
    design = designs.random_subsets(np.ones(k), 4000, "uniform", 1, 0)
    outcomes = (design.shares > 0) @ worth
    observed = Observed.of(design.shares, design.subset, outcomes, design.inclusion, np.zeros(1))
    found = shapley(observed, np.ones(k))
    np.testing.assert_allclose(found.values[:, 0], worth, atol=4 * found.errors.max())
    assert found.errors.max() < 0.5


def test_shapley_values_of_halves_of_many_units_are_refused_because_they_rest_on_a_handful():
    observed = simulate(design_of("random"), truth())
    with pytest.raises(RunsError, match=r"shapley would rest on \d\.\d subsets in effect"):
        shapley(observed, NATURAL)


def test_least_squares_are_those_of_the_textbook_with_their_standard_errors():
    generator = np.random.default_rng(1)
    design = designs.random_subsets(np.ones(6), 40, 0.5, 1, 3)
    y = generator.standard_normal(40)
    found = ols(Observed.of(design.shares, design.subset, y), np.ones(6))
    X = np.column_stack([np.ones(40), design.shares > 0])
    beta, rss, *_ = np.linalg.lstsq(X, y, rcond=None)
    np.testing.assert_allclose(found.values[:, 0], beta[1:], atol=1e-12)
    covariance = rss[0] / (40 - 7) * np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(found.errors[:, 0], np.sqrt(np.diag(covariance))[1:])
    assert (found.freedom == 33).all()


def test_leaving_one_out_is_the_plain_difference_and_its_error_that_of_the_seeds():
    design = designs.leave_one_out(np.ones(3), seeds=2)
    y = np.array([1.0, 0.8, 1.1, 0.4, 1.2, 1.0, 0.9, 0.6])
    found = ols(Observed.of(design.shares, design.subset, y), np.ones(3))
    means = (y[:4] + y[4:]) / 2
    np.testing.assert_allclose(found.values[:, 0], means[0] - means[1:])
    variance = ((y[:4] - y[4:]) ** 2 / 2).mean()
    np.testing.assert_allclose(found.errors[:, 0], np.sqrt(variance / 2 * 2))
    assert (found.freedom == 4).all()


def test_least_squares_of_shares_recover_a_linear_law_exactly_as_distance_from_the_pool():
    sizes = np.array([5.0, 3, 2])
    design = designs.dirichlet(sizes, 12, 1.0, 1, 0)
    law = np.array([1.0, -2.0, 0.5])
    found = ols(Observed.of(design.shares, design.subset, design.shares @ law, mixed=True), sizes)
    np.testing.assert_allclose(found.values[:, 0], law - law @ sizes / 10, atol=1e-9)


def test_fewer_subsets_than_units_are_for_lasso_and_least_squares_say_so():
    observed = simulate(design_of("random", subsets=30), truth())
    with pytest.raises(RunsError, match="cannot tell 40 units apart by 30 subsets"):
        ols(observed, NATURAL)
    found = lasso(observed, NATURAL).values[:, 0]
    assert int(found.argmin()) == POISON


def test_the_lasso_is_that_of_scikit_learn():
    from sklearn.linear_model import Lasso

    from datasel_assets.runs.lasso import _fit

    observed = simulate(design_of("random"), truth(2))
    X, y = observed.masks.astype(float), observed.outcomes
    ours = _fit(X, y, np.array([0.01, 0.03]))
    for j, alpha in enumerate((0.01, 0.03)):
        oracle = Lasso(alpha, tol=1e-10, max_iter=100_000).fit(X, y[:, j]).coef_
        np.testing.assert_allclose(ours[:, j], oracle, atol=1e-4)


def test_differences_of_means_are_those_of_welch():
    from scipy.stats import ttest_ind

    observed = simulate(design_of("random"), truth())
    found, inside = difference_of_means(observed, NATURAL), observed.masks[:, COPY]
    low, high = found.interval(0.9)
    oracle = ttest_ind(observed.outcomes[inside, 0], observed.outcomes[~inside, 0], equal_var=False)
    ends = oracle.confidence_interval(0.9)
    np.testing.assert_allclose([low[COPY, 0], high[COPY, 0]], [ends.low, ends.high])


@pytest.mark.parametrize("name", ["ols", "lasso", "difference_of_means", "ame", "banzhaf"])
def test_one_poisonous_and_one_copied_unit_among_forty_are_found_with_64_subsets(name: str):
    observed = simulate(design_of("random"), truth(2))
    found = ESTIMATORS[name](observed, NATURAL)
    for j in range(2):
        assert int(found.values[:, j].argmin()) == POISON
        assert int(found.values[:, j].argmax()) == COPY
    judged = verdict(found, 0, observed, largest_by_chance(name, observed, NATURAL), NAMES)
    assert POISON in judged.harms
    assert COPY in judged.helps
    assert len(judged.harms) + len(judged.helps) <= 4


@pytest.mark.parametrize("name", ["ols", "lasso"])
def test_both_are_found_by_shares_too(name: str):
    observed = simulate(design_of("dirichlet"), truth() * 10)
    assert observed.mixed
    found = ESTIMATORS[name](observed, NATURAL).values[:, 0]
    assert (int(found.argmin()), int(found.argmax())) == (POISON, COPY)


def test_average_marginal_effects_over_several_sizes_find_both():
    observed = simulate(design_of("random", share=[0.2, 0.4, 0.6, 0.8]), truth())
    found = ESTIMATORS["ame"](observed, NATURAL).values[:, 0]
    assert (int(found.argmin()), int(found.argmax())) == (POISON, COPY)


def test_ninety_of_a_hundred_intervals_hold_the_truth():
    held = []
    for seed in range(40):
        low, high = ols(simulate(design_of("random"), truth(), seed=seed), NATURAL).interval(0.9)
        held.append(((low <= truth()) & (truth() <= high)).mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    "name", ["ols", "difference_of_means", "banzhaf", pytest.param("lasso", marks=pytest.mark.slow)]
)
def test_trainings_that_differ_by_their_seeds_alone_are_told_to(name: str):
    nothing = np.zeros((UNITS, 1))
    said = []
    by_chance = largest_by_chance(name, simulate(design_of("random"), nothing), NATURAL)
    for seed in range(6):
        observed = simulate(design_of("random"), nothing, seed=seed)
        judged = verdict(ESTIMATORS[name](observed, NATURAL), 0, observed, by_chance, NAMES)
        said.append(judged.text.startswith("No effect is larger than the noise of seeds"))
        assert not judged.helps
        assert not judged.harms
    assert sum(said) >= 5


def test_one_seed_for_each_subset_leaves_the_noise_unknown_and_the_verdict_says_so():
    observed = simulate(design_of("random", seeds=1), truth())
    judged = verdict(ols(observed, NATURAL), 0, observed, 1.0, NAMES)
    assert judged.text.endswith("The noise of seeds is not known, because each subset has one seed.")
    assert np.isnan(judged.limit)
    assert (judged.harms[0], judged.helps[0]) == (POISON, COPY)


def test_a_unit_that_nothing_else_teaches_is_memorised_and_one_that_has_a_twin_is_not():
    """Outcome j is how well unit j is known: units 0 and 1 are the same text, unit 2 is like no other."""
    design = designs.random_subsets(np.ones(3), 200, 0.5, 2, 0)
    masks = (design.shares > 0).astype(float)
    known = np.column_stack([masks[:, 0] + masks[:, 1], masks[:, 0] + masks[:, 1], masks[:, 2]])
    noise = np.random.default_rng(0).normal(0, 0.01, known.shape)
    observed = Observed.of(design.shares, design.subset, np.minimum(known, 1) + noise)
    own = memorisation(observed).values[:, 0]
    assert own[2] == pytest.approx(1.0, abs=0.02)
    assert own[:2].max() < 0.65
    assert influence(observed).values[0, 1] == pytest.approx(own[1], abs=0.2)
    with pytest.raises(RunsError, match="2 outcomes for 3 units"):
        influence(Observed.of(design.shares, design.subset, known[:, :2]))


def test_a_nearest_neighbour_classifier_memorises_a_flipped_label():
    """Twelve points on a line in two classes, one label flipped, 3,000 subsets of seven in ten: .92 against .15."""
    generator = np.random.default_rng(0)
    x = np.sort(generator.random(12))
    label = (x > np.median(x)).astype(int)
    flipped = 3
    label[flipped] = 1 - label[flipped]
    masks = generator.random((3000, 12)) < 0.7
    masks = masks[masks.sum(axis=1) > 1]
    near = np.where(masks[:, None, :], np.abs(x[:, None] - x[None, :])[None], np.inf).argmin(axis=2)
    right = (label[near] == label).astype(float)
    observed = Observed.of(designs.proportional(masks, np.ones(12)), np.arange(len(masks)), right)
    own = memorisation(observed).values[:, 0]
    assert own[flipped] > 0.85
    assert np.median(np.delete(own, flipped)) < 0.15


def test_effects_that_are_looked_at_together_have_wider_intervals():
    found = Effects(np.zeros((2, 1)), np.ones((2, 1)), np.full((2, 1), np.inf), 2.0)
    assert found.interval(0.95)[1][0, 0] == pytest.approx(1.96, abs=0.001)
    assert found.interval(0.95, several=2)[1][0, 0] == pytest.approx(2.241, abs=0.001)


def test_every_estimator_is_told_what_it_is_and_suits_some_design():
    assert set(MEANINGS) == set(ESTIMATORS) == set().union(*OF_DESIGN.values())
