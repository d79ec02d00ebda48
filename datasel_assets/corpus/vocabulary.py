"""The labels in use: their numbers, how many rows have them, how far they have moved, and the labels of rows.

Belongs here: what is told from a vocabulary (see ``phrases``) and from rows that are tagged with it. Does not belong
here: which labels a pool gets (``phrases``, ``tag_lists``), and how labels resemble each other (``label_graph``).
"""

from collections.abc import Sequence

import polars as pl

from datasel_assets.arrays.jensen_shannon import jensen_shannon


def rows_needed(min_rows: int, sampled: int, total: int) -> int:
    """Return how many rows of a sample a label needs: as large a share as ``min_rows`` of the pool, and one at least.

    Args:
        min_rows: rows of the pool that a label needs.
        sampled: rows of the sample.
        total: rows of the pool.

    >>> rows_needed(20, 500, 1000), rows_needed(20, 1000, 1000), rows_needed(1, 10, 1000)
    (10, 20, 1)
    """
    return max(1, round(min_rows * min(1.0, sampled / max(total, 1))))


def label_counts(vocabulary: pl.DataFrame) -> pl.DataFrame:
    """Return one line per label by name: ``label``, ``rows`` of the sample with one of its forms, and its ``forms``."""
    of_labels = vocabulary.filter(pl.col("kind") == "label")
    return of_labels.group_by("label").agg(pl.col("rows").sum(), forms=pl.len()).sort("label")


def label_names(vocabulary: pl.DataFrame) -> list[str]:
    """Return the labels, sorted: label number i is the i-th."""
    return label_counts(vocabulary)["label"].to_list()


def ambiguous_forms(vocabulary: pl.DataFrame) -> int:
    """Return how many lines of a vocabulary repeat a form or leave something out; 0 where every form has one label."""
    return vocabulary.height - vocabulary.drop_nulls().unique(["kind", "form"]).height


def label_drift(before: pl.DataFrame, after: pl.DataFrame) -> float:
    """Return how far labels have moved: the Jensen-Shannon divergence (bits) of the rows that they have.

    Args:
        before: a vocabulary.
        after: another one.

    Returns:
        0 for equal shares, 1 where no label is in both or one of them has no labels.
    """
    one, two = label_counts(before), label_counts(after)
    if one.is_empty() or two.is_empty():
        return float(one.height != two.height)
    both = one.join(two, on="label", how="full", coalesce=True).fill_null(0).sort("label")
    return jensen_shannon(both["rows"].to_numpy(), both["rows_right"].to_numpy())


def label_use(tags: pl.Series) -> pl.DataFrame:
    """Return how many rows have each label, commonest first: ``label`` and ``rows``.

    Args:
        tags: (n,) lists of labels; null counts as empty.
    """
    used = tags.rename("label").explode().drop_nulls().to_frame()
    return used.group_by("label").agg(rows=pl.len()).sort(["rows", "label"], descending=[True, False])


def numbered_tags(tags: pl.LazyFrame, row_ids: pl.Series, labels: Sequence[str]) -> pl.DataFrame:
    """Return the tags of rows as pairs of numbers, each once, by row and label.

    Args:
        tags: ``row_id`` and ``tags``, a list or null; rows that are not asked for do not matter.
        row_ids: (n,) the rows asked for, each once.
        labels: the labels in use, in the order of their numbers.

    Returns:
        ``row``: place in ``row_ids``; ``label``: Int32 place in ``labels``, null for a tag that is no label.
    """
    place = pl.DataFrame({"row_id": row_ids}).with_row_index("row").lazy()
    number = pl.col("tags").replace_strict(labels, range(len(labels)), default=None, return_dtype=pl.Int32)
    return (
        tags.select("row_id", "tags")
        .explode("tags")
        .drop_nulls("tags")
        .join(place, on="row_id")
        .select("row", label=number)
        .unique()
        .sort("row", "label")
        .collect()
    )
