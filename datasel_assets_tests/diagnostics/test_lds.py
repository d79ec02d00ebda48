"""Linear datamodelling score and leave-one-out correlation against exact linear models."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from datasel_assets.diagnostics.lds import foretelling, lds, leave_one_out, spearman


def linear_world(n: int = 30, m: int = 80, t: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    scores, masks = generator.standard_normal((n, t)), generator.random((m, n)) < 0.5
    return scores, masks, masks @ scores


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=2, max_size=30))
def test_the_rank_correlation_is_that_of_scipy(pairs):
    a, b = np.array(pairs).T
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(spearman(a, b))
        return
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_an_exactly_linear_outcome_is_predicted_perfectly():
    scores, masks, outcomes = linear_world()
    found = lds(scores, masks, np.exp(outcomes) * [1, 5, 2])
    np.testing.assert_allclose(found.per_target, 1)
    assert found.mean == 1
    assert lds(-scores, masks, outcomes).mean == -1
    assert lds(scores[:, 0], masks, outcomes[:, 0]).per_target.shape == (1,)


def test_scores_that_say_nothing_correlate_with_nothing():
    _, masks, outcomes = linear_world(m=2000)
    noise = np.random.default_rng(5).standard_normal((30, 3))
    expected = [spearmanr(masks @ noise[:, j], outcomes[:, j]).statistic for j in range(3)]
    np.testing.assert_allclose(lds(noise, masks, outcomes).per_target, expected, atol=1e-12)
    assert math.isnan(lds(np.zeros((30, 3)), masks, outcomes).mean)


def test_a_target_without_variation_is_left_out_of_the_mean():
    scores, masks, outcomes = linear_world()
    outcomes[:, 1] = 7
    found = lds(scores, masks, outcomes)
    assert math.isnan(found.per_target[1])
    assert found.mean == 1
    outcomes[0, 0] = np.nan
    assert math.isnan(lds(scores, masks, outcomes).per_target[0])


def test_leaving_out_a_row_of_a_linear_model_changes_what_its_score_says():
    scores, _, _ = linear_world()
    total = scores.sum(axis=0)
    differences = np.array([total - (total - row) for row in scores])
    assert leave_one_out(scores, differences).mean == pytest.approx(1)
    with pytest.raises(ValueError, match="one difference for each"):
        leave_one_out(scores, differences[:5])


def test_shapes_that_do_not_fit_are_refused():
    scores, masks, outcomes = linear_world()
    with pytest.raises(ValueError, match=r"expected \(n, t\), \(m, n\), \(m, t\)"):
        lds(scores, masks[:, :5], outcomes)


def test_means_of_a_score_over_what_was_trained_on_foretell_with_an_interval_that_narrows_with_subsets():
    generator = np.random.default_rng(0)
    widths = []
    for m in (30, 300):
        shares = generator.dirichlet(np.ones(6), m)
        units = np.arange(6.0)
        outcomes = np.column_stack([shares @ units, -(shares @ units), generator.random(m)])
        found = foretelling(units, shares, outcomes)
        np.testing.assert_allclose(found[:2, 0], [1, -1])
        assert found[2, 1] < found[2, 0] < found[2, 2]
        widths.append(found[2, 2] - found[2, 1])
    assert widths[1] < widths[0] / 2
    assert np.isnan(foretelling(units, shares[:4], outcomes[:4])[:, 1:]).all()
