"""The list that is handed to a person, and what the person decided about it.

Belongs here: the order of the list, and reading decisions. Not here: files, precision and recall (``report``).
"""

from collections.abc import Mapping, Sequence

import polars as pl

LABELS_SCHEMA = {"row_id": pl.String, "evaluation": pl.String, "item": pl.String, "contaminated": pl.Boolean}
DECISIONS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class LabelsError(ValueError):
    """Labels that cannot be used; the message says which, and what they must hold."""


def list_for_review(
    hits: pl.DataFrame, texts: pl.DataFrame, labels: pl.DataFrame, blocking: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """Return every hit with what is shown of its row: those that keep no row out first, the nearest at the top.

    Args:
        hits: columns of CONTAMINATION_SCHEMA.
        texts: row_id and what is shown of the rows with a hit.
        labels: columns of LABELS_SCHEMA.
        blocking: evaluation -> tiers whose hits keep a row out.

    Returns:
        The columns of ``hits``, ``blocks`` (bool), the columns of ``texts`` and ``is_contaminated``, null where
        nobody decided.
    """
    keys = ["row_id", "evaluation", "item"]
    tiers = pl.DataFrame(
        [(name, tier) for name, listed in blocking.items() for tier in listed],
        schema={"evaluation": pl.String, "tier": pl.String},
        orient="row",
    ).with_columns(blocks=pl.lit(True))
    return (
        hits.join(tiers, on=["evaluation", "tier"], how="left")
        .join(texts, on="row_id", how="left")
        .join(labels, on=keys, how="left")
        .with_columns(pl.col("blocks").fill_null(False))
        .rename({"contaminated": "is_contaminated"})
        .sort("blocks", "overlap", *keys, descending=[False, True, False, False, False])
    )


def decided(frame: pl.DataFrame, evaluation: str, rows: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return the decisions of a table of labels.

    Args:
        frame: ``row_id`` or ``content_hash``, ``item`` and ``is_contaminated``; lines without a decision are left out,
            and so are rows that the pool does not have.
        evaluation: name of the evaluation; lines of another one are left out.
        rows: row_id and content_hash of the pool.
        where: what the labels are, for messages.

    Returns:
        Columns of LABELS_SCHEMA.

    Raises:
        LabelsError: a column is missing, a decision is neither true nor false, or two contradict each other.
    """
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
    if strange := sorted(set(frame["said"]) - set(DECISIONS)):
        raise LabelsError(f"{where}: is_contaminated is {strange[0]!r}; write true or false")
    frame = frame.with_columns(
        contaminated=pl.col("said").replace_strict(DECISIONS, return_dtype=pl.Boolean), evaluation=pl.lit(evaluation)
    )
    found = frame.join(rows.select({"row_id", key}), on=key).select(list(LABELS_SCHEMA)).unique()
    if found.select("row_id", "item").is_duplicated().any():
        raise LabelsError(f"{where}: a row and item is labelled both true and false; keep one of them")
    return found
