"""TRANSITION: names that others still import from here; see ``families``, ``names`` and ``text``."""

from datasel_assets.tables.scores.families import (
    SCORE_CHECKS,
    SCORES,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    score_schema,
    turn_facts,
    turn_lines,
    turn_table,
    within_bounds,
)
from datasel_assets.tables.scores.names import score_deps, score_inputs
from datasel_assets.tables.scores.pool_score import POOL_SCORES
from datasel_assets.tables.scores.text import text_scores

BLEND = POOL_SCORES["blend"]

__all__ = [
    "BLEND",
    "SCORES",
    "SCORE_CHECKS",
    "column_texts",
    "column_versions",
    "score_checks",
    "score_deps",
    "score_facts",
    "score_inputs",
    "score_schema",
    "text_scores",
    "turn_facts",
    "turn_lines",
    "turn_table",
    "within_bounds",
]
