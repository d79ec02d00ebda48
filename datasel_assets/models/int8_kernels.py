"""What stands between the int8 products of a BERT-like encoder: scales, bias, GELU, norms, softmax, rounding.

Each loop goes over whole rows (one token each) that stay in the first cache, and rounds a row by the row's own largest
value, so that no row depends on the others of its batch. Belongs here: loops. Not: the products, which torch computes
(:mod:`datasel_assets.models.packed_int8`). Import this inside functions only.

bfloat16 numbers arrive as uint16 (numpy has no such type). Shapes: T tokens, m columns.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from datasel_assets.compiled import compiled

_ZERO, _HALF, _ONE, _FOUR, _EIGHTH = (np.float32(value) for value in (0, 0.5, 1, 4, 1 / 8))
_TOP, _STEPS, _MIDDLE = np.float32(127), np.float32(255), np.float32(128)
_LOG2_E, _LEAST_POWER = np.float32(math.log2(math.e)), np.float32(-120)
_SIGN_OFF = np.int32(0x7FFFFFFF)
GELU_LOW = np.float32(0.17)
"""GELU is nowhere under -0.17."""


def _gelu_slope(u: np.ndarray) -> np.ndarray:
    """(Phi(x) - 1/2) / x at ``x * x / 8 - 1 = u``; Phi is the normal distribution function."""
    x = np.sqrt(np.maximum((u + 1) * 8, 1e-12))
    return np.array([math.erf(value / math.sqrt(2)) / 2 / value for value in x])


def _coefficients(function: Callable[..., Any], degree: int, domain: tuple[float, float]) -> tuple[np.float32, ...]:
    """Coefficients, lowest power first, of the polynomial of ``degree`` that is near ``function`` on ``domain``."""
    fitted = Chebyshev.interpolate(function, degree, domain=list(domain)).convert(kind=Polynomial)
    return tuple(np.float32(value) for value in fitted.coef)


_G0, _G1, _G2, _G3, _G4, _G5, _G6, _G7, _G8, _G9 = _coefficients(_gelu_slope, 9, (-1, 1))
_E0, _E1, _E2, _E3, _E4, _E5 = _coefficients(np.exp2, 5, (-1, 0))


@partial(compiled, reorder=True)
def _round_row(row: np.ndarray, out: np.ndarray) -> np.float32:
    """Write ``row`` (m,) as int8 into ``out`` (m,) and return what 1 stands for; a row of zeros stays zero."""
    bits = row.view(np.int32)
    largest = np.int32(0)
    for c in range(len(row)):  # the bits of |x| are ordered as |x| is
        largest = max(largest, bits[c] & _SIGN_OFF)
    top = np.int32(largest).view(np.float32)
    inverse = _TOP / top if top > _ZERO else _ZERO
    for c in range(len(row)):
        out[c] = np.int8(np.rint(row[c] * inverse))
    return top / _TOP


@partial(compiled, reorder=True)
def quantise(x: np.ndarray, gain: np.ndarray, offset: np.ndarray, out: np.ndarray, scales: np.ndarray) -> None:
    """Round each row of ``x * gain + offset`` to int8.

    Args:
        x: (T, m) float32.
        gain: (m,) float32.
        offset: (m,) float32.
        out: (T, m) int8, written; an entry v stands for ``v * scales[row]``.
        scales: (T,) float32, written.
    """
    width = x.shape[1]
    row = np.empty(width, np.float32)
    for r in range(len(x)):
        for c in range(width):
            row[c] = x[r, c] * gain[c] + offset[c]
        scales[r] = _round_row(row, out[r])


@partial(compiled, reorder=True)
def add_norm_quantise(
    sums: np.ndarray,
    row_scales: np.ndarray,
    column_scales: np.ndarray,
    row_bias: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    norm_bias: np.ndarray,
    eps: np.float32,
    gain: np.ndarray,
    offset: np.ndarray,
    out: np.ndarray,
    scales: np.ndarray,
) -> None:
    """Replace ``x`` by the layer norm of ``x`` + the product, and round the result as :func:`quantise` does.

    The product is ``row_scales * (sums * column_scales + row_bias) + bias``.

    Args:
        sums: (T, m) int32, product of int8 numbers.
        row_scales: (T,) float32 scales of the left factor.
        column_scales: (m,) float32 scales of the right factor.
        row_bias: (m,) float32.
        bias: (m,) float32.
        x: (T, m) float32, read and written.
        weight: (m,) float32 of the norm.
        norm_bias: (m,) float32 of the norm.
        eps: of the norm.
        gain: (m,) float32, see :func:`quantise`.
        offset: (m,) float32, see :func:`quantise`.
        out: (T, m) int8, written.
        scales: (T,) float32, written.
    """
    width = x.shape[1]
    row = np.empty(width, np.float32)
    for r in range(len(x)):
        scale = row_scales[r]
        total = _ZERO
        for c in range(width):
            value = scale * (np.float32(sums[r, c]) * column_scales[c] + row_bias[c]) + bias[c] + x[r, c]
            row[c] = value
            total += value
        mean = total / np.float32(width)
        squares = _ZERO
        for c in range(width):
            squares += (row[c] - mean) * (row[c] - mean)
        inverse = _ONE / np.sqrt(squares / np.float32(width) + eps)
        for c in range(width):
            value = (row[c] - mean) * inverse * weight[c] + norm_bias[c]
            x[r, c] = value
            row[c] = value * gain[c] + offset[c]
        scales[r] = _round_row(row, out[r])


@partial(compiled, reorder=True)
def gelu_quantise(
    sums: np.ndarray,
    row_scales: np.ndarray,
    column_scales: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    scales: np.ndarray,
) -> None:
    """Round the GELU of ``row_scales * sums * column_scales + bias`` to int8.

    Args:
        sums: (T, m) int32.
        row_scales: (T,) float32.
        column_scales: (m,) float32.
        bias: (m,) float32.
        out: (T, m) int8, written; v stands for ``(v + 128) * scales[row] - GELU_LOW``, which spends no number on what
            GELU never is.
        scales: (T,) float32, written.
    """
    width = sums.shape[1]
    row = np.empty(width, np.float32)
    bits = row.view(np.int32)
    for r in range(len(sums)):
        scale = row_scales[r]
        for c in range(width):
            x = np.float32(sums[r, c]) * (scale * column_scales[c]) + bias[c]
            k = min(max(x, -_FOUR), _FOUR)
            u = k * k * _EIGHTH - _ONE
            slope = _G9
            slope = slope * u + _G8
            slope = slope * u + _G7
            slope = slope * u + _G6
            slope = slope * u + _G5
            slope = slope * u + _G4
            slope = slope * u + _G3
            slope = slope * u + _G2
            slope = slope * u + _G1
            slope = slope * u + _G0
            row[c] = x * (_HALF + k * slope)
        largest = np.int32(0)
        for c in range(width):  # positive floats are ordered as their bits, and negative ones have negative bits
            largest = max(largest, bits[c])
        step = (np.int32(largest).view(np.float32) + GELU_LOW) / _STEPS
        scales[r] = step
        inverse = _ONE / step
        for c in range(width):
            out[r, c] = np.int8(np.int32((row[c] + GELU_LOW) * inverse + _HALF) - np.int32(128))


@partial(compiled, reorder=True)
def split_heads(
    sums: np.ndarray, row_scales: np.ndarray, column_scales: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:
    """Write query, key and value of each head as bfloat16.

    Args:
        sums: (rows * length, 3 heads size) int32.
        row_scales: (rows * length,) float32.
        column_scales: (3 heads size,) float32.
        bias: (3 heads size,) float32.
        out: (3, rows, heads, length, size) uint16, written.
    """
    _, rows, heads, length, size = out.shape
    width = 3 * heads * size
    row = np.empty(width, np.float32)
    bits = row.view(np.uint32)
    short = np.empty(width, np.uint16)
    for i in range(rows):
        for t in range(length):
            r = i * length + t
            scale = row_scales[r]
            for c in range(width):
                row[c] = np.float32(sums[r, c]) * (scale * column_scales[c]) + bias[c]
            for c in range(width):
                short[c] = np.uint16((bits[c] + np.uint32(0x8000)) >> np.uint32(16))
            for part in range(3):
                for head in range(heads):
                    for c in range(size):
                        out[part, i, head, t, c] = short[(part * heads + head) * size + c]


@partial(compiled, reorder=True)
def softmax(scores: np.ndarray) -> None:
    """Replace each row of ``scores`` (n, m), bfloat16 as uint16, by its softmax."""
    width = scores.shape[1]
    row = np.empty(width, np.float32)
    bits = row.view(np.int32)
    power_bits = np.empty(width, np.int32)
    powers = power_bits.view(np.float32)
    for r in range(len(scores)):
        largest = np.int32(-0x7FFFFFFF)
        for c in range(width):
            wide = np.int32(np.int32(scores[r, c]) << np.int32(16))
            bits[c] = wide
            largest = max(largest, np.int32(wide ^ ((wide >> np.int32(31)) & _SIGN_OFF)))  # ordered as the floats are
        top = np.int32(largest ^ ((largest >> np.int32(31)) & _SIGN_OFF)).view(np.float32)
        for c in range(width):
            y = max((row[c] - top) * _LOG2_E, _LEAST_POWER)
            whole = np.int32(y)
            rest = y - np.float32(whole)
            power_bits[c] = (whole + np.int32(127)) << np.int32(23)
            fraction = _E5
            fraction = fraction * rest + _E4
            fraction = fraction * rest + _E3
            fraction = fraction * rest + _E2
            fraction = fraction * rest + _E1
            fraction = fraction * rest + _E0
            row[c] = fraction
        total = _ZERO
        for c in range(width):
            row[c] *= powers[c]
            total += row[c]
        inverse = _ONE / total
        for c in range(width):
            row[c] *= inverse
        for c in range(width):
            scores[r, c] = np.uint16((bits[c] + np.int32(0x8000)) >> np.int32(16))


@partial(compiled, reorder=True)
def join_heads(context: np.ndarray, out: np.ndarray, scales: np.ndarray) -> None:
    """Round what the heads found for each token as :func:`quantise` does.

    Args:
        context: (rows, heads, length, size) bfloat16 as uint16.
        out: (rows * length, heads size) int8, written.
        scales: (rows * length,) float32, written.
    """
    rows, heads, length, size = context.shape
    row = np.empty(heads * size, np.float32)
    bits = row.view(np.uint32)
    for i in range(rows):
        for t in range(length):
            for head in range(heads):
                for c in range(size):
                    bits[head * size + c] = np.uint32(context[i, head, t, c]) << np.uint32(16)
            scales[i * length + t] = _round_row(row, out[i * length + t])
