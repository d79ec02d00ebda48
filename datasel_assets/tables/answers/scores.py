"""The scores of a file of ``answers/``: one line for every row of the pool, null where nobody was asked about it.

Belongs here: the table, the linear model for the other rows, the page by which a judge is judged. Does not belong here:
the arithmetic (``answers``), asking (``answers`` beside this module).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.answers.distil import distil
from datasel_assets.answers.pairs import elo
from datasel_assets.answers.scoring import outcomes, row_scores
from datasel_assets.diagnostics import judges, plots
from datasel_assets.registry.answers import DISTILLED, answer_columns
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.answers import StoredSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables import score_names
from datasel_assets.tables.answers.answers import ANSWERS
from datasel_assets.tables.answers.questions import Questions
from datasel_assets.tables.answers.stored import Stored
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.shown import Rows, picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

ANSWER_SCORES = Kind(score_names.ANSWER_SCORES)


@dataclass(frozen=True)
class _Judge:
    """Another judge of the same rows: a model, or people.

    Attributes:
        name: of its file.
        scores: column -> lowest and highest value that there can be; None where that is not said.
        key: of the table of its scores.
    """

    name: str
    scores: Mapping[str, tuple[float | None, float | None]]
    key: Key


def _judges(registry: Registry) -> list[_Judge]:
    models = [
        _Judge(
            name, {column: (c.low, c.high) for column, c in answer_columns(spec).items()}, (ANSWER_SCORES.name, name)
        )
        for name, spec in sorted(registry.answers.items())
    ]
    people = [
        _Judge(name, {"score": (min(spec.values), max(spec.values))}, ("label_truth", name))
        for name, spec in sorted(registry.labels.items())
        if spec.ordered
    ]
    return [*models, *people]


def answer_score_table(name: str, registry: Registry, *, read: bool) -> Table:
    """Return the table of scores of the file ``answers/<name>.yaml``.

    Args:
        name: of the file.
        registry: of the data folder.
        read: whether a recipe reads one of the scores; the table is made on request only where none does.
    """
    own = Questions(name, registry.answers[name], registry)
    columns = answer_columns(own.spec)
    distil = own.spec.distil
    source = own.ask.paper or "not stated"
    return Table(
        kind=ANSWER_SCORES,
        key=("scores", name),
        stored_as=(ANSWER_SCORES.name, name),
        description=f"{own.spec.doc}\n\n{own.ask.doc} Made of the answers that are there. Source: {source}",
        group="scores",
        reads=[
            ("corpus",),
            ("duplicates",),
            (ANSWERS.name, name),
            *([("representations", distil.representation)] if distil else []),
        ],
        expect=partial(_expect, own),
        build=partial(_build, own, registry),
        checks={"some_rows_have_a_score": "at least one row has each of the scores"},
        on_demand=not (read or own.spec.is_stored),
        kinds=frozenset({"parquet", "numpy"}),
        version=_fingerprint(own),
        columns={
            column: f"{found.doc or own.ask.doc} Keep: {found.keep}."
            + (" Told by a linear model of the answers." if column.startswith(DISTILLED) else "")
            for column, found in columns.items()
        },
        lineage={column: [((ANSWERS.name, name), str(found.field))] for column, found in columns.items()},
    )


def _fingerprint(own: Questions) -> str:
    scores = {column: found.model_dump(mode="json", exclude={"doc"}) for column, found in own.ask.scores.items()}
    distil = own.spec.distil.model_dump(mode="json") if own.spec.distil else None
    ridge = own.pairs.ridge if own.ask.about == "pair" else None
    return digest([ANSWER_SCORES.version, own.ask.about, scores, distil, ridge])


def _expect(own: Questions, warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions("corpus") | warehouse.versions(ANSWERS.name, own.name)
    if own.spec.distil:
        inputs |= warehouse.versions("representations", own.spec.distil.representation)
    return Expected((ANSWER_SCORES.name, own.name), _fingerprint(own), inputs)


def _build(own: Questions, registry: Registry, step: Step) -> Built:
    warehouse = step.warehouse
    answers = read_answers(warehouse, own.name)
    pool = read_pool(warehouse).select("row_id", "source", "response_chars")
    columns = list(own.ask.scores)
    table = pool.join(row_scores(own.spec, own.ask, answers), on="row_id", how="left", maintain_order="left")
    r2: dict[str, float] = {}
    if own.spec.distil:
        table, r2 = _distilled(own, warehouse, table)
    lacking = [column for column in columns if not table[column].count()]
    if lacking:
        raise ValueError(
            f"answers/{own.name}.yaml: no row has the score {lacking[0]!r}: none of {answers.height:,} replies could "
            f"be read, or not all about any row; see the column 'unread' of answers/{own.name}"
        )
    scores = [*columns, *distilled_columns(r2)]
    stored = table.select("row_id", "source", *(pl.col(column).cast(pl.Float32) for column in scores))
    info = warehouse.lake.write(step.expected, stored)
    return Built(
        info,
        stored.height,
        metadata=_facts(own, registry, warehouse, table, answers, r2),
        checks={"some_rows_have_a_score": Check(True, {column: int(table[column].count()) for column in columns})},
    )


def read_answers(warehouse: Warehouse, name: str) -> pl.DataFrame:
    """Return the answers of a file about the rows of all active sources.

    Raises:
        ValueError: nobody has been asked yet.
    """
    keys = [(ANSWERS.name, name, source) for source in warehouse.active_sources()]
    frames = [warehouse.lake.scan(key) for key in keys if warehouse.lake.info(key)]
    if not frames:
        raise ValueError(f"answers/{name}.yaml: nobody has been asked yet; do it with: datasel ask {name}")
    return pl.concat(frames, how="diagonal").collect()


def distilled_columns(names: Iterable[str]) -> list[str]:
    """Return the columns that linear models fill."""
    return [f"{DISTILLED}{column}" for column in names]


def _distilled(own: Questions, warehouse: Warehouse, table: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    """Return the table with the columns of the linear models, and the R2 of each on rows that it had not seen."""
    asked_for = own.spec.distil
    assert asked_for is not None
    found = read_vectors(warehouse, asked_for.representation, table)
    ids, r2 = table["row_id"].to_numpy(), {}
    for column in own.ask.scores:
        values = table[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        asked = np.flatnonzero(np.isfinite(values) & ~found.missing)
        try:
            line, r2[column] = distil(found.vectors.take(asked), values[asked], ids[asked], asked_for.folds)
        except ValueError as error:
            raise ValueError(f"answers/{own.name}.yaml: distil: {column}: {error}") from error
        told = np.full(len(ids), np.nan)
        for start in range(0, len(ids), 1 << 16):
            rows = np.arange(start, min(start + (1 << 16), len(ids)))
            told[rows] = line.estimate(found.vectors.take(rows))
        told[found.missing] = np.nan
        table = table.with_columns(pl.Series(f"{DISTILLED}{column}", told).fill_nan(None))
    return table, r2


# ------------------------------------------------------------------------------------------------------ the page
def _facts(
    own: Questions,
    registry: Registry,
    warehouse: Warehouse,
    table: pl.DataFrame,
    answers: pl.DataFrame,
    r2: dict[str, float],
) -> dict[str, Any]:
    columns = [*own.ask.scores, *distilled_columns(r2)]
    values = {column: table[column].cast(pl.Float64).fill_null(np.nan).to_numpy() for column in columns}
    keep = {column: found.keep for column, found in answer_columns(own.spec).items()}
    title, stored = f"scores of {own.name}", own.spec.provider
    scored = table.filter(pl.any_horizontal(pl.col(column).is_not_null() for column in own.ask.scores))
    return {
        "rows_with_a_score": scored.height,
        "unread_share": round(float(answers["unread"].is_not_null().mean() or 0.0), 4),  # type: ignore[arg-type]
        "failed": int(answers["failed"].is_not_null().sum()),
        **({"replies_about_no_row": Stored(stored, warehouse).without_a_row} if isinstance(stored, StoredSpec) else {}),
        "cost": round(float(answers["cost"].sum()), 6),
        "plot: scores": picture(plots.score_grid(values, title), title),
        "columns": _calibration(own, values, table["response_chars"].cast(pl.Float64).to_numpy(), r2),
        **(_pair_facts(own, answers, table) if own.ask.about == "pair" else {}),
        **_other_judges(own, registry, warehouse, table),
        "rows": extreme_rows(warehouse, table, keep),
        "answers": table_link(ANSWERS.name, own.name),
    }


def _calibration(own: Questions, values: dict[str, np.ndarray], chars: np.ndarray, r2: dict[str, float]) -> Rows:
    """Show of each column what tells whether it can be relied on."""
    cells = []
    for column, found in values.items():
        known = found[np.isfinite(found)]
        different, commonest = judges.ties(found)
        told = r2.get(column.removeprefix(DISTILLED)) if column.startswith(DISTILLED) else None
        cells.append(
            [
                column,
                len(known),
                _figure(known.mean() if len(known) else np.nan),
                _figure(known.std() if len(known) else np.nan),
                different,
                _figure(commonest),
                _figure(judges.correlation(found, chars)),
                "" if told is None else _figure(told),
            ]
        )
    headings = {
        "column": None,
        "rows": "with a score",
        "mean": None,
        "deviation": None,
        "values": "different ones",
        "commonest": "share of rows with the commonest value",
        "with length": "Spearman correlation with the length of the response: who likes long answers shows here",
        "unseen R2": "share of the variance that the linear model tells of rows that it had not seen",
    }
    return Rows(headings, cells)


def _pair_facts(own: Questions, answers: pl.DataFrame, table: pl.DataFrame) -> dict[str, Any]:
    """Show how pairs were judged: in both orders alike, and with strengths that Elo confirms."""
    cells = []
    for name, column in own.ask.scores.items():
        found = outcomes(column, answers)
        read = answers if column.question is None else answers.filter(pl.col("question") == column.question)
        value = read[str(column.field)].drop_nulls()
        both = found["agreed"].drop_nulls()
        rows = table.filter(pl.col(name).is_not_null()).sort("row_id")
        first, second = (rows["row_id"].search_sorted(found[side]).to_numpy() for side in ("row_id", "other"))
        rating = elo(first, second, found["won"].to_numpy(), rows.height)
        cells.append(
            [
                name,
                found.height,
                _figure(float(both.mean()) if len(both) else np.nan),  # type: ignore[arg-type]
                _figure(float((value > 0.5).mean() or 0.0)),  # type: ignore[arg-type]
                _figure(judges.correlation(rows[name].cast(pl.Float64).to_numpy(), rating)),
            ]
        )
    headings = {
        "column": None,
        "pairs": None,
        "same in both orders": "share of the pairs asked in both orders",
        "first text preferred": "share of all replies; half, where the place does not count",
        "Elo": "Spearman correlation of the strengths with Elo ratings of the same pairs",
    }
    return {"pairs": Rows(headings, cells)}


def _other_judges(own: Questions, registry: Registry, warehouse: Warehouse, table: pl.DataFrame) -> dict[str, Any]:
    """Show how far other judges of the same rows agree, the length of the response taken out."""
    cells = []
    own_columns = answer_columns(own.spec)
    for judge in _judges(registry):
        if judge.name == own.name or not warehouse.lake.info(judge.key):
            continue
        theirs = warehouse.lake.scan(judge.key).select(
            "row_id", **{f"{column} of the other": column for column in judge.scores}
        )
        both = table.join(theirs.collect().unique("row_id"), on="row_id", how="inner")
        chars = both["response_chars"].cast(pl.Float64).to_numpy()
        for mine in own.ask.scores:
            for column, scale in judge.scores.items():
                a, b = (
                    both[name].cast(pl.Float64).fill_nan(None).fill_null(np.nan).to_numpy()
                    for name in (mine, f"{column} of the other")
                )
                rows = int((np.isfinite(a) & np.isfinite(b)).sum())
                if rows > 2:
                    one_scale = scale == (own_columns[mine].low, own_columns[mine].high) and None not in scale
                    figures = (
                        judges.correlation(a, b),
                        judges.correlation_given(a, b, chars),
                        judges.alpha(a, b) if one_scale else np.nan,
                    )
                    cells.append([mine, f"{judge.name}.{column}", rows, *map(_figure, figures)])
    if not cells:
        return {}
    headings = {
        "column": None,
        "other judge": None,
        "rows": "that both have judged",
        "Spearman": None,
        "length taken out": "partial Spearman correlation given the length of the response",
        "alpha": "Krippendorff's, by the squares of the differences: 1 the same grades, 0 as if dealt out at random; "
        "for judges on one scale of few values",
    }
    return {"other judges": Rows(headings, cells)}


def _figure(value: float) -> str | float:
    return "" if not np.isfinite(value) else float(f"{value:.3g}")
