"""What scores say of the trainings of one file in ``runs/``: their means over what each training read.

Belongs here: the table of means, which is the outcomes file of a blend by least squares (InstructionMining), and how
well each score foretells outcomes. Does not: scores that are made of the trainings (``scores.run_effect``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.diagnostics.lds import foretelling
from datasel_assets.indicators.run_effect import KIND as RUN_EFFECT
from datasel_assets.recipes.scores import numbers
from datasel_assets.registry.registry import Registry
from datasel_assets.runs.names import OVERALL, TARGET, UNIT
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.runs.series import START, key_of, outcome_sets, read_observed
from datasel_assets.tables.score_names import score_deps, score_key, score_tables
from datasel_assets.tables.shown import sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

RUN_SCORES = Kind("run_scores", companions=("run_lds",), job="runs")
LENGTHS = ("n_tokens", "n_response_tokens", "n_turns")
OUTCOME = "outcome"
SHOWN = 40


def run_scores_table(name: str, registry: Registry) -> Table:
    """Return the means of scores over the trainings of the file ``runs/<name>.yaml``."""
    fingerprint = digest([RUN_SCORES.version])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        scores = scores_there(warehouse)
        tables = [table for key in score_deps(scores) for table in score_tables(warehouse, key)]
        inputs = {"/".join(table): warehouse.lake.version(table) for table in tables}
        return Expected((RUN_SCORES.name, name), fingerprint, inputs | {"runs": warehouse.lake.version(key_of(name))})

    return Table(
        kind=RUN_SCORES,
        key=(RUN_SCORES.name, name),
        description=(
            f"The mean of every score that is there over what each training of `runs/{name}` read, and how well each "
            "score foretells the outcomes without any training (the linear datamodelling score). A blend with "
            "`how: ols` takes the table as its file of outcomes."
        ),
        group="evidence",
        reads=[("corpus",), ("duplicates",), key_of(name)],
        expect=expect,
        build=partial(_build, name),
        checks={"some_scores_are_there": "at least one score has values for the rows of the trainings"},
        on_demand=True,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={
            "run": "Number of the training.",
            OUTCOME: "Mean loss of the targets, or of the held-out sets where there are none.",
            "score": "A score, or a length of the row.",
            "keep": "Which of its values are kept.",
            "set": "What the outcome is of.",
            "correlation": "Spearman's, of the mean score with the negative loss; above 0: its keep sign is right.",
            "low": "Lower end of the 95 % interval.",
            "high": "Its upper end.",
        },
    )


def scores_there(warehouse: Warehouse) -> list[str]:
    """Return the scores that have a table for every source now, but those made of trainings."""
    lake, found = warehouse.lake, []
    there: dict[tuple[str, str], bool] = {}
    for score in sorted(warehouse.registry.score_keep()):
        key = score_key(score)
        if key[0] == RUN_EFFECT.name:
            continue
        if key not in there:
            there[key] = all(lake.info(table) for table in score_tables(warehouse, key))
        found += [score] if there[key] else []
    return found


def _build(name: str, step: Step) -> Built:
    warehouse = step.warehouse
    keep = {**dict.fromkeys(LENGTHS, "high"), **warehouse.registry.score_keep()}
    scores = [*LENGTHS, *scores_there(warehouse)]
    means = _means(warehouse, name, scores)
    comparable = [score for score in scores if means[score].is_finite().all() and means[score].n_unique() > 1]
    if not comparable:
        raise ValueError(f"run_scores/{name}: no score has values for the rows of every unit of runs/{name}")
    sets = [each for each in outcome_sets(warehouse, name) if not each.startswith(UNIT)]
    observed = read_observed(warehouse, name, sets, [each for each in sets if each.startswith(TARGET)] or sets)
    lines = []
    for score in comparable:
        sign = -1.0 if keep[score] == "low" else 1.0
        found = foretelling(sign * means[score].to_numpy(), observed.shares, observed.outcomes)
        for outcome, ends in zip((OVERALL, *sets), found, strict=True):
            lines.append((score, keep[score], outcome, *ends.tolist()))
    schema = {"score": pl.String, "keep": pl.String, "set": pl.String}
    schema |= dict.fromkeys(("correlation", "low", "high"), pl.Float64)
    lds = pl.DataFrame(lines, schema=schema, orient="row")
    lake, expected = warehouse.lake, step.expected
    lake.write(Expected(("run_lds", name), expected.fingerprint, expected.inputs), lds)
    table = _by_training(warehouse, name, means.select(comparable))
    info = lake.write(expected, table)
    best = lds.filter(pl.col("set") == OVERALL).sort("correlation", "score", descending=[True, False], nulls_last=True)
    columns = ["score", "keep", "correlation", "low", "high"]
    shown = {
        "scores": len(comparable),
        "subsets": len(observed.shares),
        "intervals_that_miss_by_chance": round(0.05 * len(comparable), 1),
        "how well scores foretell outcomes": sample_table(best, columns, rows=SHOWN),
        "worst": sample_table(best.reverse(), columns, rows=10),
        "not comparable": ", ".join(sorted(set(scores) - set(comparable))) or "none",
        "trainings": table_link("runs", name),
    }
    return Built(
        info, table.height, metadata=shown, checks={"some_scores_are_there": Check(True, {"scores": len(comparable)})}
    )


def _means(warehouse: Warehouse, name: str, scores: list[str]) -> pl.DataFrame:
    """Return the mean of each score over the rows of each unit, in the order of the units; NaN without values."""
    rows = warehouse.lake.scan(("run_rows", name)).collect()
    pool = read_pool(warehouse, scores=[score for score in scores if "." in score])
    placed = rows.join(pool, on="row_id", how="left", maintain_order="left")
    units = warehouse.lake.scan(("run_units", name)).select("unit").collect().sort("unit")
    values = {score: pl.Series(numbers(placed, score)).fill_nan(None) for score in scores}
    found = placed.select("unit").with_columns(**values).group_by("unit").agg(pl.all().mean())
    return (
        units.join(found, on="unit", how="left", maintain_order="left")
        .drop("unit")
        .cast(pl.Float64)
        .fill_null(float("nan"))
    )


def _by_training(warehouse: Warehouse, name: str, means: pl.DataFrame) -> pl.DataFrame:
    """Return a line for each training: the means weighted by the shares of the units, and the mean loss."""
    runs = warehouse.lake.scan(key_of(name)).filter(pl.col("subset") != START).collect().sort("run")
    losses = warehouse.lake.scan(("run_outcomes", name)).collect().filter(~pl.col("set").str.starts_with(UNIT))
    of_target = pl.col("set").str.starts_with(TARGET)
    if losses.filter(of_target).height:
        losses = losses.filter(of_target)
    outcome = losses.group_by("run").agg(pl.col("loss").mean().alias(OUTCOME))
    values = np.array(runs["shares"].to_list()) @ means.to_numpy()
    table = runs.select("run").join(outcome, on="run", how="left", maintain_order="left")
    return table.with_columns(**{score: pl.Series(values[:, j]) for j, score in enumerate(means.columns)})
