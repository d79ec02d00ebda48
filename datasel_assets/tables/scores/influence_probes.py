"""Influence of a few rows, computed exactly, and estimates for all others from their vectors (MATES, Yu et al. 2024).

Belongs here: the sample, its exact values, the fitted line with what it is worth, the estimates as the score. Does not
belong here: exact influence (``influence``), the regression (``indicators.ridge_regression``).

The sample is drawn from the pool as it is at first and kept while the model, the directions or the file do not change,
so that a new row costs an estimate and no pass of the model; a pool smaller than the sample is drawn again as it grows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_keys, hash_sample
from datasel_assets.diagnostics.lds import spearman
from datasel_assets.indicators import influence as maths
from datasel_assets.indicators.ridge_features import Scaling
from datasel_assets.indicators.ridge_regression import FEWEST, Ridge, explained, fit_ridge, out_of_fold, value_of_choice
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.influence import InfluenceSpec, ProbesSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.score_names import score_column, score_deps, score_key, score_tables
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import HELPFUL, score_page
from datasel_assets.tables.scores.influence import INFLUENCE, KIND, exact_rows, influence_tables
from datasel_assets.tables.scores.influence_targets import INFLUENCE_TARGETS
from datasel_assets.tables.shown import Rows, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import Differentiated
from datasel_assets.tables.vectors.representations import REPRESENTATIONS
from datasel_assets.tables.warehouse import Warehouse

PROBE_ROWS = Kind("probe_rows")
INFLUENCE_PROBES = Kind("influence_probes")
INFLUENCE_RIDGE = Kind("influence_ridge")

SHARE = 0.05
"""Share of the probes that are chosen when it is said what choosing by estimates is worth."""

_VALUE = f"best {SHARE:.0%} by estimate, of rows that the line had not seen; 1: as good as the truly best, 0: random"


def influence_score_tables(name: str, registry: Registry) -> list[Table]:
    """Return the tables of a file with ``how: influence``: exact ones, or those of its probes, upstream first."""
    spec = registry.scores[name]
    assert isinstance(spec, InfluenceSpec)
    exact = influence_tables(name, registry)
    if spec.probes is None:
        return exact
    gradients = registry.gradients[spec.gradients]
    own = Differentiated(spec.gradients, gradients, registry.language_models[gradients.model])
    sample = _sample(name, spec.probes)
    return [
        *exact[:-1],
        sample,
        _probes(name, spec, own),
        _ridge(name, spec.probes),
        _estimates(name, spec, spec.probes),
    ]


# ----------------------------------------------------------------------------------------------------------- probes
def _sample(name: str, probes: ProbesSpec) -> Table:
    key = (PROBE_ROWS.name, name)
    code = digest([PROBE_ROWS.version, probes.rows, probes.seed])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        rows = sum(info.rows for s in warehouse.active_sources() if (info := warehouse.lake.info(("corpus", s))))
        directions = warehouse.lake.version((INFLUENCE_TARGETS.name, name))
        return Expected(key, code, {"sampled": str(min(rows, probes.rows)), "directions": directions})

    def build(step: Step) -> Built:
        lake, sources = step.warehouse.lake, step.warehouse.active_sources()
        columns = ("row_id", "source", "messages", "n_tokens", "n_response_tokens")
        answered = [lake.scan(("corpus", s)).filter(pl.col("n_response_tokens") > 0).select(columns) for s in sources]
        ids = pl.concat(rows.select("row_id") for rows in answered).collect()["row_id"]
        wanted = ids.gather(hash_sample(ids.to_numpy(), probes.rows, probes.seed))
        rows = pl.concat(rows.filter(pl.col("row_id").is_in(wanted.implode())) for rows in answered).collect()
        info = lake.write(step.expected, rows.sort("row_id"), with_ids=True)
        return Built(info, rows.height)

    return Table(
        kind=PROBE_ROWS,
        key=key,
        description=f"{probes.rows:,} rows of the pool by the hash of their id, whose influence is computed exactly.",
        group="scores",
        reads=[("corpus",), (INFLUENCE_TARGETS.name, name)],
        expect=expect,
        build=build,
        version=code,
    )


def _probes(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    rows = (PROBE_ROWS.name, name)
    directions = (INFLUENCE_TARGETS.name, name)
    return replace(exact_rows(name, spec, own, rows), facts=lambda step, update: {"sign": maths.SIGN}).table(
        kind=INFLUENCE_PROBES,
        key=(INFLUENCE_PROBES.name, name),
        description=f"Exact influence of the rows of `{'/'.join(rows)}`. {KIND.about(spec)}",
        group="scores",
        reads=[rows, directions, *own.reads()],
        checks={"covers_corpus": "one value for every probe and no other"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=INFLUENCE_PROBES.version,
        columns={"score": f"{maths.influence.summary} Keep: {KIND.keep}."},
    )


# -------------------------------------------------------------------------------------------------------- estimates
def _ridge(name: str, probes: ProbesSpec) -> Table:
    key, exact = (INFLUENCE_RIDGE.name, name), (INFLUENCE_PROBES.name, name)
    code = digest([INFLUENCE_RIDGE.version, probes.representation, list(probes.scores)])
    return Table(
        kind=INFLUENCE_RIDGE,
        key=key,
        description=(
            f"The line that tells the influence of a row from its vector in `{probes.representation}`"
            + (f" and from {', '.join(probes.scores)}" if probes.scores else "")
            + ", fitted on the probes; how well it tells rows that it has not seen."
        ),
        group="scores",
        reads=[("corpus",), exact, *_features(probes)],
        expect=lambda warehouse, source: Expected(
            key, code, {"probes": warehouse.lake.version(exact), **_made_from(warehouse, probes)}
        ),
        build=partial(_fit, name, probes),
        kinds=frozenset({"safetensors", "numpy"}),
        version=code,
    )


def _features(probes: ProbesSpec) -> list[Key]:
    return [(REPRESENTATIONS.name, probes.representation), *score_deps(probes.scores)]


def _made_from(warehouse: Warehouse, probes: ProbesSpec) -> dict[str, str]:
    """Return what the numbers of a row are made by; in tables per source other rows do not change those of a row."""
    sources = warehouse.active_sources()
    tables = [(REPRESENTATIONS.name, probes.representation, source) for source in sources]
    tables += [table for key in score_deps(probes.scores) for table in score_tables(warehouse, key)]
    there = [info for table in tables if (info := warehouse.lake.info(table))]
    found = {info.fingerprint if info.key[-1] in sources else info.data_version for info in there}
    return {"features": digest(sorted(found))}


def _fit(name: str, probes: ProbesSpec, step: Step) -> Built:
    warehouse = step.warehouse
    values = warehouse.lake.scan((INFLUENCE_PROBES.name, name)).select("row_id", "score")
    sources = warehouse.lake.scan((PROBE_ROWS.name, name)).select("row_id", "source")
    rows = values.join(sources, on="row_id").filter(pl.col("score").is_finite()).collect()
    # In a random order of the ids, because folds go by place.
    rows = rows[np.argsort(hash_keys(rows["row_id"].to_numpy(), probes.seed), kind="stable")]
    vectors, numbers = np.zeros((rows.height, 0), np.float32), np.zeros((rows.height, len(probes.scores)))
    for (source,), part in rows.with_row_index("place").group_by("source", maintain_order=True):
        own_vectors, own_numbers = _read(warehouse, probes, str(source), part["row_id"])
        if not vectors.shape[1]:
            vectors = np.zeros((rows.height, own_vectors.shape[1]), np.float32)
        vectors[part["place"].to_numpy()], numbers[part["place"].to_numpy()] = own_vectors, own_numbers
    known = np.vecdot(vectors, vectors) > 0
    if known.sum() < FEWEST:
        raise ValueError(
            f"scores/{name}.yaml: only {known.sum()} of the probes have a value and a vector in "
            f"{probes.representation!r}; an estimate needs {FEWEST}: raise probes.rows, or leave 'probes' out"
        )
    vectors, numbers, score = vectors[known], numbers[known], rows["score"].to_numpy()[known].astype(np.float64)
    scaling = Scaling.of(vectors, numbers)
    features = scaling.features(vectors, numbers)
    line = fit_ridge(features, score)
    arrays = {**scaling.arrays(), "weights": line.weights, "constant": np.array([line.constant])}
    info = warehouse.lake.write_arrays(step.expected, arrays, meta={"probes": int(known.sum())})
    return Built(info, int(known.sum()), metadata=_worth(probes, features, len(vectors[0]), score, line))


def _worth(probes: ProbesSpec, features: np.ndarray, dims: int, score: np.ndarray, line: Ridge) -> dict[str, Any]:
    """Return what the page of the line shows, from estimates of rows that it had not seen."""
    parts = {"vector and scores": features, "vector alone": features[:, :dims], "scores alone": features[:, dims:]}
    cells = []
    for what, columns in parts.items():
        if not columns.shape[1]:
            continue
        found = out_of_fold(columns, score)
        value = value_of_choice(score, found, SHARE)
        cells.append([what, round(spearman(found, score), 3), round(explained(score, found), 3), round(value, 3)])
    whole = cells[0]
    return {
        "probes": len(score),
        "out_of_fold_spearman": whole[1],
        "out_of_fold_r2": whole[2],
        "value_of_the_chosen": whole[3],
        "what_that_means": _VALUE,
        "penalty": line.penalty,
        "by features": Rows(
            {
                "from": None,
                "spearman": "Rank correlation of estimated with exact influence.",
                "R2": "Share of the variance that the estimates explain; below 0: worse than the mean.",
                "value of the chosen": _VALUE,
            },
            cells,
        ),
        "representation": table_link(REPRESENTATIONS.name, probes.representation),
    }


def _read(warehouse: Warehouse, probes: ProbesSpec, source: str, ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors (n, d) of rows of a source, zero where there is none, and their numbers (n, k)."""
    vectors = warehouse.lake.scan((REPRESENTATIONS.name, probes.representation, source))
    wanted = pl.col("row_id").is_in(ids.implode())
    found = vectors.filter(wanted).select("row_id", "vector").collect()
    order = pl.DataFrame({"row_id": ids})
    own = order.join(found, on="row_id", how="left", maintain_order="left")["vector"]
    return vectors_of(own), _numbers(warehouse, probes.scores, source, ids)


def _numbers(warehouse: Warehouse, scores: Sequence[str], source: str, ids: pl.Series) -> np.ndarray:
    """Return (n, k) float64 scores and columns of the pool of rows of a source, NaN where there is none."""
    rows = pl.DataFrame({"row_id": ids})
    wanted = pl.col("row_id").is_in(ids.implode())
    by_table: dict[Key, list[str]] = {}
    for score in scores:
        by_table.setdefault(score_key(score) if "." in score else ("corpus",), []).append(score)
    for key, names in by_table.items():
        tables = score_tables(warehouse, key) if key != ("corpus",) else [("corpus", source)]
        own = [table for table in tables if table[-1] == source] or tables
        columns = [pl.col(score_column(name) if "." in name else name).cast(pl.Float64).alias(name) for name in names]
        found = warehouse.lake.scan(own[0]).filter(wanted).select("row_id", *columns).collect()
        rows = rows.join(found, on="row_id", how="left", maintain_order="left")
    return rows.select(pl.col(name).fill_null(float("nan")) for name in scores).to_numpy()


def _estimates(name: str, spec: InfluenceSpec, probes: ProbesSpec) -> Table:
    ridge = (INFLUENCE_RIDGE.name, name)
    return RowTable(
        rows_of=(REPRESENTATIONS.name, probes.representation),
        wants=partial(_wants, ridge, probes),
        work=partial(_work, ridge, probes),
        compute=estimate,
        load=load_line,
        facts=partial(_facts, name, spec, probes),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=INFLUENCE,
        key=(INFLUENCE.name, name),
        description=(
            f"{spec.doc}\n\n{KIND.about(spec)} Estimated from {probes.rows:,} rows whose influence was computed "
            f"exactly (MATES, arXiv 2406.06046). Source: {spec.paper}"
        ),
        group="scores",
        reads=[("corpus",), ridge, *_features(probes)],
        checks={"covers_corpus": "one value for every conversation and no other"},
        version=digest([INFLUENCE.version, INFLUENCE_RIDGE.version]),
        columns={"score": f"{maths.influence.summary} Estimated. Keep: {KIND.keep}."},
        lineage={"score": [((REPRESENTATIONS.name, probes.representation), "vector")]},
    )


def _wants(ridge: Key, probes: ProbesSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    made_from = [warehouse.lake.version(ridge), _made_from(warehouse, probes)]
    versions = {"score": digest([INFLUENCE.version, INFLUENCE_RIDGE.version, *made_from])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def _work(ridge: Key, probes: ProbesSpec, step: Step) -> Work:
    info = step.warehouse.lake.require(ridge)
    arguments = {"ridge": list(ridge), "version": info.data_version, "probes": probes.model_dump(mode="json")}
    return Work(score_schema(["score"]), ["vector", "is_zero"], arguments)


def load_line(
    warehouse: Warehouse, ridge: Sequence[str], version: str, probes: Mapping[str, Any]
) -> tuple[Scaling, Ridge, ProbesSpec]:
    """Load the fitted line; ``version`` only says which it was."""
    arrays = dict(warehouse.lake.read_arrays(tuple(ridge)))
    line = Ridge(arrays.pop("weights"), float(arrays.pop("constant")[0]), 0.0)
    return Scaling(**arrays), line, ProbesSpec.model_validate(probes)


def estimate(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the estimated influence of rows; NaN for one without a vector or without a response token."""
    scaling, line, probes = context.loaded
    numbers = _numbers(context.warehouse, probes.scores, str(context.source), rows["row_id"])
    answered = _numbers(context.warehouse, ["n_response_tokens"], str(context.source), rows["row_id"])[:, 0] > 0
    known = answered & ~rows["is_zero"].fill_null(True).to_numpy()
    found = line.estimate(scaling.features(vectors_of(rows["vector"]), numbers))
    return rows.select("row_id", score=pl.Series(np.where(known, found, np.nan)).cast(pl.Float32))


def _facts(name: str, spec: InfluenceSpec, probes: ProbesSpec, step: Step, update: Update) -> dict[str, Any]:
    return {
        "sign": maths.SIGN,
        "estimated_from_probes": step.warehouse.lake.require((INFLUENCE_RIDGE.name, name)).meta["probes"],
        "how good the estimates are": table_link(INFLUENCE_RIDGE.name, name),
        **score_page(step, f"{KIND.name}.{name}", HELPFUL),
        "target": table_link("targets", spec.target) if spec.target is not None else spec.aim,
    }
