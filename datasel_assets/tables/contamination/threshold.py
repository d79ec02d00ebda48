"""The table of one number: from which cosine on a row is listed as a possible rewording of an item of an evaluation."""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination import settle_threshold
from datasel_assets.diagnostics import plots
from datasel_assets.specs.evaluation import EmbeddingTier
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.contamination.evaluations import EVALUATIONS
from datasel_assets.tables.contamination.item_neighbours import EVALUATION_NEIGHBOURS, embeddings_key, item_vectors
from datasel_assets.tables.shown import picture
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

EVALUATION_THRESHOLD = Kind("evaluation_threshold", version="2")


def threshold_table(name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> Table:
    """Return the table of one evaluation."""
    return Table(
        kind=EVALUATION_THRESHOLD,
        key=(EVALUATION_THRESHOLD.name, name),
        description=f"From which cosine on a row is listed as a possible rewording of an item of `{name}`.",
        group="duplicates",
        reads=[(EVALUATION_NEIGHBOURS.name, name), embeddings_key(name, spec), (EVALUATIONS.name, name)],
        expect=partial(_expect, name, tier, spec),
        build=partial(_build, name, tier, spec),
        kinds=frozenset({"parquet", "numpy"}),
        version=_fingerprint(tier),
    )


def stored_threshold(warehouse: Warehouse, name: str) -> float:
    """Return the smallest cosine that counts for an evaluation."""
    return float(warehouse.lake.scan((EVALUATION_THRESHOLD.name, name)).collect()["threshold"][0])


def _fingerprint(tier: EmbeddingTier) -> str:
    return digest([EVALUATION_THRESHOLD.version, tier.model_dump()])


def _expect(
    name: str, tier: EmbeddingTier, spec: RepresentationSpec, warehouse: Warehouse, source: str | None
) -> Expected:
    inputs = warehouse.versions(EVALUATION_NEIGHBOURS.name, name)
    inputs["items"] = warehouse.lake.version(embeddings_key(name, spec))
    return Expected((EVALUATION_THRESHOLD.name, name), _fingerprint(tier), inputs)


def _build(name: str, tier: EmbeddingTier, spec: RepresentationSpec, step: Step) -> Built:
    lake = step.warehouse.lake
    sources = [key for key in step.expected.inputs if key.startswith(f"{EVALUATION_NEIGHBOURS.name}/")]
    cosine = pl.concat(lake.scan(tuple(key.split("/"))).select("cosine") for key in sources).collect()
    background = cosine["cosine"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    found = settle_threshold(background, _copies(step, name, tier, spec), tier.false_positive_rate)
    threshold = found.threshold if tier.threshold == "calibrated" else tier.threshold
    table = pl.DataFrame(
        {
            "threshold": [threshold],
            "by_rate": [found.by_rate],
            "reach": [found.reach],
            "share_above": [float(np.mean(background >= np.float32(threshold)))],
            "background": [found.background],
        }
    )
    # What reads the threshold is made anew when it moves, and only then.
    info = lake.write(step.expected, table, data_version=digest([step.expected.fingerprint, threshold]))
    title = f"cosine of rows to the nearest item of {name}"
    return Built(
        info,
        found.background,
        metadata={
            **table.row(0, named=True),
            "rule": str(tier.threshold),
            "false_positive_rate": tier.false_positive_rate,
            "plot: cosines": picture(plots.score_grid({"nearest item": background}, title), title),
            "note": "calibrated: the smaller of by_rate (only the stated share of the pool is as near) and reach "
            "(the upper quartile of the cosines of items to copies that keep half of their words)",
        },
        rows_total=found.background,
    )


def _copies(step: Step, name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> np.ndarray:
    """Return the cosine (t,) of each halved copy to its original."""
    ids, vectors = item_vectors(step.warehouse, name, tier, spec)
    copy_ids, copies = item_vectors(step.warehouse, name, tier, spec, halved=True)
    listed = step.warehouse.lake.scan((EVALUATIONS.name, name)).select("row_id", "copy_of").collect()
    origin = dict(listed.iter_rows())
    place = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    rows = [place[origin[row]] for row in copy_ids.tolist()]
    return np.vecdot(copies, vectors[rows]) if rows else np.empty(0, np.float32)
