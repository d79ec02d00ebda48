"""The mixture against the fit to the counts that the authors of IDO published, and its corners."""

import numpy as np
import pytest

from datasel_assets.indicators.beta_mixture import BetaMixture, Mixtures, noise_share

COUNTS = np.repeat(np.arange(6.0), [9963, 9469, 6097, 4579, 5578, 14314])
"""Wrong events of 50,000 rows after five epochs; two fifths of their labels are wrong."""


@pytest.mark.parametrize(
    ("iterations", "clean", "wrong", "share"),
    [
        (1, (0.450, 1.736), (1.042, 0.248), 0.517),
        (10, (0.510, 1.603), (1.149, 0.185), 0.445),
        (20, (0.531, 1.430), (1.203, 0.130), 0.3898),
        (50, (0.558, 1.238), (1.257, 0.037), 0.3125),
    ],
)
def test_the_fit_to_published_counts_is_the_known_one(iterations, clean, wrong, share):
    fit = BetaMixture.fit(COUNTS, iterations)
    found = [fit.a[0], fit.b[0], fit.a[1], fit.b[1], fit.weights[1]]
    assert found == pytest.approx([*clean, *wrong, share], abs=1e-3)


def test_what_the_fit_says_of_each_count_is_known():
    fit, counts = BetaMixture.fit(COUNTS), np.arange(6.0)
    assert fit.p_clean(counts) == pytest.approx([1, 0.945, 0.881, 0.768, 0.526, 0], abs=1e-3)
    assert fit.consistency(counts) == pytest.approx([1.001, 1.415, 1.473, 1.357, 0.940, 0], abs=1e-3)


def test_equal_counts_tell_nothing_apart():
    fit = BetaMixture.fit(np.full(9, 4.0))
    assert fit.shares(np.array([4.0, 4, 7])).tolist() == [0.5, 0.5, 0.5]
    assert fit.weights.tolist() == [0.5, 0.5]
    assert fit.p_clean(np.array([4.0])) == pytest.approx(0.5)


def test_counts_that_have_grown_since_the_fit_stay_inside():
    fit = BetaMixture.fit(np.array([0.0, 1, 5, 5]))
    assert fit.shares(np.array([-1.0, 9])).tolist() == fit.shares(np.array([0.0, 5])).tolist()
    assert np.isfinite(fit.p_clean(np.array([9.0]))).all()


def test_the_first_component_is_that_with_fewer_wrong_events():
    random = np.random.default_rng(0)
    counts = np.concatenate([random.binomial(20, 0.1, 100), random.binomial(20, 0.9, 900)]).astype(float)
    fit = BetaMixture.fit(counts)
    swapped = BetaMixture(fit.low, fit.high, False, fit.a[::-1].copy(), fit.b[::-1].copy(), fit.weights[::-1].copy())
    for found in (fit, swapped.more(counts, 0), swapped.more(counts, 3)):
        assert found.a[0] / (found.a[0] + found.b[0]) < found.a[1] / (found.a[1] + found.b[1])


def test_a_row_with_more_wrong_events_is_never_called_cleaner():
    """At the edge both densities are near nothing: their ratio alone gives .9999 for the row that was always wrong."""
    random = np.random.default_rng(0)
    counts = np.concatenate([random.binomial(20, 0.1, 100), random.binomial(20, 0.9, 900)]).astype(float)
    for observed in (counts, 20 - counts, COUNTS):
        p = BetaMixture.fit(observed).p_clean(np.arange(observed.max() + 1))
        assert (np.diff(p) <= 1e-9).all()
        assert p[0] > 0.9
        assert p[-1] < 0.1


def test_off_the_edges_no_count_is_wrong_for_certain():
    smooth = BetaMixture.fit(COUNTS, smooth=True)
    assert smooth.shares(np.array([0.0, 5])).tolist() == pytest.approx([0.5 / 6, 5.5 / 6])
    assert 0 < smooth.p_clean(np.array([5.0]))[0] < 0.5


def test_the_difficulty_of_a_row_rises_with_its_count_from_nothing_to_all():
    clean, wrong = BetaMixture.fit(COUNTS).quantiles(np.arange(6.0))
    assert (np.diff(clean) > 0).all()
    assert clean[0] < 0.01
    assert clean[-1] == pytest.approx(1, abs=1e-6)
    assert (wrong <= clean + 1e-9).all()


def test_rows_without_a_count_are_no_rows_of_the_fit():
    known = BetaMixture.fit(COUNTS)
    with_gaps = BetaMixture.fit(np.append(COUNTS, np.nan))
    assert with_gaps.weights.tolist() == known.weights.tolist()
    with pytest.raises(ValueError, match="nothing to fit"):
        BetaMixture.fit(np.array([np.nan]))


def test_a_label_with_few_rows_shares_the_mixture_of_all():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [200, 200, 20])
    # Of label 1 half is wrong, of label 0 hardly any.
    wrong = random.random(420) < np.where(labels == 1, 0.5, 0.02)
    counts = random.binomial(10, np.where(wrong, 0.8, 0.2)).astype(float)
    found = Mixtures.fit(counts, labels, per_class=True)
    assert set(found.own) == {0, 1}
    p = found.p_clean(counts, labels)
    rare = labels == 2
    assert p[rare].tolist() == found.whole.p_clean(counts[rare]).tolist()
    assert p[labels == 1].tolist() == found.own[1].p_clean(counts[labels == 1]).tolist()
    assert Mixtures.fit(counts, labels).own == {}
    assert found.more(counts, labels, 2).own.keys() == {0, 1}


def test_the_estimated_share_of_wrong_rows_is_that_of_the_groups_with_an_interval_around_it():
    random = np.random.default_rng(1)
    groups = np.repeat(["clean", "dirty"], 2000)
    wrong = random.random(4000) < np.where(groups == "dirty", 0.4, 0.02)
    counts = random.binomial(10, np.where(wrong, 0.9, 0.08)).astype(float)
    found = noise_share(counts, groups, draws=40)
    for group, truth in (("clean", 0.02), ("dirty", 0.4)):
        share, low, high = found[group]
        assert low <= share <= high
        assert share == pytest.approx(truth, abs=0.05)
    assert noise_share(counts, groups, draws=40) == found
    assert noise_share(np.full(3, np.nan), np.array(["a"] * 3)) == {}
