"""Familiar words: those of the Dale-Chall list and what inflects them regularly.

Belongs here: whether one word is familiar. Does not: the list (``easy_words``), the formula (``readability``).
"""

import numpy as np

from datasel_assets.indicators.text.easy_words import easy_words
from datasel_assets.words.batch import TextBatch


def familiar(batch: TextBatch) -> np.ndarray:
    """Whether each distinct word of a batch is one that fourth-grade readers of English know, bool (V,).

    It is on the list, inflects a word on it regularly (-s, -es, -ed, -ing, 's, with the letters that they double, drop
    or change), or has no letter.
    """
    return np.array([is_familiar(word) for word in batch.vocabulary.to_list()], bool)


def is_familiar(word: str) -> bool:
    """Whether one word in lower case is familiar."""
    easy = easy_words()
    if word in easy:
        return True
    if not word.isalpha() and not any(map(str.isalpha, word)):
        return True
    return word[-1] in "sdg" and not easy.isdisjoint(_stems(word))


def _stems(word: str) -> list[str]:
    """Words of which this one may be a plural, a possessive or a verb form."""
    if word.endswith("'s"):
        return [word[:-2]]
    if word.endswith("s"):
        return [
            word[:-1],
            *([word[:-2]] if word.endswith("es") else []),
            *([f"{word[:-3]}y"] if word[-3:] == "ies" else []),
        ]
    stem = word.removesuffix("ed") if word.endswith("ed") else word.removesuffix("ing")
    if stem == word:
        return []
    found = [stem, f"{stem}e"]
    if word.endswith("ied"):
        found.append(f"{stem[:-1]}y")
    if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in "aeiou":
        found.append(stem[:-1])
    return found
