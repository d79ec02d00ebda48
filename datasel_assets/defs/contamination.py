"""Assets that keep benchmarks out of releases: the items of each evaluation, and the rows that hold one."""

from collections.abc import Mapping

import polars as pl

from datasel_assets.corpus.contamination import (
    EvaluationIndex,
    EvaluationItem,
    contamination_report,
    evaluation_items,
    find_overlaps,
)
from datasel_assets.defs import versions
from datasel_assets.defs.display import sample_table
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.registry.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers import Snapshot, SourceError, read_rows, snapshot

ITEMS_SCHEMA = {"item": pl.String, "text": pl.String}
REPORTED = ["evaluation", "items", "rows_exact", "rows_ngram", "items_hit", "share_items_hit", "share_rows"]
SHOWN = 12


def contamination_assets(evaluations: Mapping[str, EvaluationSpec]) -> list[TableAsset]:
    """Return one asset per evaluation and the one that compares the pool with all of them."""
    if not evaluations:
        return []
    return [*(_items(name, spec) for name, spec in sorted(evaluations.items())), _contamination(evaluations)]


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
        "holds item {} of evaluation {} ({}, {} of its words)",
        "item",
        "evaluation",
        "tier",
        pl.format("{} %", (100 * pl.col("overlap")).round(0).cast(pl.Int64)),
    )
    best = hits.sort("overlap", "evaluation", "item", descending=[True, False, False]).unique("row_id", keep="first")
    return best.select("row_id", contaminated=said)


def _items(name: str, spec: EvaluationSpec) -> TableAsset:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        found = _snapshot(warehouse, name)
        options = {**spec.item_options(), "limits": spec.limits.model_dump()}
        fingerprint = digest([versions.CONTAMINATION, options])
        return Expected(("evaluations", name), fingerprint, {"content": found.fingerprint})

    def build(step: Step) -> Built:
        found = _snapshot(step.warehouse, name)
        read = evaluation_items(name, read_rows(found, spec), **spec.item_options())
        if not read.items:
            reasons = "; ".join(f"{reason} ({count})" for reason, count in list(read.refused.items())[:5])
            raise SourceError(f"evaluation {name}: none of its {read.records} records can be compared: {reasons}")
        table = pl.DataFrame([(entry.item, entry.text) for entry in read.items], schema=ITEMS_SCHEMA, orient="row")
        info = step.warehouse.lake.write(step.expected, table)
        return Built(
            info,
            table.height,
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

    return TableAsset(
        key=("evaluations", name),
        description=f"The items of the evaluation `{name}`, which no released row may repeat. {spec.doc}",
        group="evaluations",
        expect=expect,
        build=build,
        kinds=frozenset({"parquet"}),
        code_version=versions.CONTAMINATION,
    )


def _contamination(evaluations: Mapping[str, EvaluationSpec]) -> TableAsset:
    rules = {name: spec.overlap_rules() for name, spec in sorted(evaluations.items())}
    fingerprint = digest([versions.CONTAMINATION, {name: repr(rule) for name, rule in rules.items()}])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        items = {f"evaluations/{name}": warehouse.lake.version(("evaluations", name)) for name in rules}
        rows = info.meta["ids"] if info else "missing"
        return Expected(("contamination", str(source)), fingerprint, {"rows": rows, **items})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        corpus = lake.scan(("corpus", str(step.source))).select("row_id", "messages", "prompt", "response").collect()
        index = EvaluationIndex.build(
            [
                EvaluationItem(name, item, text)
                for name in rules
                for item, text in lake.scan(("evaluations", name)).collect().iter_rows()
            ],
            rules,
        )
        texts = corpus["messages"].list.eval(pl.element().struct.field("content")).list.join("\n\n")
        hits = find_overlaps(corpus["row_id"], texts.to_list(), index)
        info = lake.write(step.expected, hits)
        report = contamination_report(hits, index.summary, corpus.height)
        rows = hits["row_id"].n_unique()
        return Built(
            info,
            corpus.height,
            metadata={
                "rows_compared": corpus.height,
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

    return TableAsset(
        key=("contamination",),
        description=(
            "Rows that hold an item of an evaluation, with the item, the tier (exact: the whole item; ngram: enough of "
            "its words in shared n-grams), the overlap and the passage. One line per row and item."
        ),
        group="evaluations",
        deps=[("corpus",), *(("evaluations", name) for name in rules)],
        expect=expect,
        build=build,
        checks={"hits_are_rows_of_the_source": "every hit names a row of this source"},
        partitioned=True,
        kinds=frozenset({"parquet"}),
        code_version=fingerprint,
        lineage={"evidence": [(("corpus",), "messages"), *((("evaluations", name), "text") for name in rules)]},
    )


def _snapshot(warehouse: Warehouse, name: str) -> Snapshot:
    spec = warehouse.registry.evaluations[name]
    cache = warehouse.settings.warehouse / "_cache" / "_evaluations"
    return snapshot(spec, name, warehouse.settings.data, cache)
