import numpy as np
import pytest

from datasel_assets.arrays.float16 import float16_to_float32

EVERY_HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_finite_half_is_widened_exactly():
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)].copy()
    widened = float16_to_float32(finite, np.empty(len(finite), np.float32))
    np.testing.assert_array_equal(widened.view(np.uint32), finite.astype(np.float32).view(np.uint32))


def test_infinite_and_nan_halves_stay_what_they_are():
    widened = float16_to_float32(EVERY_HALF, np.empty(1 << 16, np.float32))
    np.testing.assert_array_equal(widened, EVERY_HALF.astype(np.float32))


@pytest.mark.parametrize("view", [lambda x: x[:, ::2], lambda x: x[::3], lambda x: x.astype(">f2")])
def test_layouts_other_than_the_fast_one_are_widened_too(view):
    source = view(np.random.default_rng(0).standard_normal((9, 8)).astype(np.float16))
    widened = float16_to_float32(source, np.empty(source.shape, np.float32))
    np.testing.assert_array_equal(widened, source.astype(np.float32))


def test_an_empty_array_is_fine():
    assert float16_to_float32(np.empty((0, 3), np.float16), np.empty((0, 3), np.float32)).shape == (0, 3)
