"""Assets of scores: one table per family and source with a column per indicator, and blends over the whole pool."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.diagnostics import plots
from datasel_assets.indicators import FAMILIES, Indicator
from datasel_assets.indicators.blend import BlendError, blend, describe, fit_outcomes
from datasel_assets.recipes.scores import BLENDS, numbers
from datasel_assets.specs.blend import BlendSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.lines import Lines, arrow_schema
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.pool import read_pool, score_key, score_tables
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context, WholeTableError
from datasel_assets.tables.shown import FilePath, picture, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.warehouse import Warehouse

SCORES = Kind("scores", per="source", companions=("turn_scores",))
BLEND = Kind(BLENDS)

TEXT_UNIT_ROWS = 4096
TURNS = "turn_scores"
"""Tables with one line for each turn of the sides that have more than one, beside the score table of their family."""
EXCERPT_CHARS = 60


def column_versions(indicators: Mapping[str, Indicator], *more: object) -> dict[str, str]:
    """Return the version of each column of a family; ``more``: what else its values depend on."""
    return {
        column: digest([indicator.version, *more]) for indicator in indicators.values() for column in indicator.columns
    }


def text_scores() -> Table:
    """Return the table of the indicators that need nothing but the text."""
    family = FAMILIES["text"]
    wanted = column_versions(family)
    return RowTable(
        rows_of=("corpus",),
        wants=lambda warehouse, source: Wanted(columns_fingerprint(wanted), versions=wanted),
        work=lambda step: Work(score_schema(wanted), ["messages"]),
        compute=score_text,
        unit_rows=TEXT_UNIT_ROWS,
        lines=turn_table((SCORES.name, "text"), family),
        facts=lambda step, update: score_facts(step, family) | turn_facts(step),
        verify=lambda step, update: score_checks(step, update, family),
    ).table(
        kind=SCORES,
        key=(SCORES.name, "text"),
        description=(
            "What the text alone says about a row: lexical diversity, readability, surface, repetition, spelling, "
            "language. One column per indicator and side of the conversation; NaN where it is not defined. Sides with "
            "several turns have the values of each turn in the table `turn_scores/text`."
        ),
        group="scores",
        reads=[("corpus",)],
        checks=SCORE_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=columns_fingerprint(wanted),
        lineage={column: [(("corpus",), "messages")] for column in wanted},
        columns=column_texts(family),
    )


def score_text(rows: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the text indicators of conversations, and those of their single turns."""
    from datasel_assets.indicators.text import score_conversations

    found, turns = score_conversations(rows["messages"].to_list(), list(context.columns))
    scores = within_bounds(pl.DataFrame({"row_id": rows["row_id"], **found}), FAMILIES["text"])
    return scores, turn_lines(rows["row_id"], turns)


TEXT_SHARD_ROWS = TEXT_UNIT_ROWS  # TRANSITION, as the two functions below


def turns_there(warehouse: Warehouse, key: Key) -> str:
    """Return whether the turns of the score table ``key`` are there."""
    return "yes" if warehouse.lake.path((TURNS, *key[1:])).is_file() else "no"


def with_turns(expected: Expected) -> Expected:
    """Return what the score table will have been made from, once its turns are published just before it."""
    from dataclasses import replace

    return replace(expected, inputs={**expected.inputs, "turns": "yes"})


def score_schema(columns: Iterable[str]) -> pa.Schema:
    """Return the columns of a score table: one float32 each, sorted."""
    return arrow_schema({"row_id": pl.String, **dict.fromkeys(sorted(columns), pl.Float32)})


def turn_table(key: Key, family: Mapping[str, Indicator]) -> Lines:
    """Return the table of single turns that belongs to the score table ``key``."""
    column = {name: found.name for found in family.values() if found.parts for name in found.columns}
    return Lines((TURNS, *key[1:]), {"part": pl.String, "turn": pl.Int32}, column)


def turn_lines(ids: pl.Series, turns: pl.DataFrame) -> pl.DataFrame:
    """Return the turns of :func:`score_conversations` with the ids of their rows."""
    return turns.drop("row").insert_column(0, ids.gather(turns["row"]).alias("row_id"))


def turn_facts(step: Step) -> dict[str, Any]:
    """Return what the page of a family shows of its table of single turns."""
    info = step.warehouse.lake.require((TURNS, *step.expected.key[1:]))
    return {"turns_scored": info.rows, "turns": FilePath(info.path)}


def blend_asset(name: str, spec: BlendSpec, keep: Mapping[str, str]) -> Table:
    """Return the asset of one file in ``scores/``: a score made from scores."""
    inputs = [entry.score for entry in spec.inputs]
    deps = [("corpus",), ("duplicates",), *score_deps(inputs)]
    signs = {score: keep[score] for score in inputs if score in keep}
    fingerprint = digest([BLEND.version, spec.model_dump(mode="json"), signs])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        found = warehouse.versions("corpus") | score_inputs(warehouse, inputs)
        if spec.outcomes is not None:
            found["outcomes"] = _content(warehouse, spec)
        return Expected((BLENDS, name), fingerprint, found)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = read_pool(warehouse, scores=inputs)
        values = {score: numbers(pool, score) for score in inputs}
        fit = fit_outcomes(spec, _outcomes(warehouse, spec)) if spec.outcomes else None
        made = blend(spec, values, signs, pool["source"].to_numpy().astype(np.str_), fit)
        known = np.isfinite(made)
        if not known.any():
            raise ValueError(f"scores/{name}.yaml: the blend is defined for none of {len(made):,} rows; not published")
        table = pool.select("row_id", "source").with_columns(score=pl.Series(made).cast(pl.Float32))
        info = warehouse.lake.write(step.expected, table)
        shown = {f"{BLENDS}.{name}": made, **values}
        return Built(
            info,
            table.height,
            metadata={
                "rows_without_score": int((~known).sum()),
                **{f"weight: {score}": value for score, value in describe(spec, fit).items()},
                "plot: scores": picture(plots.score_grid(shown, f"{name} and its inputs"), f"distribution of {name}"),
                "rows": extreme_rows(warehouse, table, {"score": "high"}),
            },
            checks={"some_rows_have_a_score": Check(bool(known.any()), {"rows": int(known.sum())})},
        )

    return Table(
        kind=BLEND,
        key=(BLENDS, name),
        description=f"{spec.doc}\n\n{spec.how} of {', '.join(inputs)}. Source: {spec.paper or 'not stated'}",
        group="scores",
        reads=deps,
        expect=expect,
        build=build,
        checks={"some_rows_have_a_score": "the blend is defined for at least one row"},
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
        lineage={"score": [(score_key(score), score.partition(".")[2]) for score in inputs if "." in score]},
    )


SCORE_CHECKS = {
    "covers_corpus": "one line of scores for every conversation and no other",
    "within_bounds": "every score is missing or inside the bounds that its definition promises",
}


def within_bounds(scores: pl.DataFrame, indicators: Mapping[str, Indicator]) -> pl.DataFrame:
    """Return ``scores`` if every value is missing or inside the bounds of its indicator; called before publishing.

    Raises:
        WholeTableError: a value is not; nothing is published then.
    """
    outside = _outside(scores, indicators)
    if outside:
        shown = ", ".join(f"{column} ({rows} rows)" for column, rows in outside.items())
        raise WholeTableError(f"scores outside the bounds of their definition: {shown}; nothing was published")
    return scores


def score_checks(step: Step, update: Update, indicators: Mapping[str, Indicator]) -> dict[str, Check]:
    """Return the checks of a published family table."""
    table = step.warehouse.lake.scan(step.expected.key).collect()
    outside = _outside(table, indicators)
    if isinstance(update, int):  # TRANSITION
        return {"covers_corpus": Check(True), "within_bounds": Check(not outside)}
    return {
        "covers_corpus": Check(table.height == update.new + update.reused, {"rows": table.height}),
        "within_bounds": Check(not outside, {"columns": len(indicators), **outside}),
    }


def _outside(scores: pl.DataFrame, indicators: Mapping[str, Indicator]) -> dict[str, int]:
    """Return the columns with values out of bounds (up to float32 rounding), and how many."""
    found = {}
    for indicator in indicators.values():
        low, high = indicator.bounds
        slack = 1e-4 * max(1.0, abs(low or 0.0), abs(high or 0.0))
        low, high = -np.inf if low is None else low - slack, np.inf if high is None else high + slack
        for column in set(indicator.columns) & set(scores.columns):
            values = scores[column].drop_nulls().drop_nans()
            wrong = values.len() - int(values.is_between(low, high).sum())
            if wrong:
                found[column] = wrong
    return found


def score_facts(step: Step, indicators: Mapping[str, Indicator]) -> dict[str, Any]:
    """Return what the page of a family shows: distributions, and rows that say what a number means."""
    table = step.warehouse.lake.scan(step.expected.key).collect()
    keep = {column: indicator.keep for indicator in indicators.values() for column in indicator.columns}
    values = {column: table[column].to_numpy() for column in keep}
    title = f"{step.expected.key[1]} scores of {step.source}"
    return {
        "plot: distributions": picture(plots.score_grid(values, title), title),
        "missing_share": round(float(np.mean([np.isnan(v).mean() for v in values.values()])) if table.height else 0, 4),
        "rows": extreme_rows(step.warehouse, table, keep, step.source),
        "corpus": table_link("corpus"),
    }


def extreme_rows(warehouse: Warehouse, table: pl.DataFrame, keep: Mapping[str, str], source: str | None = None) -> Any:
    """Return a table with the lowest, the median and the highest row of each column, so that a number has a face."""
    picked = []
    for column, kept in keep.items():
        known = table.select("row_id", score=pl.col(column)).drop_nulls().drop_nans().sort("score", "row_id")
        places = {"lowest": 0, "median": known.height // 2, "highest": known.height - 1} if known.height else {}
        picked += [(column, kept, name, *known.row(place)) for name, place in places.items()]
    frame = pl.DataFrame(picked, schema=["score_name", "keep", "place", "row_id", "value"], orient="row")
    if frame.is_empty():
        return sample_table(frame, ["score_name"])
    texts = pl.concat(
        warehouse.lake.scan(("corpus", name))
        .filter(pl.col("row_id").is_in(frame["row_id"].implode()))
        .select("row_id", "prompt", "response")
        for name in ([source] if source else warehouse.active_sources())
    ).collect()
    said = pl.when(pl.col("score_name").str.starts_with("prompt_")).then("prompt").otherwise("response")
    cell = pl.format("{}: {}", pl.col("value").round_sig_figs(3), said.str.slice(0, EXCERPT_CHARS))
    faces = (
        frame.join(texts, on="row_id", how="left", maintain_order="left")
        .with_columns(cell=cell)
        .pivot("place", index=["score_name", "keep"], values="cell", maintain_order=True)
    )
    return sample_table(faces, ["score_name", "keep", "lowest", "median", "highest"], rows=faces.height)


def column_texts(indicators: Mapping[str, Indicator]) -> dict[str, str]:
    """Return what each column means, from the first line of the indicator's docstring."""
    found = {}
    for indicator in indicators.values():
        for column in indicator.columns:
            side = column.removesuffix(f"_{indicator.name}") if indicator.parts else ""
            found[column] = f"{indicator.summary} Keep: {indicator.keep}." + (f" Of the {side}." if side else "")
    return found


def score_deps(scores: Iterable[str]) -> list[Key]:
    """Return the assets whose tables hold these scores, each once."""
    return sorted({score_key(score) for score in scores if "." in score})


def score_inputs(warehouse: Warehouse, scores: Iterable[str]) -> dict[str, str]:
    """Return the versions of the tables that hold these scores."""
    tables = [table for key in score_deps(scores) for table in score_tables(warehouse, key)]
    return {"/".join(table): warehouse.lake.version(table) for table in tables}


def _content(warehouse: Warehouse, spec: BlendSpec) -> str:
    path = _outcomes_path(warehouse, spec)
    return digest(path.read_bytes().hex()) if path.is_file() else "missing"


def _outcomes_path(warehouse: Warehouse, spec: BlendSpec) -> Path:
    assert spec.outcomes is not None, "only ols has outcomes"
    return warehouse.settings.data / spec.outcomes.uri


def _outcomes(warehouse: Warehouse, spec: BlendSpec) -> dict[str, np.ndarray]:
    path = _outcomes_path(warehouse, spec)
    if not path.is_file():
        raise BlendError(f"the outcomes file {path} does not exist")
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet}.get(path.suffix)
    if read is None:
        raise BlendError(f"the outcomes file {path} must be .csv or .parquet")
    frame = read(path)
    wrong = [name for name, kind in frame.schema.items() if not kind.is_numeric()]
    names: Sequence[str] = [entry.score for entry in spec.inputs]
    if set(wrong) & {*names, spec.outcomes.column if spec.outcomes else ""}:
        raise BlendError(f"{path}: the columns {', '.join(wrong)} are not numbers")
    return {
        name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in frame.columns
        if name not in wrong
    }
