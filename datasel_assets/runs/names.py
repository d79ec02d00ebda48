"""What outcomes and effects are called in tables, for whoever writes them and whoever reads them.

Belongs here: names. Does not: what they stand for.
"""

EFFECTS = "run_effects"
"""First part of the key of a table of effects."""

TARGET, SOURCE, UNIT = "target: ", "source: ", "unit: "
"""Beginnings of the names of outcomes: of a target, of held-out rows of a source, of the rows of a unit."""

OVERALL = "all"
"""The mean of the targets, or of the held-out sets where no target is an outcome."""

OWN_ROWS = "own rows"
"""The outcome of a unit that memorisation is of."""

MEMORISATION, INFLUENCE = "memorisation", "influence"
"""What stands in place of an estimator where the outcomes are those of units."""
