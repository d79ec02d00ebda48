"""The same bytes on any number of threads: each routine, and what is decided by it, in processes of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest

from datasel_assets.arrays import linear_algebra

SCRIPT = """
import hashlib
import numpy as np
from datasel_assets.arrays.linear_algebra import eigh, eigvalsh, lstsq, product, qr, solve, svd
from datasel_assets.indicators.predictability import adversarial_filter, predictability
from datasel_assets.indicators.ridge import leave_one_out
rng = np.random.default_rng(0)
X = rng.standard_normal((1200, 256)).astype(np.float32)
X[:300] += 0.5
X /= np.linalg.norm(X, axis=1, keepdims=True)
C = product(X.astype(np.float64).T, X)
labels = np.repeat([0, 1, 2, 3], 300)
ids = np.array([f"{i:032x}" for i in rng.permutation(1200)])
found = [
    solve(C, X[:40].T.astype(np.float64)), *eigh(C), eigvalsh(C), *svd(X[:500].astype(np.float64)), qr(C),
    lstsq(X.astype(np.float64), labels.astype(np.float64))[0], X @ X[:700].T, C,
    predictability(X, labels, ids, 8, 600), *adversarial_filter(X, labels, ids, 50, 0.6, 800, 8, 600),
    leave_one_out(X[:400].astype(np.float64), labels[:400] + labels[400:800], 8, 1e-3),
]
print(*(hashlib.blake2b(np.ascontiguousarray(a).tobytes(), digest_size=8).hexdigest() for a in found))
"""


def run(threads: int, **environment: str) -> list[str]:
    count = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, **count, **environment}, capture_output=True, check=True
    )
    return answer.stdout.decode().split()


def test_no_number_of_threads_changes_a_byte():
    one, two, four = (run(threads) for threads in (1, 2, 4))
    assert len(one) > 10
    assert one == two == four


@pytest.mark.parametrize("kernel", ["Haswell", "SkylakeX"])
def test_no_kernel_of_the_linear_algebra_changes_which_rows_a_filter_removes(kernel: str):
    """Figures may differ in their last digits; what is decided by them may not."""
    usual, other = run(2), run(2, OPENBLAS_CORETYPE=kernel)
    assert usual[-4:] == other[-4:]


def test_each_routine_gives_what_numpy_gives():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((30, 30))
    b, symmetric, tall = rng.standard_normal((30, 3)), a + a.T, rng.standard_normal((40, 6))
    np.testing.assert_allclose(a @ linear_algebra.solve(a, b), b, atol=1e-9)
    values, vectors = linear_algebra.eigh(symmetric)
    np.testing.assert_allclose(symmetric @ vectors, vectors * values, atol=1e-9)
    np.testing.assert_allclose(linear_algebra.eigvalsh(symmetric), values, atol=1e-9)
    left, singular, right = linear_algebra.svd(tall)
    np.testing.assert_allclose(left * singular @ right, tall, atol=1e-9)
    basis = linear_algebra.qr(tall)
    np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-9)
    found, rank = linear_algebra.lstsq(tall, tall @ np.arange(6.0))
    np.testing.assert_allclose(found, np.arange(6.0), atol=1e-9)
    assert rank == 6
