"""Scores of files in ``scores/`` that are computed over the whole pool at once: one table with one column each.

Belongs here: what such a table is made from, reading it, publishing the score. Does not belong here: any kind of score
(``indicators.declared``), kinds that have tables of their own (``declared`` says which).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.indicators.score_kind import Given, Need, PoolScore, ScoreKind
from datasel_assets.indicators.score_kinds import KINDS, kind_of
from datasel_assets.recipes.inputs import category_column
from datasel_assets.recipes.scores import numbers
from datasel_assets.registry.registry import Registry
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.specs.score import ScoreSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.score_names import score_deps, score_inputs, score_key
from datasel_assets.tables.scores.extremes import extreme_rows
from datasel_assets.tables.scores.turn_values import read_turns
from datasel_assets.tables.shown import picture, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.vectors.clusters import centroid_distances
from datasel_assets.tables.vectors.representations import layers_of, target_vectors
from datasel_assets.tables.warehouse import Warehouse

POOL_SCORES = {kind.name: Kind(kind.name, version=kind.version) for kind in KINDS.values() if kind.per == "pool"}

MADE_FROM = {
    "vector": "representations",
    "cluster": "clusters",
    "distance": "clusters",
    "category": "categories",
    "source": "corpus",
}
"""What a score needs -> the tables that it is a column of."""


@dataclass(frozen=True)
class _Declared:
    """One file in ``scores/``.

    Attributes:
        name: of the file.
        spec: what it says.
        kind: which kind of score it is.
        needs: what it is made from beside other scores; clusters by name.
        keep: score that it reads -> which of its values are kept.
        clustered: the representation by whose clusters recipes are balanced.
        represented: how the representation of its vectors is made, where it is compared with a target in it.
    """

    name: str
    spec: ScoreSpec
    kind: ScoreKind
    needs: Sequence[Need]
    keep: Mapping[str, str]
    clustered: str | None
    represented: RepresentationSpec | None = None

    @classmethod
    def of(cls, name: str, registry: Registry) -> "_Declared":
        spec, every = registry.scores[name], registry.score_keep()
        kind = kind_of(spec)
        needs = [
            replace(need, name=registry.clustered) if need.what == "cluster" and need.name is None else need
            for need in kind.needs(spec)
        ]
        keep = {score: every[score] for score in kind.reads(spec) if score in every}
        own = cls(name, spec, kind, needs, keep, registry.clustered)
        by = own.need("vector") if own.need("example") else None
        return replace(own, represented=registry.representations[by] if by else None)

    @property
    def reads(self) -> Sequence[str]:
        return self.kind.reads(self.spec)

    @property
    def key(self) -> Key:
        return (self.kind.name, self.name)

    def need(self, *what: str) -> str | None:
        """Return the name of what is needed, if it is."""
        return next((need.name for need in self.needs if need.what in what), None)

    def tables(self) -> dict[str, Key]:
        """Return what is needed -> the key of the tables that it is in."""
        found = {
            need.what: (MADE_FROM[need.what], *([need.name] if need.name else []))
            for need in self.needs
            if need.what in MADE_FROM
        }
        return found | {key[0]: key for key in self.aimed()}

    def aimed(self) -> list[Key]:
        """Return the tables of which the examples of a target get their vectors in a representation."""
        target, by = self.need("example"), self.need("vector")
        if self.represented is None or target is None or by is None:
            return []
        return [layers_of(self.represented).target_key(target), ("representation_basis", by)]


def pool_score_tables(name: str, registry: Registry) -> list[Table]:
    """Return the table of the file ``scores/<name>.yaml``."""
    own = _Declared.of(name, registry)
    kind, tables = own.kind, own.tables()
    fingerprint = digest([POOL_SCORES[kind.name].version, *kind.identity(own.spec, own.keep, own.clustered)])
    reads = [("corpus",), ("duplicates",), *(key for key in tables.values() if key != ("corpus",))]
    meaning = {"score": f"{kind.indicator.summary} Keep: {kind.keep_of(own.spec)}."} if kind.indicator else {}
    origins = [(key, what) for what, key in tables.items() if what in MADE_FROM]
    origins += [(score_key(score), score.partition(".")[2]) for score in own.reads if "." in score]
    table = Table(
        kind=POOL_SCORES[kind.name],
        key=own.key,
        description=f"{own.spec.doc}\n\n{kind.about(own.spec)} Source: {own.spec.paper or 'not stated'}",
        group="scores",
        reads=[*reads, *score_deps(own.reads)],
        expect=partial(_expect, own, fingerprint),
        build=partial(_build, own),
        checks={"some_rows_have_a_score": "the score is defined for at least one row"},
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={**meaning, **kind.columns},
        lineage={"score": origins},
    )
    return [table]


def _expect(own: _Declared, fingerprint: str, warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions("corpus")
    for key in own.tables().values():
        single = key in own.aimed()
        inputs |= {"/".join(key): warehouse.lake.version(key)} if single else warehouse.versions(*key)
    inputs |= score_inputs(warehouse, own.reads)
    if uri := own.need("outcomes"):
        path = warehouse.settings.data / uri
        inputs["outcomes"] = digest(path.read_bytes().hex()) if path.is_file() else "missing"
    return Expected(own.key, fingerprint, inputs)


def _build(own: _Declared, step: Step) -> Built:
    assert own.kind.compute is not None, "kinds without it have tables of their own"
    clustered = own.need("cluster", "distance")
    divided = own.need("category")
    pool = read_pool(step.warehouse, clusters=clustered, categories=[divided] if divided else [], scores=own.reads)
    made = own.kind.compute(own.spec, _given(own, step.warehouse, pool, clustered))
    known = int(np.isfinite(made.values).sum())
    if not known:
        raise ValueError(f"scores/{own.name}.yaml: the score is defined for none of {pool.height:,} rows")
    score = pl.Series(made.values).cast(pl.Float32)
    table = pool.select("row_id", "source").with_columns(score=score, **dict(made.columns))
    info = step.warehouse.lake.write(step.expected, table)
    facts = {
        **made.facts,
        **{what: table_link(*key) for what, key in _links(own).items()},
        "rows_without_score": pool.height - known,
        "plot: scores": _picture(own, made),
        "rows": extreme_rows(step.warehouse, table, {"score": own.kind.keep_of(own.spec)}),
    }
    return Built(info, table.height, metadata=facts, checks={"some_rows_have_a_score": Check(True, {"rows": known})})


def _given(own: _Declared, warehouse: Warehouse, pool: pl.DataFrame, clustered: str | None) -> Given:
    """Read what the score is computed from."""
    given = Given(
        row_ids=pool["row_id"].to_numpy().astype(np.str_),
        sources=pool["source"].to_numpy().astype(np.str_),
        scores={score: numbers(pool, score) for score in own.reads},
        keep=own.keep,
    )
    if clustered:
        given = replace(given, clusters=pool["cluster"].cast(pl.Int64).fill_null(-1).to_numpy())
    if divided := own.need("category"):
        names = pool[category_column(divided)].fill_null("").to_numpy().astype(np.str_)
        given = replace(given, categories=names)
    if own.need("distance") and clustered:
        given = replace(given, distance=centroid_distances(warehouse, clustered, pool))
    if representation := own.need("vector"):
        vectors = read_vectors(warehouse, representation, pool).vectors
        given = replace(given, vectors=vectors.take(np.arange(pool.height)))
        target = own.need("example")
        if own.represented is not None and target is not None:
            _, examples = target_vectors(warehouse, representation, own.represented, target)
            given = replace(given, examples=examples)
    if own.kind.by_turn:
        given = replace(given, turns={score: read_turns(warehouse, pool, score) for score in own.reads})
    if uri := own.need("outcomes"):
        given = replace(given, outcomes=_read_outcomes(warehouse.settings.data / uri))
    return given


def _links(own: _Declared) -> dict[str, Key]:
    """Return the tables that the page of a score links to."""
    shown = {"vector": "representation", "cluster": "clusters", "distance": "clusters"}
    return {shown[what]: key for what, key in own.tables().items() if what in shown}


def _picture(own: _Declared, made: PoolScore) -> Any:
    family = own.kind.name
    title = own.kind.caption.format(family=family, name=own.name)
    png = plots.score_grid({f"{family}.{own.name}": made.values, **made.shown}, title)
    return picture(png, f"distribution of {own.name}")


def _read_outcomes(path: Path) -> pl.DataFrame:
    """Read the outcomes of a user.

    Raises:
        ValueError: there is no such file, or of another format.
    """
    if not path.is_file():
        raise ValueError(f"the outcomes file {path} does not exist")
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet}.get(path.suffix)
    if read is None:
        raise ValueError(f"the outcomes file {path} must be .csv or .parquet")
    return read(path)
