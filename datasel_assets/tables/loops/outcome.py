"""What every loop publishes: a line for every row of the pool, its rounds beside it, and a picture of both.

Belongs here: the two tables and the figures that all loops share. Does not: how any loop comes to them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.bandits.probe_rounds import Try
from datasel_assets.diagnostics import plots
from datasel_assets.specs.loop import FAMILY
from datasel_assets.storage.lake import Expected, TableInfo
from datasel_assets.tables.shown import counts_table, picture
from datasel_assets.tables.table import Kind, Step

LOOPS = Kind(FAMILY, companions=("loop_rounds",), state=("_loops/{name}", "loop_models/{name}"))
"""``loops/<name>`` and, published before it, ``loop_rounds/<name>``; what one that trains a model goes on from, and
the model."""

SHOWN = 15


def rounds_frame(tries: Sequence[Try], titles: Sequence[str]) -> pl.DataFrame:
    """Return a line for each try: what was looked at, what it earned, what was accepted because of it."""
    return pl.DataFrame(
        {
            "round": [each.round for each in tries],
            "cluster": [each.arm for each in tries],
            "title": [titles[each.arm] for each in tries],
            "looked_at": [each.stop - each.start for each in tries],
            "accepted": [each.end - each.start for each in tries],
            "reward": [each.reward for each in tries],
            "measured": [each.measured for each in tries],
        },
        schema={
            **{"round": pl.Int32, "cluster": pl.Int32, "title": pl.String},
            **{"looked_at": pl.Int64, "accepted": pl.Int64, "reward": pl.Float64, "measured": pl.Boolean},
        },
    )


def publish(step: Step, rows: pl.DataFrame, rounds: pl.DataFrame, meta: Mapping[str, Any] | None = None) -> TableInfo:
    """Publish the rounds and, last, the rows: ``row_id``, ``source``, ``score``, ``told`` and what the kind adds."""
    lake, expected = step.warehouse.lake, step.expected
    lake.write(Expected(("loop_rounds", *expected.key[1:]), expected.fingerprint, expected.inputs), rounds)
    return lake.write(expected, rows, meta=meta)


def path_shown(rounds: pl.DataFrame, arms: int, what: str) -> dict[str, Any]:
    """Return what the page shows of the bandit's way.

    Args:
        rounds: from :func:`rounds_frame`.
        arms: how many clusters there are.
        what: a reward is, in words.
    """
    pulls = rounds.group_by("title", maintain_order=True).agg(
        tries=pl.len(), mean_reward=pl.col("reward").mean(), accepted=pl.col("accepted").sum()
    )
    most = pulls.sort("tries", "title", descending=[True, False]).head(SHOWN)
    png = plots.bandit_path(
        rounds["round"].to_numpy(), rounds["reward"].to_numpy(), dict(most.select("title", "tries").iter_rows()), what
    )
    told = [
        f"tried {n}, mean {mean:.2g}, accepted {rows:,}" for n, mean, rows in most.select(pl.exclude("title")).rows()
    ]
    return {
        "rounds": int(rounds["round"].max() or 0),  # type: ignore[arg-type]
        "tries": rounds.height,
        "clusters_tried": int(np.unique(rounds["cluster"].to_numpy()).size),
        "clusters": arms,
        "plot: path": picture(png, f"{what} by round, and tries by cluster"),
        "most tried": counts_table(dict(zip(most["title"], told, strict=True)), "cluster", "tries"),
    }
