"""What the tables say about one row, as plain values.

Belongs here: reading the lines of one row. Does not: finding a row by its text, and printing (``cli``).
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from datasel_assets.recipes.flip import flip
from datasel_assets.storage.lake import Key
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


def decisions(
    warehouse: Warehouse, row_id: str, values: dict[str, float | None] | None = None
) -> dict[str, dict[str, Any] | None]:
    """Return recipe -> its decision about the row with ``flip``, in words; None where it has none.

    Args:
        warehouse: is read.
        row_id: of the row.
        values: score -> value, of those that are known.
    """
    there = [name for name in sorted(warehouse.registry.recipes) if warehouse.lake.info(("decisions", name))]
    tables = [warehouse.lake.scan(("decisions", name)) for name in there]
    picked = [table.filter(pl.col("row_id") == row_id) for table in tables]
    lines = [table.filter(pl.col("stage") == "budget").select(pl.col("margin").max()) for table in tables]
    collected = pl.collect_all([*picked, *lines])
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(sorted(warehouse.registry.recipes))
    for name, frame, left in zip(there, collected[: len(there)], collected[len(there) :], strict=True):
        if frame.is_empty():
            continue
        decision = frame.row(0, named=True)
        info = warehouse.lake.info(("selections", name))
        spec = warehouse.registry.recipes[name]
        found[name] = {**decision, "flip": flip(decision, spec, values or {}, info.rows if info else 0, left.item())}
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
