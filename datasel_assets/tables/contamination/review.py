"""The asset that hands hits to a person, and tells from the person's answers how far each tier can be trusted.

Belongs here: one list over all sources with the texts side by side, and precision and recall by the labels of
``data/evaluations/*.yaml``. Not here: finding hits (``contamination.py``).
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from datasel_assets.corpus.contamination import labelled_precision, labelled_recall
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.shown import sample_table
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.warehouse import Warehouse

EXCERPT_CHARS = 500
SHOWN = 20
LABELS = {"row_id": pl.String, "evaluation": pl.String, "item": pl.String, "contaminated": pl.Boolean}
MEASURED = ["evaluation", "tier", "hits", "labelled", "right", "precision", "low", "high"]
RECALLED = ["evaluation", "tier", "contaminated", "found", "recall", "low", "high"]


class LabelsError(ValueError):
    """A file of labels that cannot be used; the message says which, and what it must hold."""


def review_asset(evaluations: Mapping[str, EvaluationSpec]) -> Table:
    """Return the asset of the review list."""
    blocks = {name: list(spec.blocking) for name, spec in evaluations.items()}
    fingerprint = digest([versions.CONTAMINATION, blocks])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("contamination")
        for name, spec in evaluations.items():
            if spec.labels:
                path = warehouse.settings.data / spec.labels
                inputs[f"labels/{name}"] = digest(path.read_bytes().hex()) if path.is_file() else "missing"
        return Expected(("contamination_review",), fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        hits, rows, texts = _hits(warehouse)
        labels = pl.concat(
            [
                pl.DataFrame(schema=LABELS),
                *(
                    read_labels(warehouse.settings.data / spec.labels, name, rows)
                    for name, spec in evaluations.items()
                    if spec.labels
                ),
            ]
        )
        blocking = pl.DataFrame(
            [(name, tier) for name, tiers in blocks.items() for tier in tiers],
            schema={"evaluation": pl.String, "tier": pl.String},
            orient="row",
        ).with_columns(blocks=pl.lit(True))
        keys = ["row_id", "evaluation", "item"]
        table = (
            hits.join(blocking, on=["evaluation", "tier"], how="left")
            .join(texts, on="row_id", how="left")
            .join(labels, on=keys, how="left")
            .with_columns(pl.col("blocks").fill_null(False))
            .rename({"contaminated": "is_contaminated"})
            .sort("blocks", "overlap", *keys, descending=[False, True, False, False, False])
        )
        info = warehouse.lake.write(step.expected, table)
        waiting = table.filter(~pl.col("blocks") & pl.col("is_contaminated").is_null())
        shown = ["evaluation", "item", "tier", "overlap", "evidence", "prompt", "source", "row_id"]
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
                "to_review": sample_table(waiting, shown, SHOWN),
                "how": "fill is_contaminated in an export of this table and name the file as labels: of the "
                "evaluation; precision holds for a random sample of a tier, recall for a random sample of rows",
            },
            rows_total=table.height,
        )

    return Table(
        key=("contamination_review",),
        description=(
            "Every hit with the texts side by side, those that keep no row out first and the nearest of them at the "
            "top. Labels of a person give precision and recall of each tier."
        ),
        group="evaluations",
        reads=[("corpus",), ("contamination",)],
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
    )


def read_labels(path: Path, evaluation: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return row_id, evaluation, item, contaminated of a file of labels.

    Args:
        path: CSV or Parquet with ``row_id`` or ``content_hash``, ``item`` and ``is_contaminated``; lines without a
            decision are left out, and so are rows that the pool does not have.
        evaluation: name of the evaluation.
        rows: row_id and content_hash of the pool.

    Raises:
        LabelsError: the file is absent, lacks a column, holds something else than true or false, or contradicts
            itself.
    """
    where = f"labels of evaluation {evaluation}: {path}"
    if not path.is_file():
        raise LabelsError(f"{where} does not exist; remove 'labels' or put the file there")
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
    key = "row_id" if "row_id" in frame.columns else "content_hash"
    missing = [name for name in (key, "item", "is_contaminated") if name not in frame.columns]
    if missing:
        raise LabelsError(
            f"{where} lacks {', '.join(missing)}; row_id or content_hash, item, is_contaminated are needed"
        )
    if "evaluation" in frame.columns:
        frame = frame.filter(pl.col("evaluation") == evaluation)
    said = pl.col("is_contaminated").cast(pl.String).str.strip_chars().str.to_lowercase()
    frame = frame.select(pl.col(key, "item").cast(pl.String), said=said).filter(
        pl.col("said").is_not_null() & (pl.col("said") != "")
    )
    meaning = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if strange := sorted(set(frame["said"]) - set(meaning)):
        raise LabelsError(f"{where}: is_contaminated is {strange[0]!r}; write true or false")
    decided = frame.with_columns(
        contaminated=pl.col("said").replace_strict(meaning, return_dtype=pl.Boolean), evaluation=pl.lit(evaluation)
    )
    found = decided.join(rows.select({"row_id", key}), on=key).select(list(LABELS)).unique()
    if found.select("row_id", "item").is_duplicated().any():
        raise LabelsError(f"{where}: a row and item is labelled both true and false; keep one of them")
    return found


def _hits(warehouse: Warehouse) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the hits of all sources, row_id and content_hash of the pool, and what is shown of the rows with a hit."""
    sources = warehouse.active_sources()
    hits = pl.concat(warehouse.lake.scan(("contamination", source)) for source in sources).collect()
    corpora = [warehouse.lake.scan(("corpus", source)) for source in sources]
    rows = pl.concat(corpus.select("row_id", "content_hash") for corpus in corpora).collect()
    excerpts = pl.col("prompt", "response").str.slice(0, EXCERPT_CHARS)
    wanted = pl.col("row_id").is_in(hits["row_id"].unique().implode())
    texts = pl.concat(
        corpus.filter(wanted).select("row_id", "source", "content_hash", excerpts) for corpus in corpora
    ).collect()
    return hits, rows, texts
