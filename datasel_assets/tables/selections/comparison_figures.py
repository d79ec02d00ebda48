"""The figures of every recipe in a comparison: diversity, coverage, words, shift, quality, closeness to targets.

Belongs here: which inputs the diagnostics get, and that an unchanged selection is not measured again. Does not: any
formula (``diagnostics``), the page (``comparison``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.diagnostics.measures import MEASURES, Measure
from datasel_assets.diagnostics.subset import subset_diagnostics
from datasel_assets.indicators.blend import percentile_rank
from datasel_assets.samplers.base import BLOCK_ROWS, Vectors
from datasel_assets.tables.pool import read_pool, score_key
from datasel_assets.tables.selections.recipe_inputs import PoolInputs
from datasel_assets.tables.warehouse import Warehouse

QUALITY = Measure(
    "quality",
    "quality",
    "high",
    "mean percentile rank in the pool of the quality blend, 0 .. 1",
    "aims",
)
EXTRA = {QUALITY.name: QUALITY}
TARGET = "near_"


@dataclass(frozen=True)
class Measured:
    """The figures of some selections.

    Attributes:
        table: a column ``recipe``, one per measure, and ``basis``: what they were made from.
        computed: the selections that were measured anew.
        targets: the columns of closeness to a target.
        titles: column -> what it is, for a picture.
    """

    table: pl.DataFrame
    computed: tuple[str, ...]
    targets: tuple[str, ...]
    titles: Mapping[str, str]


def target_measure(target: str) -> Measure:
    """Return the measure of closeness to a target: it may be low on purpose, so it is not held against anyone."""
    doc = f"mean over the chosen rows of the largest cosine to an example of the target {target}, -1 .. 1"
    return Measure(f"{TARGET}{target}", f"near {target}", "high", doc, "aims", judged=False)


def comparison_pool(warehouse: Warehouse) -> pl.DataFrame:
    """Return the pool with clusters (null where nothing is clustered) and the quality score where there is one."""
    clustered = warehouse.registry.clustered
    pool = read_pool(warehouse, clusters=clustered, scores=known_quality(warehouse))
    return pool if clustered else pool.with_columns(cluster=pl.lit(None, pl.Int32))


def measure(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    basis: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Return the figures of every selection; those whose basis is that of the stored comparison are taken from it.

    Args:
        warehouse: is read.
        pool: from ``comparison_pool``.
        chosen: name of a selection -> row ids.
        basis: name -> what its figures are made from; what is made from the same is measured once. Without it all are
            measured.
        progress: gets the selections measured and to be measured.
    """
    registry = warehouse.registry
    targets = [target_measure(name) for name in registry.aims] if registry.clustered else []
    columns = [*MEASURES, *EXTRA, *(found.name for found in targets)]
    made = _stored(warehouse, columns) if basis else {}
    basis = basis or {name: name for name in chosen}
    wanted = {basis[name]: name for name in reversed(chosen) if basis[name] not in made}
    if wanted:
        inputs = PoolInputs(warehouse, pool)
        ids = pool["row_id"].to_numpy().astype(np.str_)
        shared = _Shared.of(warehouse, pool, inputs)
        for done, (value, name) in enumerate(wanted.items()):
            rows = np.searchsorted(ids, np.sort(chosen[name].astype(np.str_)))
            made[value] = dict.fromkeys(columns) | shared.figures(ids, rows)
            progress(done + 1, len(wanted))
    lines = [{"recipe": name, **made[basis[name]], "basis": basis[name]} for name in chosen]
    schema = {"recipe": pl.String, **dict.fromkeys(columns, pl.Float64), "basis": pl.String}
    titles = {m.name: m.title for m in (*EXTRA.values(), *targets)}
    table = pl.DataFrame(lines, schema=schema).with_columns(pl.col(columns).fill_nan(None))
    return Measured(
        table, tuple(name for name in chosen if basis[name] in wanted), tuple(found.name for found in targets), titles
    )


@dataclass(frozen=True, eq=False)
class _Shared:
    """What the figures of all recipes are made from."""

    vectors: Vectors | None
    usable: np.ndarray
    clusters: np.ndarray | None
    sources: np.ndarray
    tags: object
    quality: np.ndarray | None
    near: Mapping[str, np.ndarray]
    texts: np.ndarray

    @classmethod
    def of(cls, warehouse: Warehouse, pool: pl.DataFrame, inputs: PoolInputs) -> "_Shared":
        registry = warehouse.registry
        vectors, missing, near = None, np.ones(pool.height, dtype=bool), {}
        if registry.clustered:
            vectors, missing = inputs.vectors(registry.clustered)
            slug = registry.representations[registry.clustered].encoder.slug
            for name in registry.aims:
                if not warehouse.lake.info(("target_embeddings", slug, name)):
                    continue  # a target that cannot be read must not stop the comparison
                queries = inputs.queries(registry.clustered, name).vectors
                near[f"{TARGET}{name}"] = _nearest(vectors, missing, np.asarray(queries, dtype=np.float32))
        quality = None
        for name in known_quality(warehouse):
            score = pool[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            known = ~np.isnan(score)
            quality = np.full(pool.height, np.nan)
            quality[known] = percentile_rank(score[known])
        tagged = registry.tagged and warehouse.versions("tags", registry.tagged)
        return cls(
            vectors=vectors,
            usable=~missing,
            clusters=pool["cluster"].fill_null(-1).to_numpy() if pool["cluster"].count() else None,
            sources=pool["source"].to_numpy(),
            tags=inputs.tags(registry.tagged) if tagged else None,
            quality=quality,
            near=near,
            texts=inputs.texts(),
        )

    def figures(self, ids: np.ndarray, rows: np.ndarray) -> dict[str, float]:
        """Return the figures of the rows (b,) of the pool."""
        found: dict[str, float] = {}
        if self.vectors is not None:
            found = subset_diagnostics(
                ids,
                self.vectors,
                rows,
                clusters=self.clusters,
                sources=self.sources,
                tags=self.tags,  # type: ignore[arg-type]
                texts=self.texts[rows],
            )
        if self.quality is not None:
            found["quality"] = _mean(self.quality[rows])
        return found | {name: _mean(values[rows]) for name, values in self.near.items()}


def known_quality(warehouse: Warehouse) -> list[str]:
    """Return the score that stands for quality, if its table is there: a failed blend must not stop the comparison."""
    quality = warehouse.registry.quality
    return [quality] if quality and warehouse.lake.info(score_key(quality)) else []


def contaminated_rows(warehouse: Warehouse) -> np.ndarray:
    """Return the ids of the rows with any hit of an evaluation, weak ones included."""
    keys = [key for source in warehouse.active_sources() if warehouse.lake.info(key := ("contamination", source))]
    if not keys:
        return np.empty(0, dtype=np.str_)
    return pl.concat(warehouse.lake.scan(key).select("row_id") for key in keys).collect()["row_id"].unique().to_numpy()


def _stored(warehouse: Warehouse, columns: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return the stored figures by their basis, of recipes and of their versions before."""
    found = {}
    for key in (("comparison",), ("versions",)):
        table = warehouse.lake.scan(key).collect() if warehouse.lake.info(key) else pl.DataFrame()
        if {"basis", *columns} <= set(table.columns):
            found |= {row["basis"]: {name: row[name] for name in columns} for row in table.iter_rows(named=True)}
    return found


def _nearest(vectors: Vectors, missing: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return (n,) the largest cosine of each row to a query; NaN where it has no vector."""
    found = np.full(vectors.n, np.nan)
    for rows, block in vectors.blocks(BLOCK_ROWS):
        found[rows] = (block @ queries.T).max(axis=1)
    found[missing] = np.nan
    return found


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
