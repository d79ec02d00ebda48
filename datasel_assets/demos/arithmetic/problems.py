"""Arithmetic word problems with worked answers: a seeded generator in the manner of GSM8K.

Belongs here: how problems become rows. Not here: the stories (``stories``) and their exact working (``working``).

Query of the uri ``arithmetic:?rows=1500&seed=0``: ``rows`` (default 1500) and ``seed`` (default 0). With the same seed
a larger ``rows`` starts with the rows of a smaller one, so that raising it only adds rows.
"""

import random
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from datasel_assets.corpus.ordinals import Ordinals
from datasel_assets.demos.arithmetic.stories import STORIES
from datasel_assets.demos.arithmetic.working import Draw, Working
from datasel_assets.raw_rows import RawRow, SourceError

CODE_VERSION = "1"
"""Part of the identity: raise it with every change of the stories, or stored rows would pass for current."""
DEFAULT_ROWS = 1500
DEFAULT_SEED = 0
_PATIENCE = 1000
"""Draws in a row that may repeat an earlier question before the stories count as exhausted."""


def rows(query: Mapping[str, str]) -> Iterator[RawRow]:
    """Yield different problems, each with the fields question, answer and template (the name of its story).

    Raises:
        SourceError: an unknown key, a bad number, or more rows than the stories have different questions.
    """
    count, seed = _parse(query)
    draw = Draw(random.Random(f"arithmetic {seed}"))
    names = sorted(STORIES)
    # A set of the questions would outgrow everything else that a large source needs.
    seen, found, repeats = Ordinals(), 0, 0
    while found < count:
        name = draw.one(names)
        working = Working()
        question = STORIES[name](draw, working)
        if seen.next(blake2b(question.encode(), digest_size=16).hexdigest()):
            repeats += 1
            if repeats > _PATIENCE:
                raise SourceError(f"arithmetic: rows={count} is more than the {found} different problems found")
            continue
        repeats = 0
        record = {"question": question, "answer": working.answer, "template": name}
        yield RawRow(found, record)
        found += 1


def identity(query: Mapping[str, str]) -> list[str | int]:
    """Return what the rows depend on: the version of this code, the number of rows, the seed.

    Raises:
        SourceError: an unknown key or a bad number.
    """
    return [CODE_VERSION, *_parse(query)]


def _parse(query: Mapping[str, str]) -> tuple[int, int]:
    if unknown := sorted(set(query) - {"rows", "seed"}):
        raise SourceError(f"arithmetic: unknown key {unknown[0]!r} in the uri; use 'rows' and 'seed'")
    numbers = []
    for key, default in (("rows", DEFAULT_ROWS), ("seed", DEFAULT_SEED)):
        text = query.get(key, str(default))
        if not text.isdecimal():
            raise SourceError(f"arithmetic: {key}={text!r} in the uri is not a whole number")
        numbers.append(int(text))
    count, seed = numbers
    if count < 1:
        raise SourceError("arithmetic: rows=0 in the uri asks for nothing; ask for at least 1")
    return count, seed
