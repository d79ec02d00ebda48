"""Contamination: which rows repeat an item of an evaluation, by which tier of evidence. Pure; no files, no models.

Tiers, the strongest first: ``exact`` (the whole item stands in the row), ``ngram`` (a stated share of the item's word
n-grams does), ``embedding`` (a neighbour above a calibrated cosine; a list for review and no verdict).
"""

from datasel_assets.corpus.contamination.index import CONTAMINATION_SCHEMA, EvaluationIndex, find_overlaps, row_texts
from datasel_assets.corpus.contamination.items import (
    EvaluationItem,
    ItemsRead,
    evaluation_items,
    halved,
)
from datasel_assets.corpus.contamination.neighbours import (
    Calibration,
    Neighbours,
    embedding_neighbours,
    nearest_items,
    review_list,
    settle_threshold,
)
from datasel_assets.corpus.contamination.report import (
    contamination_report,
    labelled_precision,
    labelled_recall,
)
from datasel_assets.corpus.contamination.words import normalised_words
from datasel_assets.specs.evaluation import OverlapRules

__all__ = [
    "CONTAMINATION_SCHEMA",
    "Calibration",
    "EvaluationIndex",
    "EvaluationItem",
    "ItemsRead",
    "Neighbours",
    "OverlapRules",
    "contamination_report",
    "embedding_neighbours",
    "evaluation_items",
    "find_overlaps",
    "halved",
    "labelled_precision",
    "labelled_recall",
    "nearest_items",
    "normalised_words",
    "review_list",
    "row_texts",
    "settle_threshold",
]
