"""TRANSITION: names that others still import from here; see ``families`` and ``names``."""

from datasel_assets.tables.scores.families import (
    SCORE_CHECKS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    within_bounds,
)
from datasel_assets.tables.scores.names import score_deps, score_inputs

__all__ = [
    "SCORE_CHECKS",
    "column_texts",
    "column_versions",
    "score_checks",
    "score_deps",
    "score_facts",
    "score_inputs",
    "within_bounds",
]
