"""Counter-based signs: layout, statistics, determinism (CRDS-T8, T12)."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from datasel_assets.representations.rademacher import columns_per_layer, signs


def test_signs_are_a_published_hash_of_seed_layer_row_and_column():
    mask = (1 << 64) - 1

    def mix(value):
        value = (value + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    matrix = signs(42, 3, 5, 4)
    for layer in range(3):
        for row in range(5):
            for column in range(4):
                key = mix((mix(42) + layer) & mask)
                bit = mix(mix((row << 32) | column) ^ key) >> 63
                assert matrix[layer, row, column] == 2 * bit - 1


def test_a_larger_matrix_contains_the_smaller_one():
    np.testing.assert_array_equal(signs(1, 4, 64, 20)[:2, :30, :7], signs(1, 2, 30, 7))


def test_four_workers_make_the_same_bytes_as_one():
    def digest(columns):
        signs.cache_clear()
        return hashlib.sha256(signs(42, 7, 384, columns).tobytes()).hexdigest()

    alone = [digest(columns) for columns in (10, 20, 54, 100)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(digest, (10, 20, 54, 100))) == alone


def test_seeds_and_layers_are_uncorrelated_and_balanced():
    a, b = signs(0, 2, 384, 200).astype(np.float64), signs(1, 2, 384, 200).astype(np.float64)
    bound = 4 / np.sqrt(a[0].size)
    for left, right in [(a[0], a[1]), (a[0], b[0]), (a[0], np.ones_like(a[0])), (a[0][1:], a[0][:-1])]:
        assert abs((left * right).mean()) < bound
    assert np.abs(a[0].T @ a[0] / 384 - np.eye(200)).max() < 5.5 / np.sqrt(384)


def test_inner_products_are_unbiased_and_vary_as_the_formula_says():
    generator = np.random.default_rng(0)
    dim, columns = 96, 24
    x = generator.standard_normal(dim)
    y = 0.6 * x + generator.standard_normal(dim)
    x[3] *= 6  # a massive coordinate, so that the third term of the formula counts
    estimates = np.array(
        [(x @ r) @ (y @ r) / columns for r in (signs(seed, 1, dim, columns)[0].astype(float) for seed in range(200))]
    )
    error = estimates - x @ y
    variance = ((x @ x) * (y @ y) + (x @ y) ** 2 - 2 * (x**2 @ y**2)) / columns
    assert abs(error.mean()) < 4 * np.sqrt(variance / 200)
    assert 0.6 < error.var(ddof=1) / variance < 1.4  # 4 standard errors of a variance over 200 draws


def test_auto_divides_the_dimensions_between_layers_and_leaves_one_layer_alone():
    assert columns_per_layer("auto", 18, 4096) == 227
    assert columns_per_layer("auto", 1, 4096) is None
    assert columns_per_layer(64, 1, 384) == 64


@pytest.mark.parametrize(("wanted", "layers", "dim"), [("auto", 9, 8), (9, 2, 8)])
def test_columns_that_do_not_exist_are_refused(wanted, layers, dim):
    with pytest.raises(ValueError, match="dims_per_layer"):
        columns_per_layer(wanted, layers, dim)
