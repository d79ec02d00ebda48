"""How redundant each representation is, before and after compression, and all of them side by side.

Belongs here: the tables and their pages. Does not belong here: the figures (``diagnostics.redundancy``), what
compression does to neighbourhoods (``representations``).

All figures are of the same hash sample of the pool, because they grow with the number of rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets import representations as maths
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.redundancy import Redundancy, redundancy
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.shown import picture, sample_table, table_link
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.vectors.representations import basis_fingerprint, layers_of, read_basis, sample_layers
from datasel_assets.tables.warehouse import Warehouse

REDUNDANCY = Kind("redundancy")
REDUNDANCY_COMPARISON = Kind("redundancy_comparison")

ROWS = 4000
FIGURES = {
    "rows": pl.Int64,
    "dims": pl.Int64,
    "effective_rank": pl.Float64,
    "participation_ratio": pl.Float64,
    "first_axis_share": pl.Float64,
    "axes_90": pl.Int64,
    "axes_99": pl.Int64,
    "mean_cosine": pl.Float64,
    "mean_cosine_centred": pl.Float64,
    "shares": pl.List(pl.Float32),
}
SHOWN = [name for name in FIGURES if name not in ("rows", "shares")]
LAYER = "Hidden layer as it is stored; null for the vector that compression makes of all layers."


def redundancy_table(name: str, spec: RepresentationSpec) -> Table:
    """Return the table of one representation."""
    key = (REDUNDANCY.name, name)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([REDUNDANCY.version, basis_fingerprint(spec), ROWS])
        return Expected(key, fingerprint, warehouse.versions("representations", name))

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        layers = sample_layers(warehouse, spec, ROWS)
        numbers = layers_of(spec).layer_numbers(warehouse)
        found = [redundancy(layers[:, place]) for place in range(len(numbers))]
        vector = redundancy(maths.compress(spec.compress, read_basis(warehouse, name, spec), layers).vectors)
        table = _frame([*numbers, None], [*found, vector])
        info = warehouse.lake.write(step.expected, table)
        drawn = {"vector": vector.shares} | {f"layer {n}": f.shares for n, f in zip(numbers, found, strict=True)}
        shown = table.with_columns(pl.col("layer").cast(pl.String).fill_null("vector"))
        return Built(
            info,
            vector.rows,
            metadata={
                "in_words": in_words(name, vector),
                **_figures(vector),
                "rows_sampled": vector.rows,
                "layers and vector": sample_table(shown, ["layer", *SHOWN], rows=100),
                "plot: variance by axis": picture(plots.spectra(drawn), f"variance by principal axis of {name}"),
                "all representations": table_link(REDUNDANCY_COMPARISON.name),
            },
            rows_total=vector.rows,
        )

    return Table(
        kind=REDUNDANCY,
        key=key,
        description=(
            f"How many directions the vectors of `{name}` use of those that they have, and how alike two random rows "
            f"are: each stored layer, and the compressed vector (a hash sample of {ROWS:,} rows)."
        ),
        group="compressed",
        reads=[("representations", name)],
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "numpy"}),
        version=basis_fingerprint(spec),
        columns={"layer": LAYER},
    )


def redundancy_comparison(names: Sequence[str]) -> Table:
    """Return the table of the compressed vectors of all representations."""
    keys: dict[str, Key] = {name: (REDUNDANCY.name, name) for name in names}

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {name: warehouse.lake.version(key) for name, key in keys.items() if warehouse.lake.info(key)}
        return Expected((REDUNDANCY_COMPARISON.name,), digest([REDUNDANCY_COMPARISON.version]), inputs)

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        frames = [
            lake.scan(keys[name])
            .filter(pl.col("layer").is_null())
            .select(pl.lit(name).alias("representation"), *FIGURES)
            for name in step.expected.inputs
        ]
        empty = pl.DataFrame(schema={"representation": pl.String, **FIGURES})
        table = pl.concat([empty.lazy(), *frames]).collect().sort("representation")
        info = lake.write(step.expected, table)
        drawn = {name: np.asarray(shares) for name, shares in table.select("representation", "shares").iter_rows()}
        return Built(
            info,
            table.height,
            metadata={
                "figures": sample_table(table, ["representation", *SHOWN], rows=100),
                "plot: variance by axis": picture(plots.spectra(drawn), "variance by principal axis"),
            },
        )

    return Table(
        kind=REDUNDANCY_COMPARISON,
        key=(REDUNDANCY_COMPARISON.name,),
        description="How many directions the vectors of each representation use, side by side.",
        group="compressed",
        reads=list(keys.values()),
        expect=expect,
        build=build,
        lenient=True,
        kinds=frozenset({"parquet", "numpy"}),
        version=REDUNDANCY_COMPARISON.version,
    )


def in_words(name: str, found: Redundancy) -> str:
    """Return what the effective rank says.

    >>> in_words("spectral", Redundancy(9, 96, np.full(4, 0.25), 0.1, 0.0))
    'spectral of this pool behaves like 4 of 96 directions'
    """
    return f"{name} of this pool behaves like {found.effective_rank:.0f} of {found.dims} directions"


def _figures(found: Redundancy) -> dict[str, Any]:
    """Return the figures that a page shows, without those that are not known."""
    record = _record(found)
    return {name: round(record[name], 4) for name in SHOWN if not np.isnan(record[name])}


def _frame(layers: Sequence[int | None], found: Sequence[Redundancy]) -> pl.DataFrame:
    records = [{"layer": layer, **_record(one)} for layer, one in zip(layers, found, strict=True)]
    return pl.DataFrame(records, schema={"layer": pl.Int32, **FIGURES}).fill_nan(None)


def _record(found: Redundancy) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "dims": found.dims,
        "effective_rank": found.effective_rank,
        "participation_ratio": found.participation_ratio,
        "first_axis_share": found.first_axis_share,
        "axes_90": found.axes(0.9),
        "axes_99": found.axes(0.99),
        "mean_cosine": found.mean_cosine,
        "mean_cosine_centred": found.mean_cosine_centred,
        "shares": found.shares.astype(np.float32).tolist(),
    }
