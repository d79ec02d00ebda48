"""Walk through the rows in an order and take each that is not like those before it.

Belongs here: the order, the kinds of likeness, what follows when none is left. Does not: the comparisons themselves
(``thin_similarity``, ``thin_kernels``), duplicates of a pool as a drop rule (``corpus.semantic_duplicates``).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from datasel_assets.arrays.hash_sample import hash_keys
from datasel_assets.samplers.base import Sample, check_budget
from datasel_assets.samplers.candidates import Candidates, need, usable_rows
from datasel_assets.samplers.wording import Wording
from datasel_assets.schema import StrictModel

REQUIRES: frozenset[str] = frozenset()
RANKS_ALL = False
WORDING = Wording(by_score=False)

_READS = {"similarity": "vectors", "tags": "tags", "lexical": "texts"}
_THRESHOLDS = {"similarity": 0.9, "lexical": 0.7}


class Params(StrictModel, frozen=True):
    """The order, the rule, and what follows when no row passes any more.

    Attributes:
        by: a column of the pool, or ``<family>.<indicator>``, whose best rows go first; None: rows with the most tags
            first for ``accept: tags``, else a random order (by seed).
        keep: ``high`` or ``low`` values of ``by`` first, ``mid``: those nearest to the median; ``auto``: what the
            indicator declares.
        accept: ``similarity``: no cosine above the threshold (DEITA, SemDeDup); ``tags``: at least one new tag
            (InsTag); ``lexical``: no overlap of words above the threshold (limited lexical similarity).
        against: ``kept``: the rows that were taken (DEITA); ``earlier``: all rows before, taken or not (SemDeDup).
        threshold: largest likeness that passes; None: 0.9 for ``similarity`` (DEITA), 0.7 for ``lexical``.
        overlap: for ``lexical``: ``rouge_l`` (F measure) or ``jaccard``.
        words: for ``jaccard``: length of the runs of words that are compared. A text without such a run is like none.
        fill: when no row passes any more and the budget is not full: ``none``: fewer rows come back; ``order``: the
            rows that did not pass follow, in order; ``rounds``, for ``tags``: start over with the rows that are left
            and no tag seen, again and again.
    """

    by: str | None = None
    keep: Literal["auto", "high", "low", "mid"] = "auto"
    accept: Literal["similarity", "tags", "lexical"] = "similarity"
    against: Literal["kept", "earlier"] = "kept"
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None
    overlap: Literal["rouge_l", "jaccard"] = "rouge_l"
    words: Annotated[int, Field(ge=1, le=10)] = 1
    fill: Literal["none", "order", "rounds"] = "none"

    @model_validator(mode="after")
    def _together(self) -> "Params":
        if self.accept == "tags" and (self.threshold is not None or self.against != "kept"):
            raise ValueError("'threshold' and 'against' do not go with 'accept: tags': a new tag is new to all")
        if self.fill == "rounds" and self.accept != "tags":
            raise ValueError("'fill: rounds' goes with 'accept: tags'; 'fill: order' lets the other rows follow")
        if self.accept == "lexical" and self.threshold is not None and self.threshold < 0:
            raise ValueError(f"threshold {self.threshold} is below 0: an overlap of words lies between 0 and 1")
        if self.words != 1 and (self.accept != "lexical" or self.overlap != "jaccard"):
            raise ValueError("'words' goes with 'accept: lexical' and 'overlap: jaccard'")
        if self.overlap != "rouge_l" and self.accept != "lexical":
            raise ValueError("'overlap' goes with 'accept: lexical'")
        return self

    @property
    def requires(self) -> frozenset[str]:
        """What the rule compares, and the scores that order the rows."""
        return frozenset({_READS[self.accept]} | ({"scores"} if self.by is not None else set()))

    @property
    def may_fall_short(self) -> bool:
        """Whether fewer rows than the budget may come back although more are usable."""
        return self.fill == "none"

    @property
    def limit(self) -> float:
        """The threshold, or the usual one of the rule."""
        return _THRESHOLDS.get(self.accept, 0.0) if self.threshold is None else self.threshold


def sample(candidates: Candidates, budget: int, params: Params, seed: int) -> Sample:
    """Take rows in order, each if it is not like the rows before it.

    - ``similarity``, ``kept``: DEITA's Repr Filter (arXiv 2312.15685, Algorithm 1; survey Algorithm 6 as corrected):
      the first row is always taken, a later one if max over kept of cos <= threshold.
    - ``similarity``, ``earlier``: the rule of SemDeDup (arXiv 2303.09540) for one order over all rows; inside
      ``stratify`` over clusters it is that method.
    - ``tags``: InsTag (arXiv 2308.07074, Algorithm 1 as corrected): complexity-first diverse sampling with
      ``fill: rounds``. One sweep finds the pass in which each row comes.
    - ``lexical``: limited lexical similarity (survey 4.3, against all kept rows as the errata say).

    Args:
        candidates: ``vectors``, ``tags`` or ``texts`` as the rule needs, and ``scores`` if ``by`` is given.
        budget: number of rows.
        params: order and rule.
        seed: which random order, where no score or number of tags orders the rows.

    Returns:
        The order; ``scores`` are the scores or the numbers of tags that ordered the rows. With ``fill: none`` there may
        be fewer than the budget. Time and memory of ``similarity``: ``thin_similarity.unlike``; of ``tags``: one look
        at each tag; of ``lexical``: the pairs that share a rare word, times their words; 80 bytes per word.
    """
    budget = check_budget(budget)
    rows = np.flatnonzero(usable_rows(candidates, params.requires))
    rows, scores = _ordered(candidates, rows, params, seed)
    if params.accept == "tags":
        from datasel_assets.samplers.thin_kernels import tag_rounds

        tags = need(candidates, "tags")
        rounds = tag_rounds(tags.indptr, tags.indices, rows, tags.size)
        places = np.argsort(rounds, kind="stable") if params.fill == "rounds" else np.flatnonzero(rounds == 0)
    elif params.accept == "similarity":
        from datasel_assets.samplers.thin_similarity import unlike

        taken = unlike(need(candidates, "vectors"), rows, params.limit, budget, params.against == "kept")
        place_of = np.empty(candidates.n, dtype=np.int64)
        place_of[rows] = np.arange(len(rows))
        places = place_of[taken]
    else:
        places = _unlike_in_words(need(candidates, "texts")[rows], budget, params)
    if params.fill == "order" and len(places) < budget:
        left = np.ones(len(rows), dtype=bool)
        left[places] = False
        places = np.concatenate([places, np.flatnonzero(left)])
    places = places[:budget]
    return Sample.of(rows[places], scores=None if scores is None else scores[places])


def _ordered(
    candidates: Candidates, rows: np.ndarray, params: Params, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the usable rows in the order of the walk, and what orders them; ties by row_id."""
    if params.by is not None:
        keys = scores = np.asarray(need(candidates, "scores"), dtype=np.float64)[rows]
    elif params.accept == "tags":
        keys = scores = need(candidates, "tags").counts[rows].astype(np.float64)
    else:
        keys, scores = hash_keys(candidates.row_ids[rows], seed), None
    order = np.lexsort((candidates.ties[rows], keys if scores is None else -keys))
    return rows[order], None if scores is None else scores[order]


def _unlike_in_words(texts: np.ndarray, budget: int, params: Params) -> np.ndarray:
    """Return the places of the texts, in the order of the walk, that are not like an earlier one."""
    from datasel_assets.samplers.thin_kernels import unlike_texts
    from datasel_assets.words.batch import TextBatch

    runs = TextBatch(texts.tolist()).ngrams(params.words)
    size = max(runs.size, 1)
    number = np.empty(size, dtype=np.int64)  # rare values get low numbers
    number[np.argsort(np.bincount(runs.ids, minlength=size), kind="stable")] = np.arange(size)
    ids = number[runs.ids]
    pairs, counts = np.unique(runs.rows * np.int64(size) + ids, return_counts=True)
    of_text, values = np.divmod(pairs, size)
    offsets = np.searchsorted(of_text, np.arange(len(texts) + 1))
    in_order, among_kept = params.overlap == "rouge_l", params.against == "kept"
    stays = unlike_texts(values, counts, offsets, size, ids, runs.offsets, in_order, among_kept, params.limit, budget)
    return np.flatnonzero(stays)
