"""Spelling: words that the word list of their language lacks.

Belongs here: word lists and the rate. Does not: which language a text is in (``identifier``).
"""

import gzip
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.identifier import identify
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.indicators.text.syllables import pronounced
from datasel_assets.words.batch import TextBatch, ratio

COVERED = ("de", "en", "es", "fr", "it", "nl", "pt")
"""Languages whose list of pyspellchecker is long enough (86,000 words and more) to be held against a text."""


@indicator(keep="low", bounds=(0, 1), source="survey Q9, spelling-error rate", parts=BOTH)
def misspelling_rate(batch: TextBatch) -> np.ndarray:
    """Share of the words that the word list of the text's language lacks.

    Words in Latin letters without capitals and digits, two letters or longer; names, which capitals mark, are left
    out, and so are German nouns. A word with an apostrophe is known when it is on the list or each of its parts is.
    Code, technical terms and rare inflections count as unknown. NaN where the language is not covered or cannot be
    told (``languages``), and where no word is left.
    """
    languages = np.array(batch.shared(identify)[0], dtype=object)
    found = np.full(len(batch), np.nan)
    words = batch.words
    plain = batch.vocabulary.str.contains(r"^[\p{Latin}\p{M}']{2,}$").to_numpy()
    counted = plain[words.ids] & ~batch.capitalised
    n = len(batch)
    total = np.bincount(words.rows[counted], minlength=n)
    for language in COVERED:
        mine = languages == language
        if mine.any():
            of_mine = counted & mine[words.rows]
            wrong = of_mine & _unknown(batch.vocabulary, words.ids[of_mine], language)[words.ids]
            found[mine] = ratio(np.bincount(words.rows[wrong], minlength=n), total)[mine]
    return found


def _unknown(vocabulary: pl.Series, used: np.ndarray, language: str) -> np.ndarray:
    """Whether each distinct word that is used is unknown to a language, bool (V,)."""
    known = word_list(language)
    unknown = np.zeros(len(vocabulary), bool)
    places = np.unique(used)
    unknown[places] = [not _is_known(word, known) for word in vocabulary.gather(places).to_list()]
    return unknown


def _is_known(word: str, known: frozenset[str]) -> bool:
    if word in known:
        return True
    # Both sides of an apostrophe are words or clitics of one or two letters: l'eau, children's.
    return "'" in word and all(len(part) <= 2 or part in known for part in word.split("'"))


@lru_cache(maxsize=len(COVERED))
def word_list(language: str) -> frozenset[str]:
    """Words of a covered language in lower case; English with those of the CMU dictionary."""
    spec = find_spec("spellchecker")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("misspelling_rate needs the word lists of pyspellchecker: pip install pyspellchecker")
    packed = Path(spec.submodule_search_locations[0]) / "resources" / f"{language}.json.gz"
    words = frozenset(json.loads(gzip.decompress(packed.read_bytes())))
    return words.union(pronounced()) if language == "en" else words
