"""Principal axes against the definition of whitening (CRDS-T4, T5, T7)."""

import numpy as np
import pytest

from datasel_assets.representations import compress, fit_basis, moments, prepare
from datasel_assets.representations.moments import Moments
from datasel_assets.representations.whitening import principal_axes
from datasel_assets.specs.compress import CompressSpec


def correlated(generator, n, features, spread=1.0):
    mixing = generator.standard_normal((features, features)) * np.geomspace(1, spread, features)
    return generator.standard_normal((n, features)) @ mixing.T + 3 * generator.standard_normal(features)


def cosines(rows):
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def test_whitened_fit_rows_have_zero_mean_and_identity_covariance():
    rows = correlated(np.random.default_rng(0), 2000, 40, spread=0.01)
    z = principal_axes(moments(rows), dims=25).project(rows)
    covariance = np.cov(z, rowvar=False, ddof=1)
    assert np.abs(z.mean(axis=0)).max() < 1e-5
    assert np.abs(np.diag(covariance) - 1).max() < 1e-5
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-5


def test_axes_agree_with_a_singular_value_decomposition():
    rows = correlated(np.random.default_rng(1), 500, 12)
    axes = principal_axes(moments(rows), dims=5)
    _, singular, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(axes.variances, singular[:5] ** 2 / 499, rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(axes.directions * directions[:5].T, axis=0)), 1, rtol=1e-9)
    assert axes.variance_kept == pytest.approx((singular[:5] ** 2).sum() / (singular**2).sum())


def test_cosines_after_full_whitening_do_not_change_under_an_affine_map():
    generator = np.random.default_rng(2)
    rows = correlated(generator, 4000, 20)
    mixing = generator.standard_normal((20, 20)) + 3 * np.eye(20)
    moved = rows @ mixing.T + 10 * generator.standard_normal(20)
    before = cosines(principal_axes(moments(rows)).project(rows)[:200])
    after = cosines(principal_axes(moments(moved)).project(moved)[:200])
    assert np.abs(before - after).max() <= 1e-8


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_spectral_power_leaves_each_axis_with_variance_to_the_one_minus_alpha(alpha):
    rows = correlated(np.random.default_rng(3), 1500, 10)
    axes = principal_axes(moments(rows), alpha=alpha)
    variances = np.var(axes.project(rows), axis=0, ddof=1)
    np.testing.assert_allclose(variances, axes.variances ** (1 - alpha), rtol=1e-8)


def test_ridge_adds_a_share_of_the_mean_variance_before_the_division():
    rows = correlated(np.random.default_rng(4), 1500, 10)
    plain, ridged = (principal_axes(moments(rows), ridge=ridge) for ridge in (0.0, 0.3))
    mean_variance = np.trace(np.cov(rows, rowvar=False)) / 10
    np.testing.assert_allclose(ridged.divisors**2, plain.divisors**2 + 0.3 * mean_variance, rtol=1e-9)


def test_the_largest_entry_of_each_axis_is_positive():
    axes = principal_axes(moments(correlated(np.random.default_rng(5), 300, 15)))
    largest = np.abs(axes.directions).argmax(axis=0)
    assert (axes.directions[largest, np.arange(15)] > 0).all()


def test_scaling_features_in_the_moments_equals_scaling_the_rows():
    generator = np.random.default_rng(6)
    rows, scale = correlated(generator, 400, 9), generator.uniform(0.1, 5, 9)
    scaled = principal_axes(moments(rows), scale=scale)
    direct = principal_axes(moments(rows * scale))
    np.testing.assert_allclose(scaled.variances, direct.variances, rtol=1e-10)
    np.testing.assert_allclose(scaled.project(rows * scale), direct.project(rows * scale), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("case", ["duplicate columns", "constant column", "fewer rows than features", "two rows"])
def test_rank_deficient_pools_keep_what_they_support_and_say_so(case, dtype):
    generator = np.random.default_rng(7)
    rows = generator.standard_normal((300, 1, 32))
    expected = 32
    if case == "duplicate columns":
        rows[:, :, 16:] = rows[:, :, :16]
        expected = 16
    elif case == "constant column":
        rows[:, :, 3] = 7.0
        expected = 31
    elif case == "fewer rows than features":
        rows, expected = rows[:20], 19
    else:
        rows, expected = rows[:2], 1
    rows = rows.astype(dtype)
    spec = CompressSpec(method="whiten", dims=32)
    basis = fit_basis(spec, moments(prepare(spec, rows)), 1, 32)
    result = compress(spec, basis, rows)
    assert basis.info["k_eff"] == expected == result.vectors.shape[1]
    assert any(f"32 dimensions wanted, {expected} kept" in warning for warning in basis.info["warnings"])
    assert np.isfinite(result.vectors).all()
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1)[~result.is_zero], 1, rtol=1e-5)


def test_a_pool_of_equal_rows_gives_flagged_zero_vectors_and_a_warning():
    rows = np.full((50, 2, 8), 1.5, dtype=np.float16)
    spec = CompressSpec(method="whiten", dims=4)
    basis = fit_basis(spec, moments(prepare(spec, rows)), 2, 8)
    result = compress(spec, basis, rows)
    assert basis.info["k_eff"] == 0
    assert result.is_zero.all()
    assert not result.vectors.any()
    assert "all rows of the pool are equal" in basis.info["warnings"][0]


def test_a_single_row_gives_flagged_zero_vectors():
    rows = np.random.default_rng(8).standard_normal((1, 1, 8)).astype(np.float32)
    spec = CompressSpec(method="whiten", dims=4)
    basis = fit_basis(spec, moments(prepare(spec, rows)), 1, 8)
    assert compress(spec, basis, rows).is_zero.all()


def test_no_rows_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="materialise"):
        principal_axes(Moments.empty(4))


def test_held_out_variance_rises_to_one_with_the_number_of_fit_rows_and_the_rule_of_ten_warns():
    # crds_rds_mig 3.8 (3) at a quarter of its size: D 384, k 48.
    generator = np.random.default_rng(9)
    scale = np.arange(1, 385) ** -0.35
    basis = np.linalg.qr(generator.standard_normal((384, 384)))[0]
    draw = lambda n: (generator.standard_normal((n, 384)) * scale) @ basis  # noqa: E731
    held_out = draw(3000)
    found = []
    for n in (50, 100, 250, 750, 5000):
        axes = principal_axes(moments(draw(n)), dims=48)
        found.append(np.var(axes.project(held_out), axis=0).mean())
        assert any("per feature" in warning for warning in axes.warnings) == (n < 3840)
    assert found == sorted(found)
    assert found[1] < 0.9
    assert 0.93 < found[-1] < 1.0
