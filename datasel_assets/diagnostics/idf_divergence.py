"""How differently the groups of a set of texts are worded. Belongs here: ICD. Does not: groups, words of all texts."""

from collections.abc import Sequence

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.jensen_shannon import jensen_shannon
from datasel_assets.words.batch import TextBatch

MAX_ROWS = 5_000


def idf_divergence(
    texts: Sequence[str] | np.ndarray,
    groups: np.ndarray,
    row_ids: Sequence[str] | np.ndarray,
    *,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> float:
    """Return ICD, the mean over the groups of the Jensen-Shannon divergence of a group's words from those of the rest.

    ICD = (1/J) sum_j JS(P_j || P_rest), P the inverse document frequencies ln(N / df) within a group, or within all
    other groups together, brought to sum 1 (survey Eq 35 with errata: printed without the sum, and JS in bits). High:
    every group has words of its own. A word that every text of a group has counts nothing in it, and so does one that
    none has; a group that is left without a word, such as one of a single text, is left out.

    IDF weighs rare words most, so that the figure is mostly one of vocabularies and falls as texts are added: compare
    sets of as many texts and groups. Of more than ``max_rows`` texts a hash sample is looked at. Cost: linear in the
    characters looked at, and groups times words.

    Args:
        texts: n texts.
        groups: int (n,), negative = none: such texts have no part in it.
        row_ids: n distinct ids.
        max_rows: largest number of texts looked at.
        seed: chooses them.

    Returns:
        A number in [0, 1]; NaN where no group can be held against another.

    Raises:
        ValueError: texts, groups and ids differ in number.
    """
    if not len(texts) == len(groups) == len(row_ids):
        raise ValueError(f"{len(row_ids)} ids and {len(groups)} groups for {len(texts)} texts")
    # The ids alone choose the sample, so that other figures of words are of the same texts.
    sample = hash_sample(row_ids, max_rows, seed)
    picked = sample[np.asarray(groups)[sample] >= 0]
    words = TextBatch([str(texts[i]) for i in picked]).words
    _, group, sizes = np.unique(np.asarray(groups)[picked], return_inverse=True, return_counts=True)
    found = np.unique(words.rows * words.size + words.ids)  # each word once per text
    text, word = np.divmod(found, max(words.size, 1))
    total = np.bincount(word, minlength=words.size)
    by_group = word[np.argsort(group[text], kind="stable")]
    ends = np.cumsum(np.bincount(group[text], minlength=len(sizes)))
    divergences = []
    for number, size in enumerate(sizes):
        own = np.bincount(by_group[ends[number - 1] if number else 0 : ends[number]], minlength=words.size)
        divergences.append(jensen_shannon(_idf(own, size), _idf(total - own, len(picked) - size)))
    known = [value for value in divergences if value == value]
    return float(np.mean(known)) if known else float("nan")


def _idf(df: np.ndarray, texts: int) -> np.ndarray:
    """Return ln(texts / df) for each word, 0 for a word that no text has."""
    return np.log(max(texts, 1) / np.where(df > 0, df, max(texts, 1)))
