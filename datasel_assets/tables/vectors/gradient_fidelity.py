"""How much of the exact similarities of gradients the stored numbers keep, on a sample of rows.

Belongs here: the table and its page. Does not belong here: the comparison (``diagnostics.gradient_fidelity``), the
stored gradients (``gradients``).

The sample is compared once for each training of the model and each projection, and again while the pool is smaller than
the sample: rows that come later change neither the model nor what is kept.

What is exact is what the table would hold if nothing were left out: steps of Adam where rows are turned into these, and
of several checkpoints the mean of their cosines, which is the cosine of their vectors put one after the other.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.gradient_fidelity import (
    FEWEST,
    GradientFidelity,
    block_and_kind,
    energy_grid,
    energy_shares,
    gradient_fidelity,
)
from datasel_assets.diagnostics.lds import spearman
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.shown import Rows, picture, table_link
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
    "energy_share": "Its share of the squared length of a gradient, the mean over rows of the sample and checkpoints.",
    "spearman": "Rank correlation of stored with exact cosines to one row, the mean over the queries; of the whole.",
    "spearman_of_mean": "Rank correlation of the mean cosines with all queries; of the whole.",
    "selection_overlap": "Share of a selection of one row in ten toward the queries that stays; of the whole.",
    "norm_with_length": "Rank correlation of the length of the gradient with the tokens of the response.",
}

Stored = Sequence[tuple[str, str]]
"""The columns with the gradients and with their lengths, of each checkpoint."""


def gradient_fidelity_table(own: Differentiated, gradients: Key, columns: Stored) -> Table:
    """Return the table for one file of ``gradients/``.

    Args:
        own: the file.
        gradients: key of its gradients of the pool.
        columns: of that table.
    """
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
            f"What the numbers that `gradients/{own.name}` keeps of each {_kept(own)} tell of the whole, on {ROWS} "
            "rows of the pool by the hash of their id, and in which layers it is long."
        ),
        group="compressed",
        reads=[("corpus",), gradients, *own.reads()],
        expect=expect,
        build=partial(_build, own, gradients, columns),
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=code,
        columns=COLUMNS,
    )


def _stored(warehouse: Warehouse, gradients: Key) -> list[Key]:
    return [(*gradients, source) for source in warehouse.active_sources()]


def _kept(own: Differentiated) -> str:
    return "step of Adam" if own.stepped else "gradient"


def _build(own: Differentiated, gradients: Key, columns: Stored, step: Step) -> Built:
    warehouse, stepped = step.warehouse, bool(own.stepped)
    sample = _sample(warehouse, gradients, columns)
    openings = own.openings(warehouse, moments=stepped)
    queries, modules = 0, []
    exact, stored, norms, shares = [], [], [], []
    for number, (opening, (column, _)) in enumerate(zip(openings, columns, strict=True)):
        with open_model(warehouse, **opening) as model:
            parameters, modules = sum(o * i for o, i in model.shapes), list(model.modules)
            most = max(FEWEST_QUERIES, min(QUERIES, QUERY_NUMBERS // parameters))
            # The sample is in a random order of its own: any of its rows may stand for a query.
            queries = min(most, max(1, sample.height // 6), sample.height)
            part = partial(_progress, step, sample.height, number, len(openings))
            cosines, norm, squares = _exact(model, sample["messages"].to_list(), queries, stepped, part)
        vectors = vectors_of(sample[column])
        exact.append(cosines[queries:])
        stored.append(vectors[queries:] @ vectors[:queries].T)
        norms.append(norm)
        shares.append(energy_shares(squares))
    found = gradient_fidelity(np.mean(stored, axis=0), np.mean(exact, axis=0))
    lengths = sample["n_response_tokens"].to_numpy()
    figures = {
        "spearman": found.spearman,
        "spearman_of_mean": found.spearman_of_mean,
        "selection_overlap": found.overlap,
        "norm_with_length": spearman(np.mean(norms, axis=0), lengths) if len(lengths) >= FEWEST else float("nan"),
    }
    blocks, kinds = zip(*(block_and_kind(module) for module in modules), strict=True)
    energy = np.mean(shares, axis=0)
    table = pl.DataFrame({"module": modules, "block": blocks, "layer_kind": kinds, "energy_share": energy})
    table = table.with_columns(pl.lit(value).alias(figure) for figure, value in figures.items())
    info = warehouse.lake.write(step.expected, table)
    page = _page(own, gradients, figures, table, found, vectors_of(sample[columns[0][0]]).shape[1])
    if len(columns) > 1:
        page["of_each_checkpoint"] = _of_checkpoints(own, stored, exact)
    return Built(info, sample.height, metadata=page, rows_total=sample.height)


def _progress(step: Step, rows: int, number: int, checkpoints: int, done: int) -> None:
    step.progress(number * rows + done, checkpoints * rows)


def _exact(
    model: Any, rows: list[Any], queries: int, stepped: bool, progress: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exact cosines (n, q) of n rows with the first q of them, lengths (n,), squared lengths by layer (n, k)."""
    from datasel_assets.models.gradient_energy import Beside, Energy
    from datasel_assets.models.gradient_projections import Toward, Whole

    whole = Whole(model.shapes)
    vectors = np.empty((queries, whole.width), np.float32)
    # One at a time: a whole gradient has as many numbers as the model has weights.
    for k in range(queries):
        vectors[k] = model.read([rows[k]], whole, steps=stepped).values[0]
        vectors[k] /= np.linalg.norm(vectors[k])
    toward, energy = Toward(vectors, model.shapes, model.device), Energy(len(model.shapes))
    found = model.read(rows, Beside([toward, energy]), progress=progress, steps=stepped)
    cosines = found.values[:, :queries] / np.where(found.norm > 0, found.norm, 1)[:, None]
    return cosines, found.norm, found.values[:, queries:]


def _sample(warehouse: Warehouse, gradients: Key, columns: Stored) -> pl.DataFrame:
    """Return the gradients, ``messages`` and ``n_response_tokens`` of a hash sample of rows with a gradient."""
    keys = [key for key in _stored(warehouse, gradients) if warehouse.lake.info(key)]
    has_gradient = pl.all_horizontal(pl.col(norm) > 0 for _, norm in columns)
    known = [warehouse.lake.scan(key).filter(has_gradient).select("row_id") for key in keys]
    ids = pl.concat(known).collect()["row_id"]
    wanted = ids.gather(hash_sample(ids.to_numpy(), ROWS, seed=0))
    is_wanted = pl.col("row_id").is_in(wanted.implode())
    parts = [
        warehouse.lake.scan(key)
        .filter(is_wanted)
        .select("row_id", *(column for column, _ in columns))
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


def _of_checkpoints(own: Differentiated, stored: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> Rows:
    """Return what is kept at each checkpoint by itself."""
    found = [gradient_fidelity(*pair) for pair in zip(stored, exact, strict=True)]
    kept = [(one.spearman, one.overlap) for one in found if not np.isnan(one.spearman)]
    cells = [(number, *(round(value, 3) for value in pair)) for number, pair in zip(own.numbers, kept, strict=False)]
    return Rows({"checkpoint": None, "spearman": None, "selection overlap": None}, cells)


def _page(
    own: Differentiated,
    gradients: Key,
    figures: dict[str, float],
    table: pl.DataFrame,
    found: GradientFidelity,
    width: int,
) -> dict[str, Any]:
    blocks, kinds, grid = energy_grid(table["module"].to_list(), table["energy_share"].to_numpy())
    return {
        **{name: round(value, 4) for name, value in figures.items() if not np.isnan(value)},
        "rows_compared": found.rows,
        "queries": found.queries,
        "projection": f"{own.spec.projection}, {width:,} numbers",
        "compared": f"cosines of each {_kept(own)}{_of_all(own)}",
        "bytes_per_row": (2 * width + 4) * len(own.numbers),
        "plot: energy": picture(plots.gradient_energy(blocks, kinds, grid), f"where gradients of {own.name} are long"),
        "note": _TOO_FEW.format(found.rows) if np.isnan(found.spearman) else _AGREEMENT,
        "gradients": table_link(*gradients),
    }


def _of_all(own: Differentiated) -> str:
    return f", the mean over {len(own.numbers)} checkpoints" if own.spec.several else ""
