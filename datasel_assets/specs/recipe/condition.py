"""Conditions in SQL over the columns of the pool: which columns one reads, and the form in which it is asked.

Belongs here: the words of a condition. Does not: what SQL makes of it (``storage.conditions``).
"""

import re
from dataclasses import dataclass
from typing import get_args

from datasel_assets.specs.recipe.values import ScoreColumn, score_name

MOST_CHARS = 2000
SOURCE, CATEGORY = "source", "category."
WORDS = frozenset(
    {
        *("and", "or", "not", "in", "is", "null", "between", "like", "ilike", "escape", "true", "false"),
        *("case", "when", "then", "else", "end", "cast", "as"),
    }
)
TYPES = frozenset({"double", "integer", "bigint", "varchar", "boolean"})

_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')        # a string
      | (?P<quoted>"[^"]+")             # a name in quotes
      | (?P<comment>--|/\*|;|\?|\$)     # what no condition needs
      | (?P<number>\d[\w.]*)            # a number, with its exponent
      | (?P<name>[A-Za-z_]\w*(?:\.\w+)*)
      | (?P<call>\()
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Condition:
    """A condition as it is asked.

    Attributes:
        sql: the condition with every column in quotes.
        columns: what it reads.
    """

    sql: str
    columns: frozenset[str]


def read_condition(text: str) -> Condition:
    r"""Return what a condition reads, and its form for SQL.

    A score is written as recipes name it, ``text.response_words``; in double quotes where its name holds a hyphen.

    Raises:
        ValueError: it is empty, too long, holds a comment or a second statement, or a name that no column can have.

    >>> read_condition("text.response_words > 9 and source = 'a'").sql
    '"text.response_words" > 9 and "source" = \'a\''
    """
    if not text.strip() or len(text) > MOST_CHARS:
        raise ValueError(f"a condition has 1 to {MOST_CHARS:,} characters")
    parts, columns, depth = [], set(), 0
    for match in _TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match[0]
        if kind == "comment":
            raise ValueError(f"a condition holds no {token!r} (character {match.start() + 1})")
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            raise ValueError(f"a condition closes no bracket that it has not opened (character {match.start() + 1})")
        is_call = text[match.end() :].lstrip().startswith("(")
        if kind == "name" and (is_call or token.lower() in WORDS | TYPES):
            parts.append(token)
        elif kind in ("name", "quoted"):
            name = column_name(token.strip('"'))
            columns.add(name)
            parts.append(f'"{name}"')
        else:
            parts.append(token)
    if not columns:
        raise ValueError("a condition names at least one column, such as n_tokens or text.response_words")
    return Condition("".join(parts), frozenset(columns))


def column_name(name: str) -> str:
    """Return ``name``.

    Raises:
        ValueError: a condition cannot read a column of this name.
    """
    if name == SOURCE:
        return name
    try:
        return score_name(name)
    except ValueError:
        allowed = ", ".join((SOURCE, *get_args(ScoreColumn)))
        raise ValueError(
            f"{name!r} is not a column: allowed are {allowed}, category.<name>, and <family>.<indicator> such as "
            "text.response_mtld; texts stand in single quotes"
        ) from None
