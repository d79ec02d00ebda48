"""The table of one file in ``runs/``: trainings on many parts of the pool, and what each led to.

Belongs here: what the table is made from, its trainings, publishing them. Does not: which rows (``parts``), going on
after a stop (``carry_out``), what follows from the outcomes (``effects``).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from datasel_assets.models.run_trainings import Trained
from datasel_assets.registry.registry import Registry
from datasel_assets.runs import designs
from datasel_assets.runs.designs import Design
from datasel_assets.runs.fill import fill
from datasel_assets.runs.observed import Observed
from datasel_assets.specs.runs import RunsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.runs.carry_out import carry_out
from datasel_assets.tables.runs.parts import Parts, measured_targets, read_parts, unit_tables
from datasel_assets.tables.shown import sample_table, table_link
from datasel_assets.tables.table import Built, Check, Graph, Kind, Step, Table
from datasel_assets.tables.trained_models import causal_spec, model_tables, model_version
from datasel_assets.tables.warehouse import Warehouse

RUNS = Kind("runs", companions=("run_units", "run_rows", "run_outcomes", "run_costs"), job="runs")
START = -1
"""Number of the subset of the start, which is measured before any training."""

RESULTS = ("estimators", "max_minutes", "doc")
"""Keys of a file that say nothing of its trainings."""


def runs_table(name: str, registry: Registry, graph: Graph, *, read: bool) -> Table:
    """Return the trainings of the file ``runs/<name>.yaml``.

    Args:
        name: of the file.
        registry: where it stands.
        graph: knows which tables there is one of for each source.
        read: whether a score that is always made reads them; otherwise they are made on request alone.
    """
    spec = registry.runs[name]
    model = registry.language_models[spec.model]
    divided = unit_tables(spec, registry)
    targets = [("targets", target) for target in measured_targets(spec.outcomes.targets, registry)]
    said = spec.model_dump(mode="json", exclude=set(RESULTS))
    fingerprint = digest([RUNS.version, said, [key[1] for key in targets], model.causal.model_dump(), divided])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = input_versions(warehouse, [("corpus",), *targets, *divided], graph)
        inputs["model"] = model_version(warehouse, spec.model, model)
        return Expected((RUNS.name, name), fingerprint, inputs)

    return Table(
        kind=RUNS,
        key=(RUNS.name, name),
        description=(
            f"{spec.doc}\n\n`{spec.model}` trained on many parts of the pool, {spec.tokens:,} tokens each time, and "
            f"its losses on what no training sees. What is in or out is a {spec.units}. It is all made again when a "
            f"row, the model or the file changes. The first training shows what the series will take; it is stopped "
            f"where that is more than {spec.max_minutes:g} minutes, and goes on from what was made."
        ),
        group="comparison",
        reads=[("corpus",), *targets, *divided, *model_tables(spec.model, model)],
        expect=expect,
        build=partial(_build, name, spec),
        checks={"every_training_has_outcomes": "no training ended without a loss"},
        runs_model=True,
        on_demand=not read,
        kinds=frozenset({"parquet", "pytorch"}),
        version=fingerprint,
        columns={
            "run": "Number of the training; 0 is the model before any.",
            "subset": "Trainings with one number had the same units; -1: none.",
            "seed": "Of the order of rows and of which rows a unit gave first.",
            "inclusion": "Probability with which each unit was in; null where units were not drawn one by one.",
            "shares": "Share of the tokens that came from each unit, in the order of run_units.",
            "rows": "Rows that were trained on, repetitions counted.",
            "tokens": "Tokens that were read, prompts and repetitions counted.",
            "steps": "Steps of the optimiser.",
            "set": "What the loss is of: a target, held-out rows of a source, or the rows of a unit.",
            "loss": "Mean negative log-probability of a response token after the training, in nats.",
            "seconds": "What the training and its measuring took.",
            "unit": "Number of the unit.",
            "name": "What the unit is called where it comes from.",
            "title": "The unit in words.",
        },
    )


# -------------------------------------------------------------------------------------------------------------- build
def _build(name: str, spec: RunsSpec, step: Step) -> Built:
    from datasel_assets.models.run_trainings import Trainings

    warehouse = step.warehouse
    model = warehouse.registry.language_models[spec.model]
    parts = read_parts(name, spec, warehouse, pool_conversations(warehouse))
    causal = causal_spec(warehouse, spec.model, model)
    trainings = Trainings(causal, spec.training, warehouse.settings.device, base=warehouse.settings.data)
    texts, measured = trainings.texts(parts.conversations), trainings.texts(parts.measured)
    # Rows without anything to learn would count as tokens of their unit and teach nothing.
    units = parts.rows["unit"].to_numpy()
    members = [np.flatnonzero((units == unit) & (texts.tokens > 0)) for unit in range(len(parts.names))]
    sizes = np.array([texts.lengths[own].sum() for own in members], np.int64)
    _refuse_empty(name, parts, sizes)
    design = _design(spec, sizes)
    step.log.info(
        f"{step.stage}: {design.runs} trainings of {spec.tokens:,} tokens each, on {len(parts.names)} units "
        f"({spec.units}) of {sizes.sum():,} tokens in {parts.rows.height:,} rows; each is measured on "
        f"{len(parts.measured):,} conversations. The first one shows how long it takes"
    )

    def train(run: int) -> Trained:
        if run == 0:
            return trainings.train(texts, np.empty(0, np.int64), 0, measured, parts.sets)
        seed = int(design.seed[run - 1])
        rows = fill(members, texts.lengths, design.shares[run - 1], spec.tokens, seed)
        return trainings.train(texts, rows, seed, measured, parts.sets)

    made = carry_out(step, train, range(design.runs + 1), spec.max_minutes, f"runs/{name}.yaml")
    return _publish(step, spec, parts, sizes, design, made)


def _design(spec: RunsSpec, sizes: np.ndarray) -> Design:
    said = spec.design
    if said.kind == "leave_one_out":
        return designs.leave_one_out(sizes, spec.seeds)
    if said.kind == "dirichlet":
        return designs.dirichlet(sizes, said.subsets, said.concentration, spec.seeds, spec.seed)
    return designs.random_subsets(sizes, said.subsets, said.share, spec.seeds, spec.seed)


def _refuse_empty(name: str, parts: Parts, sizes: np.ndarray) -> None:
    empty = [title for title, size in zip(parts.titles, sizes, strict=True) if not size]
    if empty:
        raise ValueError(
            f"runs/{name}.yaml: {len(empty)} units have no response to learn, such as {empty[0]}: nothing would change "
            "with them; choose other units or more rows"
        )


def _publish(
    step: Step, spec: RunsSpec, parts: Parts, sizes: np.ndarray, design: Design, made: Sequence[Trained]
) -> Built:
    runs = len(made)
    k = len(parts.names)
    frame = pl.DataFrame(
        {
            "run": pl.Series(range(runs), dtype=pl.Int32),
            "subset": pl.Series([START, *design.subset], dtype=pl.Int32),
            "seed": pl.Series([0, *design.seed], dtype=pl.Int32),
            "inclusion": pl.Series([np.nan, *design.inclusion], dtype=pl.Float64).fill_nan(None),
            "shares": pl.Series([[0.0] * k, *design.shares.tolist()], dtype=pl.List(pl.Float64)),
            "rows": [each.rows for each in made],
            "tokens": [each.tokens for each in made],
            "steps": [each.steps for each in made],
        }
    )
    counts = np.bincount(parts.rows["unit"].to_numpy(), minlength=k)
    numbers = pl.Series(range(k), dtype=pl.Int32)
    units = pl.DataFrame({"unit": numbers, "name": parts.names, "title": parts.titles, "rows": counts, "tokens": sizes})
    lines = [(run, name, each.losses[name]) for run, each in enumerate(made) for name in parts.sets]
    outcomes = pl.DataFrame(lines, schema={"run": pl.Int32, "set": pl.String, "loss": pl.Float64}, orient="row")
    # Costs stand apart, because another making of the same table takes another time.
    costs = frame.select("run").with_columns(seconds=pl.Series([each.seconds for each in made], dtype=pl.Float64))
    lake, expected = step.warehouse.lake, step.expected
    beside = {"run_units": units, "run_rows": parts.rows, "run_outcomes": outcomes, "run_costs": costs}
    for kind, table in beside.items():
        lake.write(Expected((kind, *expected.key[1:]), expected.fingerprint, expected.inputs), table)
    info = lake.write(expected, frame, meta={"mixed": spec.design.kind == "dirichlet"})
    lake.clear_shards(expected.key)
    without = outcomes.filter(pl.col("loss").is_nan())["set"].unique().to_list()
    seconds = float(costs["seconds"].sum())
    shown = {
        "trainings": design.runs,
        "units": k,
        "tokens_of_a_training": spec.tokens,
        "tokens_of_all_units": int(sizes.sum()),
        "minutes": round(seconds / 60, 2),
        "seconds_of_a_training": round(seconds / max(1, design.runs), 2),
        "outcomes": sample_table(spreads(frame, outcomes), list(SPREADS), rows=60),
        "effects": table_link("run_effects", expected.key[1]),
    }
    checks = {"every_training_has_outcomes": Check(not without, {"without": without})}
    return Built(info, frame.height, metadata=shown, checks=checks)


SPREADS = ("set", "start", "mean", "best", "worst", "spread_of_subsets", "spread_of_seeds")


def spreads(runs: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return for each outcome the loss at the start, over the trainings, and how far subsets and seeds spread it."""
    lines = []
    for (name,), part in outcomes.join(runs, on="run").sort("run").group_by("set", maintain_order=True):
        trained = part.filter(pl.col("subset") != START)
        found = Observed.of(np.zeros((trained.height, 1)), trained["subset"].to_numpy(), trained["loss"].to_numpy())
        losses = trained["loss"]
        start = part.filter(pl.col("subset") == START)["loss"][0]
        spread = float(found.outcomes.std(ddof=1)) if len(found.outcomes) > 1 else float("nan")
        lines.append((name, start, losses.mean(), losses.min(), losses.max(), spread, float(np.sqrt(found.noise[0]))))
    schema = {column: pl.String if column == "set" else pl.Float64 for column in SPREADS}
    return pl.DataFrame(lines, schema=schema, orient="row")


def read_observed(warehouse: Warehouse, name: str, sets: Sequence[str], mean_of: Sequence[str] = ()) -> Observed:
    """Return the trainings of a file with some of their outcomes, as utilities.

    Args:
        warehouse: where the tables are.
        name: of the file.
        sets: outcomes.
        mean_of: of them whose mean is one more outcome, before the others. Its noise is not the mean of theirs, because
            all are measured on one training.
    """
    info = warehouse.lake.require((RUNS.name, name))
    runs = warehouse.lake.scan(info.key).collect().sort("run")
    losses = warehouse.lake.scan(("run_outcomes", name)).collect().pivot("set", index="run", values="loss").sort("run")
    utilities = -losses.select(sets).to_numpy()
    if mean_of:
        utilities = np.column_stack([utilities[:, [sets.index(each) for each in mean_of]].mean(axis=1), utilities])
    trained = (runs["subset"] != START).to_numpy()
    some = runs.filter(pl.Series(trained))
    return Observed.of(
        np.array(some["shares"].to_list()),
        some["subset"].to_numpy(),
        utilities[trained],
        some["inclusion"].fill_null(np.nan).to_numpy(),
        utilities[~trained][0],
        mixed=bool(info.meta["mixed"]),
    )


def outcome_sets(warehouse: Warehouse, name: str) -> list[str]:
    """Return the outcomes of a file, in the order in which they were measured."""
    return (
        warehouse.lake.scan(("run_outcomes", name)).select("set").collect()["set"].unique(maintain_order=True).to_list()
    )


def shown_units(warehouse: Warehouse, name: str) -> pl.DataFrame:
    """Return the units of a file."""
    return warehouse.lake.scan(("run_units", name)).collect().sort("unit")


def key_of(name: str) -> Key:
    """Return the key of the trainings of a file."""
    return (RUNS.name, name)
