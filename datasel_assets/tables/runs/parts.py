"""Which rows of the pool take part in a series of trainings, in which unit, and which are measured.

Belongs here: from a file in ``runs/`` to rows. Does not: designs (``runs.designs``), trainings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.models.contexts import Conversation
from datasel_assets.models.proxy_rows import Pool, draw_rows, split_rows
from datasel_assets.models.try_out import held_out_sets
from datasel_assets.registry.registry import Registry
from datasel_assets.runs.names import TARGET, UNIT
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.specs.runs import RunsSpec
from datasel_assets.storage.lake import Key
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.warehouse import Warehouse


@dataclass(frozen=True, eq=False)
class Parts:
    """What a series trains on and measures.

    Attributes:
        rows: ``row_id``, ``unit`` (its number) of the n rows that are trained on.
        conversations: these rows.
        names: k names of units.
        titles: k titles of units, to be read.
        measured: conversations that outcomes are measured on.
        sets: outcome -> numbers of its conversations.
    """

    rows: pl.DataFrame
    conversations: list[Conversation]
    names: list[str]
    titles: list[str]
    measured: list[Conversation]
    sets: Mapping[str, np.ndarray]


def unit_tables(spec: RunsSpec, registry: Registry) -> list[Key]:
    """Return the keys of the tables that say which unit a row is in, beside the corpus."""
    if spec.units == "cluster":
        assert registry.clustered is not None, "the registry keeps no such file without clusters"
        return [("clusters", registry.clustered), ("cluster_models", registry.clustered)]
    return [("categories", str(spec.categories))] if spec.units == "category" else []


def measured_targets(named: Sequence[str] | None, registry: Registry) -> list[str]:
    """Return the targets that are an outcome: those that a file names, or those by which recipes are compared."""
    return sorted(registry.aims if named is None else named)


def read_parts(name: str, spec: RunsSpec, warehouse: Warehouse, pool: Pool) -> Parts:
    """Read the rows of a series.

    Rows that the model, where it was trained here, was held out from are measured, and no others are: no training
    sees a copy of one.

    Args:
        name: of the file.
        spec: what it says.
        warehouse: where the tables are.
        pool: the conversations.

    Raises:
        ValueError: fewer than two units have rows.
    """
    model = warehouse.registry.language_models[spec.model]
    proxy = model.proxy or ProxySpec.model_validate({})
    training, held_out = split_rows(draw_rows(pool.names, proxy), proxy)
    rows = pool.names[training["place"].to_numpy()].with_columns(place=training["place"])
    rows = rows[hash_sample(rows["row_id"].to_numpy(), spec.rows, spec.seed)]
    rows = _with_units(rows, spec, warehouse).drop_nulls("unit").sort("unit", "row_id")
    names = rows["unit"].unique(maintain_order=True).to_list()
    if len(names) < 2:
        raise ValueError(
            f"runs/{name}.yaml: the {rows.height:,} rows that may be trained on are in {len(names)} units "
            f"({spec.units}); effects are told apart by leaving a unit out, which takes two"
        )
    numbers = {unit: number for number, unit in enumerate(names)}
    rows = rows.with_columns(unit=pl.col("unit").replace_strict(numbers, return_dtype=pl.Int32))
    conversations = pool.read(rows["place"].to_numpy()).to_list()
    targets = measured_targets(spec.outcomes.targets, warehouse.registry)
    measured, sets = read_measured(targets, spec.outcomes.held_out, warehouse, pool, held_out["place"].to_numpy())
    if spec.outcomes.own:
        for number, unit in enumerate(names):
            own = np.flatnonzero(rows["unit"].to_numpy() == number)
            own = own[hash_sample(rows["row_id"].to_numpy()[own], spec.outcomes.own, spec.seed)]
            sets[UNIT + unit] = len(measured) + np.arange(len(own))
            measured += [conversations[i] for i in own]
    return Parts(rows.select("row_id", "unit"), conversations, names, _titles(names, spec, warehouse), measured, sets)


def read_measured(
    targets: Iterable[str], held_out: int, warehouse: Warehouse, pool: Pool, unseen: np.ndarray
) -> tuple[list[Conversation], dict[str, np.ndarray]]:
    """Return the conversations that outcomes are measured on, and outcome -> numbers of its conversations.

    Args:
        targets: names of targets.
        held_out: rows of each source; 0: none.
        warehouse: where the tables are.
        pool: the conversations.
        unseen: numbers of rows of the pool that no training sees.
    """
    measured: list[Conversation] = []
    sets: dict[str, np.ndarray] = {}
    found: dict[str, list[Conversation]] = {}
    for target in targets:
        found[TARGET + target] = warehouse.lake.scan(("targets", target)).collect()["messages"].to_list()
    if held_out:
        places = held_out_sets(pool.names, unseen, held_out)
        found |= {name: pool.read(places[name]).to_list() for name in sorted(places)}
    for name, rows in found.items():
        sets[name] = len(measured) + np.arange(len(rows))
        measured += rows
    return measured, sets


def _with_units(rows: pl.DataFrame, spec: RunsSpec, warehouse: Warehouse) -> pl.DataFrame:
    """Return rows with ``unit``, a name."""
    if spec.units in ("source", "row"):
        return rows.with_columns(unit=pl.col("source" if spec.units == "source" else "row_id"))
    key, column = unit_tables(spec, warehouse.registry)[0], spec.units
    tables = [warehouse.lake.scan((*key, source)).select("row_id", column) for source in warehouse.active_sources()]
    found = pl.concat(tables).collect().with_columns(unit=pl.col(column).cast(pl.String)).select("row_id", "unit")
    if spec.units == "cluster":  # so that their names sort as numbers do
        widest = pl.col("unit").str.len_chars().max()
        found = found.with_columns(pl.col("unit").str.zfill(widest))
    return rows.join(found, on="row_id", how="left", maintain_order="left")


def _titles(names: list[str], spec: RunsSpec, warehouse: Warehouse) -> list[str]:
    if spec.units != "cluster":
        return list(names)
    titles = cluster_titles(warehouse, str(warehouse.registry.clustered))
    return [titles[int(name)] for name in names]
