"""What the answers mean: one line per labelled row, one per worker, and how far people agree.

Belongs here: the tables and their page. Does not: the methods (``crowd``), which lines count (``label_answers``).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.crowd.agreement import krippendorff_alpha
from datasel_assets.crowd.answers import Named, numbered
from datasel_assets.crowd.assignment import is_settled
from datasel_assets.crowd.dawid_skene import dawid_skene
from datasel_assets.crowd.posterior import Truth
from datasel_assets.crowd.sampling import wilson
from datasel_assets.crowd.truth import METHODS
from datasel_assets.crowd.workers import golden_counts, is_blocked, quality_interval
from datasel_assets.raw_rows import SourceError
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.labels.label_answers import LABEL_ANSWERS, contents_of_rows
from datasel_assets.tables.shown import counts_table, sample_table, table_link
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

WORKERS = "label_workers"
LABEL_TRUTH = Kind("label_truth", companions=(WORKERS,))
TRUTH_SCHEMA = {
    "row_id": pl.String,
    "source": pl.String,
    "content_hash": pl.String,
    "answer": pl.String,
    "score": pl.Float64,
    "posterior": pl.Float64,
    "n": pl.Int64,
    "agreed": pl.Float64,
    "is_golden": pl.Boolean,
    "is_settled": pl.Boolean,
    "probabilities": pl.List(pl.Float64),
}
WORKER_SCHEMA = {
    "worker": pl.String,
    "answers": pl.Int64,
    "golden": pl.Int64,
    "golden_right": pl.Int64,
    "accuracy": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "bias": pl.Float64,
    "seconds": pl.Float64,
    "blocked": pl.Boolean,
    "cost": pl.Float64,
}
SHOWN = 20


def truth_table(name: str, spec: LabelsSpec) -> Table:
    """Return the table of what the answers to ``labels/<name>.yaml`` mean."""
    decides = spec.model_dump(
        mode="json", include={"truth", "prior_right", "prior_wrong", "ordered", "per_row", "stop", "price", "golden"}
    )
    code = digest([LABEL_TRUTH.version, spec.classes, spec.values, spec.noisy, decides])
    return Table(
        kind=LABEL_TRUTH,
        key=(LABEL_TRUTH.name, name),
        description=(
            f"What people say of rows, by {spec.truth}: {spec.question} {spec.doc}\n\nAnswers of workers who are "
            f"hardly better than guessing on golden rows do not count. `{WORKERS}/{name}` has a line per worker."
        ),
        group="scores",
        reads=[("corpus",), (LABEL_ANSWERS.name, name)],
        expect=partial(_expect, name, spec, code),
        build=partial(_build, name, spec),
        kinds=frozenset({"parquet", "numpy"}),
        version=code,
        columns={
            "answer": "The most probable answer; null at a tie.",
            "score": "The expected value of the answer; null where answers have no order.",
            "posterior": "How probable the most probable answer is; of the voting methods its share of votes.",
            "n": "Answers that count.",
            "agreed": "Share of them that say what is most probable; null at a tie.",
            "is_golden": "The right answer was known.",
            "is_settled": "Nobody need be asked about it any more.",
            "probabilities": "How probable each answer is, in their order.",
        },
        lineage={"answer": [((LABEL_ANSWERS.name, name), "answer")]},
    )


def read_golden(warehouse: Warehouse, spec: LabelsSpec, content_of: Mapping[str, str]) -> dict[str, str]:
    """Return content -> right answer of the golden rows.

    Raises:
        SourceError: the file is absent, lacks a column, or says something that cannot be answered.
    """
    if spec.golden is None:
        return {}
    path = warehouse.settings.data / spec.golden.file
    where = f"golden.file: {spec.golden.file}"
    if not path.is_file():
        raise SourceError(f"{where} does not exist; put it there, or remove 'golden'")
    frame = pl.read_csv(path, infer_schema=False)
    key = next((name for name in ("row_id", "content_hash") if name in frame.columns), None)
    if key is None or "answer" not in frame.columns:
        raise SourceError(f"{where} needs the columns row_id or content_hash, and answer")
    found: dict[str, str] = {}
    for line, (row, answer) in enumerate(frame.select(key, "answer").iter_rows(), 2):
        if answer not in spec.classes:
            raise SourceError(f"{where}, line {line}: {answer!r} is none of the answers {', '.join(spec.classes)}")
        content = content_of.get(row) if key == "row_id" else row
        if content is not None:
            found[content] = answer
    return found


@dataclass(frozen=True, eq=False)
class Meaning:
    """What the answers mean, before it is written down.

    Attributes:
        named: the answers that count; tasks are contents.
        truth: what they mean.
        is_blocked: (m,) bool; of all workers, also those whose answers do not count.
        everybody: all answers.
    """

    named: Named
    truth: Truth
    is_blocked: np.ndarray
    everybody: Named


def meaning_of(answers: pl.DataFrame, golden: Mapping[str, str], spec: LabelsSpec) -> Meaning:
    """Return what the usable answers (content_hash, worker, answer) mean."""
    columns = (answers["content_hash"].to_list(), answers["worker"].to_list(), answers["answer"].to_list())
    everybody = numbered(*columns, spec.classes, golden)
    blocked = is_blocked(*golden_counts(everybody.answers), len(spec.classes))
    kept = Named(everybody.answers.without_workers(blocked), everybody.tasks, everybody.workers, everybody.classes)
    if spec.truth == "dawid_skene":
        truth = dawid_skene(kept.answers, spec.prior_right, spec.prior_wrong)
    else:
        truth = METHODS[spec.truth](kept.answers)
    return Meaning(kept, truth, blocked, everybody)


def golden_version(warehouse: Warehouse, spec: LabelsSpec) -> str:
    """Return a hash of the file of golden rows, or that it is missing, which the build then says."""
    path = warehouse.settings.data / (spec.golden.file if spec.golden else "")
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.is_file() else "missing"


def _expect(name: str, spec: LabelsSpec, code: str, warehouse: Warehouse, source: str | None) -> Expected:
    answers = (LABEL_ANSWERS.name, name)
    inputs = {"/".join(answers): warehouse.lake.version(answers), **warehouse.versions("corpus")}
    if spec.golden:
        inputs["golden"] = golden_version(warehouse, spec)
    return Expected((LABEL_TRUTH.name, name), code, inputs)


def _build(name: str, spec: LabelsSpec, step: Step) -> Built:
    warehouse = step.warehouse
    pool = contents_of_rows(warehouse)
    golden = read_golden(warehouse, spec, dict(pool.select("row_id", "content_hash").iter_rows()))
    answers = warehouse.lake.scan((LABEL_ANSWERS.name, name)).filter(pl.col("problem").is_null()).collect()
    meaning = meaning_of(answers, golden, spec)
    table = pool.join(_by_content(meaning, spec), on="content_hash").select(list(TRUTH_SCHEMA)).sort("row_id")
    workers = _by_worker(meaning, spec, answers)
    expected = Expected((WORKERS, name), step.expected.fingerprint, step.expected.inputs)
    warehouse.lake.write(expected, workers)
    info = warehouse.lake.write(step.expected, table)
    return Built(
        info,
        table.height,
        metadata={**_facts(meaning, spec, table, workers, pool), "answers": table_link(LABEL_ANSWERS.name, name)},
    )


def _by_content(meaning: Meaning, spec: LabelsSpec) -> pl.DataFrame:
    """Return a line per content that was answered or is golden."""
    answers, truth = meaning.named.answers, meaning.truth
    label, counts = truth.label, answers.per_task
    votes = answers.votes()[np.arange(len(label)), np.maximum(label, 0)]
    agreed = np.divide(votes, counts, out=np.full(len(label), np.nan), where=(counts > 0) & (label >= 0))
    certainty, most = spec.enough
    settled = is_settled(truth.posterior, counts, certainty, most) | answers.is_golden
    scores = truth.posterior @ np.array(spec.values) if spec.ordered else np.full(len(label), np.nan)
    known = counts + answers.is_golden > 0
    frame = pl.DataFrame(
        {
            "content_hash": meaning.named.tasks,
            "answer": [meaning.named.classes[one] if one >= 0 else None for one in label],
            "score": scores,
            "posterior": truth.certainty,
            "n": counts,
            "agreed": agreed,
            "is_golden": answers.is_golden,
            "is_settled": settled,
            "probabilities": truth.posterior.tolist(),
        },
        schema={column: kind for column, kind in TRUTH_SCHEMA.items() if column not in ("row_id", "source")},
    )
    return frame.filter(pl.Series(known)).with_columns(pl.col("score", "agreed").fill_nan(None))


def _by_worker(meaning: Meaning, spec: LabelsSpec, answers: pl.DataFrame) -> pl.DataFrame:
    """Return a line per worker, those who do not count too; accuracy is against what came out for the others."""
    everybody, posterior = meaning.everybody.answers, meaning.truth.posterior
    told = posterior[everybody.task, everybody.answer]
    n = everybody.per_worker
    right = np.bincount(everybody.worker, told, minlength=len(n))
    accuracy, low, high = quality_interval(right, n - right)
    values = np.array(spec.values)
    above = values[everybody.answer] - posterior[everybody.task] @ values
    bias = np.bincount(everybody.worker, above, minlength=len(n)) / np.maximum(n, 1)
    golden_right, golden_wrong = golden_counts(everybody)
    seconds = dict(answers.group_by("worker").agg(pl.col("seconds").median()).iter_rows())
    return pl.DataFrame(
        {
            "worker": meaning.everybody.workers,
            "answers": n,
            "golden": golden_right + golden_wrong,
            "golden_right": golden_right,
            "accuracy": accuracy,
            "low": low,
            "high": high,
            "bias": bias if spec.ordered else [None] * len(n),
            "seconds": [seconds.get(worker) for worker in meaning.everybody.workers],
            "blocked": meaning.is_blocked,
            "cost": n * spec.price,
        },
        schema=WORKER_SCHEMA,
    )


def noise_by_source(table: pl.DataFrame, pool: pl.DataFrame, spec: LabelsSpec) -> pl.DataFrame:
    """Return of each labelled source the share of rows whose answer means noise, with its interval.

    Args:
        table: the labelled rows; each counts with the probability that it is noise. Golden ones are left out: nobody
            drew them.
        pool: all rows, with ``source``.
        spec: says which answers mean noise.

    Returns:
        source, rows, labelled, noise_share, low, high: the 95 % interval of Wilson for a sample of so many rows.
    """
    places = [spec.classes.index(one) for one in spec.noisy]
    noise = sum((pl.col("probabilities").list.get(place) for place in places), pl.lit(0.0))
    # Rows of one content were asked about once.
    asked = table.filter(~pl.col("is_golden")).unique(["source", "content_hash"]).select("source", noise=noise)
    found = asked.group_by("source").agg(pl.len().alias("labelled"), pl.col("noise").sum())
    rows = pool.group_by("source").agg(pl.len().alias("rows"))
    lines = []
    for source, labelled, noisy, all_rows in found.join(rows, on="source").sort("source").iter_rows():
        low, high = wilson(noisy, labelled, of=all_rows)
        lines.append((source, all_rows, labelled, noisy / labelled, low, high))
    schema = {"source": pl.String, "rows": pl.Int64, "labelled": pl.Int64}
    shares = dict.fromkeys(("noise_share", "low", "high"), pl.Float64)
    return pl.DataFrame(lines, schema={**schema, **shares}, orient="row")


def _facts(
    meaning: Meaning, spec: LabelsSpec, table: pl.DataFrame, workers: pl.DataFrame, pool: pl.DataFrame
) -> dict[str, Any]:
    answers = meaning.named.answers
    level = "interval" if spec.scale else "ordinal" if spec.ordered else "nominal"
    alpha = krippendorff_alpha(answers.task, answers.answer, level, np.array(spec.values))
    noise = noise_by_source(table, pool, spec)
    unclear = table.filter(~pl.col("is_golden") & (pl.col("n") > 1)).sort("posterior", "row_id")
    labelled = table.filter(~pl.col("is_golden"))["content_hash"].n_unique()
    return {
        "rows_labelled": table.height,
        "rows_settled": int(table["is_settled"].sum()),
        "rows_tied": int(table["answer"].null_count()),
        "answers_that_count": len(answers),
        "answers_per_row": round(float(answers.per_task[answers.per_task > 0].mean()), 2) if len(answers) else 0.0,
        "krippendorff_alpha": "not known" if np.isnan(alpha) else round(alpha, 3),
        "alpha_level": level,
        "cost": round(float(workers["cost"].sum()), 2),
        "cost_per_row": round(float(workers["cost"].sum()) / labelled, 3) if labelled else 0.0,
        "workers_blocked": int(workers["blocked"].sum()),
        "by_answer": counts_table(
            dict(table["answer"].fill_null("tied").value_counts(sort=True).iter_rows()), "answer", "rows"
        ),
        "noise_by_source": sample_table(noise, noise.columns, rows=60),
        "noise_means": ", ".join(spec.noisy)
        + ("; the rows were asked by a score and say nothing of the pool" if spec.ask.by == "uncertainty" else ""),
        "workers": sample_table(workers.sort("accuracy"), workers.columns, rows=60),
        "least_certain": sample_table(unclear, ["row_id", "source", "answer", "posterior", "n", "agreed"], SHOWN),
    }
