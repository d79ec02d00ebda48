"""Carry out a recipe over a pool: drop, order, fill the budget, write down why.

Belongs here: the sequence, and what each sampler is given. Does not: the steps themselves (``drop_rules``, ``budget``,
``ledger``, ``samplers``), files, Dagster.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.recipes import ledger
from datasel_assets.recipes.budget import Filled, Limits, fill, resolve
from datasel_assets.recipes.drop_rules import mark_dropped
from datasel_assets.recipes.inputs import GivenInputs, Inputs, candidates_of, missing_inputs
from datasel_assets.recipes.narrow import narrow
from datasel_assets.recipes.recluster import with_clusters
from datasel_assets.recipes.scores import with_blends
from datasel_assets.recipes.sticky import Kept, hold_on, kept, positions
from datasel_assets.samplers import SAMPLERS, Candidates, Sample, keeps_prefix, ranks_all
from datasel_assets.specs.recipe import RecipeSpec

RANKED_ENTRIES = 5_000_000
"""Rows x queries up to which rows beyond the budget are ranked too, so that the ledger can tell their rank."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What a recipe chose, and a decision for every row of the pool.

    Attributes:
        selected: one line per chosen row, best first (columns: ``ledger.SELECTED_SCHEMA``).
        decisions: one line per row of the pool, by row_id (columns: ``ledger.DECISIONS_SCHEMA``).
        budget: what was asked for and what was taken: ``unit``, ``asked``, ``allowed``, ``used``, ``unused``,
            ``selected_rows``, ``eligible_rows``, ``pool_rows``.
        within_budget: whether the selected rows, counted again, keep to the budget and to the bounds per source.
        notes: what the reader of the result should know, in sentences.
        kept: what holding on to the previous selection did; None where the recipe does not ask for it.
    """

    selected: pl.DataFrame
    decisions: pl.DataFrame
    budget: dict[str, Any]
    within_budget: bool
    notes: tuple[str, ...]
    kept: Kept | None = None


def run_recipe(
    spec: RecipeSpec,
    pool: pl.DataFrame,
    inputs: Inputs | None = None,
    keep: Mapping[str, str] | None = None,
    previous: Sequence[str] | None = None,
) -> Selection:
    """Select from a pool as a recipe says.

    The order of the pool's rows does not matter: everything depends on row_id.

    Args:
        spec: the recipe.
        pool: one row per conversation: ``row_id`` (unique) and ``source``; as far as the recipe uses them ``n_tokens``,
            ``n_response_tokens``, ``n_chars``, ``response_chars``, ``prompt_chars``, ``n_turns``, ``duplicate_of`` (and
            its kin, ``drop_rules.COPIES``), ``cluster``, ``category.<name>`` and ``<family>.<indicator>``;
            ``contaminated``: null, or in words which evaluation's item the row holds; ``failed``: null, or in words
            what could not be computed for the row, which the ledger then names where the row lacks an input.
        inputs: vectors, queries, tags and texts, as far as the recipe names any.
        keep: score -> ``high``, ``low`` or ``mid``: what ``keep: auto`` means; ``high`` for those not named.
        previous: row ids of the previous selection, best first; for recipes with ``churn`` below 1.

    Returns:
        The selection; it may be empty when no row is eligible.

    Raises:
        ValueError: a column or input is missing, row ids repeat, or the budget's bounds cannot be met.
    """
    inputs, keep = inputs or GivenInputs(), keep or {}
    for column in ("row_id", "source"):
        if column not in pool.columns:
            raise ValueError(f"the pool has no column {column!r} (it has {', '.join(pool.columns)})")
    pool = with_blends(spec, pool, keep)
    marked = mark_dropped(pool, spec.drop, missing_inputs(spec.select, pool, inputs))
    marked, notes = narrow(spec.narrow, pool, marked, inputs, keep, spec.seed)
    eligible = marked["stage"].is_null().to_numpy()
    sources, source = _codes(pool["source"])
    limits = resolve(
        spec.budget, pool.height, sources, np.bincount(source[eligible], minlength=len(sources)).astype(np.int64)
    )
    cost = _cost(pool, limits, eligible)
    pool, eligible = with_clusters(spec.select, pool, eligible, inputs)
    candidates, labels = candidates_of(
        spec.select, pool, eligible, inputs, keep, None if cost is None else np.maximum(cost, 1).astype(np.float64)
    )
    sample, filled = _order(spec, candidates, limits, source, cost)
    notes = (*notes, *sample.notes)
    stay: Kept | None = None
    if previous is not None and spec.churn < 1:

        def filled_by(order: np.ndarray) -> Filled:
            return fill(limits, source[order], None if cost is None else cost[order])

        before = positions(candidates.row_ids, previous)
        own = sample.order[filled.accepted]
        sample = hold_on(sample, lambda order: filled_by(order).accepted, before, eligible, spec.churn)
        filled = replace(filled_by(sample.order), enough=filled.enough)
        stay = kept(sample, sample.order[filled.accepted], own, before, eligible, spec.churn)
    notes = (*notes, *_notes(spec, limits, filled, sources, int(eligible.sum())))
    notes = notes if stay is None else (*notes, stay.sentence)
    chosen = sample.order[filled.accepted]
    # A sampler that can tell, for rows it did not rank, how near they came.
    closest_misses = getattr(SAMPLERS[spec.select.sampler], "closest_misses", None)
    outcome = ledger.Outcome(
        sample=sample,
        filled=filled,
        eligible=int(eligible.sum()),
        strata=None if candidates.groups is None else candidates.groups,
        labels=labels,
        nearest=closest_misses(candidates, sample, filled.accepted) if closest_misses else None,
    )
    selected = ledger.selected(pool, outcome)
    decisions = ledger.decisions(pool, marked, spec, limits, outcome)
    return Selection(
        selected=selected,
        decisions=decisions,
        budget={
            "unit": limits.unit,
            "asked": limits.asked,
            "allowed": limits.total,
            "used": filled.used,
            "unused": limits.total - filled.used,
            "selected_rows": len(chosen),
            "eligible_rows": int(eligible.sum()),
            "pool_rows": pool.height,
        },
        within_budget=_within(limits, source[chosen], None if cost is None else cost[chosen]),
        notes=notes,
        kept=stay,
    )


def _order(
    spec: RecipeSpec, candidates: Candidates, limits: Limits, source: np.ndarray, cost: np.ndarray | None
) -> tuple[Sample, Filled]:
    """Ask the sampler for longer and longer prefixes until the budget is full; usually the first is long enough.

    A sampler without the prefix rule is asked for no more rows than are missing: those beyond the budget would change
    the ones within it. Weights are those of so many rows as were asked for, so a sampler that gives weights is asked
    again for no more rows than down to the last one taken: rows that a source's maximum keeps out count among these, as
    the draw passed over them.
    """
    prefix = keeps_prefix(spec.select.params)
    eligible = np.asarray(candidates.eligible)
    available = int(eligible.sum())
    rows = limits.total
    if cost is not None:
        mean = max(float(cost[eligible].mean()), 1.0) if available else 1.0
        rows = math.ceil(limits.total / mean) + (16 if prefix else 0)
    if ranks_all(spec.select.sampler, spec.select.params):
        rows = max(rows, RANKED_ENTRIES // max(1, _count(candidates.queries)))

    def ask(rows: int) -> tuple[Sample, Filled]:
        sample = SAMPLERS[spec.select.sampler].sample(candidates, rows, spec.select.params, spec.seed)
        return sample, fill(limits, source[sample.order], None if cost is None else cost[sample.order])

    while True:
        rows = min(rows, available)
        sample, filled = ask(rows)
        if filled.enough or rows == available or len(sample.order) < rows:
            break
        share = max(filled.used / limits.total, 0.5)  # what is missing, at the rate so far; twice as many at most
        rows = rows * 2 if prefix else max(rows + 1, math.ceil(rows / share))
    enough = filled.enough
    while sample.weights is not None and filled.accepted.any():
        depth = int(np.flatnonzero(filled.accepted)[-1]) + 1
        if depth == len(sample.order):
            break
        sample, filled = ask(depth)
    return sample, replace(filled, enough=enough)


def _codes(values: pl.Series) -> tuple[tuple[str, ...], np.ndarray]:
    names = values.unique().sort()
    codes = values.to_frame("name").join(
        names.to_frame("name").with_row_index("code"), on="name", how="left", maintain_order="left"
    )["code"]
    return tuple(names.to_list()), codes.cast(pl.Int64).to_numpy()


def _cost(pool: pl.DataFrame, limits: Limits, eligible: np.ndarray) -> np.ndarray | None:
    if limits.unit == "rows":
        return None
    column = "n_tokens" if limits.unit == "tokens" else "n_response_tokens"
    if column not in pool.columns:
        raise ValueError(f"a budget in {limits.unit} needs the column {column!r}, which the pool lacks")
    missing = int((pool[column].is_null() & pl.Series(eligible)).sum())
    if missing:
        raise ValueError(
            f"a budget in {limits.unit} needs {column}, which is not known for {missing:,} eligible rows: "
            "count tokens, or use a budget in rows or fraction"
        )
    return pool[column].fill_null(0).cast(pl.Int64).to_numpy()


def _within(limits: Limits, source: np.ndarray, cost: np.ndarray | None) -> bool:
    per_source = np.bincount(source, minlength=len(limits.sources))
    used = len(source) if cost is None else int(cost.sum())
    return bool(used <= limits.total and (per_source <= limits.maximum).all() and (per_source >= limits.minimum).all())


def _notes(
    spec: RecipeSpec, limits: Limits, filled: Filled, sources: tuple[str, ...], eligible: int
) -> tuple[str, ...]:
    notes = []
    if limits.asked > limits.total:
        notes.append(
            f"{limits.asked:,} rows were asked for, but only {eligible:,} are eligible: all of these are taken"
        )
    if limits.unit == "rows" and filled.used < limits.total:
        notes.append(f"the sampler could give only {filled.used:,} of {limits.total:,} rows (see its limits)")
    if limits.unit != "rows" and filled.used < limits.total:
        why = "the next row is longer" if filled.enough else "no more rows are eligible"
        notes.append(f"{limits.total - filled.used:,} {limits.unit} of {limits.total:,} are unused: {why}")
    named = {*spec.budget.per_source} - {"default"}
    named |= {name for rule in spec.drop for name in rule.source or ()}
    absent = sorted(named - set(sources))
    return (*notes, *(f"the recipe names the source {name}, which is not in the pool" for name in absent))


def _count(queries: np.ndarray | None) -> int:
    return 0 if queries is None else len(queries)
