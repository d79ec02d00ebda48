"""The table that hands hits to a person, and tells from the person's answers how far each tier can be trusted.

Belongs here: one list over all sources with the texts side by side, and the labels of ``data/evaluations/*.yaml``.
Not here: finding hits (``contamination``), the order of the list (``corpus.contamination.review``).
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from datasel_assets.corpus.contamination import labelled_precision, labelled_recall
from datasel_assets.corpus.contamination.review import LABELS_SCHEMA, LabelsError, decided, list_for_review
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

CONTAMINATION_REVIEW = Kind("contamination_review", version="2")

EXCERPT_CHARS = 500
SHOWN = 20
LISTED = ["evaluation", "item", "tier", "overlap", "evidence", "prompt", "source", "row_id"]
MEASURED = ["evaluation", "tier", "hits", "labelled", "right", "precision", "low", "high"]
RECALLED = ["evaluation", "tier", "contaminated", "found", "recall", "low", "high"]


def review_table(evaluations: Mapping[str, EvaluationSpec]) -> Table:
    """Return the table of the review list."""
    fingerprint = digest([CONTAMINATION_REVIEW.version, {name: list(s.blocking) for name, s in evaluations.items()}])
    return Table(
        kind=CONTAMINATION_REVIEW,
        key=(CONTAMINATION_REVIEW.name,),
        description=(
            "Every hit with the texts side by side, those that keep no row out first and the nearest of them at the "
            "top. Labels of a person give precision and recall of each tier."
        ),
        group="duplicates",
        reads=[(CORPUS.name,), ("contamination",)],
        expect=partial(_expect, fingerprint, evaluations),
        build=partial(_build, evaluations),
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
    )


def read_labels(path: Path, evaluation: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return row_id, evaluation, item, contaminated of a file of labels.

    Args:
        path: CSV or Parquet, see :func:`decided`.
        evaluation: name of the evaluation.
        rows: row_id and content_hash of the pool.

    Raises:
        LabelsError: the file is absent, lacks a column, holds something else than true or false, or contradicts
            itself.
    """
    where = f"labels of evaluation {evaluation}: {path}"
    if not path.is_file():
        raise LabelsError(f"{where} does not exist; remove 'labels' or put the file there")
    frame = pl.read_parquet(path, glob=False) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    return decided(frame, evaluation, rows, where)


def _expect(
    fingerprint: str, evaluations: Mapping[str, EvaluationSpec], warehouse: Warehouse, source: str | None
) -> Expected:
    inputs = warehouse.versions("contamination")
    for name, spec in evaluations.items():
        if spec.labels:
            path = warehouse.settings.data / spec.labels
            inputs[f"labels/{name}"] = digest(path.read_bytes().hex()) if path.is_file() else "missing"
    return Expected((CONTAMINATION_REVIEW.name,), fingerprint, inputs)


def _build(evaluations: Mapping[str, EvaluationSpec], step: Step) -> Built:
    warehouse = step.warehouse
    hits, texts = _hits(warehouse)
    labels = _labels(warehouse, evaluations)
    table = list_for_review(hits, texts, labels, {name: spec.blocking for name, spec in evaluations.items()})
    info = warehouse.lake.write(step.expected, table)
    waiting = table.filter(~pl.col("blocks") & pl.col("is_contaminated").is_null())
    measured, recalled = labelled_precision(hits, labels), labelled_recall(hits, labels)
    return Built(
        info,
        table.height,
        metadata={
            "hits": table.height,
            "hits_that_keep_a_row_out": int(table["blocks"].sum()),
            "waiting_for_review": waiting.height,
            "labels": labels.height,
            "precision": sample_table(measured, MEASURED, rows=60),
            "recall": sample_table(recalled, RECALLED, rows=60),
            "to_review": sample_table(waiting, LISTED, SHOWN),
            "how": "fill is_contaminated in an export of this table and name the file as labels: of the "
            "evaluation; precision holds for a random sample of a tier, recall for a random sample of rows",
        },
        rows_total=table.height,
    )


def _labels(warehouse: Warehouse, evaluations: Mapping[str, EvaluationSpec]) -> pl.DataFrame:
    """Return the labels of all evaluations; the rows of the pool are looked at only where there are any."""
    files = {name: warehouse.settings.data / spec.labels for name, spec in evaluations.items() if spec.labels}
    if not files:
        return pl.DataFrame(schema=LABELS_SCHEMA)
    corpora = [warehouse.lake.scan((CORPUS.name, source)) for source in warehouse.active_sources()]
    rows = pl.concat(corpus.select("row_id", "content_hash") for corpus in corpora).collect()
    return pl.concat([pl.DataFrame(schema=LABELS_SCHEMA), *(read_labels(p, n, rows) for n, p in files.items())])


def _hits(warehouse: Warehouse) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the hits of all sources, and what is shown of the rows with a hit."""
    sources = warehouse.active_sources()
    hits = pl.concat(warehouse.lake.scan(("contamination", source)) for source in sources).collect()
    excerpts = pl.col("prompt", "response").str.slice(0, EXCERPT_CHARS)
    wanted = pl.col("row_id").is_in(hits["row_id"].unique().implode())
    texts = pl.concat(
        warehouse.lake.scan((CORPUS.name, source)).filter(wanted).select("row_id", "source", "content_hash", excerpts)
        for source in sources
    )
    return hits, texts.collect()
