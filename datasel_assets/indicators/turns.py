"""Scores made turn by turn: the product of some scores in each turn, then their sum or mean.

Belongs here: the arithmetic. Does not: where the values of turns come from (``tables.scores.turn_values``).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.score_kind import Given, PoolScore, ScoreKind
from datasel_assets.specs.score import TurnsSpec


@indicator(keep="high", source="Liu et al. 2024, DEITA, arXiv 2312.15685, section 2.3: sum over turns of c_t q_t")
def products(values: Sequence[pl.Series], over: str = "sum") -> np.ndarray:
    """Sum (or mean) over the turns of a row of the products of several scores of each turn.

    ``sum_t prod_k x_k(t)``: DEITA multiplies the complexity of an instruction and the quality of its answer in each
    turn and adds the turns up, so that long conversations score high; the mean does not favour them. NaN where an
    input has no turns, a turn without a value, or another number of turns than the other inputs.

    Args:
        values: for each score (n,) lists of its values by turn; null where there are none.
        over: ``sum`` or ``mean``.
    """
    names = [f"input {k}" for k in range(len(values))]
    rows = pl.DataFrame(dict(zip(names, values, strict=True))).with_row_index("row")
    lengths = [pl.col(name).list.len() for name in names]
    alike = rows.filter(pl.all_horizontal(lengths[0] > 0, *(length == lengths[0] for length in lengths)))
    product = pl.lit(1.0)
    for name in names:
        product = product * pl.col(name).cast(pl.Float64).fill_null(float("nan"))
    each = alike.explode(names).select("row", turn=product)
    found = each.group_by("row").agg(pl.col("turn").sum() if over == "sum" else pl.col("turn").mean())
    result = np.full(rows.height, np.nan)
    result[found["row"].to_numpy()] = found["turn"].to_numpy()
    return result


def score_pool(spec: TurnsSpec, given: Given) -> PoolScore:
    """Return the score of a file; beside its picture the row values of the scores that it is made of."""
    values = [given.turns[name] for name in spec.inputs]
    counted = pl.DataFrame({str(k): series.list.len() for k, series in enumerate(values)})
    differ = counted.drop_nulls().select((pl.max_horizontal(pl.all()) != pl.min_horizontal(pl.all())).sum()).item()
    facts = {"rows_whose_inputs_have_different_numbers_of_turns": int(differ)}
    return PoolScore(products(values, spec.over), shown=given.scores, facts=facts)


KIND = ScoreKind(
    name="turns",
    ways=("turns",),
    spec=TurnsSpec,
    keep=products.keep,
    indicator=products,
    reads=lambda spec: spec.inputs,
    by_turn=True,
    identity=lambda spec, keep, clustered: [products.version, list(spec.inputs), spec.over],
    about=lambda spec: f"The {spec.over} over turns of {' times '.join(spec.inputs)}.",
    compute=score_pool,
)
"""The kind of the files with ``how: turns``."""
