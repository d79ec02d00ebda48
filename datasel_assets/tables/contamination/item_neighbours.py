"""The table of the nearest item of every row by vectors, for the weak tier of contamination.

Belongs here: one table per evaluation and source, kept up to date by comparing what is new. Not here: from when on a
cosine counts (``threshold``), the hits that follow from both (``contamination``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination.nearest_table import NEAREST_SCHEMA, nearest_of_each, nearest_table
from datasel_assets.specs.evaluation import EmbeddingTier
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.vectors import vector_block
from datasel_assets.tables.contamination.evaluations import EVALUATIONS, HALVED
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.vectors.embeddings import EVALUATION_EMBEDDINGS
from datasel_assets.tables.vectors.representations import BASIS, REPRESENTATIONS, query_vectors
from datasel_assets.tables.warehouse import Warehouse

STATE = "_evaluation_neighbours"
"""Items that the stored table has been compared with, under the rest of its key."""
EVALUATION_NEIGHBOURS = Kind("evaluation_neighbours", version="2", per="source", state=(f"{STATE}/{{name}}",))


def item_neighbours_table(name: str, tier: EmbeddingTier, spec: RepresentationSpec) -> Table:
    """Return the table of one evaluation."""
    return Table(
        kind=EVALUATION_NEIGHBOURS,
        key=(EVALUATION_NEIGHBOURS.name, name),
        description=(
            f"The nearest item of `{name}` for every row by its `{tier.representation}` vector. Only new rows are "
            "compared with every item; the others with items that are new."
        ),
        group="duplicates",
        reads=[
            (REPRESENTATIONS.name, tier.representation),
            (BASIS.name, tier.representation),
            (EVALUATIONS.name, name),
            embeddings_key(name, spec),
        ],
        expect=partial(_expect, name, tier, spec),
        build=partial(_build, name, tier, spec),
        checks={"covers_corpus": "one line for every row that has a vector"},
        kinds=frozenset({"parquet", "numpy"}),
        version=digest([EVALUATION_NEIGHBOURS.version, tier.representation]),
    )


def embeddings_key(name: str, spec: RepresentationSpec) -> Key:
    """Return the key of the embedded items of an evaluation."""
    return (EVALUATION_EMBEDDINGS.name, spec.encoder.slug, name)


def item_vectors(
    warehouse: Warehouse, name: str, tier: EmbeddingTier, spec: RepresentationSpec, *, halved: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids (t,) and vectors (t, d) of the texts that rows are compared with, or of the copies, sorted by id."""
    listed, vectors = query_vectors(warehouse, tier.representation, spec, embeddings_key(name, spec))
    forms = dict(warehouse.lake.scan((EVALUATIONS.name, name)).select("row_id", "form").collect().iter_rows())
    ids = np.array(listed)
    order = np.argsort(ids)
    wanted = np.fromiter(((forms.get(ids[i]) == HALVED) == halved and ids[i] in forms for i in order), bool, len(ids))
    return ids[order[wanted]], vectors[order[wanted]]


def _expect(
    name: str, tier: EmbeddingTier, spec: RepresentationSpec, warehouse: Warehouse, source: str | None
) -> Expected:
    rows = warehouse.lake.info((REPRESENTATIONS.name, tier.representation, str(source)))
    made_by = [EVALUATION_NEIGHBOURS.version, tier.representation, rows.fingerprint if rows else "missing"]
    inputs = {
        "rows": rows.meta["ids"] if rows else "missing",
        "items": warehouse.lake.version(embeddings_key(name, spec)),
    }
    return Expected((EVALUATION_NEIGHBOURS.name, name, str(source)), digest(made_by), inputs)


def _build(name: str, tier: EmbeddingTier, spec: RepresentationSpec, step: Step) -> Built:
    lake, key = step.warehouse.lake, (REPRESENTATIONS.name, tier.representation, str(step.source))
    ids, vectors = item_vectors(step.warehouse, name, tier, spec)
    settled, fresh = _before(step, ids)
    rows = lake.scan(key).select("row_id").collect()["row_id"]
    is_settled = rows.is_in(settled["row_id"].implode()).to_numpy()
    found, done = [settled], 0
    for batch in lake.read_batches(key, ["vector", "is_zero"]):
        own = slice(done, done + batch.num_rows)
        block = vector_block(batch.column(0))
        block[batch.column(1).fill_null(True).to_numpy(zero_copy_only=False)] = 0
        known = is_settled[own]
        found.append(nearest_table(rows[own].filter(~known), block[~known], ids, vectors))
        if known.any() and fresh.any():
            found.append(nearest_table(rows[own].filter(known), block[known], ids[fresh], vectors[fresh]))
        done += batch.num_rows
        step.progress(done, len(rows))
    table = nearest_of_each(pl.concat(found)).join(rows.to_frame(), on="row_id", how="semi")
    items = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.String})
    lake.write(Expected((STATE, *step.expected.key[1:]), step.expected.fingerprint, step.expected.inputs), items)
    info = lake.write(step.expected, table)
    new = int((~is_settled).sum())
    return Built(
        info,
        new,
        table.height - new,
        metadata={
            "representation": table_link(REPRESENTATIONS.name, tier.representation),
            "texts_of_items": len(ids),
            "texts_new": int(fresh.sum()),
            "rows_compared_with_every_item": new,
        },
        checks={"covers_corpus": Check(table.height == len(rows), {"rows": len(rows)})},
    )


def _before(step: Step, ids: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the stored lines that can only have come nearer to a new item, and which of the items ``ids`` are new.

    These are the lines whose item is still there; nothing stored, and all items new, at first.
    """
    lake, key = step.warehouse.lake, step.expected.key
    seen_key = (STATE, *key[1:])
    info, state = lake.info(key), lake.info(seen_key)
    # A killed step leaves the state of items that the table has not been compared with.
    usable = info and state and info.fingerprint == step.expected.fingerprint and info.inputs == state.inputs
    if not usable:
        return pl.DataFrame(schema=NEAREST_SCHEMA), np.ones(len(ids), bool)
    seen = lake.scan(seen_key).collect()["item_id"]
    now = pl.Series(ids, dtype=pl.String)
    gone = seen.filter(~seen.is_in(now.implode()))
    settled = lake.scan(key).filter(~pl.col("item_id").is_in(gone.implode())).collect()
    return settled, (~now.is_in(seen.implode())).to_numpy()
