"""The tables that keep benchmarks out of releases: the rows of each source that hold an item of an evaluation."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination import (
    CONTAMINATION_SCHEMA,
    EvaluationIndex,
    EvaluationItem,
    Neighbours,
    OverlapRules,
    contamination_report,
    find_overlaps,
    review_list,
    row_texts,
)
from datasel_assets.corpus.contamination.verdict import blocking_hits, hits_of_all_tiers
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key, Lake
from datasel_assets.tables.contamination.evaluations import COMPARED, EVALUATIONS, evaluation_table
from datasel_assets.tables.contamination.item_neighbours import EVALUATION_NEIGHBOURS, item_neighbours_table
from datasel_assets.tables.contamination.review import review_table
from datasel_assets.tables.contamination.threshold import EVALUATION_THRESHOLD, stored_threshold, threshold_table
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

CONTAMINATION = Kind("contamination", version="3", per="source")

REPORTED = ["evaluation", "items", "rows_exact", "rows_ngram", "rows_embedding"]
REPORTED += ["items_hit", "share_items_hit", "share_rows"]
SHOWN = 12


def contamination_tables(registry: Registry) -> list[Table]:
    """Return the items of each evaluation, what compares the pool with all of them, and the list for review."""
    evaluations = dict(sorted(registry.evaluations.items()))
    if not evaluations:
        return []
    tables = [evaluation_table(name, spec) for name, spec in evaluations.items()]
    for name, spec in evaluations.items():
        if spec.embedding:
            representation = registry.representations[spec.embedding.representation]
            tables.append(item_neighbours_table(name, spec.embedding, representation))
            tables.append(threshold_table(name, spec.embedding, representation))
    return [*tables, contamination_table(evaluations), review_table(evaluations)]


def contamination_table(evaluations: Mapping[str, EvaluationSpec]) -> Table:
    """Return the table of the hits of each source, against all evaluations."""
    near = [name for name, spec in evaluations.items() if spec.embedding]
    rules = {name: spec.overlap_rules() for name, spec in evaluations.items()}
    fingerprint = digest([CONTAMINATION.version, {name: repr(rule) for name, rule in rules.items()}])
    items: list[Key] = [(EVALUATIONS.name, name) for name in rules]
    return Table(
        kind=CONTAMINATION,
        key=(CONTAMINATION.name,),
        description=(
            "Rows that hold an item of an evaluation, with the item, the tier (exact: the whole item; ngram: enough of "
            "its words in shared n-grams; embedding: its vector lies near, for review), the overlap or cosine, and the "
            "passage. One line per row and item."
        ),
        group="duplicates",
        reads=[
            (CORPUS.name,),
            *items,
            *((kind.name, name) for name in near for kind in (EVALUATION_NEIGHBOURS, EVALUATION_THRESHOLD)),
        ],
        expect=partial(_expect, fingerprint, list(rules), near),
        build=partial(_build, rules, near),
        checks={"hits_are_rows_of_the_source": "every hit names a row of this source"},
        kinds=frozenset({"parquet"}),
        version=fingerprint,
        lineage={"evidence": [((CORPUS.name,), "messages"), *((key, "text") for key in items)]},
    )


def blocked_rows(warehouse: Warehouse) -> pl.DataFrame:
    """Return row_id and ``contaminated``: in words, the strongest hit that keeps a row out of every release."""
    tiers = {name: spec.blocking for name, spec in warehouse.registry.evaluations.items()}
    frames = [warehouse.lake.scan((CONTAMINATION.name, source)) for source in warehouse.active_sources()]
    return blocking_hits(pl.concat(frames).collect(), tiers)


def _expect(
    fingerprint: str, names: Sequence[str], near: Sequence[str], warehouse: Warehouse, source: str | None
) -> Expected:
    info = warehouse.lake.info((CORPUS.name, str(source)))
    items = {f"{EVALUATIONS.name}/{name}": warehouse.lake.version((EVALUATIONS.name, name)) for name in names}
    rows = info.meta["ids"] if info else "missing"
    vectors = {
        "/".join(key): warehouse.lake.version(key)
        for name in near
        for key in ((EVALUATION_THRESHOLD.name, name), (EVALUATION_NEIGHBOURS.name, name, str(source)))
    }
    return Expected((CONTAMINATION.name, str(source)), fingerprint, {"rows": rows, **items, **vectors})


def _build(rules: Mapping[str, OverlapRules], near: Sequence[str], step: Step) -> Built:
    lake, source = step.warehouse.lake, str(step.source)
    rows = lake.require((CORPUS.name, source)).rows
    items = _items(lake, list(rules))
    stored = _stored_word_hits(step)
    by_words = _word_hits(step, items, rules) if stored is None else stored
    hits = hits_of_all_tiers(by_words, [_vector_hits(step.warehouse, name, source, items) for name in near])
    info = lake.write(step.expected, hits)
    report = contamination_report(hits, items.group_by("evaluation").agg(items=pl.col("item").n_unique()), rows)
    hit = hits["row_id"].unique()
    nearest = hits.sort("overlap", descending=True)
    return Built(
        info,
        rows,
        metadata={
            "rows_compared": rows,
            "rows_read_for_words": rows if stored is None else 0,
            "rows_with_a_hit": len(hit),
            "share": round(len(hit) / max(rows, 1), 6),
            "report": sample_table(report, REPORTED, rows=40),
            "hits": sample_table(nearest, ["evaluation", "item", "tier", "overlap", "evidence"], SHOWN),
        },
        checks={
            "hits_are_rows_of_the_source": Check(_rows_among(lake, source, hit) == len(hit), {"hits": hits.height})
        },
        rows_total=rows,
    )


def _items(lake: Lake, names: Sequence[str]) -> pl.DataFrame:
    return pl.concat(
        lake.scan((EVALUATIONS.name, name)).select(pl.lit(name).alias("evaluation"), "row_id", "item", "text", "form")
        for name in names
    ).collect()


def _word_hits(step: Step, items: pl.DataFrame, rules: Mapping[str, OverlapRules]) -> pl.DataFrame:
    """Return the hits of a source by words; memory: the index, and one block of rows."""
    lake, key = step.warehouse.lake, (CORPUS.name, str(step.source))
    listed = items.filter(pl.col("form") == COMPARED).select("evaluation", "item", "text")
    index = EvaluationIndex.build([EvaluationItem(*line) for line in listed.iter_rows()], rules)
    found, done, total = [pl.DataFrame(schema=CONTAMINATION_SCHEMA)], 0, lake.require(key).rows
    for batch in lake.read_batches(key, ["row_id", "messages"]):
        rows = pl.DataFrame(pl.from_arrow(batch))
        found.append(find_overlaps(rows["row_id"], row_texts(rows["messages"]), index))
        done += rows.height
        step.progress(done, total)
    return pl.concat(found)


def _stored_word_hits(step: Step) -> pl.DataFrame | None:
    """Return the hits by words of the stored table where neither rows nor items have changed since."""
    lake = step.warehouse.lake
    info = lake.info(step.expected.key)
    if info is None or info.fingerprint != step.expected.fingerprint:
        return None
    before, now = (
        {key: value for key, value in inputs.items() if key == "rows" or key.startswith(f"{EVALUATIONS.name}/")}
        for inputs in (info.inputs, step.expected.inputs)
    )
    return lake.scan(step.expected.key).filter(pl.col("tier") != "embedding").collect() if before == now else None


def _vector_hits(warehouse: Warehouse, name: str, source: str, items: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a source whose nearest item of an evaluation reaches the threshold, with that item."""
    threshold = stored_threshold(warehouse, name)
    reached = pl.col("cosine") >= pl.lit(threshold, pl.Float32)
    near = warehouse.lake.scan((EVALUATION_NEIGHBOURS.name, name, source)).filter(reached).collect()
    own = items.filter(pl.col("evaluation") == name)
    place = dict(zip(own["row_id"], range(own.height), strict=True))
    found = Neighbours(
        np.arange(near.height),
        np.array([place[item] for item in near["item_id"]], np.int64),
        near["cosine"].to_numpy(),
    ).at_least(threshold)
    listed = [EvaluationItem(*line) for line in own.select("evaluation", "item", "text").iter_rows()]
    return review_list(near["row_id"], listed, found)


def _rows_among(lake: Lake, source: str, hit: pl.Series) -> int:
    """Return how many of the distinct ids ``hit`` are rows of a source."""
    batches = lake.read_batches((CORPUS.name, source), ["row_id"])
    ids = (pl.Series(pl.from_arrow(batch.column(0)), dtype=pl.String) for batch in batches)
    return sum(int(some.is_in(hit.implode()).sum()) for some in ids)
