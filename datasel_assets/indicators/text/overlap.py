"""Overlap of words between texts: Jaccard, ROUGE-L and BLEU, of pairs and against a set.

Belongs here: similarity of words. Does not: near duplicates of a pool and contamination (both under ``corpus``).
Texts are compared as words of ``batch``: lower case, without punctuation.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from datasel_assets.indicators.base import indicator
from datasel_assets.words.batch import Ragged, TextBatch, extend, ratio

Similarity = Literal["jaccard", "rouge_l", "bleu"]
BLEU_ORDER = 4


@indicator(keep="low", bounds=(0, 1), source="survey Q5 and I5, overlap of prompt and response")
def prompt_jaccard(prompt: TextBatch, response: TextBatch) -> np.ndarray:
    """Distinct words that prompt and response share over those of either (Jaccard).

    High where the response repeats the prompt. NaN where either has no word.
    """
    return similarity(prompt, response, "jaccard")


@indicator(keep="low", bounds=(0, 1), source="Lin 2004, ROUGE-L; survey Q5 and I5")
def prompt_rouge_l(prompt: TextBatch, response: TextBatch) -> np.ndarray:
    """ROUGE-L of the response against the prompt.

    2 P R / (P + R), P and R the longest common subsequence of words over the words of the response and of the prompt.
    High where the response copies the prompt. NaN where either has no word.
    """
    return similarity(prompt, response, "rouge_l")


@indicator(keep="low", bounds=(0, 1), source="Papineni et al. 2002, BLEU; survey Q5 and I5")
def prompt_bleu(prompt: TextBatch, response: TextBatch) -> np.ndarray:
    """BLEU of the response against the prompt.

    Geometric mean of the clipped precisions of 1- to 4-grams that exist, times exp(1 - |prompt| / |response|) for a
    response shorter than the prompt; the k-th precision of 0 counts as 1 / (2^k n-grams). In 0 .. 1. NaN where either
    has no word.
    """
    return similarity(prompt, response, "bleu")


def similarity(references: TextBatch, candidates: TextBatch, kind: Similarity) -> np.ndarray:
    """Similarity of each candidate to the reference beside it, float64 (n,).

    Equal to rouge-score (``rougeL``, F measure) and to sacrebleu (sentence BLEU / 100, effective order, exponential
    smoothing) on the same words. NaN where either has no word.
    """
    if len(references) != len(candidates):
        raise ValueError(f"{len(references)} references for {len(candidates)} candidates: give one for each")
    pair = np.arange(len(candidates))
    return _PAIRWISE[kind](_Joint(references, candidates), pair, pair)


def overlap_with_set(
    candidates: TextBatch, references: TextBatch, kind: Similarity, reduce: Literal["max", "mean"] = "max"
) -> np.ndarray:
    """Highest or mean similarity of each text to the texts of a set, float64 (n,).

    All n x m pairs are computed. NaN for a text without words; references without words are left out, and without any
    reference all is NaN.

    Args:
        candidates: n texts.
        references: m texts.
        kind: ``jaccard``, ``rouge_l`` or ``bleu``.
        reduce: ``max`` or ``mean`` over the references.
    """
    if reduce not in ("max", "mean"):
        raise ValueError(f"reduce is 'max' or 'mean', not {reduce!r}")
    joint = _Joint(references, candidates)
    compute = _PAIRWISE[kind]
    filled = np.flatnonzero(references.words.lengths)
    found = np.full(len(candidates), np.nan)
    if not len(filled):
        return found
    for row in np.flatnonzero(candidates.words.lengths):
        values = compute(joint, filled, np.full(len(filled), row))
        found[row] = values.max() if reduce == "max" else values.mean()
    return found


class _Joint:
    """Words and n-grams of two batches as numbers that mean the same in both."""

    def __init__(self, references: TextBatch, candidates: TextBatch) -> None:
        both = pl.concat([references.vocabulary, candidates.vocabulary])
        encoded = both.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        number = encoded.indices.to_numpy().astype(np.int32)
        split = len(references.vocabulary)
        ids = np.concatenate([number[:split][references.words.ids], number[split:][candidates.words.ids]])
        offsets = np.concatenate(
            [references.words.offsets, references.words.offsets[-1] + candidates.words.offsets[1:]]
        )
        self._split = len(references)
        self._words = Ragged(ids, offsets, len(encoded.dictionary))

    @cached_property
    def _ngrams(self) -> list[Ragged]:
        """Runs of 1 to ``BLEU_ORDER`` words."""
        found, start = [self._words], np.arange(len(self._words.ids))
        for n in range(2, BLEU_ORDER + 1):
            longer = extend(self._words, found[-1], start, n)
            found.append(longer.ragged)
            start = longer.position
        return found

    def compare(self, kernel: Callable[..., np.ndarray], left: np.ndarray, right: np.ndarray, n: int = 1) -> np.ndarray:
        """Call a kernel on the n-grams of pairs of a reference and a candidate."""
        rows = self._words if n == 1 else self._ngrams[n - 1]
        references, candidates = rows.offsets[: self._split + 1], rows.offsets[self._split :]
        return kernel(rows.ids, references, rows.ids, candidates, left, right, rows.size)

    def lengths(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Words of the reference and of the candidate of each pair."""
        every = self._words.lengths
        return every[: self._split][left], every[self._split :][right]


def _jaccard(joint: _Joint, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    from datasel_assets.indicators.text import overlap_kernels

    return joint.compare(overlap_kernels.jaccard, left, right)


def _rouge_l(joint: _Joint, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    from datasel_assets.indicators.text import overlap_kernels

    return joint.compare(overlap_kernels.rouge_l, left, right)


def _bleu(joint: _Joint, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    from datasel_assets.indicators.text import overlap_kernels

    reference, candidate = joint.lengths(left, right)
    none = joint.compare(overlap_kernels.shared, left, right) == 0
    logs, orders, halving = np.zeros(len(left)), np.zeros(len(left)), np.ones(len(left))
    for n in range(1, BLEU_ORDER + 1):
        total = candidate - n + 1
        met = joint.compare(overlap_kernels.shared, left, right, n)
        halving = np.where(met == 0, 2 * halving, halving)
        precision = np.where(met > 0, met, 1 / halving) / np.maximum(total, 1)
        logs += np.where(total > 0, np.log(precision), 0.0)
        orders += total > 0
    brevity = np.minimum(1 - ratio(reference, candidate), 0.0)
    score = np.exp(brevity + ratio(logs, orders))
    return np.where((reference > 0) & (candidate > 0), np.where(none, 0.0, score), np.nan)


_PAIRWISE: dict[str, Callable[[_Joint, np.ndarray, np.ndarray], np.ndarray]] = {
    "jaccard": _jaccard,
    "rouge_l": _rouge_l,
    "bleu": _bleu,
}
