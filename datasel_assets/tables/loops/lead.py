"""LEAD: rows chosen inside a training, by losses that the training reads anyway (arXiv 2505.07437).

Belongs here: the table, and carrying the rounds out. Does not: which rows come next (``bandits.utility_rounds``), the
training (``trained``).

The release gives rows without a valid IFD the value 0 and makes them a cluster of their own; here they are left out.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from datasel_assets.bandits.exp3 import Exp3
from datasel_assets.bandits.loss_change import LossChange
from datasel_assets.bandits.utilities import Utilities
from datasel_assets.bandits.utility_rounds import Proposal, UtilityRounds
from datasel_assets.clusters.line import split_line
from datasel_assets.diagnostics import plots
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.loop import LeadSpec
from datasel_assets.tables.loops.outcome import publish
from datasel_assets.tables.loops.trained import LoopTraining, held_out_rows, trained_loop_table
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.shown import counts_table, picture
from datasel_assets.tables.table import Built, Check, Graph, Step, Table

if TYPE_CHECKING:
    from datasel_assets.models.train.round_training import Presented


def lead_tables(name: str, registry: Registry, graph: Graph) -> list[Table]:
    """Return the table of the file ``loops/<name>.yaml``."""
    spec = registry.loops[name]
    assert isinstance(spec, LeadSpec)
    loop = trained_loop_table(
        name,
        spec,
        registry,
        graph,
        about=(
            f"`{spec.model}` trained in at most {spec.rounds} rounds. A bandit chooses one of {spec.groups.k} groups "
            f"by `{spec.by}`, by what training on it has removed; of each task of it a share of {spec.pick.rate:g} is "
            f"trained on ({spec.pick.order} utility first), and the losses read on the way are the new utilities."
        ),
        build=partial(_build, spec),
        columns={
            "score": "How early the row was chosen: 1 for the first, less for later ones; null: it was not.",
            "told": "The round, group and utility by which the row was chosen, or why it was not, in words.",
            "group": "Cluster of the row by the score of the groups, 0 for the smallest; null: it was left out.",
            "utility": "What training on the row was still thought to be worth at the end.",
            "last": "Loss of the row when it was last trained on.",
            "uses": "How often it was trained on.",
        },
    )
    return [loop]


# ------------------------------------------------------------------------------------------------------------- rounds
def _build(spec: LeadSpec, step: Step) -> Built:
    pool = read_pool(step.warehouse, scores=spec.scores)
    held_out = held_out_rows(pool, spec.held_out, spec.seed)
    why = _left_out(pool, held_out, spec)
    groups = np.full(pool.height, -1, np.int64)
    inside = np.array([not reason for reason in why])
    if not inside.any():
        raise ValueError(
            f"{step.stage}: no row has {spec.by} within its bounds and {spec.start}: check groups in its file"
        )
    groups[inside] = split_line(pool[spec.by].to_numpy()[inside], spec.groups.k)
    names = _group_names(pool, groups, spec)
    rounds = begin(spec, pool, groups, len(names))
    offline = pool.height * len(set().union(*(_passes(score, step.warehouse.registry) for score in spec.scores)))
    change = {"change": spec.utility.delta == "own", "gradients": spec.utility.delta == "minnorm"}
    training = LoopTraining(step, spec, pool, held_out, offline=offline, **change)
    shown = _carry_out(step, spec, rounds, training, inside)
    path = _rounds_frame(rounds, training, names)
    rows = _rows(pool, groups, rounds, why, names)
    info = publish(step, rows, path, meta={"rows_read": training.passes, "held_out_before": _first(training)})
    training.finish()
    chosen = len(rounds.chosen)
    shown |= _shown(rounds, training, names) | {"left out": _counts(why)}
    checks = {"some_rows_were_chosen": Check(chosen > 0, {"rows": chosen})}
    return Built(info, training.passes - training.offline, metadata=shown, checks=checks, rows_total=pool.height)


def _left_out(pool: pl.DataFrame, held_out: np.ndarray, spec: LeadSpec) -> list[str]:
    """Return for each row why it is never trained on, in words; empty: it may be."""
    by, low, high = pl.col(spec.by), spec.groups.above, spec.groups.up_to
    bounds = [by > low] if low is not None else []
    bounds += [by <= high] if high is not None else []
    outside = ~pl.all_horizontal(bounds) if bounds else pl.lit(value=False)
    return (
        pool.select(
            pl.when(pl.col("duplicate_of").is_not_null())
            .then(pl.lit("it repeats another row"))
            .when(pl.Series(held_out))
            .then(pl.lit("it is held out to measure the loss"))
            .when(by.is_null() | ~by.is_finite())
            .then(pl.lit(f"{spec.by} is not known"))
            .when(outside)
            .then(pl.format(f"{spec.by} is {{}}, out of bounds", by.round(4)))
            .when(pl.col(spec.start).is_null() | ~pl.col(spec.start).is_finite())
            .then(pl.lit(f"{spec.start} is not known"))
            .otherwise(pl.lit(""))
        )
        .to_series()
        .to_list()
    )


def begin(spec: LeadSpec, pool: pl.DataFrame, groups: np.ndarray, arms: int) -> UtilityRounds:
    """Return the rounds before the first one.

    Args:
        spec: what the file says.
        pool: n rows with ``source`` and the scores that are read.
        groups: (n,) int64 group of each row; -1: it is left out.
        arms: how many groups there are.
    """
    pick, bandit, how = spec.pick, spec.bandit, spec.utility
    sources = pool["source"].to_numpy()
    tasks = np.unique(sources, return_inverse=True)[1] if pick.per == "source" else np.zeros(pool.height, np.int64)
    start = np.where(groups >= 0, pool[spec.start].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.nan)
    eta = None if bandit.eta == "published" else bandit.eta
    return UtilityRounds(
        groups,
        tasks,
        Utilities(start, history=how.history, least_fall=how.least_fall),
        Exp3(arms, gamma=bandit.gamma, eta=eta, seed=spec.seed),
        budget=spec.budget.of(pool.height),
        rate=pick.rate,
        most_uses=pick.most_uses,
        order=pick.order,
        seed=spec.seed,
    )


def _carry_out(
    step: Step, spec: LeadSpec, rounds: UtilityRounds, training: LoopTraining, inside: np.ndarray
) -> dict[str, Any]:
    """Go through the rounds; return what was said of the cost before."""
    change = LossChange(spec.utility.delta, rounds.bandit.arms)
    budget, shown = rounds.budget, {}
    if (found := training.resume()) is not None:
        rounds.restore(found["rounds"])
        change.restore(found["change"])
        step.log.info(f"{step.stage}: goes on after round {len(rounds.rounds)}")
    else:
        most = min(spec.rounds * rounds.largest, budget * spec.pick.most_uses)
        shown = training.announce(most, np.flatnonzero(inside))
        training.measure(0, spec.rounds)
    while len(rounds.rounds) < spec.rounds and (proposed := rounds.propose()) is not None:
        # Whichever end is nearer is where the learning rate has fallen to its lowest.
        done = max(len(rounds.rounds) / spec.rounds, len(rounds.chosen) / budget)
        take_round(rounds, change, training, proposed, done)
        training.measure(len(rounds.rounds), spec.rounds)
        training.save({"rounds": rounds.state(), "change": change.state()})
        step.progress(len(rounds.chosen), budget)
    return shown


class Trains(Protocol):
    """What trains on rows of the pool: a ``LoopTraining``."""

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        ...

    def train(self, rows: np.ndarray, done: float) -> "Presented":
        """Train once on each of some rows."""
        ...


def take_round(rounds: UtilityRounds, change: LossChange, training: Trains, proposed: Proposal, done: float) -> None:
    """Train on what was proposed, and let bandit and utilities learn from it; ``done``: share that lies behind."""
    read = training.train(proposed.rows, done)
    expected = (
        read.change if change.delta == "own" else np.full(len(proposed.rows), change.expected(proposed.arm, read.rate))
    )
    settled = rounds.settle(read.losses, np.where(np.isfinite(expected), expected, 0.0))
    if np.isfinite(settled.loss):
        change.learn(proposed.arm, read.gradient, settled.loss, training.steps)


# --------------------------------------------------------------------------------------------------------------- what
def _rows(
    pool: pl.DataFrame, groups: np.ndarray, rounds: UtilityRounds, why: list[str], names: list[str]
) -> pl.DataFrame:
    """Return a line for every row of the pool, with what decided on it."""
    pulls, told = rounds.bandit.pulls, np.array(why, dtype=object)
    for arm, name in enumerate(names):
        drawn = f"drawn in {pulls[arm]} of {len(rounds.rounds)} rounds, and others of it came first"
        told[groups == arm] = f"its group ({name}) was {drawn if pulls[arm] else 'never drawn'}"
    score, number = np.full(pool.height, np.nan), np.zeros(pool.height, np.int32)
    for place, (row, (at, utility)) in enumerate(rounds.chosen.items()):
        score[row], number[row] = 1 - place / len(rounds.chosen), at
        told[row] = f"round {at}, group {names[groups[row]]}, utility {utility:.2f}"
    found = rounds.utilities
    return pool.select("row_id", "source").with_columns(
        score=pl.Series(score).fill_nan(None).cast(pl.Float32),
        told=pl.Series(told.tolist(), dtype=pl.String),
        round=pl.Series(number).replace(0, None),
        group=pl.Series(groups).cast(pl.Int32).replace(-1, None),
        utility=pl.Series(found.values).fill_nan(None).cast(pl.Float32),
        last=pl.Series(found.last).fill_nan(None).cast(pl.Float32),
        uses=pl.Series(found.uses).cast(pl.Int32),
    )


def _rounds_frame(rounds: UtilityRounds, training: LoopTraining, names: list[str]) -> pl.DataFrame:
    """Return a line for each round."""
    each = rounds.rounds
    return training.rounds_frame().with_columns(
        arm=pl.Series([found.arm for found in each], dtype=pl.Int32),
        title=pl.Series([names[found.arm] for found in each], dtype=pl.String),
        probability=pl.Series([found.probability for found in each], dtype=pl.Float64),
        reward=pl.Series([found.reward for found in each], dtype=pl.Float64),
        removed=pl.Series([found.removed for found in each], dtype=pl.Float64),
        new=pl.Series([found.new for found in each], dtype=pl.Int64),
        probabilities=pl.Series([list(found.chances) for found in each], dtype=pl.List(pl.Float64)),
    )


def _shown(rounds: UtilityRounds, training: LoopTraining, names: list[str]) -> dict[str, Any]:
    each, pulls = rounds.rounds, rounds.bandit.pulls
    removed = [[found.removed for found in each if found.arm == arm] for arm in range(len(names))]
    told = {
        name: f"drawn {pulls[arm]} times" + (f", removed {np.mean(removed[arm]):.3f} a row" if removed[arm] else "")
        for arm, name in enumerate(names)
    }
    if training.curve:
        passes, losses = np.array(training.curve).T
        what = "loss of held-out rows"
    else:
        passes = training.offline + np.cumsum([found.rows for found in each])
        losses, what = np.array([found.loss for found in each]), "loss of the rows of a round"
    png = plots.training_rounds(
        np.array([found.chances for found in each]).reshape(len(each), len(names)),
        np.array([found.arm for found in each], np.int64),
        np.array([found.reward for found in each]),
        [name.partition(" ")[2] for name in names],
        passes,
        losses,
        training.offline,
        what,
    )
    return {
        "rounds": len(each),
        "rows_chosen": len(rounds.chosen),
        "rows_given_up": int(rounds.utilities.lost.sum()),
        **training.shown(),
        "plot: rounds": picture(png, "chances and rewards of the groups, and the loss by rows read"),
        "groups": counts_table(told, "group", "rounds"),
    }


def _group_names(pool: pl.DataFrame, groups: np.ndarray, spec: LeadSpec) -> list[str]:
    """Return each group by its smallest and largest value."""
    values, column = pool[spec.by].to_numpy(), spec.by.partition(".")[2] or spec.by
    ends = [(values[groups == arm].min(), values[groups == arm].max()) for arm in range(int(groups.max()) + 1)]
    return [f"{column} {low:.4g} to {high:.4g}" for low, high in ends]


def _counts(why: list[str]) -> Any:
    found = pl.Series([reason.split(" is ")[0] if "out of bounds" in reason else reason for reason in why if reason])
    return counts_table(dict(found.value_counts(sort=True).iter_rows()), "why", "rows")


def _first(training: LoopTraining) -> float | None:
    return training.curve[0][1] if training.curve else None


def _passes(score: str, registry: Registry) -> set[str]:
    """Return the passes over the pool that a score needs: IFD one without the prompt beside the one with it."""
    family, _, column = score.partition(".")
    if family not in registry.language_models:
        return set()
    return {f"{family} with prompt"} | ({f"{family} without"} if column.startswith("ifd") else set())
