"""The steps that narrow a pool down before the last sampler, and in words why a row fell at one.

Belongs here: samplers one after the other, and votes among samplers. Does not: the last sampler and the budget
(``interpreter``).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from datasel_assets.recipes.drop_rules import told
from datasel_assets.recipes.inputs import Inputs, candidates_of, missing_inputs
from datasel_assets.recipes.recluster import with_clusters
from datasel_assets.samplers import SAMPLERS
from datasel_assets.specs.recipe import NarrowSpec, SelectSpec, StageSpec, VoteSpec


def narrow(
    steps: tuple[NarrowSpec, ...],
    pool: pl.DataFrame,
    marked: pl.DataFrame,
    inputs: Inputs,
    keep: Mapping[str, str],
    seed: int,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return ``marked`` with the rows that a step did not let through marked ``narrow:<n>`` and told why, and notes.

    Args:
        steps: from the recipe.
        pool: as in ``interpreter.run_recipe``.
        marked: ``stage`` and ``reason``, null for the rows that are still eligible.
        inputs: where vectors, queries, tags and texts come from.
        keep: score -> ``high``, ``low`` or ``mid``.
        seed: of the recipe.
    """
    notes: list[str] = []
    for number, step in enumerate(steps, start=1):
        eligible = marked["stage"].is_null().to_numpy()
        if isinstance(step, VoteSpec):
            arms = [_passed(arm, pool, eligible, inputs, keep, seed) for arm in step.of]
            said = dict.fromkeys(note for arm in arms for note in arm[2])
            votes = np.array([arm[0] for arm in arms]).sum(axis=0)
            passed = votes >= step.at_least
            asked = f", {step.at_least} needed"
            reason = pl.format(f"step {number}: {{}} of {len(step.of)} samplers took it{asked}", pl.Series(votes))
        else:
            passed, why, said = _passed(step, pool, eligible, inputs, keep, seed)
            reason = pl.format(f"step {number}: {{}}", pl.Series(why, dtype=pl.String))
        notes += [f"step {number}: {note}" for note in said]
        fell = pl.Series(eligible & ~passed)
        marked = marked.with_columns(
            stage=pl.when(fell).then(pl.lit(f"narrow:{number}")).otherwise("stage"),
            reason=pl.when(fell).then(reason).otherwise("reason"),
        )
    return marked, tuple(notes)


def _passed(
    stage: StageSpec, pool: pl.DataFrame, eligible: np.ndarray, inputs: Inputs, keep: Mapping[str, str], seed: int
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return (n,) bool which rows a sampler lets through, (n,) why not the others, and the sampler's notes."""
    clustered, usable = with_clusters(stage, pool, eligible, inputs)
    candidates, _ = candidates_of(stage, clustered, usable, inputs, keep)
    reached = int(eligible.sum())
    wanted = reached if stage.take is None else stage.take.of(reached)
    sample = SAMPLERS[stage.sampler].sample(candidates, wanted, stage.params, seed)
    order = sample.order
    passed = np.zeros(pool.height, dtype=bool)
    passed[order] = True
    why = np.full(pool.height, f"not among the {len(order):,} of {reached:,} rows that {_named(stage)} let through")
    why = why.astype(object)
    for lacks, reason in missing_inputs(stage, pool, inputs):
        why[lacks] = told(reason, pool).to_numpy()[lacks]
    return passed, why, sample.notes


def _named(stage: SelectSpec) -> str:
    return f"{stage.sampler} by {stage.score}" if stage.score else stage.sampler
