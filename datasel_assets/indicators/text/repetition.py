"""Repetition: how much of a text says the same again.

Belongs here: repeated n-grams, lines and words within one text. Does not: repetition between rows (near duplicates).
"""

import zlib

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.words.batch import TextBatch, distinct_and_top, ratio

_GOPHER = "Rae et al. 2021, Table A1, by n-grams in place of characters"


@indicator(keep="low", bounds=(0, 1), source=_GOPHER, parts=BOTH)
def top_2gram_share(batch: TextBatch) -> np.ndarray:
    """Share of the most frequent pair of neighbouring words among all pairs.

    Its count over N - 1; 0 where no pair occurs twice, NaN below two words.
    """
    return _top_share(batch, 2)


@indicator(keep="low", bounds=(0, 1), source=_GOPHER, parts=BOTH)
def top_3gram_share(batch: TextBatch) -> np.ndarray:
    """Share of the most frequent run of three words among all such runs.

    Its count over N - 2; 0 where none occurs twice, NaN below three words.
    """
    return _top_share(batch, 3)


@indicator(keep="low", bounds=(0, 1), source=_GOPHER, parts=BOTH)
def top_4gram_share(batch: TextBatch) -> np.ndarray:
    """Share of the most frequent run of four words among all such runs.

    Its count over N - 3; 0 where none occurs twice, NaN below four words.
    """
    return _top_share(batch, 4)


@indicator(keep="low", bounds=(0, 1), source="Rae et al. 2021, Table A1: duplicate line fraction", parts=BOTH)
def duplicate_line_share(batch: TextBatch) -> np.ndarray:
    """Share of the lines that repeat an earlier line.

    (lines - distinct lines) / lines, blank lines left out, white space at both ends of a line ignored. NaN without
    lines.
    """
    lines = batch.texts.str.split("\n").list.eval(
        pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != "")
    )
    total = lines.list.len().to_numpy().astype(np.int64)
    return ratio(total - lines.list.n_unique().to_numpy().astype(np.int64), total)


@indicator(keep="low", bounds=(1, None), source="survey Q11, word repetition", parts=BOTH, aggregate="max")
def repeated_word_run(batch: TextBatch) -> np.ndarray:
    """Length of the longest run of one and the same word.

    1 where no word follows itself; NaN without words. With several turns, the longest of them.
    """
    from datasel_assets.indicators.text import kernels

    longest = kernels.longest_run(batch.words.ids, batch.words.offsets)
    return np.where(longest > 0, longest, np.nan)


@indicator(keep="low", bounds=(0, None), source="Shaib et al. 2024, compression ratio", parts=BOTH)
def compression_ratio(batch: TextBatch) -> np.ndarray:
    """Bytes of the text over its bytes after compression (zlib, level 6).

    High for repetitive text; below 1 for very short text, where the header weighs more than it saves. NaN for an empty
    text.
    """
    packed = np.array([len(zlib.compress(text.encode())) for text in batch.texts.to_list()], np.int64)
    size = batch.texts.str.len_bytes().to_numpy().astype(np.int64)
    return np.where(size > 0, ratio(size, packed), np.nan)


def _top_share(batch: TextBatch, n: int) -> np.ndarray:
    ngrams = batch.ngrams(n)
    top = distinct_and_top(ngrams)[1]
    return ratio(np.where(top > 1, top, 0), ngrams.lengths)
