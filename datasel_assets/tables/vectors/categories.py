"""Tables that sort the pool into categories: one classifier per file in ``categories/``, one table per source.

Does not belong here: the classifier itself (``indicators.categories``).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.indicators.categories import CategoryFit, categorise, fit_categories
from datasel_assets.specs.categories import CategoriesSpec
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables.corpus.targets import query_names
from datasel_assets.tables.row_table import RowTable, Wanted, Work
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.shown import Rows, counts_table, sample_table, table_link
from datasel_assets.tables.table import Built, Check, Kind, Step, Table, Update
from datasel_assets.tables.vectors.representations import basis_fingerprint, layers_of, target_vectors
from datasel_assets.tables.warehouse import Warehouse

CATEGORY_MODELS = Kind("category_models")
CATEGORIES = Kind("categories", per="source")

SCHEMA = pa.schema([("row_id", pa.string()), ("category", pa.string()), ("margin", pa.float32())])
SAMPLE_ROWS = 12


def category_tables(name: str, spec: CategoriesSpec, representation: RepresentationSpec) -> list[Table]:
    """Return the classifier and the categories of one file in ``categories/``, upstream first."""
    return [_model(name, spec, representation), _categories(name, spec)]


def _model(name: str, spec: CategoriesSpec, representation: RepresentationSpec) -> Table:
    code = digest([CATEGORY_MODELS.version, spec.ridge, basis_fingerprint(representation)])
    seeds = layers_of(representation).target_key(spec.target)
    basis = ("representation_basis", spec.representation)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        # The examples' table as well as their vectors: a changed category leaves the vector as it was.
        inputs = {"/".join(key): warehouse.lake.version(key) for key in (("targets", spec.target), seeds, basis)}
        return Expected((CATEGORY_MODELS.name, name), code, inputs)

    def build(step: Step) -> Built:
        ids, vectors = target_vectors(step.warehouse, spec.representation, representation, spec.target)
        tasks, labels = query_names(step.warehouse, spec.target, ids)
        _refuse_rare(name, spec, tasks)
        fit = fit_categories(vectors, tasks, spec.ridge)
        _refuse_guessing(name, spec, fit)
        arrays = {"weights": fit.weights, "constants": fit.constants}
        meta = {"categories": fit.names, "accuracy": fit.accuracy}
        info = step.warehouse.lake.write_arrays(step.expected, arrays, meta=meta)
        against = {"accuracy": fit.accuracy, "largest_category": fit.guessing}
        return Built(
            info,
            len(ids),
            metadata={**_model_facts(fit, labels), "seed_examples": table_link("targets", spec.target)},
            checks={"better_than_guessing": Check(fit.accuracy > fit.guessing, against)},
            rows_total=len(ids),
        )

    return Table(
        kind=CATEGORY_MODELS,
        key=(CATEGORY_MODELS.name, name),
        description=(
            f"A ridge classifier of the categories of `{spec.target}` by the vectors of `{spec.representation}`, with "
            f"what it says of each seed that it was not fitted on. {spec.doc}"
        ),
        group="clusters_tags",
        reads=[("targets", spec.target), seeds, basis],
        expect=expect,
        build=build,
        checks={"better_than_guessing": "more seeds are told right than by always naming the largest category"},
        kinds=frozenset({"safetensors", "numpy"}),
        version=code,
    )


def _refuse_rare(name: str, spec: CategoriesSpec, tasks: Sequence[str]) -> None:
    """Refuse examples of which nothing can be learned.

    Raises:
        ValueError: there is one category, or one has a single example.
    """
    names, counts = np.unique(np.asarray(tasks), return_counts=True)
    rare = names[counts < 2].tolist()
    if len(names) < 2 or rare:
        raise ValueError(
            f"categories/{name}.yaml: target {spec.target!r} has {len(names)} categories, {len(rare)} of them with "
            f"one example ({', '.join(rare[:3])}): write two or more categories under 'task', two examples of each"
        )


def _refuse_guessing(name: str, spec: CategoriesSpec, fit: CategoryFit) -> None:
    """Refuse a classifier that knows nothing.

    Raises:
        ValueError: it tells no more of its examples right than the commonest category would.
    """
    if fit.accuracy <= fit.guessing:
        raise ValueError(
            f"categories/{name}.yaml: of {len(fit.own)} seeds {fit.right.sum()} are told right by the others, no more "
            f"than by always saying {fit.commonest!r}; nothing was published. Write more or clearer examples into "
            f"target {spec.target!r}, or name another representation"
        )


def _model_facts(fit: CategoryFit, labels: Sequence[str]) -> dict[str, Any]:
    names = np.asarray(fit.names)
    wrong = pl.DataFrame({"seed": labels, "category": names[fit.own], "told": names[fit.told]}).filter(~fit.right)
    columns = dict.fromkeys(["category", *(f"told {name}" for name in fit.names)])
    lines = [[name, *line] for name, line in zip(fit.names, fit.confusion.tolist(), strict=True)]
    return {
        "categories": len(names),
        "seeds": len(labels),
        "leave_one_out_accuracy": round(fit.accuracy, 4),
        "confusion": Rows(columns, lines),
        "seeds_told_wrong": sample_table(wrong, wrong.columns, rows=20),
    }


def _categories(name: str, spec: CategoriesSpec) -> Table:
    return RowTable(
        rows_of=("representations", spec.representation),
        wants=partial(_wants, name, spec),
        work=partial(_work, name),
        compute=sort_rows,
        load=load_classifier,
        facts=partial(_facts, name),
        verify=lambda step, update: {"covers_corpus": Check(True, {"rows": update.info.rows})},
    ).table(
        kind=CATEGORIES,
        key=(CATEGORIES.name, name),
        description=f"The category of each row, by the classifier `{name}`, and how clear it is. {spec.doc}",
        group="clusters_tags",
        reads=[("representations", spec.representation), (CATEGORY_MODELS.name, name)],
        checks={"covers_corpus": "one category for every vector"},
        kinds=frozenset({"parquet", "numpy"}),
        version=digest([CATEGORIES.version]),
        columns={
            "category": "The task of the seed examples it is most like; null for a row without a direction.",
            "margin": "Output of the classifier for it minus that for the next category: 0 is a toss-up.",
        },
    )


def _wants(name: str, spec: CategoriesSpec, warehouse: Warehouse, source: str | None) -> Wanted:
    table = warehouse.lake.info(("representations", spec.representation, str(source)))
    model = warehouse.lake.version((CATEGORY_MODELS.name, name))
    return Wanted(digest([CATEGORIES.version, model, table.fingerprint if table else ""]))


def _work(name: str, step: Step) -> Work:
    model = step.warehouse.lake.require((CATEGORY_MODELS.name, name))
    return Work(SCHEMA, ["vector", "is_zero"], {"name": name, "version": model.data_version})


def load_classifier(warehouse: Warehouse, name: str, version: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return names (k,), weights (d, k) and constants (k,) of a classifier; ``version`` only says which it was."""
    key = (CATEGORY_MODELS.name, name)
    arrays = warehouse.lake.read_arrays(key)
    return np.asarray(warehouse.lake.require(key).meta["categories"]), arrays["weights"], arrays["constants"]


def sort_rows(rows: pl.DataFrame, context: Context) -> pa.Table:
    """Return the category of each row and its margin; null for a row without a direction."""
    names, weights, constants = context.loaded
    told, margin = categorise(vectors_of(rows["vector"]), weights, constants)
    zero = rows["is_zero"].fill_null(True).to_numpy()
    found = {
        "row_id": rows["row_id"].to_arrow(),
        "category": pa.array(names[told].astype(object), pa.string(), mask=zero),
        "margin": pa.array(margin, pa.float32(), mask=zero),
    }
    return pa.table({column: found[column] for column in ("row_id", *context.columns)})


def _facts(name: str, step: Step, update: Update) -> dict[str, Any]:
    """Return how many rows each category has, and for each category its clearest and its least clear rows."""
    lake = step.warehouse.lake
    found = lake.scan(step.expected.key).select(SCHEMA.names).drop_nulls("category").collect()
    counts = found.group_by("category").len().sort("len", "category", descending=[True, False])
    order = found.sort("margin", "row_id", descending=[True, False])
    clearest = order.group_by("category", maintain_order=True).head(1).select(order.columns)
    ends = pl.concat([clearest, order.tail(SAMPLE_ROWS // 2)]).unique("row_id")
    texts = lake.scan(("corpus", str(step.source))).filter(pl.col("row_id").is_in(ends["row_id"].implode()))
    texts = texts.select("row_id", "prompt", "response").collect()
    shown = ends.join(texts, on="row_id", how="left").sort("margin", "row_id", descending=[True, False])
    return {
        "categories_used": counts.height,
        "mean_margin": float(found.select(pl.col("margin").mean()).item() or 0.0),
        "rows_by_category": counts_table(dict(counts.iter_rows()), "category", "rows"),
        "shares": counts_table({c: rows / found.height for c, rows in counts.iter_rows()}, "category", "share"),
        "sample": sample_table(shown, ["category", "margin", "prompt", "response"], rows=2 * SAMPLE_ROWS),
        "classifier": table_link(CATEGORY_MODELS.name, name),
    }
