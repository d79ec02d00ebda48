"""Assets that keep benchmarks out of releases: the items of each evaluation, and the rows that hold one."""

from collections.abc import Iterable

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus.contamination import (
    EvaluationIndex,
    EvaluationItem,
    Neighbours,
    contamination_report,
    evaluation_items,
    find_overlaps,
    halved,
    review_list,
)
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest, ids_digest
from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.readers import Snapshot, SourceError, read_rows, snapshot
from datasel_assets.tables import versions
from datasel_assets.tables.contamination.item_neighbours import HALVED, item_neighbour_assets, stored_threshold
from datasel_assets.tables.contamination.review import review_asset
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.warehouse import Warehouse

ITEMS_SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("item", pa.string()),
        ("form", pa.string()),
        ("text", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("copy_of", pa.string()),
    ]
)
COMPARED, ANSWERED = "compared", "answered"
"""Forms of a text: looked for by its words and its vector, and by its vector alone. Rows hold answers too."""

REPORTED = ["evaluation", "items", "rows_exact", "rows_ngram", "rows_embedding"]
REPORTED += ["items_hit", "share_items_hit", "share_rows"]
SHOWN = 12


def contamination_assets(registry: Registry) -> list[Table]:
    """Return the items of each evaluation, what compares the pool with all of them, and the list for review."""
    evaluations = dict(sorted(registry.evaluations.items()))
    if not evaluations:
        return []
    assets = [_items(name, spec) for name, spec in evaluations.items()]
    for name, spec in evaluations.items():
        if spec.embedding:
            representation = registry.representations[spec.embedding.representation]
            assets += item_neighbour_assets(name, spec.embedding, representation)
    return [*assets, _contamination(evaluations), review_asset(evaluations)]


def blocked_rows(warehouse: Warehouse) -> pl.DataFrame:
    """Return row_id and ``contaminated``: in words, the strongest hit that keeps a row out of every release."""
    evaluations = warehouse.registry.evaluations
    blocking = pl.DataFrame(
        [(name, tier) for name, spec in evaluations.items() for tier in spec.blocking],
        schema={"evaluation": pl.String, "tier": pl.String},
        orient="row",
    )
    frames = [warehouse.lake.scan(("contamination", source)) for source in warehouse.active_sources()]
    hits = pl.concat(frames).collect().join(blocking, on=["evaluation", "tier"], how="semi")
    said = pl.format(
        "{} item {} of evaluation {} ({}, {})",
        pl.when(pl.col("tier") == "embedding").then(pl.lit("may reword")).otherwise(pl.lit("holds")),
        "item",
        "evaluation",
        "tier",
        pl.when(pl.col("tier") == "embedding")
        .then(pl.format("cosine {}", pl.col("overlap").round(3)))
        .otherwise(pl.format("{} % of its words", (100 * pl.col("overlap")).round(0).cast(pl.Int64))),
    )
    weak = (pl.col("tier") == "embedding").alias("weak")
    order = ["weak", "overlap", "evaluation", "item"]
    best = hits.with_columns(weak).sort(order, descending=[False, True, False, False]).unique("row_id", keep="first")
    return best.select("row_id", contaminated=said)


def _items(name: str, spec: EvaluationSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        found = _snapshot(warehouse, name)
        options = {**spec.item_options(), "limits": spec.limits.model_dump(), "vectors": spec.embedding is not False}
        fingerprint = digest([versions.CONTAMINATION, options])
        return Expected(("evaluations", name), fingerprint, {"content": found.fingerprint})

    def build(step: Step) -> Built:
        found = _snapshot(step.warehouse, name)
        read = evaluation_items(name, read_rows(found, spec), **spec.item_options())
        if not read.items:
            reasons = "; ".join(f"{reason} ({count})" for reason, count in list(read.refused.items())[:5])
            raise SourceError(f"evaluation {name}: none of its {read.records} records can be compared: {reasons}")
        answered: Iterable[EvaluationItem] = ()
        if spec.embedding and spec.compare != "question_answer":
            options = {**spec.item_options(), "compare": "question_answer"}
            answered = evaluation_items(name, read_rows(found, spec), **options).items
        written = _table(read.items, answered, copies=spec.embedding is not False)
        meta = {"ids": ids_digest(written.column("row_id").to_pylist())}
        info = step.warehouse.lake.write(step.expected, written, meta=meta)
        table = step.warehouse.lake.scan(step.expected.key).filter(pl.col("form") == COMPARED).collect()
        return Built(
            info,
            written.num_rows,
            metadata={
                "doc": spec.doc,
                "licence": spec.licence or "not stated",
                "records": read.records,
                "records_refused": sum(read.refused.values()),
                "compare": spec.compare,
                "tiers": ", ".join(spec.tiers),
                "keeps_rows_out_by": ", ".join(spec.blocking) or "none",
                "items": sample_table(table, ["item", "text"], rows=8),
            },
        )

    return Table(
        key=("evaluations", name),
        description=f"The items of the evaluation `{name}`, which no released row may repeat. {spec.doc}",
        group="evaluations",
        expect=expect,
        build=build,
        kinds=frozenset({"parquet"}),
        version=versions.CONTAMINATION,
    )


def _table(compared: Iterable[EvaluationItem], answered: Iterable[EvaluationItem], *, copies: bool) -> pa.Table:
    """Return one line for each text of an evaluation, in the shape of conversations, so that it is encoded as rows."""
    lines: dict[str, tuple[str, str, str, list[dict[str, str]], str | None]] = {}

    def add(item: str, form: str, text: str, copy_of: str | None = None) -> str:
        row_id = digest([item, form, text])
        lines[row_id] = (item, form, text, [{"role": "user", "content": text}], copy_of)
        return row_id

    for entry in compared:
        row_id = add(entry.item, COMPARED, entry.text)
        if copies:
            add(entry.item, HALVED, halved(entry.text), row_id)
    for entry in answered:
        add(entry.item, ANSWERED, entry.text)
    return pa.Table.from_pylist(
        [dict(zip(ITEMS_SCHEMA.names, (row, *line), strict=True)) for row, line in lines.items()], schema=ITEMS_SCHEMA
    )


def _contamination(evaluations: dict[str, EvaluationSpec]) -> Table:
    near = [name for name, spec in evaluations.items() if spec.embedding]
    rules = {name: spec.overlap_rules() for name, spec in evaluations.items()}
    fingerprint = digest([versions.CONTAMINATION, {name: repr(rule) for name, rule in rules.items()}])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        items = {f"evaluations/{name}": warehouse.lake.version(("evaluations", name)) for name in rules}
        rows = info.meta["ids"] if info else "missing"
        vectors = {
            "/".join(key): warehouse.lake.version(key)
            for name in near
            for key in (("evaluation_threshold", name), ("evaluation_neighbours", name, str(source)))
        }
        return Expected(("contamination", str(source)), fingerprint, {"rows": rows, **items, **vectors})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        corpus = lake.scan(("corpus", str(step.source))).select("row_id", "messages").collect()
        items = pl.concat(
            lake.scan(("evaluations", name)).select(pl.lit(name).alias("evaluation"), "row_id", "item", "text", "form")
            for name in rules
        ).collect()
        by_words = _stored_word_hits(step)
        scanned = corpus.height if by_words is None else 0
        if by_words is None:
            listed = items.filter(pl.col("form") == COMPARED).select("evaluation", "item", "text")
            index = EvaluationIndex.build([EvaluationItem(*line) for line in listed.iter_rows()], rules)
            texts = corpus["messages"].list.eval(pl.element().struct.field("content")).list.join("\n\n")
            by_words = find_overlaps(corpus["row_id"], texts, index)
        by_vectors = [_vector_hits(step.warehouse, name, str(step.source), items) for name in near]
        # A row that holds words of an evaluation needs no weaker evidence for it.
        weak = [hits.join(by_words, on=["row_id", "evaluation"], how="anti") for hits in by_vectors]
        hits = pl.concat([by_words, *weak]).sort("row_id", "evaluation", "item")
        info = lake.write(step.expected, hits)
        counted = items.group_by("evaluation").agg(pl.col("item").n_unique().alias("items"))
        report = contamination_report(hits, counted, corpus.height)
        rows = hits["row_id"].n_unique()
        return Built(
            info,
            corpus.height,
            metadata={
                "rows_compared": corpus.height,
                "rows_read_for_words": scanned,
                "rows_with_a_hit": rows,
                "share": round(rows / max(corpus.height, 1), 6),
                "report": sample_table(report, REPORTED, rows=40),
                "hits": sample_table(
                    hits.sort("overlap", descending=True), ["evaluation", "item", "tier", "overlap", "evidence"], SHOWN
                ),
            },
            checks={
                "hits_are_rows_of_the_source": Check(
                    bool(hits["row_id"].is_in(corpus["row_id"].implode()).all()), {"hits": hits.height}
                )
            },
            rows_total=corpus.height,
        )

    return Table(
        key=("contamination",),
        description=(
            "Rows that hold an item of an evaluation, with the item, the tier (exact: the whole item; ngram: enough of "
            "its words in shared n-grams; embedding: its vector lies near, for review), the overlap or cosine, and the "
            "passage. One line per row and item."
        ),
        group="evaluations",
        reads=[
            ("corpus",),
            *(("evaluations", name) for name in rules),
            *((kind, name) for name in near for kind in ("evaluation_neighbours", "evaluation_threshold")),
        ],
        expect=expect,
        build=build,
        checks={"hits_are_rows_of_the_source": "every hit names a row of this source"},
        per="source",
        kinds=frozenset({"parquet"}),
        version=fingerprint,
        lineage={"evidence": [(("corpus",), "messages"), *((("evaluations", name), "text") for name in rules)]},
    )


def _stored_word_hits(step: Step) -> pl.DataFrame | None:
    """Return the hits by words of the stored table where neither rows nor items have changed since."""
    lake: Lake = step.warehouse.lake
    info = lake.info(step.expected.key)
    if info is None or info.fingerprint != step.expected.fingerprint:
        return None
    before, now = (
        {key: value for key, value in inputs.items() if key == "rows" or key.startswith("evaluations/")}
        for inputs in (info.inputs, step.expected.inputs)
    )
    return lake.scan(step.expected.key).filter(pl.col("tier") != "embedding").collect() if before == now else None


def _vector_hits(warehouse: Warehouse, name: str, source: str, items: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a source whose nearest item of an evaluation reaches the threshold, with that item."""
    near = warehouse.lake.scan(("evaluation_neighbours", name, source)).drop_nulls().collect()
    own = items.filter(pl.col("evaluation") == name)
    place = {row: i for i, row in enumerate(own["row_id"])}
    found = Neighbours(
        np.arange(near.height),
        np.array([place[item] for item in near["item_id"]], np.int64),
        near["cosine"].to_numpy(),
    ).at_least(stored_threshold(warehouse, name))
    listed = [EvaluationItem(*line) for line in own.select("evaluation", "item", "text").iter_rows()]
    return review_list(near["row_id"], listed, found)


def _snapshot(warehouse: Warehouse, name: str) -> Snapshot:
    spec = warehouse.registry.evaluations[name]
    cache = warehouse.settings.warehouse / "_cache" / "_evaluations"
    return snapshot(spec, name, warehouse.settings.data, cache)
