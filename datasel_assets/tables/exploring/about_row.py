"""What the tables say about one row, as plain values.

Belongs here: reading the lines of one row. Does not: finding a row by its text, and printing (``cli``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasel_assets.recipes.flip import flip
from datasel_assets.storage.lake import Key
from datasel_assets.tables.score_names import score_column, score_key, score_tables
from datasel_assets.tables.warehouse import Warehouse

COPIES = {
    "duplicates": "exact duplicate",
    "near_duplicates": "near duplicate",
    "semantic_duplicates": "semantic duplicate",
}
"""Table of the pool with row_id and duplicate_of -> what it calls a row."""
MOST = 20
EXCERPT_CHARS = 200
LEFT_OUT = {"row_id", "other", "logprobs", "attempts", "latency", "probabilities", "content_hash", "source"}
"""What of an answer is not shown."""


def conversation(warehouse: Warehouse, source: str, row_id: str) -> dict[str, Any]:
    """Return ``turns`` (role, content, whether it is trained on), ``tools`` and ``extra`` of a row."""
    names = ("messages", "untrained", "tools", "extra", "content_hash", "position", "n_tokens", "n_response_tokens")
    row = _line(warehouse, ("corpus", source), row_id, names)
    untrained = set(row.pop("untrained") or ())
    turns = [
        {
            "role": turn["role"],
            "content": turn["content"],
            "is_trained": turn["role"] == "assistant" and i not in untrained,
        }
        for i, turn in enumerate(row.pop("messages"))
    ]
    return {**row, "turns": turns}


def copies(warehouse: Warehouse, row_id: str) -> Iterator[dict[str, Any]]:
    """Give each pair of copies that the row is in: ``kind``, ``other``, ``stands`` (the row stands for the other)."""
    for table, name in COPIES.items():
        if not warehouse.lake.info((table,)):
            continue
        pairs = warehouse.lake.scan((table,)).select("row_id", "duplicate_of", "similarity")
        found = pairs.filter((pl.col("row_id") == row_id) | (pl.col("duplicate_of") == row_id)).collect()
        for copy, original, similarity in found.iter_rows():
            stands = original == row_id
            yield {"kind": name, "other": copy if stands else original, "stands": stands, "similarity": similarity}


def neighbours(warehouse: Warehouse, row_id: str) -> list[dict[str, Any]]:
    """Return ``row_id`` and ``distance`` of the nearest rows, nearest first; none where nobody compared them."""
    key = ("neighbours",)
    if not warehouse.lake.info(key):
        return []
    own = warehouse.lake.scan(key).filter(pl.col("row_id") == row_id).select("neighbours", "distances").collect()
    if own.is_empty():
        return []
    places, distances = own.row(0)
    ids = warehouse.lake.scan(key).select("row_id").collect()["row_id"]
    return [
        {"row_id": ids[place], "distance": distance}
        for place, distance in zip(places, distances, strict=True)
        if 0 <= place < len(ids)
    ]


def evaluations(warehouse: Warehouse, source: str, row_id: str) -> list[dict[str, Any]]:
    """Return the items of evaluations that the row holds or may reword, the strongest evidence first."""
    key = ("contamination", source)
    if not warehouse.lake.info(key):
        return []
    hits = warehouse.lake.scan(key).filter(pl.col("row_id") == row_id).collect()
    return hits.sort("overlap", "evaluation", "item", descending=[True, False, False]).to_dicts()


def answers(warehouse: Warehouse, source: str, row_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the file and what is known of each answer about the row, by models and by people."""
    registry = warehouse.registry
    keys: list[Key] = [("answers", name, source) for name in sorted(registry.answers)]
    keys += [("label_truth", name) for name in sorted(registry.labels)]
    for key in keys:
        if not warehouse.lake.info(key):
            continue
        found = warehouse.lake.scan(key).filter(pl.col("row_id") == row_id).head(MOST).collect()
        for line in found.iter_rows(named=True):
            yield key[1], {name: value for name, value in line.items() if name not in LEFT_OUT and value is not None}


def scores(warehouse: Warehouse, source: str, row_id: str) -> dict[str, float]:
    """Return column or score -> its value for the row, of those that are known."""
    names = ("n_tokens", "n_response_tokens", "n_chars", "n_turns")
    lengths = [pl.col(name).str.len_chars().alias(f"{name}_chars") for name in ("response", "prompt")]
    corpus = warehouse.lake.scan(("corpus", source)).filter(pl.col("row_id") == row_id)
    found = corpus.select(*names, *lengths).collect().row(0, named=True)
    by_table: dict[Key, list[str]] = {}
    for name in warehouse.registry.score_keep():
        by_table.setdefault(score_key(name), []).append(name)
    for key, those in sorted(by_table.items()):
        for table in score_tables(warehouse, key):
            if table[-1] not in (source, *key) or not warehouse.lake.info(table):
                continue
            line = warehouse.lake.scan(table).filter(pl.col("row_id") == row_id).head(1).collect()
            there = {name: score_column(name) for name in those if score_column(name) in line.columns}
            found |= {name: line[column].item() for name, column in there.items() if line.height}
    return {name: value for name, value in found.items() if value is not None and value == value}


@dataclass(frozen=True)
class Cut:
    """Where a recipe drew its line.

    Attributes:
        kept: rows that it kept.
        left: the largest margin of the rows that its budget left out; None where there is none.
    """

    kept: int
    left: float | None


def cuts(warehouse: Warehouse, recipes: Iterable[str] | None = None) -> dict[str, Cut]:
    """Return recipe -> where it drew its line, of those that have decided; reads two columns of every row.

    Args:
        warehouse: is read.
        recipes: which; None for all that have a file.
    """
    names = sorted(warehouse.registry.recipes if recipes is None else recipes)
    there = [name for name in names if warehouse.lake.info(("decisions", name))]
    found = pl.collect_all(
        warehouse.lake.scan(("decisions", name)).select(
            kept=pl.col("kept").sum(), left=pl.col("margin").filter(pl.col("stage") == "budget").max()
        )
        for name in there
    )
    return {name: Cut(*frame.row(0)) for name, frame in zip(there, found, strict=True)}


def decisions(
    warehouse: Warehouse, row_id: str, values: Mapping[str, float | None], lines: Mapping[str, Cut]
) -> dict[str, dict[str, Any] | None]:
    """Return recipe -> its decision about the row with ``flip``, in words; None where it has none.

    Args:
        warehouse: is read.
        row_id: of the row.
        values: score -> value, of those that are known.
        lines: from :func:`cuts`.
    """
    picked = [warehouse.lake.scan(("decisions", name)).filter(pl.col("row_id") == row_id) for name in lines]
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(sorted({*warehouse.registry.recipes, *lines}))
    for (name, line), frame in zip(lines.items(), pl.collect_all(picked), strict=True):
        if not frame.is_empty():
            decision = frame.row(0, named=True)
            spec = warehouse.registry.recipes.get(name)
            found[name] = {**decision, "flip": flip(decision, spec, values, line.kept, line.left)}
    return found


def _line(warehouse: Warehouse, key: Key, row_id: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return one line of a table.

    Raises:
        LookupError: it has no such row.
    """
    found = warehouse.lake.scan(key).filter(pl.col("row_id") == row_id).select(names).collect()
    if found.is_empty():
        raise LookupError(f"{'/'.join(key)} has no row {row_id!r}: it was made again; start anew")
    return found.row(0, named=True)
