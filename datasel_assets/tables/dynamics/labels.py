"""Dynamics of a classifier of labels on the vectors of a representation.

Belongs here: labels of rows, vectors, both trainings (one of them with planted faults), disagreement of neighbours.
Does not: the training (``models.label_noise``).
"""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.nearest_neighbours import nearest_neighbours
from datasel_assets.indicators.dynamics import History
from datasel_assets.specs.dynamics import ClassifierSpec, DynamicsSpec
from datasel_assets.tables.dynamics.made import Made
from datasel_assets.tables.pool import read_vectors
from datasel_assets.tables.table import Step
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.label_noise import Learned

OF_EVERY_ROW = ("source", "response")
"""Labels that need no field of the records."""

PLANTED = 2
"""Added to the seed, so that planted rows have nothing to do with the sample."""


def watch_labels(name: str, spec: DynamicsSpec, step: Step) -> Made:
    """Train a classifier of labels on rows of the pool, and again with planted faults.

    Raises:
        ValueError: fewer than two labels have two rows with a vector.
    """
    from datasel_assets.models.label_noise import learn_labels

    how = spec.classifier or ClassifierSpec()
    rows = _labelled(step.warehouse, str(spec.label))
    _refuse_few(name, spec, rows)
    rows = rows[hash_sample(rows["row_id"].to_numpy(), spec.rows, spec.seed)]
    found = read_vectors(step.warehouse, str(spec.representation), rows.select("row_id", "source"))
    rows = rows.with_columns(place=pl.int_range(pl.len())).filter(~pl.Series(found.missing))
    # A label of one row cannot be learned from any other.
    rows = rows.filter(pl.len().over("label") > 1)
    _refuse_few(name, spec, rows)
    vectors = found.vectors.take(rows["place"].to_numpy()).astype(np.float32)
    names, labels = np.unique(rows["label"].to_numpy().astype(np.str_), return_inverse=True)
    twice, epochs = 2 if spec.planted else 1, how.epochs + how.second_epochs
    step.log.info(f"dynamics/{name}: a classifier of {len(names)} labels learns {len(rows):,} rows, {twice} times")
    nearest = nearest_neighbours(vectors).index

    def learn(given: np.ndarray, part: int) -> tuple["Learned", History]:
        learned = learn_labels(
            vectors,
            given,
            len(names),
            how,
            spec.seed,
            lambda done, _: step.progress(part * epochs + done, twice * epochs),
        )
        own = learned.probabilities[np.arange(len(given)), given]
        others = learned.probabilities.copy()
        others[np.arange(len(given)), given] = -1
        known = nearest >= 0
        apart = np.where(known, given[np.where(known, nearest, 0)] != given[:, None], False).sum(axis=1)
        said = {
            "p_clean": learned.p_clean,
            "difficulty": learned.difficulty,
            "label_margin": own - others.max(axis=1),
            "neighbour_disagreement": apart / np.maximum(known.sum(axis=1), 1),
        }
        records = (learned.losses, learned.right.astype(float), learned.confidence, learned.el2n)
        history = History(*records, given=said, plentiful=len(given) >= learned.parameters)
        return learned, history

    learned, history = learn(labels, 0)
    made = Made(
        names=rows.select("row_id", "source"),
        history=history,
        texts=list(rows.select("prompt", "response").iter_rows()),
        facts={
            "rows": len(rows),
            "labels": len(names),
            "base_epoch": learned.base_epoch + 1,
            "told_otherwise": int((learned.probabilities.argmax(axis=1) != labels).sum()),
            "trained_weights": learned.parameters,
        },
        labels=names[labels].tolist(),
        told=names[learned.probabilities.argmax(axis=1)].tolist(),
        counts=learned.counts,
    )
    if spec.planted is None:
        return made
    given, marked = plant_labels(rows["row_id"].to_numpy().astype(np.str_), labels, len(names), spec)
    return replace(made, planted=learn(given, 1)[1], marked=marked)


def _refuse_few(name: str, spec: DynamicsSpec, rows: pl.DataFrame) -> None:
    """Refuse rows of which nothing can be learned.

    Raises:
        ValueError: they have fewer than two labels.
    """
    labels = rows["label"].n_unique()
    if labels < 2:
        raise ValueError(
            f"dynamics/{name}.yaml: label {spec.label!r} has {labels} values in the pool with rows that a classifier "
            "can learn from; it needs two. Name a field that records hold beside their conversation, source or response"
        )


def plant_labels(row_ids: np.ndarray, labels: np.ndarray, k: int, spec: DynamicsSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of which some are another one, each as likely, and which (n,) bool."""
    assert spec.planted is not None, "somebody asked for planted faults"
    drawn = hash_sample(row_ids, round(spec.planted.share * len(row_ids)), spec.seed + PLANTED)
    given, marked = labels.copy(), np.zeros(len(labels), bool)
    shift = np.random.default_rng(spec.seed + PLANTED).integers(1, k, len(drawn))
    given[drawn] = (labels[drawn] + shift) % k
    marked[drawn] = True
    return given, marked


def _labelled(warehouse: Warehouse, label: str) -> pl.DataFrame:
    """Return ``row_id``, ``source``, ``prompt``, ``response`` and ``label`` of the rows of the pool that have one."""
    columns = ["row_id", "source", "prompt", "response"]
    frames = []
    for source in warehouse.active_sources():
        rows = warehouse.lake.scan(("corpus", source))
        if label in OF_EVERY_ROW:
            frames.append(rows.select(*columns, label=pl.col(label)).collect())
            continue
        found = rows.select(*columns, "extra").collect()
        values = [_value(extra, label) for extra in found["extra"]]
        frames.append(found.drop("extra").with_columns(label=pl.Series(values, dtype=pl.String)))
    return pl.concat(frames).drop_nulls("label").filter(pl.col("label") != "").sort("row_id")


def _value(extra: str | None, label: str) -> str | None:
    """Return a field of a record as text; None where it has none."""
    held = json.loads(extra) if extra else {}
    value = held.get(label)
    return None if value is None or isinstance(value, list | dict) else str(value)
