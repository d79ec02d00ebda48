"""Assets that sort the pool into categories: one classifier per file in ``categories/``, one table per source."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators.ridge import leave_one_out, ridge_classifier
from datasel_assets.registry.categories import CategoriesSpec
from datasel_assets.registry.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import Update, plan_increment, publish_increment
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.corpus.targets import query_names
from datasel_assets.tables.pool import vector_block
from datasel_assets.tables.shown import Rows, counts_table, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.representations import basis_fingerprint, target_vectors
from datasel_assets.tables.warehouse import Warehouse

SCHEMA = pa.schema([("row_id", pa.string()), ("category", pa.string()), ("margin", pa.float32())])
SAMPLE_ROWS = 12


def category_assets(name: str, spec: CategoriesSpec, representation: RepresentationSpec) -> list[Table]:
    """Return the classifier and the categories of one file in ``categories/``, upstream first."""
    return [_model(name, spec, representation), _categories(name, spec)]


def _model(name: str, spec: CategoriesSpec, representation: RepresentationSpec) -> Table:
    code = digest([versions.CATEGORIES, spec.ridge, basis_fingerprint(representation)])
    seeds = ("target_embeddings", representation.encoder.slug, spec.target)
    basis = ("representation_basis", spec.representation)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The examples' table as well as their vectors: a changed category leaves the vector as it was.
        inputs = {"/".join(key): warehouse.lake.version(key) for key in (("targets", spec.target), seeds, basis)}
        return Expected(("category_models", name), code, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        ids, vectors = target_vectors(warehouse, spec.representation, representation, spec.target)
        tasks, labels = query_names(warehouse, spec.target, ids)
        names, own = np.unique(np.asarray(tasks), return_inverse=True)
        counts = np.bincount(own)
        if len(names) < 2 or counts.min() < 2:
            rare = [str(task) for task, rows in zip(names, counts, strict=True) if rows < 2]
            raise ValueError(
                f"categories/{name}.yaml: target {spec.target!r} has {len(names)} categories, {len(rare)} of them with "
                f"one example ({', '.join(rare[:3])}): write two or more categories under 'task', two examples of each"
            )
        rows = vectors.astype(np.float64)
        weights, constants = ridge_classifier(rows, own, len(names), spec.ridge)
        told = leave_one_out(rows, own, len(names), spec.ridge)
        right = told == own
        if right.mean() <= counts.max() / len(ids):
            raise ValueError(
                f"categories/{name}.yaml: of {len(ids)} seeds {right.sum()} are told right by the others, no more than "
                f"by always saying {names[counts.argmax()]!r}; nothing was published. Write more or clearer examples "
                f"into target {spec.target!r}, or name another representation"
            )
        arrays = {"weights": weights, "constants": constants}
        meta = {"categories": names.tolist(), "accuracy": float(right.mean())}
        info = warehouse.lake.write_arrays(step.expected, arrays, meta=meta)
        wrong = pl.DataFrame({"seed": labels, "category": names[own], "told": names[told]}).filter(~right)
        return Built(
            info,
            len(ids),
            metadata={
                "categories": len(names),
                "seeds": len(ids),
                "leave_one_out_accuracy": round(float(right.mean()), 4),
                "confusion": _confusion(names.tolist(), own, told),
                "seeds_told_wrong": sample_table(wrong, wrong.columns, rows=20),
                "seed_examples": table_link("targets", spec.target),
            },
            checks={
                "better_than_guessing": Check(
                    bool(right.mean() > counts.max() / len(ids)),
                    {"accuracy": float(right.mean()), "largest_category": float(counts.max() / len(ids))},
                )
            },
            rows_total=len(ids),
        )

    return Table(
        key=("category_models", name),
        description=(
            f"A ridge classifier of the categories of `{spec.target}` by the vectors of `{spec.representation}`, with "
            f"what it says of each seed that it was not fitted on. {spec.doc}"
        ),
        group="category_models",
        reads=[("targets", spec.target), seeds, basis],
        expect=expect,
        build=build,
        checks={"better_than_guessing": "more seeds are told right than by always naming the largest category"},
        kinds=frozenset({"safetensors", "numpy"}),
        version=code,
    )


def _categories(name: str, spec: CategoriesSpec) -> Table:
    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        table = warehouse.lake.info(("representations", spec.representation, str(source)))
        model = warehouse.lake.version(("category_models", name))
        fingerprint = digest([versions.CATEGORIES, model, table.fingerprint if table else ""])
        rows = table.meta["ids"] if table else "missing"
        return Expected(("categories", name, str(source)), fingerprint, {"rows": rows})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        arrays = lake.read_arrays(("category_models", name))
        categories = lake.require(("category_models", name)).meta["categories"]
        key = ("representations", spec.representation, str(step.source))
        ids = lake.scan(key).select("row_id").collect()["row_id"].to_list()
        increment = plan_increment(lake, step.expected, ids)
        new = set(increment.new)

        def pieces() -> Iterator[pa.Table]:
            for batch in lake.read_batches(key, ["row_id", "vector", "is_zero"]) if new else ():
                rows = batch.column("row_id").to_pylist()
                keep = np.fromiter((row in new for row in rows), bool, len(rows))
                outputs = vector_block(batch.column("vector"))[keep] @ arrays["weights"] + arrays["constants"]
                zero = batch.column("is_zero").to_numpy(zero_copy_only=False)[keep]
                best = np.sort(outputs, axis=1)
                told = np.asarray(categories)[outputs.argmax(axis=1)]
                yield pa.table(
                    [
                        pa.array([row for row, kept in zip(rows, keep, strict=True) if kept], pa.string()),
                        pa.array(told.astype(object), pa.string(), mask=zero),
                        pa.array(best[:, -1] - best[:, -2], pa.float32(), mask=zero),
                    ],
                    schema=SCHEMA,
                )

        info = publish_increment(lake, step.expected, ids, increment, pieces(), schema=SCHEMA, meta={})
        return Built.of(
            Update(info, increment),
            _facts(step, name),
            {"covers_corpus": Check(info.rows == len(ids), {"rows": len(ids)})},
        )

    return Table(
        key=("categories", name),
        description=f"The category of each row, by the classifier `{name}`, and how clear it is. {spec.doc}",
        group="categories",
        reads=[("representations", spec.representation), ("category_models", name)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one category for every vector"},
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=digest([versions.CATEGORIES]),
        columns={
            "category": "The task of the seed examples it is most like; null for a row without a direction.",
            "margin": "Output of the classifier for it minus that for the next category: 0 is a toss-up.",
        },
    )


def _facts(step: Step, name: str) -> dict[str, Any]:
    """Return how many rows each category has, and for each category its clearest and its least clear rows."""
    lake = step.warehouse.lake
    found = lake.scan(step.expected.key).drop_nulls("category").collect()
    counts = found.group_by("category").len().sort("len", "category", descending=[True, False])
    order = found.sort("margin", "row_id", descending=[True, False])
    clearest = order.group_by("category", maintain_order=True).head(1).select(order.columns)
    ends = pl.concat([clearest, order.tail(SAMPLE_ROWS // 2)])
    texts = lake.scan(("corpus", str(step.source))).select("row_id", "prompt", "response")
    shown = ends.unique("row_id").lazy().join(texts, on="row_id", how="left").collect().sort("margin", descending=True)
    return {
        "categories_used": counts.height,
        "mean_margin": float(found.select(pl.col("margin").mean()).item() or 0.0),
        "rows_by_category": counts_table(dict(counts.iter_rows()), "category", "rows"),
        "shares": counts_table({c: rows / found.height for c, rows in counts.iter_rows()}, "category", "share"),
        "sample": sample_table(shown, ["category", "margin", "prompt", "response"], rows=2 * SAMPLE_ROWS),
        "classifier": table_link("category_models", name),
    }


def _confusion(names: list[str], own: np.ndarray, told: np.ndarray) -> Rows:
    """Return how many seeds of each category (a line) were told to be of which (a column)."""
    table = np.zeros((len(names), len(names)), np.int64)
    np.add.at(table, (own, told), 1)
    columns = dict.fromkeys(["category", *(f"told {name}" for name in names)])
    return Rows(columns, [[name, *map(int, line)] for name, line in zip(names, table, strict=True)])
