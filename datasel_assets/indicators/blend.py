"""Several scores become one: sum, product, mean rank, votes, or a linear model fitted on outcomes.

Belongs here: the arithmetic of a blend. Does not: its YAML (``specs.blend``), where the scores come from, samplers.
The result is always to be maximised.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import polars as pl

from datasel_assets.arrays.linear_algebra import lstsq
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.specs.blend import BlendInput, BlendSpec, How


class BlendError(ValueError):
    """The scores given cannot be blended as the spec says."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Least squares on outcomes.

    Attributes:
        intercept: constant term.
        coefficients: one per input, in the order of the spec.
        r_squared: share of the outcome's variance that is explained; NaN when the outcome is constant.
        observations: lines with an outcome and all inputs.
    """

    intercept: float
    coefficients: np.ndarray
    r_squared: float
    observations: int


def blend(
    spec: BlendSpec,
    values: Mapping[str, np.ndarray],
    keep: Mapping[str, str],
    sources: np.ndarray | None = None,
    fit: Fit | None = None,
) -> np.ndarray:
    """Return one score per row, larger is better, NaN where it has none.

    Args:
        spec: the blend.
        values: score -> (n,) float, NaN where missing.
        keep: score -> ``high`` or ``low``, for inputs with ``keep: auto``.
        sources: (n,) labels; for ``scope: source``.
        fit: for ``how: ols`` (:func:`fit_outcomes`).

    Raises:
        BlendError: a value is missing under ``missing: raise``, a product has a negative factor, ``keep: auto`` meets a
            score that declares ``mid``, or the fit or the sources are missing.
    """
    columns = np.column_stack([np.asarray(values[entry.score], np.float64) for entry in spec.inputs])
    for column, entry in zip(columns.T, spec.inputs, strict=True):
        if entry.scale == "log":
            column[:] = logarithm(column)
    columns[~np.isfinite(columns)] = np.nan
    scopes = _scopes(spec, sources, len(columns))
    _fill(spec, columns, scopes)
    known = np.asarray(~np.isnan(columns).any(axis=1))
    result = np.full(len(columns), np.nan)
    if spec.how == "ols":
        if fit is None or spec.outcomes is None:
            raise BlendError("'how: ols' was given no fit")
        sign = 1.0 if spec.outcomes.keep == "high" else -1.0
        result[known] = sign * (fit.intercept + columns[known] @ fit.coefficients)
        return result
    signs = [_sign(entry, keep) for entry in spec.inputs]
    weights = np.array([entry.weight for entry in spec.inputs])
    for scope in scopes:
        rows = scope[known[scope]]
        if len(rows):
            result[rows] = _combine(spec, columns[rows], signs, weights)
    return result


def fit_outcomes(spec: BlendSpec, observed: Mapping[str, np.ndarray]) -> Fit:
    """Fit outcome = intercept + sum of coefficient * score by least squares (InstructionMining, arXiv 2307.06290).

    Args:
        spec: a blend with ``how: ols``.
        observed: the columns of the outcomes file.

    Raises:
        BlendError: a column is missing, there are fewer observations than coefficients, or the inputs are collinear.
    """
    assert spec.outcomes is not None, "the schema admits ols only with outcomes"
    names = inputs_of(spec)
    absent = [name for name in (*names, spec.outcomes.column) if name not in observed]
    if absent:
        raise BlendError(f"{spec.outcomes.uri} lacks the columns {', '.join(absent)}; it has {', '.join(observed)}")
    inputs = np.column_stack([np.asarray(observed[name], np.float64) for name in names])
    outcome = np.asarray(observed[spec.outcomes.column], np.float64)
    usable = np.isfinite(inputs).all(axis=1) & np.isfinite(outcome)
    inputs, outcome = inputs[usable], outcome[usable]
    if len(outcome) <= len(names):
        raise BlendError(
            f"{spec.outcomes.uri} has {len(outcome)} complete observations for {len(names)} scores and an intercept: "
            f"at least {len(names) + 1} are needed"
        )
    # Centred and scaled, so that the rank does not depend on the units of the scores.
    centre, spread = inputs.mean(0), inputs.std(0)
    flat = [name for name, width in zip(names, spread, strict=True) if width == 0]
    if flat:
        raise BlendError(
            f"{spec.outcomes.uri}: {flat[0]} is the same in every observation; nothing can be fitted to it"
        )
    scaled, rank = lstsq((inputs - centre) / spread, outcome - outcome.mean())
    if rank < len(names):
        raise BlendError(f"{spec.outcomes.uri}: the scores are linear combinations of each other: remove one")
    coefficients = scaled / spread
    intercept = float(outcome.mean() - centre @ coefficients)
    residual = outcome - intercept - inputs @ coefficients
    total = float(((outcome - outcome.mean()) ** 2).sum())
    r_squared = 1 - float((residual**2).sum()) / total if total > 0 else float("nan")
    return Fit(intercept, coefficients, r_squared, len(outcome))


def observed_columns(spec: BlendSpec, observed: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of numbers of an outcomes file, NaN where a cell is empty.

    Raises:
        BlendError: one that the fit needs holds something else.
    """
    assert spec.outcomes is not None, "the schema admits ols only with outcomes"
    wrong = [name for name, kind in observed.schema.items() if not kind.is_numeric()]
    needed = {*inputs_of(spec), spec.outcomes.column}
    if unusable := [name for name in wrong if name in needed]:
        raise BlendError(f"{spec.outcomes.uri}: the columns {', '.join(unusable)} are not numbers")
    return {
        name: observed[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in observed.columns
        if name not in wrong
    }


def minmax(values: np.ndarray) -> np.ndarray:
    """Return (x - min) / (max - min), 0 everywhere when all values are equal."""
    low, high = values.min(), values.max()
    return np.zeros_like(values) if high == low else (values - low) / (high - low)


def robust(values: np.ndarray, quantile_range: tuple[float, float] = (0.25, 0.75)) -> np.ndarray:
    """Return (x - median) / (q_high - q_low); only centred when the two quantiles are equal."""
    low, middle, high = np.quantile(values, (quantile_range[0], 0.5, quantile_range[1]))
    return (values - middle) / (high - low if high > low else 1.0)


def logarithm(values: np.ndarray) -> np.ndarray:
    """Return the natural logarithms (n,), NaN for values that are not above 0."""
    return np.log(values, out=np.full(len(values), np.nan), where=values > 0)


def percentile_rank(values: np.ndarray) -> np.ndarray:
    """Return the share of rows that are smaller, ties counted half: in (0, 1), mean 1/2."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - counts / 2) / len(values))[place]


def _combine(spec: BlendSpec, columns: np.ndarray, signs: list[int], weights: np.ndarray) -> np.ndarray:
    if spec.how == "rank_mean":
        ranks = np.column_stack([percentile_rank(s * c) for s, c in zip(signs, columns.T, strict=True)])
        return ranks @ weights / weights.sum()
    if spec.how == "vote":
        votes = [
            percentile_rank(sign * column) > 1 - entry.top  # type: ignore[operator]  # the schema demands top
            for sign, column, entry in zip(signs, columns.T, spec.inputs, strict=True)
        ]
        return np.column_stack(votes) @ weights / weights.sum()
    parts = np.column_stack(
        [_scaled(spec, entry, s, c) for s, c, entry in zip(signs, columns.T, spec.inputs, strict=True)]
    )
    if spec.how == "sum":
        return parts @ weights
    if (parts < 0).any():
        worst = spec.inputs[int(np.argmin(parts.min(axis=0)))].score
        raise BlendError(f"a product of scores needs values of 0 or more, but {worst} has negative ones: scale: minmax")
    return np.prod(parts**weights, axis=1)


def _scaled(spec: BlendSpec, entry: BlendInput, sign: int, column: np.ndarray) -> np.ndarray:
    if entry.scale == "minmax":
        return minmax(sign * column)
    if entry.scale == "clipped":
        return minmax(sign * np.clip(column, *np.quantile(column, spec.quantile_range)))
    return sign * (robust(column, spec.quantile_range) if entry.scale == "robust" else column)


def _sign(entry: BlendInput, keep: Mapping[str, str]) -> int:
    wanted = keep.get(entry.score, "high") if entry.keep == "auto" else entry.keep
    if wanted == "mid":
        raise BlendError(f"{entry.score} is best in the middle: say 'keep: high' or 'keep: low' in the blend")
    return 1 if wanted == "high" else -1


def _scopes(spec: BlendSpec, sources: np.ndarray | None, n: int) -> list[np.ndarray]:
    if spec.scope == "global":
        return [np.arange(n)]
    if sources is None:
        raise BlendError("'scope: source' was given no sources")
    labels = np.unique(sources, return_inverse=True)[1].reshape(-1)
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])


def _fill(spec: BlendSpec, columns: np.ndarray, scopes: list[np.ndarray]) -> None:
    missing = np.isnan(columns)
    if spec.missing == "drop" or not missing.any():
        return
    if spec.missing == "raise":
        worst = int(missing.sum(axis=0).argmax())
        raise BlendError(
            f"{spec.inputs[worst].score} is missing for {int(missing[:, worst].sum()):,} rows, and the blend says "
            "'missing: raise'"
        )
    for rows in scopes:
        for j in range(columns.shape[1]):
            gaps = rows[missing[rows, j]]
            if 0 < len(gaps) < len(rows):
                columns[gaps, j] = np.nanmedian(columns[rows, j])


def describe(spec: BlendSpec, fit: Fit | None = None) -> dict[str, Any]:
    """Return what the blend is made of, for metadata: weights, or the fitted coefficients."""
    if fit is None:
        return {entry.score: entry.weight for entry in spec.inputs}
    found = {entry.score: float(c) for entry, c in zip(spec.inputs, fit.coefficients, strict=True)}
    return {**found, "intercept": fit.intercept, "r_squared": fit.r_squared, "observations": fit.observations}


def score_pool(spec: BlendSpec, given: Given) -> PoolScore:
    """Return the score of a file; beside its picture the scores that it is made of."""
    fit = fit_outcomes(spec, observed_columns(spec, given.outcomes)) if spec.outcomes else None
    made = blend(spec, given.scores, given.keep, given.sources, fit)
    facts = {f"weight: {score}": value for score, value in describe(spec, fit).items()}
    for entry in spec.inputs:
        if entry.scale == "log":
            # A row that drops out because of its scale and not of its score is told apart.
            facts[f"without a logarithm: {entry.score}"] = int((given.scores[entry.score] <= 0).sum())
    return PoolScore(made, shown=given.scores, facts=facts)


def inputs_of(spec: BlendSpec) -> list[str]:
    """Return the scores that a blend is made of."""
    return [entry.score for entry in spec.inputs]


KIND = ScoreKind(
    name="blend",
    ways=get_args(How),
    spec=BlendSpec,
    # A blend is made to be maximised, whatever is kept of its inputs.
    keep="high",
    reads=inputs_of,
    needs=lambda spec: [Need("outcomes", "outcomes", spec.outcomes.uri)] if spec.outcomes else [],
    identity=lambda spec, keep, clustered: [spec.model_dump(mode="json"), dict(keep)],
    about=lambda spec: f"{spec.how} of {', '.join(inputs_of(spec))}.",
    compute=score_pool,
    caption="{name} and its inputs",
)
"""The kind of the files whose ``how`` is one of the ways to make one score of several."""
