"""The lineage as it is drawn: groups of tables in the order in which they are read, and no arrow that says nothing new.

Belongs here: the names of the groups, and which of the things that a table reads are drawn as arrows to it. Does not
belong here: in which order tables are made (``planning`` goes by all that they read), and drawing (``defs``).
"""

from collections.abc import Sequence

from datasel_assets.storage.lake import Key
from datasel_assets.tables.table import Table

GROUPS = {
    "sources": "what came in: rows as conversations, what could not be read, rows that repeat another word for word",
    "models": "models of the pool itself, and what they say of every token",
    "aims": "what the training should be good at, and what it is measured by: targets, evaluations, their vectors",
    "embeddings": "every conversation as vectors of a model",
    "compressed": "the same vectors made short, and how well they keep what is near",
    "clusters_tags": "what rows are about",
    "scores": "one number for each row and question: words, losses, neighbours, answers of models and of people",
    "duplicates": "rows that say the same, and rows that an evaluation holds",
    "selections": "the rows that each recipe takes, with reasons, as releases",
    "comparison": "recipes side by side, models trained on them, and the DuckDB file over everything",
}
"""The groups in the order in which they are read, which is an order in which they can be made; what each holds."""


def shown_group(group: str) -> str:
    """Return a group as the UI shows it, which sorts by name.

    >>> shown_group("models")
    '02_models'
    """
    names = list(GROUPS)
    return f"{names.index(group) + 1:02}_{group}" if group in GROUPS else group


def drawn(tables: Sequence[Table]) -> dict[Key, list[Key]]:
    """Return, by table, what is drawn as an arrow to it: what it reads, but for what it reads through others as well.

    A selection reads the corpus and the scores, and the scores are made from the corpus: only the scores are drawn. The
    tables in between must be made whenever the one above them changes, so what is made only when somebody asks counts
    for nothing here: without it the order in one run would be lost.

    Args:
        tables: upstream first.
    """
    by_key = {table.key: table for table in tables}
    above: dict[Key, set[Key]] = {}
    found: dict[Key, list[Key]] = {}
    for table in tables:
        known = [key for key in table.reads if key in by_key]
        through = set().union(*(above[key] for key in known if not by_key[key].on_demand))
        above[table.key] = through.union(known)
        found[table.key] = [] if table.comes_last else [key for key in table.reads if key not in through]
    return found


def edges(tables: Sequence[Table]) -> set[tuple[str, str]]:
    """Return the arrows between groups as the lineage draws them: the group read from, the group that reads."""
    group = {table.key: table.group for table in tables}
    arrows = {(group[key], group[to]) for to, reads in drawn(tables).items() for key in reads if key in group}
    return {(one, other) for one, other in arrows if one != other}
