"""What is to be asked next: the rows that a file of labels asks about, the most useful first.

Belongs here: drawing rows, and their order. Does not: asking (``cli.label``, ``storage.label_files``).
"""

from functools import partial

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.crowd.assignment import entropy_gain, is_settled, one_coin
from datasel_assets.registry.people import AskedOfPeople
from datasel_assets.specs.labels import AskSpec, LabelsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.asked_rows import chosen_rows, row_deps, row_inputs
from datasel_assets.tables.labels.label_answers import contents_of_rows
from datasel_assets.tables.labels.label_truth import LABEL_TRUTH, WORKERS, golden_version, read_golden
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.shown import counts_table
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

LABEL_TASKS = Kind("label_tasks")
TYPICAL = 0.8
"""Accuracy of a worker of whom nothing is known."""
SCHEMA = {
    "row_id": pl.String,
    "source": pl.String,
    "content_hash": pl.String,
    "place": pl.Int64,
    "n": pl.Int64,
    "posterior": pl.Float64,
    "gain": pl.Float64,
    "is_settled": pl.Boolean,
    "is_golden": pl.Boolean,
}


def tasks_table(name: str, spec: LabelsSpec) -> Table:
    """Return the table of the tasks of ``labels/<name>.yaml``."""
    decides = spec.model_dump(mode="json", include={"ask", "per_row", "stop", "golden", "rows"})
    code = digest([LABEL_TASKS.version, len(spec.classes), decides])
    truth = (LABEL_TRUTH.name, name)
    scores = [spec.ask.score] if spec.ask.score else []
    return Table(
        kind=LABEL_TASKS,
        key=(LABEL_TASKS.name, name),
        description=(
            f"The rows that people are asked about, in the order in which it helps most: {spec.question} "
            f"`datasel label {name}` asks; `datasel label {name} --export tasks.csv` hands them out."
        ),
        group="scores",
        reads=[("corpus",), ("duplicates",), truth, *score_deps(scores), *_row_deps(spec)],
        expect=partial(_expect, name, spec, scores, code),
        build=partial(_build, name, spec, scores),
        kinds=frozenset({"parquet", "numpy"}),
        version=code,
        columns={
            "place": "Where the task stands in the order, from 0.",
            "n": "Answers so far.",
            "posterior": "How probable the most probable answer is by now.",
            "gain": "Nats by which one more answer is expected to lower the entropy.",
            "is_settled": "Nobody need be asked about it any more.",
            "is_golden": "The right answer is known; asked to check the worker.",
        },
    )


def _row_deps(spec: LabelsSpec) -> list[Key]:
    return row_deps(spec.rows) if isinstance(spec, AskedOfPeople) else []


def draw(pool: pl.DataFrame, ask: AskSpec) -> np.ndarray:
    """Return the positions of the rows that are asked about, in a seeded order.

    Args:
        pool: ``row_id``, ``source``, and the score by which rows are asked about; one row per content.
        ask: how they are drawn.
    """
    rows = pool.height if ask.rows is None else ask.rows
    ids = pool["row_id"]
    if ask.by == "random":
        return hash_sample(ids.to_numpy(), rows, ask.seed)
    if ask.by == "stratified":
        order = hash_sample(ids.to_numpy(), pool.height, ask.seed)
        turn = pl.DataFrame({"place": order, "source": pool["source"].gather(order)})
        turn = turn.with_columns(turn=pl.int_range(pl.len()).over("source")).with_row_index("drawn")
        return turn.sort("turn", "source", "drawn")["place"].head(rows).to_numpy()
    values = pool[str(ask.score)].cast(pl.Float64).fill_nan(None)
    middle = values.median() if ask.at is None else ask.at
    frame = pl.DataFrame({"far": (values - (0.0 if middle is None else middle)).abs(), "row_id": ids})
    frame = frame.with_row_index("place").drop_nulls("far").sort("far", "row_id")
    return frame["place"].head(rows).to_numpy()


def _expect(
    name: str, spec: LabelsSpec, scores: list[str], code: str, warehouse: Warehouse, source: str | None
) -> Expected:
    truth = (LABEL_TRUTH.name, name)
    inputs = {"/".join(truth): warehouse.lake.version(truth), **warehouse.versions("corpus")}
    inputs |= score_inputs(warehouse, scores)
    inputs |= row_inputs(spec.rows, warehouse) if isinstance(spec, AskedOfPeople) else {}
    if spec.golden:
        inputs["golden"] = golden_version(warehouse, spec)
    return Expected((LABEL_TASKS.name, name), code, inputs)


def _build(name: str, spec: LabelsSpec, scores: list[str], step: Step) -> Built:
    warehouse = step.warehouse
    contents = contents_of_rows(warehouse)
    golden = read_golden(warehouse, spec, dict(contents.select("row_id", "content_hash").iter_rows()))
    pool = read_pool(warehouse, scores=scores).join(contents.select("row_id", "content_hash"), on="row_id")
    pool = pool.sort("row_id")
    is_golden = pl.col("content_hash").is_in(list(golden))
    if isinstance(spec, AskedOfPeople):
        pool = pool.filter(is_golden | pl.col("row_id").is_in(chosen_rows(spec.rows, warehouse)["row_id"].implode()))
    pool = pool.unique("content_hash", keep="first", maintain_order=True)
    of = pl.lit(True) if spec.ask.sources is None else pl.col("source").is_in(spec.ask.sources)
    asked = pool.filter(~is_golden & of)
    drawn = pl.concat([asked[draw(asked, spec.ask)], pool.filter(is_golden)])
    known = (
        warehouse.lake.scan((LABEL_TRUTH.name, name)).select("content_hash", "n", "probabilities").unique().collect()
    )
    rows = drawn.join(known, on="content_hash", how="left", maintain_order="left").with_columns(is_golden=is_golden)
    k = len(spec.classes)
    counts = rows["n"].fill_null(0).to_numpy()
    posterior = np.array([[1 / k] * k if one is None else one for one in rows["probabilities"].to_list()])
    posterior = posterior.reshape(-1, k)
    certainty, most = spec.enough
    # A golden row is never settled: it is there for whoever has not answered it.
    settled = is_settled(posterior, counts, certainty, most) & ~rows["is_golden"].to_numpy()
    gain = entropy_gain(posterior, one_coin(_typical(warehouse, name, k), k))
    order = np.lexsort((np.arange(len(rows)), -gain.round(9), settled))
    table = (
        rows.with_columns(
            n=pl.Series(counts),
            posterior=pl.Series(posterior.max(axis=1)),
            gain=pl.Series(gain),
            is_settled=pl.Series(settled, dtype=pl.Boolean),
        )[order]
        .with_row_index("place")
        .select(pl.col(column).cast(kind) for column, kind in SCHEMA.items())
    )
    info = warehouse.lake.write(step.expected, table)
    ours = table.filter(~pl.col("is_golden"))
    return Built(
        info,
        table.height,
        metadata={
            "tasks": ours.height,
            "golden_tasks": table.height - ours.height,
            "settled": int(ours["is_settled"].sum()),
            "answers_still_wanted_at_most": int((most - ours.filter(~pl.col("is_settled"))["n"]).clip(0).sum()),
            "price_at_most": round(
                float((most - ours.filter(~pl.col("is_settled"))["n"]).clip(0).sum()) * spec.price, 2
            ),
            "by_source": counts_table(
                dict(ours["source"].value_counts().sort("source").iter_rows()), "source", "tasks"
            ),
        },
    )


def _typical(warehouse: Warehouse, name: str, n_classes: int) -> float:
    """Return the accuracy of the workers so far, within what an order can be made by."""
    workers = warehouse.lake.scan((WORKERS, name)).filter(~pl.col("blocked")).select(pl.col("accuracy").mean())
    found = workers.collect().item()
    return float(np.clip(TYPICAL if found is None else found, 1 / n_classes + 0.05, 0.99))
