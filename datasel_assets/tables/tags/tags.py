"""Assets of tags: what each row may be tagged with, the labels in use, the tags of each row, and the label graph."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from datasel_assets.arrays.drift import drift
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.corpus import phrases, tag_lists
from datasel_assets.models.shape import model_shape
from datasel_assets.specs.tagger import TaggerSpec
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.shown import counts_table, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.tags.label_graphs import label_graph_asset
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.tagger import Tagger

FIT_ROWS = 100_000
"""Labels are chosen on at most so many rows (a hash sample); what is rare among these is rare in the pool."""

SHARD_ROWS = 16_384
TAGGER_SHARD_ROWS = 512
SHOWN = 20
LISTS = pa.schema([("row_id", pa.string()), ("tags", pa.list_(pa.string()))])


def tag_assets(name: str, spec: TagsSpec) -> list[Table]:
    """Return the assets of one file in ``tags/``, upstream first."""
    return [_candidates(name, spec), _vocabulary(name, spec), _tags(name, spec), label_graph_asset(name, spec.graph)]


def _candidates(name: str, spec: TagsSpec) -> Table:
    code = digest([versions.TAGS, _source(spec)])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        made = [code]
        if spec.model:
            made.append(model_shape(spec.model.model, spec.model.revision, warehouse.settings.data).digest)
        if spec.column and info:  # the column is no part of a row's id, so it may change under the same id
            made.append(digest(info.inputs))
        rows = info.meta["ids"] if info else "missing"
        return Expected(("tag_candidates", name, str(source)), digest(made), {"rows": rows})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        columns = ["extra"] if spec.column else ["prompt", "response"]
        corpus = warehouse.lake.scan(("corpus", str(step.source))).select("row_id", *columns).collect()
        place = dict(zip(corpus["row_id"], range(corpus.height), strict=True))
        counts = {"answers_without_tags": 0}

        def compute(ids: list[str]) -> pa.Table:
            rows = corpus[[place[row] for row in ids]]
            found = _read_candidates(warehouse, spec, rows)
            counts["answers_without_tags"] += found.null_count()
            tags = found.cast(pl.List(pl.String)).to_arrow(compat_level=pl.CompatLevel.oldest())
            return pa.table([pa.array(ids), tags], names=LISTS.names)

        update = update_table(
            warehouse.lake,
            step.expected,
            corpus["row_id"].to_list(),
            compute,
            schema=LISTS,
            shard_rows=TAGGER_SHARD_ROWS if spec.model else SHARD_ROWS,
            on_shard=step.progress,
        )
        facts = {"source_of_tags": _said(spec), "corpus": table_link("corpus")}
        if spec.model or spec.column:
            facts["rows_without_readable_tags"] = counts["answers_without_tags"]
        return Built.of(
            update, facts, {"covers_corpus": Check(update.info.rows == corpus.height, {"rows": corpus.height})}
        )

    again = "All are read again when their source changes." if spec.column else "Old rows are never read again."
    return Table(
        key=("tag_candidates", name),
        description=f"What each row may be tagged with: {_said(spec)}. {again}",
        group="tags",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line for every conversation"},
        per="source",
        runs_model=spec.model is not None,
        kinds=frozenset({"parquet", "pytorch", "huggingface"} if spec.model else {"parquet", "polars"}),
        version=code,
        columns={
            "tags": "Words of the instruction, a gap where a phrase ends." if spec.of_phrases else "Tags as given."
        },
        lineage={"tags": [(("corpus",), column) for column in (("extra",) if spec.column else ("prompt", "response"))]},
    )


def _vocabulary(name: str, spec: TagsSpec) -> Table:
    fingerprint = digest([versions.TAGS, _source(spec), spec.min_rows, spec.max_labels, FIT_ROWS, _choice(spec)])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The tables' fingerprints tell of another tagger or column, where the rows are still the same.
        inputs = {**warehouse.versions("tag_candidates", name), "drift": f"{spec.drift:g}"}
        return Expected(("tag_vocabulary", name), fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        lists = _sample(warehouse, name)
        total = sum(warehouse.lake.require(("tag_candidates", name, s)).rows for s in _tagged(warehouse, name))
        least = max(1, round(spec.min_rows * min(1.0, len(lists) / max(total, 1))))
        if spec.of_phrases:
            made = phrases.fit_phrases(lists, spec.of_phrases, least, spec.max_labels)
        else:
            made = tag_lists.fit_tags(lists, least, spec.max_labels)
        stored = warehouse.lake.info(step.expected.key)
        moved = None
        if stored and stored.fingerprint == fingerprint:
            kept = warehouse.lake.scan(step.expected.key).collect()
            moved = _drift(kept, made)
            if moved <= spec.drift:
                meta = {**stored.meta, "drift": moved}
                info = warehouse.lake.write(step.expected, kept, data_version=stored.data_version, meta=meta)
                facts = {"drift_bits": moved, "chosen": "no: the labels of the pool have hardly moved"}
                return Built(info, 0, kept.height, metadata={**facts, **_label_facts(kept)}, checks=_label_checks(kept))
        version = digest([fingerprint, made.rows()])
        info = warehouse.lake.write(step.expected, made, data_version=version, meta={"fit_rows": len(lists)})
        why = "first choice" if moved is None else f"the labels have moved by {moved:.3f} bits"
        facts = {"chosen": f"yes: {why}", "rows_read": len(lists), "rows_a_label_needs": least}
        return Built(info, made.height, metadata={**facts, **_label_facts(made)}, checks=_label_checks(made))

    return Table(
        key=("tag_vocabulary", name),
        description=(
            f"The labels in use and the forms that count as one: at most {spec.max_labels:,} labels of at least "
            f"{spec.min_rows} rows. They stay until the labels of the pool have moved by {spec.drift:g} bits "
            "(Jensen-Shannon), so that an increment tags new rows only."
        ),
        group="tags",
        reads=[("tag_candidates", name)],
        expect=expect,
        build=build,
        checks={"one_label_per_form": "no form counts as two labels"},
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
        columns={
            "kind": "word: a form of a word; label: a form of a label.",
            "form": "What is found in a row.",
            "label": "What it counts as.",
            "rows": "Rows of the sample that hold the form.",
        },
        lineage={column: [(("tag_candidates", name), "tags")] for column in ("form", "label", "rows")},
    )


def _tags(name: str, spec: TagsSpec) -> Table:
    code = digest([versions.TAGS, _choice(spec)])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        table = warehouse.lake.info(("tag_candidates", name, str(source)))
        vocabulary = warehouse.lake.version(("tag_vocabulary", name))
        fingerprint = digest([code, vocabulary, table.fingerprint if table else ""])
        rows = table.meta["ids"] if table else "missing"
        return Expected(("tags", name, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        rows = lake.scan(("tag_candidates", name, str(step.source))).collect()
        place = dict(zip(rows["row_id"], range(rows.height), strict=True))
        vocabulary = lake.scan(("tag_vocabulary", name)).collect()
        fit_rows = lake.require(("tag_vocabulary", name)).meta["fit_rows"]

        def compute(ids: list[str]) -> pa.Table:
            lists = rows["tags"].gather([place[row] for row in ids])
            if spec.of_phrases:
                tags = phrases.assign_phrases(lists, vocabulary, spec.of_phrases.max_tags, fit_rows)
            else:
                tags = tag_lists.assign_tags(lists, vocabulary)
            return pa.table([pa.array(ids), tags.to_arrow(compat_level=pl.CompatLevel.oldest())], names=LISTS.names)

        update = update_table(
            lake,
            step.expected,
            rows["row_id"].to_list(),
            compute,
            schema=LISTS,
            shard_rows=SHARD_ROWS,
            on_shard=step.progress,
        )
        table = lake.scan(step.expected.key).collect()
        labels = vocabulary.filter(pl.col("kind") == "label")["label"]
        used = table.select(pl.col("tags").explode()).drop_nulls()["tags"]
        foreign = int((~used.is_in(labels.implode())).sum())
        counts = table["tags"].list.len().fill_null(0)
        return Built.of(
            update,
            {
                "tags_per_row": float(counts.mean() or 0.0),  # type: ignore[arg-type]  # of numbers
                "untagged_share": float((counts == 0).mean() or 0.0),
                "labels_used": used.n_unique(),
                "most_used": _most_used(used),
                "examples": _examples(step, table),
                "labels": table_link("tag_vocabulary", name),
            },
            {
                "covers_corpus": Check(update.info.rows == rows.height, {"rows": rows.height}),
                "known_labels": Check(foreign == 0, {"foreign": foreign}),
            },
        )

    return Table(
        key=("tags", name),
        description=f"The labels of each row: {_said(spec)}, reduced to the labels in use.",
        group="tags",
        reads=[("tag_candidates", name), ("tag_vocabulary", name)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line for every conversation", "known_labels": "every tag is a label in use"},
        per="source",
        kinds=frozenset({"parquet", "polars"}),
        version=code,
        columns={"tags": "Labels of the row; null where its tags are not known."},
        lineage={"tags": [(("tag_candidates", name), "tags"), (("tag_vocabulary", name), "label")]},
    )


def _source(spec: TagsSpec) -> list[object]:
    """Return what decides the candidates."""
    if spec.model:
        return ["model", spec.model.identity()]
    return ["column", spec.column] if spec.column else ["phrases", spec.of_phrases and spec.of_phrases.max_chars]


def _choice(spec: TagsSpec) -> object:
    """Return what of the phrases decides labels and tags."""
    return spec.of_phrases.model_dump() if spec.of_phrases else None


def _said(spec: TagsSpec) -> str:
    if spec.model:
        return f"tags written by `{spec.model.model}`"
    return f"the column `{spec.column}` of the records" if spec.column else "key phrases of the instruction"


def _read_candidates(warehouse: Warehouse, spec: TagsSpec, rows: pl.DataFrame) -> pl.Series:
    """Return the candidates of rows of the corpus: lists of strings, null where there is nothing to read."""
    if spec.column:
        return tag_lists.normalise(_lists(tag_lists.read_field(rows["extra"].to_list(), spec.column)))
    # A text without an instruction is its own.
    texts = rows.select(text=pl.when(pl.col("prompt") == "").then("response").otherwise("prompt"))["text"]
    if spec.model is None:
        assert spec.of_phrases is not None
        return phrases.words(texts, spec.of_phrases.max_chars)
    tagger = _load_tagger(spec.model, warehouse.settings.device, warehouse.settings.data)
    return tag_lists.normalise(_lists([tag_lists.parse_answer(answer) for answer in tagger.answers(texts.to_list())]))


def _lists(values: list[list[str] | None]) -> pl.Series:
    return pl.Series(values, dtype=pl.List(pl.String))


@lru_cache(maxsize=1)
def _load_tagger(spec: TaggerSpec, device: str, base: Path) -> "Tagger":
    """Load the model once per process."""
    from datasel_assets.models.tagger import Tagger

    return Tagger(spec, device=device, base=base)


def _tagged(warehouse: Warehouse, name: str) -> list[str]:
    return [s for s in warehouse.active_sources() if warehouse.lake.info(("tag_candidates", name, s))]


def _sample(warehouse: Warehouse, name: str) -> pl.Series:
    """Return the candidates of a hash sample of the pool, in an order that does not depend on the files."""
    scans = [warehouse.lake.scan(("tag_candidates", name, source)) for source in _tagged(warehouse, name)]
    ids = pl.concat(scan.select("row_id") for scan in scans).collect()["row_id"].sort()
    picked = ids.gather(hash_sample(ids.to_list(), FIT_ROWS, 0)).to_frame()
    return (
        pl.concat(scan.join(picked.lazy(), on="row_id", how="semi") for scan in scans).collect().sort("row_id")["tags"]
    )


def _drift(stored: pl.DataFrame, made: pl.DataFrame) -> float:
    """Return the Jensen-Shannon divergence (bits) of the rows of the labels; 1 where one side has no labels."""
    before, after = (
        table.filter(pl.col("kind") == "label").group_by("label").agg(rows=pl.col("rows").sum())
        for table in (stored, made)
    )
    if before.is_empty() or after.is_empty():
        return float(before.height != after.height)
    both = before.join(after, on="label", how="full", coalesce=True).fill_null(0).sort("label")
    return drift(both["rows"].to_numpy(), both["rows_right"].to_numpy())


def _label_facts(vocabulary: pl.DataFrame) -> dict[str, Any]:
    labels = vocabulary.filter(pl.col("kind") == "label").group_by("label").agg(pl.col("rows").sum(), forms=pl.len())
    ordered = labels.sort(["rows", "label"], descending=[True, False])
    return {
        "labels": labels.height,
        "forms": vocabulary.height,
        "most_frequent": sample_table(ordered, ["label", "rows", "forms"], rows=SHOWN),
        "rarest": sample_table(ordered.tail(SHOWN // 2), ["label", "rows", "forms"], rows=SHOWN // 2),
    }


def _label_checks(vocabulary: pl.DataFrame) -> dict[str, Check]:
    torn = vocabulary.height - vocabulary.drop_nulls().unique(["kind", "form"]).height
    return {"one_label_per_form": Check(torn == 0, {"forms": vocabulary.height})}


def _most_used(used: pl.Series) -> Any:
    counts = used.value_counts().sort(["count", "tags"], descending=[True, False]).head(SHOWN)
    return counts_table(dict(counts.iter_rows()), "label", "rows")


def _examples(step: Step, table: pl.DataFrame) -> Any:
    """Show instructions with their tags."""
    picked = table.sort("row_id").head(5)
    texts = step.warehouse.lake.scan(("corpus", str(step.source))).select("row_id", "prompt", "response")
    shown = picked.lazy().join(texts, on="row_id", how="left", maintain_order="left").collect()
    shown = shown.with_columns(
        pl.col("tags").list.join(", ").fill_null("not known"),
        text=pl.when(pl.col("prompt") == "").then("response").otherwise("prompt"),
    )
    return sample_table(shown, {"text": "instruction", "tags": "tags"})
