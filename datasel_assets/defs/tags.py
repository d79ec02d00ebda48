"""Assets of tags: what each row may be tagged with, the labels in use, the tags of each row, and the label graph."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.clusters.hash_sample import hash_sample
from datasel_assets.corpus import phrases, tag_lists
from datasel_assets.corpus.label_graph import label_graph
from datasel_assets.defs import versions
from datasel_assets.defs.display import asset_link, counts_table, picture, sample_table
from datasel_assets.defs.embeddings import encoder_fingerprint, layer_column, load_encoder
from datasel_assets.defs.pool import vector_array, vector_block, vector_type
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.scores import (
    SCORE_CHECKS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    within_bounds,
)
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.diagnostics import plots
from datasel_assets.indicators.tags import FAMILY, tag_indicators
from datasel_assets.models.drift import drift
from datasel_assets.models.shape import model_shape
from datasel_assets.models.tagger import TaggerSpec
from datasel_assets.registry.tags import GraphSpec, TagsSpec
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected, Key

if TYPE_CHECKING:
    from datasel_assets.models.tagger import Tagger

FIT_ROWS = 100_000
"""Labels are chosen on at most so many rows (a hash sample); what is rare among these is rare in the pool."""

SHARD_ROWS = 16_384
TAGGER_SHARD_ROWS = 512
SHOWN = 20
LISTS = pa.schema([("row_id", pa.string()), ("tags", pa.list_(pa.string()))])
VECTORS = "_label_vectors"


def tag_assets(name: str, spec: TagsSpec) -> list[TableAsset]:
    """Return the assets of one file in ``tags/``, upstream first."""
    return [_candidates(name, spec), _vocabulary(name, spec), _tags(name, spec), _graph(name, spec.graph)]


def _candidates(name: str, spec: TagsSpec) -> TableAsset:
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
        facts = {"source_of_tags": _said(spec), "corpus": asset_link("corpus")}
        if spec.model or spec.column:
            facts["rows_without_readable_tags"] = counts["answers_without_tags"]
        return Built.of(
            update, facts, {"covers_corpus": Check(update.info.rows == corpus.height, {"rows": corpus.height})}
        )

    return TableAsset(
        key=("tag_candidates", name),
        description=f"What each row may be tagged with: {_said(spec)}. Old rows are never read again.",
        group="tags",
        deps=[("corpus",)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line for every conversation"},
        partitioned=True,
        gpu=spec.model is not None,
        kinds=frozenset({"parquet", "pytorch", "huggingface"} if spec.model else {"parquet", "polars"}),
        code_version=code,
        columns={
            "tags": "Words of the instruction, a gap where a phrase ends." if spec.of_phrases else "Tags as given."
        },
        lineage={"tags": [(("corpus",), column) for column in (("extra",) if spec.column else ("prompt", "response"))]},
    )


def _vocabulary(name: str, spec: TagsSpec) -> TableAsset:
    fingerprint = digest([versions.TAGS, _source(spec), spec.min_rows, spec.max_labels, FIT_ROWS, _choice(spec)])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The tables' fingerprints tell of another tagger or column, where the rows are still the same.
        inputs = warehouse.versions("tag_candidates", name)
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

    return TableAsset(
        key=("tag_vocabulary", name),
        description=(
            f"The labels in use and the forms that count as one: at most {spec.max_labels:,} labels of at least "
            f"{spec.min_rows} rows. They stay until the labels of the pool have moved by {spec.drift:g} bits "
            "(Jensen-Shannon), so that an increment tags new rows only."
        ),
        group="tags",
        deps=[("tag_candidates", name)],
        expect=expect,
        build=build,
        checks={"one_label_per_form": "no form counts as two labels"},
        kinds=frozenset({"parquet", "polars"}),
        code_version=fingerprint,
        columns={
            "kind": "word: a form of a word; label: a form of a label.",
            "form": "What is found in a row.",
            "label": "What it counts as.",
            "rows": "Rows of the sample that hold the form.",
        },
        lineage={column: [(("tag_candidates", name), "tags")] for column in ("form", "label", "rows")},
    )


def _tags(name: str, spec: TagsSpec) -> TableAsset:
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
                "labels": asset_link("tag_vocabulary", name),
            },
            {
                "covers_corpus": Check(update.info.rows == rows.height, {"rows": rows.height}),
                "known_labels": Check(foreign == 0, {"foreign": foreign}),
            },
        )

    return TableAsset(
        key=("tags", name),
        description=f"The labels of each row: {_said(spec)}, reduced to the labels in use.",
        group="tags",
        deps=[("tag_candidates", name), ("tag_vocabulary", name)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one line for every conversation", "known_labels": "every tag is a label in use"},
        partitioned=True,
        kinds=frozenset({"parquet", "polars"}),
        code_version=code,
        columns={"tags": "Labels of the row; null where its tags are not known."},
        lineage={"tags": [(("tag_candidates", name), "tags"), (("tag_vocabulary", name), "label")]},
    )


def _graph(name: str, spec: GraphSpec) -> TableAsset:
    code = digest([versions.TAGS, spec.encoder.identity(), spec.threshold])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        fingerprint = digest([code, encoder_fingerprint(warehouse, spec.encoder)])
        return Expected(
            ("label_graph", name), fingerprint, {"labels": warehouse.lake.version(("tag_vocabulary", name))}
        )

    def build(step: Step) -> Built:
        vocabulary = step.warehouse.lake.scan(("tag_vocabulary", name)).filter(pl.col("kind") == "label")
        labels = vocabulary.group_by("label").agg(pl.col("rows").sum()).sort("label").collect()
        vectors, encoded = _label_vectors(step, name, spec, labels["label"])
        table = label_graph(labels["label"], labels["rows"], vectors, spec.threshold)
        info = step.warehouse.lake.write(step.expected, table)
        return Built(
            info,
            encoded,
            table.height - encoded,
            metadata=_graph_facts(table, spec.threshold) | {"vocabulary": asset_link("tag_vocabulary", name)},
            checks=_graph_checks(table, spec.threshold),
        )

    return TableAsset(
        key=("label_graph", name),
        description=(
            f"Labels whose vectors by `{spec.encoder.model}` have a cosine of at least {spec.threshold:g}: along these "
            "edges information travels in MIG. Only labels that are new are encoded."
        ),
        group="tags",
        deps=[("tag_vocabulary", name)],
        expect=expect,
        build=build,
        checks={
            "symmetric": "a label is a neighbour of its neighbours, equally similar",
            "similar_enough": "every pair reaches the threshold",
        },
        gpu=True,
        kinds=frozenset({"parquet", "pytorch", "huggingface"}),
        code_version=code,
        columns={
            "label": "Label; its number is its place in this table.",
            "rows": "Rows that have it, in the sample that labels were chosen on.",
            "degree": "How many neighbours it has.",
            "neighbours": "Labels above the threshold, most similar first.",
            "similarities": "Cosine of each of them.",
        },
        lineage={column: [(("tag_vocabulary", name), "label")] for column in ("label", "neighbours", "similarities")},
    )


def tag_scores(names: Iterable[str]) -> TableAsset:
    """Return the asset of the scores that are made of tags; ``names``: the files in ``tags/``."""
    names = sorted(names)
    family = tag_indicators(names)

    def wanted(warehouse: Warehouse, source: str | None) -> dict[str, str]:
        found = {}
        for name in names:
            info = warehouse.lake.info(("tags", name, str(source)))
            one = tag_indicators([name])
            found |= column_versions(one, info.fingerprint if info else "missing")
        return found

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        fingerprint = columns_fingerprint(wanted(warehouse, source))
        return Expected(("scores", FAMILY, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        ids = lake.scan(("corpus", str(step.source))).select("row_id").collect()
        table = ids
        for name in names:
            counts = lake.scan(("tags", name, str(step.source))).select(
                "row_id", pl.col("tags").list.len().cast(pl.Float64).fill_null(float("nan")).alias(f"{name}_count")
            )
            table = table.join(counts.collect(), on="row_id", how="left", maintain_order="left")
        place = dict(zip(table["row_id"], range(table.height), strict=True))

        def compute(rows: list[str], columns: list[str]) -> pl.DataFrame:
            part = table[[place[row] for row in rows]]
            made = {column: family[column](part[column].to_numpy()).astype(np.float32) for column in columns}
            return within_bounds(pl.DataFrame({"row_id": rows, **made}), family)

        update = update_columns(
            lake, step.expected, ids["row_id"].to_list(), wanted(step.warehouse, step.source), compute
        )
        return Built.of(update, score_facts(step, family), score_checks(step, ids.height, family))

    return TableAsset(
        key=("scores", FAMILY),
        description="What the tags of a row say about it: how many there are (complexity in the sense of InsTag).",
        group="scores",
        deps=[("corpus",), *(("tags", name) for name in names)],
        expect=expect,
        build=build,
        checks=SCORE_CHECKS,
        partitioned=True,
        kinds=frozenset({"parquet", "numpy"}),
        code_version=digest(column_versions(family)),
        columns=column_texts(family),
        lineage={f"{name}_count": [(("tags", name), "tags")] for name in names},
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


def _label_vectors(step: Step, name: str, spec: GraphSpec, labels: pl.Series) -> tuple[np.ndarray, int]:
    """Return the vectors (m, d) of the labels and how many were encoded; those of old labels are kept."""
    warehouse = step.warehouse
    key: Key = (VECTORS, name)
    last = warehouse.shape(spec.encoder).layers(spec.encoder)[-1]
    encoder_spec = spec.encoder.model_copy(update={"layers": (last,)})
    dim = warehouse.shape(spec.encoder).width
    schema = pa.schema([("row_id", pa.string()), (layer_column(last), vector_type(dim))])
    fingerprint = digest([encoder_fingerprint(warehouse, spec.encoder), last])

    def compute(ids: list[str]) -> pa.Table:
        encoder = load_encoder(encoder_spec, warehouse.settings.device, warehouse.settings.data)
        made = encoder.encode([[{"role": "user", "content": label}] for label in ids], dtype=np.float16)
        return pa.table([pa.array(ids), vector_array(made.layers[last])], names=schema.names)

    expected = Expected(key, fingerprint)
    update = update_table(warehouse.lake, expected, labels.to_list(), compute, schema=schema, shard_rows=SHARD_ROWS)
    vectors = np.zeros((len(labels), dim), np.float32)
    place = dict(zip(labels, range(len(labels)), strict=True))
    for batch in warehouse.lake.read_batches(key, schema.names):
        vectors[[place[label] for label in batch.column(0).to_pylist()]] = vector_block(batch.column(1))
    return vectors, len(update.increment.new)


def _graph_facts(table: pl.DataFrame, threshold: float) -> dict[str, Any]:
    labels, degree = table.height, table["degree"]
    edges = int(degree.sum()) // 2
    pairs = labels * (labels - 1) / 2
    cut = {f"degree_{int(100 * q)}": float(degree.quantile(q, "nearest") or 0.0) for q in (0.5, 0.9, 0.99, 1.0)}
    shown = table.sort(["degree", "label"], descending=[True, False]).head(SHOWN)
    shown = shown.with_columns(pl.col("neighbours").list.head(6).list.join(", "))
    png = plots.label_neighbourhoods(
        table["label"].to_list(),
        table["rows"].to_numpy(),
        table["neighbours"].to_list(),
        table["similarities"].to_list(),
        threshold,
    )
    return {
        "threshold": threshold,
        "labels": labels,
        "edges": edges,
        "sparsity": float(1 - edges / pairs) if pairs else 1.0,
        "mean_degree": float(degree.mean() or 0.0),  # type: ignore[arg-type]  # of numbers
        **cut,
        "labels_without_neighbours": int((degree == 0).sum()),
        "plot: neighbourhoods": picture(png, "labels and their neighbours"),
        "most_connected": sample_table(shown, ["label", "rows", "degree", "neighbours"], rows=SHOWN),
    }


def _graph_checks(table: pl.DataFrame, threshold: float) -> dict[str, Check]:
    edges = (
        table.filter(pl.col("degree") > 0)
        .explode("neighbours", "similarities")
        .select("label", "neighbours", "similarities")
    )
    turned = edges.select(label="neighbours", neighbours="label", similarities="similarities")
    alone = edges.join(turned, on=["label", "neighbours", "similarities"], how="anti").height
    least = float(edges["similarities"].min() or 1.0)  # type: ignore[arg-type]  # of numbers
    return {
        "symmetric": Check(alone == 0, {"one_sided": alone}),
        "similar_enough": Check(least >= threshold - 1e-6, {"least": least}),
    }
