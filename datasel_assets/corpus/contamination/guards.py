"""Which texts and n-grams can tell an item from ordinary language and from the other items of its evaluation.

Belongs here: the guards that keep generic items and shared instructions from matching everywhere. Not here: looking
anything up (``index.py``).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from datasel_assets.corpus.contamination.common import COMMON
from datasel_assets.corpus.contamination.items import EvaluationItem
from datasel_assets.corpus.contamination.words import UNSPACED, Words

SHARED_BY = 2
"""Items of one evaluation that may have the same words; a text that more have is a phrase and no item."""

BOILERPLATE = 2
"""Items of one evaluation that may have the same n-gram; one that more have belongs to their instructions."""

SMALL = 100
"""Texts of an evaluation in which two items do not have the same words by chance: there, none may be shared."""

FREQUENT = (10, 0.02)
"""A word is frequent in an evaluation when more texts than the first and a larger share than the second have it."""


def holders(keys: np.ndarray, owners: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return, for each of (m,) elements, how many distinct owners in its group have its key."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((owners, keys, groups))
    key, owner, group = keys[order], owners[order], groups[order]
    fresh = np.append(True, (group[1:] != group[:-1]) | (key[1:] != key[:-1]))
    distinct = fresh | np.append(True, owner[1:] != owner[:-1])
    counts = np.add.reduceat(distinct.astype(np.int64), np.flatnonzero(fresh))
    found = np.empty(len(keys), np.int64)
    found[order] = counts[np.cumsum(fresh) - 1]
    return found


def shared_texts(items: Sequence[EvaluationItem], words: Words) -> np.ndarray:
    """Say of each text (u,) whether more than SHARED_BY items of its evaluation have the same words."""
    spans = [words.span(u) for u in range(len(items))]
    names: dict[tuple[str, bytes], set[str]] = {}
    for item, span in zip(items, spans, strict=True):
        names.setdefault((item.evaluation, span), set()).add(item.item)
    found = (len(names[item.evaluation, span]) > SHARED_BY for item, span in zip(items, spans, strict=True))
    return np.fromiter(found, bool, len(items))


def telling_words(words: Words, evaluation: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the texts ``wanted`` (u,) bool.

    Args:
        words: words of u texts.
        evaluation: (u,) code of the evaluation of each text.
        wanted: texts to measure.

    Returns:
        (u,) int64, different words of each wanted text that are neither in COMMON nor frequent in its evaluation; and
        (u,) float64, its number of words, in which a character of a script without word spaces counts half.
    """
    telling, weight = np.zeros(len(wanted), np.int64), np.zeros(len(wanted))
    if not wanted.any():
        return telling, weight
    owners = np.repeat(np.arange(len(wanted)), np.diff(words.texts))
    held = holders(words.hashes, owners, evaluation[owners])
    most, share = FREQUENT
    limits = np.maximum(most, share * np.bincount(evaluation))
    frequent = held > limits[evaluation[owners]]
    for u in np.flatnonzero(wanted).tolist():
        own = words.letters(u)
        flags = frequent[words.texts[u] : words.texts[u + 1]].tolist()
        telling[u] = len({word for word, often in zip(own, flags, strict=True) if not often} - COMMON)
        weight[u] = sum(0.5 if _unspaced(word) else 1.0 for word in own)
    return telling, weight


def own_grams(hashes: np.ndarray, units: np.ndarray, evaluation: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Say of each n-gram (m,) whether at most BOILERPLATE items of its evaluation have it, or one of a SMALL one.

    Args:
        hashes: (m,) of the n-grams.
        units: (m,) their texts.
        evaluation: (u,) code of the evaluation of each text.
        owners: (u,) item of each text, from :func:`owners_of`.
    """
    limits = np.where(np.bincount(evaluation) < SMALL, 1, BOILERPLATE)[evaluation[units]]
    return holders(hashes, owners[units], evaluation[units]) <= limits


def owners_of(items: Sequence[EvaluationItem], words: Words) -> np.ndarray:
    """Return a number (u,) for each text: the same for texts of one item, and for items with a text in common."""
    first: dict[tuple[str, object], int] = {}
    found = np.arange(len(items))
    for u, item in enumerate(items):
        keys: list[tuple[str, object]] = [(item.evaluation, item.item), (item.evaluation, words.span(u))]
        found[u] = min(first.get(key, u) for key in keys)
        for key in keys:
            first.setdefault(key, int(found[u]))
    return found


def covered_words(units: np.ndarray, places: np.ndarray, n: int, size: int) -> np.ndarray:
    """Count the words (size,) of each text that lie in its n-grams at ``places``; both (m,), ascending."""
    if not len(units):
        return np.zeros(size, np.int64)
    last = np.append(units[1:] != units[:-1], True)
    gaps = np.where(last, n, np.minimum(n, np.append(places[1:] - places[:-1], n)))
    return np.bincount(units, weights=gaps, minlength=size).astype(np.int64)


def _unspaced(word: str) -> bool:
    return len(word) == 1 and any(low <= ord(word) <= high for low, high in UNSPACED)


def codes_of(items: Sequence[EvaluationItem], names: Sequence[str]) -> np.ndarray:
    """Return the place (u,) of each item's evaluation in ``names``."""
    places: Mapping[str, int] = {name: i for i, name in enumerate(names)}
    return np.array([places[item.evaluation] for item in items], np.int64)
