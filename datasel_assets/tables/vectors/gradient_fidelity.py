"""How much of the exact similarities of gradients the stored numbers keep, on a sample of rows.

Belongs here: the table and its page. Does not belong here: the comparison (``diagnostics.gradient_fidelity``), the
stored gradients (``gradients``).

The sample is compared once for each training of the model and each projection, and again while the pool is smaller than
the sample: rows that come later change neither the model nor what is kept.
"""

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.gradient_fidelity import (
    FEWEST,
    block_and_kind,
    energy_grid,
    energy_shares,
    gradient_fidelity,
)
from datasel_assets.diagnostics.lds import spearman
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.vectors.curvature import Differentiated, open_model
from datasel_assets.tables.warehouse import Warehouse

GRADIENT_FIDELITY = Kind("gradient_fidelity")

ROWS, QUERIES = 300, 40
QUERY_NUMBERS, FEWEST_QUERIES = 1 << 28, 4
"""Whole gradients of queries are held at once: 1 GB of them, twice while they are laid out, and a few of any model."""

_AGREEMENT = "rank correlation of stored with exact cosines; 1: nothing is lost"
_TOO_FEW = f"too few rows to compare: {{}} beside the queries have a gradient, and {FEWEST} are needed"

COLUMNS = {
    "module": "A linear layer of the model.",
    "block": "Number of the block that it is in.",
    "layer_kind": "What it is called there.",
    "energy_share": "Its share of the squared length of a gradient, the mean over the rows of the sample.",
    "spearman": "Rank correlation of stored with exact cosines to one row, the mean over the queries; of the whole.",
    "spearman_of_mean": "Rank correlation of the mean cosines with all queries; of the whole.",
    "selection_overlap": "Share of a selection of one row in ten toward the queries that stays; of the whole.",
    "norm_with_length": "Rank correlation of the length of the gradient with the tokens of the response.",
}


def gradient_fidelity_table(own: Differentiated, gradients: Key) -> Table:
    """Return the table for one file of ``gradients/``; ``gradients``: key of its gradients of the pool."""
    key = (GRADIENT_FIDELITY.name, own.name)
    code = digest([GRADIENT_FIDELITY.version, ROWS, QUERIES])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        stored = [info for key in _stored(warehouse, gradients) if (info := warehouse.lake.info(key))]
        inputs = {
            "gradients": digest(sorted({info.fingerprint for info in stored})),
            "sampled": str(min(ROWS, sum(info.rows for info in stored))),
        }
        return Expected(key, code, {**inputs, "model": own.version(warehouse)})

    return Table(
        kind=GRADIENT_FIDELITY,
        key=key,
        description=(
            f"What the numbers that `gradients/{own.name}` keeps of each gradient tell of the whole gradients, on "
            f"{ROWS} rows of the pool by the hash of their id, and in which layers gradients are long."
        ),
        group="compressed",
        reads=[("corpus",), gradients, *own.reads()],
        expect=expect,
        build=partial(_build, own, gradients),
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=code,
        columns=COLUMNS,
    )


def _stored(warehouse: Warehouse, gradients: Key) -> list[Key]:
    return [(*gradients, source) for source in warehouse.active_sources()]


def _build(own: Differentiated, gradients: Key, step: Step) -> Built:
    warehouse = step.warehouse
    sample = _sample(warehouse, gradients)
    with open_model(warehouse, **own.opening(warehouse)) as model:
        parameters = sum(o * i for o, i in model.shapes)
        most = max(FEWEST_QUERIES, min(QUERIES, QUERY_NUMBERS // parameters))
        # The sample is in a random order of its own: any of its rows may stand for a query.
        queries = min(most, max(1, sample.height // 6), sample.height)
        exact, norm, squares = _exact(model, sample["messages"].to_list(), queries, step)
        modules = list(model.modules)
    vectors = vectors_of(sample["gradient"])
    found = gradient_fidelity(vectors[queries:] @ vectors[:queries].T, exact[queries:])
    lengths = sample["n_response_tokens"].to_numpy()
    figures = {
        "spearman": found.spearman,
        "spearman_of_mean": found.spearman_of_mean,
        "selection_overlap": found.overlap,
        "norm_with_length": spearman(norm, lengths) if len(norm) >= FEWEST else float("nan"),
    }
    shares = energy_shares(squares)
    blocks, kinds = zip(*(block_and_kind(module) for module in modules), strict=True)
    table = pl.DataFrame({"module": modules, "block": blocks, "layer_kind": kinds, "energy_share": shares})
    table = table.with_columns(pl.lit(value).alias(figure) for figure, value in figures.items())
    info = warehouse.lake.write(step.expected, table)
    return Built(
        info, sample.height, metadata=_page(own, gradients, figures, table, found, vectors), rows_total=sample.height
    )


def _exact(model: Any, rows: list[Any], queries: int, step: Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exact cosines (n, q) of n rows with the first q of them, lengths (n,), squared lengths by layer (n, k)."""
    from datasel_assets.models.gradient_energy import Beside, Energy
    from datasel_assets.models.gradient_projections import Toward, Whole

    whole = Whole(model.shapes)
    vectors = np.empty((queries, whole.width), np.float32)
    # One at a time: a whole gradient has as many numbers as the model has weights.
    for k in range(queries):
        vectors[k] = model.read([rows[k]], whole).values[0]
        vectors[k] /= np.linalg.norm(vectors[k])
    toward, energy = Toward(vectors, model.shapes, model.device), Energy(len(model.shapes))
    found = model.read(rows, Beside([toward, energy]), progress=lambda done: step.progress(done, len(rows)))
    cosines = found.values[:, :queries] / np.where(found.norm > 0, found.norm, 1)[:, None]
    return cosines, found.norm, found.values[:, queries:]


def _sample(warehouse: Warehouse, gradients: Key) -> pl.DataFrame:
    """Return ``gradient``, ``messages`` and ``n_response_tokens`` of a hash sample of rows with a gradient."""
    keys = [key for key in _stored(warehouse, gradients) if warehouse.lake.info(key)]
    known = [warehouse.lake.scan(key).filter(pl.col("norm") > 0).select("row_id") for key in keys]
    ids = pl.concat(known).collect()["row_id"]
    wanted = ids.gather(hash_sample(ids.to_numpy(), ROWS, seed=0))
    is_wanted = pl.col("row_id").is_in(wanted.implode())
    parts = [
        warehouse.lake.scan(key)
        .filter(is_wanted)
        .select("row_id", "gradient")
        .join(
            warehouse.lake.scan(("corpus", key[-1]))
            .filter(is_wanted)
            .select("row_id", "messages", "n_response_tokens"),
            on="row_id",
        )
        for key in keys
    ]
    order = pl.DataFrame({"row_id": wanted}).with_row_index("place")
    return pl.concat(parts).collect().join(order, on="row_id").sort("place")


def _page(
    own: Differentiated,
    gradients: Key,
    figures: dict[str, float],
    table: pl.DataFrame,
    found: Any,
    vectors: np.ndarray,
) -> dict[str, Any]:
    blocks, kinds, grid = energy_grid(table["module"].to_list(), table["energy_share"].to_numpy())
    return {
        **{name: round(value, 4) for name, value in figures.items() if not np.isnan(value)},
        "rows_compared": found.rows,
        "queries": found.queries,
        "projection": f"{own.spec.projection}, {vectors.shape[1]:,} numbers",
        "bytes_per_row": 2 * vectors.shape[1] + 4,
        "plot: energy": picture(plots.gradient_energy(blocks, kinds, grid), f"where gradients of {own.name} are long"),
        "note": _TOO_FEW.format(found.rows) if np.isnan(found.spearman) else _AGREEMENT,
        "gradients": table_link(*gradients),
    }
