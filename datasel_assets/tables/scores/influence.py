"""Influence: every row's gradient compared with the directions that a target, the pool or held-out rows ask for.

Belongs here: the table of the score. Does not belong here: the directions (``influence_targets``), influence by the
stored table (``projected_influence``), what influence is (``indicators.influence``), gradients and curvature
(``models``). The whole gradient of a row is compared while it is there; the stored table of gradients is not read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators import influence as maths
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.influence import InfluenceSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.rows import columns_fingerprint
from datasel_assets.tables.forecast import row_forecast
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.scores.families import score_schema
from datasel_assets.tables.scores.helpful_rows import HELPFUL, likeness, likeness_by, likeness_reads, score_page
from datasel_assets.tables.scores.influence_targets import (
    INFLUENCE_TARGETS,
    comparison,
    directions_of,
    directions_table,
    scored,
)
from datasel_assets.tables.scores.projected_influence import projected_directions, projected_score
from datasel_assets.tables.shown import table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.curvature import Differentiated, Models, open_model
from datasel_assets.tables.warehouse import Warehouse

if TYPE_CHECKING:
    from datasel_assets.models.gradient_projections import Toward
    from datasel_assets.models.gradients import GradientModel

KIND = maths.KIND
INFLUENCE = Kind(KIND.name, version=KIND.version, per="source")
INFLUENCE_PRODUCTS = Kind("influence_products", per="source")
"""The influence of rows on single examples, where these take turns."""

INFLUENCE_TURNS = Kind("influence_turns")
"""The same of all rows of the pool, in ascending order."""

PRODUCTS = "products"
UNIT_ROWS = 1024
"""A killed step loses at most this many rows of work."""


def influence_tables(name: str, registry: Registry) -> list[Table]:
    """Return the directions and the score of the file ``scores/<name>.yaml``."""
    spec = registry.scores[name]
    assert isinstance(spec, InfluenceSpec)
    gradients = registry.gradients[spec.gradients]
    own = Differentiated(spec.gradients, gradients, registry.language_models[gradients.model])
    by = likeness_by(spec, registry)
    extra: dict[str, Any] = {"runs_model": True}
    tables = [directions_table(name, spec, own)]
    if spec.precondition == "gram":
        tables, score, extra = [projected_directions(name, spec, own)], projected_score(name, spec, own), {}
    elif spec.reduce == "round_robin":
        tables += [_products_table(name, spec, own), _pool_table(name, spec, own)]
        score, extra = _turns(name, spec, own), {}
    else:
        score = exact_rows(name, spec, own)
    rows_of = score.rows_of
    table = replace(score, facts=partial(_facts, name, spec, by)).table(
        kind=INFLUENCE,
        key=(INFLUENCE.name, name),
        description=f"{spec.doc}\n\n{KIND.about(spec)} Source: {spec.paper}",
        group="scores",
        reads=[
            *dict.fromkeys([("corpus",), rows_of, *(table.key for table in tables), *own.reads()]),
            *likeness_reads(by, spec.target, registry),
        ],
        checks={"covers_corpus": "one value for every conversation and no other"},
        kinds=frozenset({"parquet", "pytorch"}),
        version=_made_by(spec, own),
        columns={"score": f"{maths.influence.summary} Keep: {KIND.keep}."},
        lineage={"score": [(("corpus",), "messages")]},
        **extra,
    )
    return [*tables, table]


def _made_by(spec: InfluenceSpec, own: Differentiated) -> str:
    weights = [spec.checkpoint_weights] if own.spec.several else []
    return digest([INFLUENCE.version, maths.influence.version, *own.identity, spec.similarity, *own.stepped, *weights])


def exact_rows(name: str, spec: InfluenceSpec, own: Differentiated, rows_of: Key = ("corpus",)) -> RowTable:
    """Return how the influence of every row of a table is computed.

    Args:
        name: of the file in ``scores/``.
        spec: what it says.
        own: gradients and model.
        rows_of: key of the table of rows, without the source.
    """
    directions = (INFLUENCE_TARGETS.name, name)
    return RowTable(
        rows_of=rows_of,
        wants=partial(_wants, directions, _made_by(spec, own)),
        work=partial(influence_work, spec, own, directions),
        compute=compare,
        load=load_directions,
        unit_rows=UNIT_ROWS,
        forecast=partial(_forecast, rows_of, compare),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    )


def _products_table(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    """Return the table of the influence of rows on each example."""
    directions, key = (INFLUENCE_TARGETS.name, name), (INFLUENCE_PRODUCTS.name, name)
    schema = pa.schema([("row_id", pa.string()), (PRODUCTS, pa.list_(pa.float32()))])
    exact = exact_rows(name, spec, own)

    def wants(warehouse: Warehouse, source: str | None) -> Wanted:
        return Wanted(digest([INFLUENCE_PRODUCTS.version, _made_by(spec, own), warehouse.lake.version(directions)]))

    return replace(
        exact,
        wants=wants,
        work=lambda step: replace(exact.work(step), schema=schema),
        compute=multiply,
        forecast=partial(_forecast, ("corpus",), multiply),
    ).table(
        kind=INFLUENCE_PRODUCTS,
        key=key,
        description=f"What a training step on a row does to the loss of each example of {spec.aim}.",
        group="scores",
        reads=[("corpus",), directions, *own.reads()],
        checks={"covers_corpus": "one line for every conversation and no other"},
        runs_model=True,
        kinds=frozenset({"parquet", "pytorch"}),
        version=_made_by(spec, own),
        columns={PRODUCTS: "One number for each example, in the order of their ids; null without a response token."},
    )


def _pool_table(name: str, spec: InfluenceSpec, own: Differentiated) -> Table:
    """Return the table of the influence of all rows on each example: how many of them come before a row."""
    products, key = (INFLUENCE_PRODUCTS.name, name), (INFLUENCE_TURNS.name, name)
    fingerprint = digest([INFLUENCE_TURNS.version, _made_by(spec, own)])

    def build(step: Step) -> Built:
        keys = [(*products, source) for source in step.warehouse.active_sources()]
        found = pl.concat(step.warehouse.lake.scan(each).select(PRODUCTS).drop_nulls() for each in keys).collect()
        pool = np.sort(_matrix(found[PRODUCTS]), axis=0)
        info = step.warehouse.lake.write_arrays(step.expected, {PRODUCTS: pool})
        return Built(info, len(pool), metadata={"rows": len(pool), "examples": pool.shape[1]}, rows_total=len(pool))

    return Table(
        kind=INFLUENCE_TURNS,
        key=key,
        description=f"The influence of all rows on each example of {spec.aim}, in ascending order.",
        group="scores",
        reads=[products],
        expect=lambda warehouse, source: Expected(key, fingerprint, warehouse.versions(*products)),
        build=build,
        kinds=frozenset({"safetensors", "numpy"}),
        version=fingerprint,
    )


def _turns(name: str, spec: InfluenceSpec, own: Differentiated) -> RowTable:
    """Return how the score of each row is made from its influence on each example and that of all others."""
    pool = (INFLUENCE_TURNS.name, name)

    def work(step: Step) -> Work:
        arguments = {"pool": list(pool), "version": step.warehouse.lake.version(pool)}
        return Work(score_schema(["score"]), [PRODUCTS], arguments)

    return RowTable(
        rows_of=(INFLUENCE_PRODUCTS.name, name),
        wants=partial(_wants, pool, _made_by(spec, own)),
        work=work,
        compute=take_turns,
        load=load_pool,
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    )


def load_pool(warehouse: Warehouse, pool: list[str], version: str) -> np.ndarray:
    """Load the influence of all rows on each example, each column ascending; ``version`` only says which it was."""
    return warehouse.lake.read_arrays(tuple(pool))[PRODUCTS]


def take_turns(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return when each row is taken."""
    known = rows.filter(pl.col(PRODUCTS).is_not_null())
    taken = known.select("row_id", score=pl.Series(maths.turn_taken(_matrix(known[PRODUCTS]), context.loaded)))
    scores = rows.select("row_id").join(taken, on="row_id", how="left", maintain_order="left")
    return scores.with_columns(pl.col("score").fill_null(float("nan")).cast(pl.Float32))


def _matrix(lists: pl.Series) -> np.ndarray:
    width = len(lists[0]) if len(lists) else 0
    return lists.explode().to_numpy().reshape(len(lists), width)


def _wants(directions: Key, made_by: str, warehouse: Warehouse, source: str | None) -> Wanted:
    # The directions have another version whenever the model or the curvature has.
    versions = {"score": digest([made_by, warehouse.lake.version(directions)])}
    return Wanted(columns_fingerprint(versions), versions=versions)


def influence_work(spec: InfluenceSpec, own: Differentiated, directions: Key, step: Step) -> Work:
    """Return what :func:`compare` reads of a row, and what :func:`load_directions` needs."""
    info = step.warehouse.lake.require(directions)
    arguments = {
        "openings": own.openings(step.warehouse, moments=bool(own.stepped)),
        "directions": list(directions),
        "version": info.data_version,
        "steps": bool(own.stepped),
        **comparison(spec, own, step.warehouse, info),
    }
    return Work(score_schema(["score"]), ["messages"], arguments)


def _forecast(
    rows_of: Key, compute: Callable[[pl.DataFrame, Context], pl.DataFrame], step: Step, work: Work, rows: int
) -> dict[str, Any]:
    return row_forecast(step, work, rows, rows_of=rows_of, compute=compute, load=load_directions, bytes_per_row=4)


def load_directions(
    warehouse: Warehouse, openings: Sequence[Mapping[str, Any]], directions: list[str], version: str, **_: Any
) -> Models:
    """Load models and the directions of a target; ``version`` only says which these were."""
    from datasel_assets.models.gradient_projections import Toward

    vectors = warehouse.lake.read_arrays(tuple(directions))

    def load(number: int, opening: Mapping[str, Any]) -> "tuple[GradientModel, Toward]":
        model = open_model(warehouse, **opening)
        return model, Toward(vectors[directions_of(number)], model.shapes, model.device)

    return Models(openings, load)


def compare(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the influence of conversations."""
    return scored(rows["row_id"], _read(rows, context), context.arguments)


def multiply(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return the influence of conversations on each example."""
    how = context.arguments
    products, known = maths.over_checkpoints(_read(rows, context), how["weights"], how["cosine"])
    lists = pl.Series(products.astype(np.float32).tolist(), dtype=pl.List(pl.Float32))
    return rows.select("row_id", pl.when(pl.Series(known > 0)).then(lists).alias(PRODUCTS))


def _read(rows: pl.DataFrame, context: Context) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return products with the directions and lengths of the gradients of conversations, at each checkpoint.

    Raises:
        ValueError: a gradient holds NaN or infinity.
    """
    conversations, steps, found = rows["messages"].to_list(), context.arguments["steps"], []
    for model, toward in context.loaded:
        read = model.read(conversations, toward, progress=context.progress, steps=steps)
        if not (np.isfinite(read.norm).all() and np.isfinite(read.values).all()):
            raise ValueError("the gradient holds NaN or infinity")
        found.append((read.values, read.norm))
    return found


def _facts(name: str, spec: InfluenceSpec, by: str | None, step: Step, update: Update) -> dict[str, Any]:
    alike = likeness(step.warehouse, step.source, by, spec.target, spec.reduce)
    turns = spec.reduce == "round_robin"
    ends = ("rows taken first", "rows taken last") if turns else HELPFUL
    return {
        "sign": maths.TURN if turns else maths.SIGN,
        **score_page(step, f"{KIND.name}.{name}", ends, alike),
        "target": table_link("targets", spec.target) if spec.target is not None else spec.aim,
    }
