"""Tables of the tags of each row: its candidates, reduced to the labels in use.

Does not belong here: the candidates (``candidates``), the labels (``vocabulary``), reading tags for a sampler
(``tag_tables``).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from datasel_assets.corpus.phrases import assign_phrases
from datasel_assets.corpus.tag_lists import assign_tags
from datasel_assets.corpus.vocabulary import label_names, label_use
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import Rows, counts_table, sample_table, table_link
from datasel_assets.tables.table import Check, Kind, Step, Table, Update
from datasel_assets.tables.tags.candidates import LISTS, TAG_CANDIDATES, candidate_table, said
from datasel_assets.tables.tags.label_graphs import label_graph_table
from datasel_assets.tables.tags.vocabulary import TAG_VOCABULARY, choice_of, vocabulary_table
from datasel_assets.tables.warehouse import Warehouse

TAGS = Kind("tags", per="source")

SHOWN = 20
EXAMPLES = 5


def tag_tables(name: str, spec: TagsSpec) -> list[Table]:
    """Return the tables of one file in ``tags/``, upstream first."""
    return [
        candidate_table(name, spec),
        vocabulary_table(name, spec),
        _tags(name, spec),
        label_graph_table(name, spec.graph),
    ]


def _tags(name: str, spec: TagsSpec) -> Table:
    code = digest([TAGS.version, choice_of(spec)])
    return RowTable(
        rows_of=(TAG_CANDIDATES.name, name),
        wants=partial(_wants, name, code),
        work=partial(_work, name, spec),
        compute=assign,
        load=load_labels,
        facts=partial(_facts, name),
        verify=partial(_verify, name),
    ).table(
        kind=TAGS,
        key=(TAGS.name, name),
        description=f"The labels of each row: {said(spec)}, reduced to the labels in use.",
        group="clusters_tags",
        reads=[(TAG_CANDIDATES.name, name), (TAG_VOCABULARY.name, name)],
        checks={"covers_corpus": "one line for every conversation", "known_labels": "every tag is a label in use"},
        kinds=frozenset({"parquet", "polars"}),
        version=code,
        columns={"tags": "Labels of the row; null where its tags are not known."},
        lineage={"tags": [((TAG_CANDIDATES.name, name), "tags"), ((TAG_VOCABULARY.name, name), "label")]},
    )


def _wants(name: str, code: str, warehouse: Warehouse, source: str | None) -> Wanted:
    table = warehouse.lake.info((TAG_CANDIDATES.name, name, str(source)))
    vocabulary = warehouse.lake.version((TAG_VOCABULARY.name, name))
    return Wanted(digest([code, vocabulary, table.fingerprint if table else ""]))


def _work(name: str, spec: TagsSpec, step: Step) -> Work:
    vocabulary = step.warehouse.lake.require((TAG_VOCABULARY.name, name))
    arguments = {
        "name": name,
        "version": vocabulary.data_version,
        "fit_rows": vocabulary.meta["fit_rows"],
        "max_tags": spec.of_phrases.max_tags if spec.of_phrases else None,
    }
    return Work(LISTS, ["tags"], arguments)


def load_labels(
    warehouse: Warehouse, name: str, version: str, fit_rows: int, max_tags: int | None
) -> Callable[[pl.Series], pl.Series]:
    """Return what gives candidates their labels.

    Args:
        warehouse: where the labels are.
        name: file in ``tags/``.
        version: only says which labels they were.
        fit_rows: rows that they were chosen on.
        max_tags: labels of a row; None where the candidates are given tags and not words.
    """
    vocabulary = warehouse.lake.scan((TAG_VOCABULARY.name, name)).collect()
    if max_tags is None:
        return partial(assign_tags, vocabulary=vocabulary)
    return partial(assign_phrases, vocabulary=vocabulary, max_tags=max_tags, pool_rows=fit_rows)


def assign(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the labels of each row; null where its candidates are not known."""
    return rows.select("row_id", tags=context.loaded(rows["tags"]))


def _facts(name: str, step: Step, update: Update) -> dict[str, Any]:
    tags = step.warehouse.lake.scan(step.expected.key).select("tags").collect()["tags"]
    counts, use = tags.list.len().fill_null(0), label_use(tags)
    return {
        "tags_per_row": float(counts.mean() or 0.0),  # type: ignore[arg-type]  # of numbers
        "untagged_share": float((counts == 0).mean() or 0.0),  # type: ignore[arg-type]
        "labels_used": use.height,
        "most_used": counts_table(dict(use.head(SHOWN).iter_rows()), "label", "rows"),
        "examples": _examples(step),
        "labels": table_link(TAG_VOCABULARY.name, name),
    }


def _verify(name: str, step: Step, update: Update) -> dict[str, Check]:
    lake = step.warehouse.lake
    use = label_use(lake.scan(step.expected.key).select("tags").collect()["tags"])
    known = label_names(lake.scan((TAG_VOCABULARY.name, name)).collect())
    foreign = int(use.filter(~pl.col("label").is_in(known))["rows"].sum())
    return {
        "covers_corpus": Check(True, {"rows": update.info.rows}),
        "known_labels": Check(foreign == 0, {"foreign": foreign}),
    }


def _examples(step: Step) -> Rows:
    """Show instructions with their tags."""
    lake = step.warehouse.lake
    picked = lake.scan(step.expected.key).select(LISTS.names).sort("row_id").head(EXAMPLES).collect()
    texts = lake.scan(("corpus", str(step.source))).filter(pl.col("row_id").is_in(picked["row_id"].implode()))
    texts = texts.select("row_id", "prompt", "response").collect()
    shown = picked.join(texts, on="row_id", how="left", maintain_order="left").with_columns(
        pl.col("tags").list.join(", ").fill_null("not known"),
        text=pl.when(pl.col("prompt") == "").then("response").otherwise("prompt"),
    )
    return sample_table(shown, {"text": "instruction", "tags": "tags"}, rows=EXAMPLES)
