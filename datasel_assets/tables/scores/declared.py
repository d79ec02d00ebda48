"""Tables of the files in ``scores/``: one column each, by the kind that the file says.

Belongs here: which tables a file means. Does not belong here: the kinds (``indicators.declared``), the tables.
"""

from datasel_assets.indicators.run_effect import KIND as RUN_EFFECT
from datasel_assets.indicators.score_kinds import kind_of
from datasel_assets.registry.registry import Registry
from datasel_assets.tables.scores.constraints_kept import CONSTRAINTS_KEPT, constraints_kept_tables
from datasel_assets.tables.scores.dsir import DSIR, DSIR_COUNTS, dsir_tables
from datasel_assets.tables.scores.given import GIVEN_SCORES, given_tables
from datasel_assets.tables.scores.gradient_norms import GRADIENT_NORM, gradient_norm_tables
from datasel_assets.tables.scores.influence import INFLUENCE, INFLUENCE_PRODUCTS, INFLUENCE_TURNS
from datasel_assets.tables.scores.influence_probes import (
    INFLUENCE_PROBES,
    INFLUENCE_RIDGE,
    PROBE_ROWS,
    influence_score_tables,
)
from datasel_assets.tables.scores.influence_targets import INFLUENCE_TARGETS
from datasel_assets.tables.scores.pair_similarity import PAIR_SIMILARITY, pair_similarity_tables
from datasel_assets.tables.scores.pool_score import POOL_SCORES, pool_score_tables
from datasel_assets.tables.scores.run_effect import run_effect_tables
from datasel_assets.tables.table import Table

DECLARED = (
    *POOL_SCORES.values(),
    CONSTRAINTS_KEPT,
    DSIR,
    DSIR_COUNTS,
    GIVEN_SCORES,
    GRADIENT_NORM,
    INFLUENCE,
    INFLUENCE_PROBES,
    INFLUENCE_RIDGE,
    INFLUENCE_PRODUCTS,
    INFLUENCE_TARGETS,
    INFLUENCE_TURNS,
    PAIR_SIMILARITY,
    PROBE_ROWS,
)
"""All kinds of tables that files in ``scores/`` may mean."""

OF_THEIR_OWN = {
    CONSTRAINTS_KEPT.name: constraints_kept_tables,
    DSIR.name: dsir_tables,
    GIVEN_SCORES.name: given_tables,
    PAIR_SIMILARITY.name: pair_similarity_tables,
    INFLUENCE.name: influence_score_tables,
    GRADIENT_NORM.name: gradient_norm_tables,
    RUN_EFFECT.name: run_effect_tables,
}
"""Kinds whose scores are not computed over the whole pool at once."""


def declared_tables(name: str, registry: Registry) -> list[Table]:
    """Return the tables of ``scores/<name>.yaml``, upstream first."""
    tables = OF_THEIR_OWN.get(kind_of(registry.scores[name]).name, pool_score_tables)
    return tables(name, registry)
