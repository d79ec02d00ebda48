"""Vendi score of n vectors of 384 dimensions: the d x d form beside the n x n form.

The vectors are a planted mixture of 200 directions of unequal strength, unit rows in float32, the same for all.
``vendi-score`` is the package of the paper and takes part where it is installed: its ``score_X`` is the n x n form
(Friedman and Dieng 2023) and its ``score_dual`` the d x d form; without it the n x n form in numpy stands in. The n x n
form needs 8 n^2 bytes and O(n^3) operations, so it runs at ``--kernel-n`` rows and our own runs there as well: the
objective, the score itself, must agree. ``floor`` is the product X^T X in float32 alone.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report

DIM = 384


def vectors(n: int) -> np.ndarray:
    """Return (n, 384) float32 unit rows."""
    generator = np.random.default_rng(0)
    topics = generator.standard_normal((200, DIM))
    strength = 1 / np.arange(1, 201)
    rows = topics[generator.choice(200, n, p=strength / strength.sum())] + generator.standard_normal((n, DIM))
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)


def run(implementation: str, n: int) -> dict[str, Any]:
    """Compute the score once in this process."""
    prepare = _IMPLEMENTED[implementation]
    prepare(vectors(500))()
    score = prepare(vectors(n))
    with measured() as cost:
        value = score()
    return {**asdict(cost), "objective": value}


def _datasel(X: np.ndarray) -> Callable[[], float | None]:
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.diagnostics.vendi import vendi

    return lambda: vendi(ArrayVectors(X))


def _floor(X: np.ndarray) -> Callable[[], float | None]:
    def multiply() -> None:
        X.T @ X

    return multiply


def _kernel(X: np.ndarray) -> Callable[[], float | None]:
    def score() -> float:
        rows = X.astype(np.float64)
        values = np.linalg.eigvalsh(rows @ rows.T / len(rows))
        values = values[values > 1e-14]
        return float(np.exp(-(values * np.log(values)).sum()))

    return score


def _package(X: np.ndarray) -> Callable[[], float | None]:
    from vendi_score import vendi

    return lambda: float(vendi.score_X(X, normalize=False))


def _package_dual(X: np.ndarray) -> Callable[[], float | None]:
    from vendi_score import vendi

    return lambda: float(vendi.score_dual(X, normalize=False))


_IMPLEMENTED: dict[str, Callable[[np.ndarray], Callable[[], float | None]]] = {
    "datasel": _datasel,
    "floor": _floor,
    "numpy, n x n": _kernel,
    "vendi-score, n x n": _package,
    "vendi-score, d x d": _package_dual,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--kernel-n", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    package = find_spec("vendi_score") is not None
    small = min(options.kernel_n, options.n)
    runs = [("datasel", options.n), ("floor", options.n), ("datasel", small), ("numpy, n x n", small)]
    if package:
        runs += [("vendi-score, d x d", options.n), ("vendi-score, n x n", small)]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {each: [] for each in runs}
    # Round by round, so that other work on the machine meets everyone alike.
    for _ in range(options.rounds):
        for name, n in found:
            found[name, n].append(isolated("benchmarks.vendi:run", implementation=name, n=n))
    rows = []
    for (name, n), rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        rows.append(Row(name, n, Measured(**middle), rounds[0]["objective"]))
    report("vendi", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
