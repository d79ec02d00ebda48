"""Assets of the weak tier of contamination: the nearest item of every row by vectors, and from when on it counts.

Belongs here: one table of nearest items per evaluation and source, kept up to date by comparing what is new, and one
threshold per evaluation. Not here: the hits that follow from both (``contamination.py``).
"""

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination import nearest_items, settle_threshold
from datasel_assets.diagnostics import plots
from datasel_assets.specs.evaluation import EmbeddingTier
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables import versions
from datasel_assets.tables.pool import vector_block
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.representations import query_vectors
from datasel_assets.tables.warehouse import Warehouse

SCHEMA = {"row_id": pl.String, "item_id": pl.String, "cosine": pl.Float32}
STATE = "_evaluation_neighbours"
HALVED = "halved"
"""Form of the texts that only say how near a text is that has lost half of its words."""


def item_neighbour_assets(name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> list[Table]:
    """Return the assets of one evaluation, upstream first."""
    return [_neighbours(name, tier, spec), _threshold(name, tier, spec)]


def stored_threshold(warehouse: Warehouse, name: str) -> float:
    """Return the smallest cosine that counts for an evaluation."""
    return float(warehouse.lake.scan(("evaluation_threshold", name)).collect()["threshold"][0])


def _embeddings_key(name: str, spec: RepresentationSpec) -> Key:
    return ("evaluation_embeddings", spec.encoder.slug, name)


def _neighbours(name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        rows = warehouse.lake.info(("representations", tier.representation, str(source)))
        fingerprint = digest([versions.CONTAMINATION, tier.representation, rows.fingerprint if rows else "missing"])
        inputs = {
            "rows": rows.meta["ids"] if rows else "missing",
            "items": warehouse.lake.version(_embeddings_key(name, spec)),
        }
        return Expected(("evaluation_neighbours", name, str(source)), fingerprint, inputs)

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        ids, vectors = _items(step.warehouse, name, tier, spec)
        old, gone, fresh = _before(step, name, ids)
        # A row whose nearest item is still there can only have come nearer to one that is new.
        settled = dict(old.filter(~pl.col("item_id").is_in(sorted(gone))).select("row_id", "cosine").iter_rows())
        parts, new, done = [], 0, 0
        key = ("representations", tier.representation, str(step.source))
        total = lake.require(key).rows
        for batch in lake.read_batches(key, ["row_id", "vector", "is_zero"]):
            rows = np.array(batch.column(0).to_pylist())
            block = vector_block(batch.column(1))
            block[batch.column(2).to_numpy(zero_copy_only=False)] = 0
            known = np.fromiter((row in settled for row in rows.tolist()), bool, len(rows))
            parts.append(_nearest(rows[~known], block[~known], ids, vectors))
            if known.any() and fresh.any():
                parts.append(_nearest(rows[known], block[known], ids[fresh], vectors[fresh]))
            new += int((~known).sum())
            done += len(rows)
            step.progress(done, total)
        kept = old.filter(pl.col("row_id").is_in(list(settled)))
        found = pl.concat([kept, *parts]).sort("row_id", -pl.col("cosine"), "item_id", nulls_last=True)
        current = lake.scan(key).select("row_id").collect()
        table = found.unique("row_id", keep="first", maintain_order=True).join(current, on="row_id", how="semi")
        items = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.String})
        lake.write(Expected((STATE, name, str(step.source)), step.expected.fingerprint, step.expected.inputs), items)
        info = lake.write(step.expected, table)
        return Built(
            info,
            new,
            table.height - new,
            metadata={
                "representation": table_link("representations", tier.representation),
                "texts_of_items": len(ids),
                "texts_new": int(fresh.sum()),
                "rows_compared_with_every_item": new,
            },
            checks={"covers_corpus": Check(table.height == total, {"rows": total})},
        )

    return Table(
        key=("evaluation_neighbours", name),
        description=(
            f"The nearest item of `{name}` for every row by its `{tier.representation}` vector. Only new rows are "
            "compared with every item; the others with items that are new."
        ),
        group="evaluation_neighbours",
        reads=[
            ("representations", tier.representation),
            ("representation_basis", tier.representation),
            ("evaluations", name),
            _embeddings_key(name, spec),
        ],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line for every row that has a vector"},
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=digest([versions.CONTAMINATION, tier.representation]),
    )


def _threshold(name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([versions.CONTAMINATION, tier.model_dump()])
        inputs = warehouse.versions("evaluation_neighbours", name)
        inputs["items"] = warehouse.lake.version(_embeddings_key(name, spec))
        return Expected(("evaluation_threshold", name), fingerprint, inputs)

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        sources = [key for key in step.expected.inputs if key.startswith("evaluation_neighbours/")]
        cosine = pl.concat(lake.scan(tuple(key.split("/"))).select("cosine") for key in sources).collect()
        background = cosine["cosine"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        found = settle_threshold(background, _copies(step.warehouse, name, tier, spec), tier.false_positive_rate)
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
        png = plots.score_grid({"nearest item": background}, f"cosine of rows to the nearest item of {name}")
        return Built(
            info,
            found.background,
            metadata={
                **table.row(0, named=True),
                "rule": str(tier.threshold),
                "false_positive_rate": tier.false_positive_rate,
                "plot: cosines": picture(png, f"cosine of rows to the nearest item of {name}"),
                "note": "calibrated: the smaller of by_rate (only the stated share of the pool is as near) and reach "
                "(the upper quartile of the cosines of items to copies that keep half of their words)",
            },
            rows_total=found.background,
        )

    return Table(
        key=("evaluation_threshold", name),
        description=f"From which cosine on a row is listed as a possible rewording of an item of `{name}`.",
        group="evaluation_neighbours",
        reads=[("evaluation_neighbours", name), _embeddings_key(name, spec), ("evaluations", name)],
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "numpy"}),
        version=digest([versions.CONTAMINATION, tier.model_dump()]),
    )


def _items(
    warehouse: Warehouse, name: str, tier: EmbeddingTier, spec: RepresentationSpec, *, halved: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids (t,) and vectors (t, d) of the texts that rows are compared with, or of the copies, sorted by id."""
    listed, vectors = query_vectors(warehouse, tier.representation, spec, _embeddings_key(name, spec))
    forms = dict(warehouse.lake.scan(("evaluations", name)).select("row_id", "form").collect().iter_rows())
    ids = np.array(listed)
    order = np.argsort(ids)
    wanted = np.fromiter(((forms.get(ids[i]) == HALVED) == halved and ids[i] in forms for i in order), bool, len(ids))
    return ids[order[wanted]], vectors[order[wanted]]


def _copies(warehouse: Warehouse, name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> np.ndarray:
    """Return the cosine (t,) of each halved copy to its original."""
    ids, vectors = _items(warehouse, name, tier, spec)
    copy_ids, copies = _items(warehouse, name, tier, spec, halved=True)
    origin = dict(warehouse.lake.scan(("evaluations", name)).select("row_id", "copy_of").collect().iter_rows())
    place = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    rows = [place[origin[row]] for row in copy_ids.tolist()]
    return np.vecdot(copies, vectors[rows]) if rows else np.empty(0, np.float32)


def _nearest(rows: np.ndarray, vectors: np.ndarray, ids: np.ndarray, items: np.ndarray) -> pl.DataFrame:
    """Return the nearest item of each row; null where the row has no direction."""
    found = nearest_items(vectors, items)
    table = pl.DataFrame({"row_id": rows.tolist(), "item_id": None, "cosine": None}, schema=SCHEMA)
    near = pl.DataFrame(
        {"row_id": rows[found.rows].tolist(), "item_id": ids[found.items].tolist(), "cosine": found.cosine},
        schema=SCHEMA,
    )
    return pl.concat([near, table.join(near, on="row_id", how="anti")])


def _before(step: Step, name: str, ids: np.ndarray) -> tuple[pl.DataFrame, set[str], np.ndarray]:
    """Return the stored table, items that are gone, and which of ``ids`` are new; nothing stored, all new at first."""
    lake, key = step.warehouse.lake, step.expected.key
    info, state = lake.info(key), lake.info((STATE, name, str(step.source)))
    fresh = np.ones(len(ids), bool)
    # A killed step leaves the state of items that the table has not been compared with.
    usable = info and state and info.fingerprint == step.expected.fingerprint and info.inputs == state.inputs
    if not usable:
        return pl.DataFrame(schema=SCHEMA), set(), fresh
    seen = set(lake.scan((STATE, name, str(step.source))).collect()["item_id"])
    fresh = np.fromiter((item not in seen for item in ids.tolist()), bool, len(ids))
    return lake.scan(key).collect(), seen - set(ids.tolist()), fresh
