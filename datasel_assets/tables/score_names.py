"""Where a score lies: from its name, ``<family>.<column>``, to the tables that hold it.

Belongs here: names to keys. Does not: which names there are (``registry.score``), reading the tables (``tables.pool``).
"""

from collections.abc import Iterable

from datasel_assets.indicators.score_kinds import KINDS
from datasel_assets.specs.loop import FAMILY as LOOPS
from datasel_assets.storage.lake import Key
from datasel_assets.tables.warehouse import Warehouse

NEIGHBOURS = "neighbours"
ANSWER_SCORES = "answer_scores"
"""First part of the keys in the lake of the scores of files of ``answers/``, which have one table for the pool each."""

ONE_BY_ONE = frozenset({*KINDS, LOOPS})
"""Families of which every score has a table of its own."""

POOL_FAMILIES = {NEIGHBOURS: (NEIGHBOURS,)}
"""Families with one table for the whole pool, because every row is compared with all others -> its key in the lake."""


def score_key(score: str) -> tuple[str, str]:
    """Return the key of the table of the score ``<family>.<column>``."""
    family, _, column = score.partition(".")
    return (family, column) if family in ONE_BY_ONE else ("scores", family)


def score_column(score: str) -> str:
    """Return the column of its table that holds the score ``<family>.<column>``."""
    family, _, column = score.partition(".")
    return "score" if family in ONE_BY_ONE else column


def score_tables(warehouse: Warehouse, key: tuple[str, ...]) -> list[Key]:
    """Return the tables in the lake that the table ``key`` of scores is, for the pool as it is now."""
    if key[0] == LOOPS or (key[0] in KINDS and KINDS[key[0]].per == "pool"):
        return [key]
    if key[0] == "scores" and key[1] in POOL_FAMILIES:
        return [POOL_FAMILIES[key[1]]]
    if key[0] == "scores" and key[1] in warehouse.registry.answers:
        return [(ANSWER_SCORES, key[1])]
    return [(*key, source) for source in warehouse.active_sources()]


def score_deps(scores: Iterable[str]) -> list[Key]:
    """Return the keys of the tables that hold these scores, each once; columns of the pool have none."""
    return sorted({score_key(score) for score in scores if "." in score})


def score_inputs(warehouse: Warehouse, scores: Iterable[str]) -> dict[str, str]:
    """Return the versions of the tables that hold these scores."""
    tables = [table for key in score_deps(scores) for table in score_tables(warehouse, key)]
    return {"/".join(table): warehouse.lake.version(table) for table in tables}
