"""What a recipe reads from the tables, and what it is told of rows that could not be computed."""

from functools import wraps

import polars as pl
import pytest

from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.graph import GRAPH
from datasel_assets.tables.selections.recipe_inputs import (
    candidate_pool,
    failed_rows,
    recipe_reads,
    with_columns_of_corpus,
)
from datasel_assets.tables.vectors import embeddings
from datasel_assets_tests.project import Project

SOURCES = ("code", "fruit", "sums")


def recipe(**changes) -> RecipeSpec:
    given = {"paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 2}}
    return RecipeSpec.model_validate(given | changes)


def tell_failure(project: Project, key: tuple[str, ...], reasons: dict[str, str]) -> None:
    """Write a stored table again as if some of its rows could not have been computed."""
    lake = project.warehouse.lake
    info = lake.require(key)
    told = pl.col("row_id").replace_strict(reasons, default=None, return_dtype=pl.String)
    rows = lake.scan(key).collect().with_columns(failed=told)
    expected = Expected(key, info.fingerprint, info.inputs)
    lake.write(expected, rows, data_version=info.data_version, meta=info.meta)


def first_row(project: Project, source: str) -> str:
    return project.warehouse.lake.scan(("corpus", source)).select(pl.col("row_id").min()).collect().item()


def test_a_recipe_reads_just_the_tables_that_it_names(project: Project):
    registry = project.warehouse.registry
    assert recipe_reads(recipe(), registry) == [("corpus",), ("duplicates",)]
    slug = registry.representations["white"].encoder.slug
    toward = {"sampler": "round_robin", "representation": "white", "target": "adding"}
    rule = {"score": "text.response_words", "below": 2}
    assert recipe_reads(recipe(select=toward, drop=[rule, {"when": "near_duplicate"}]), registry) == [
        *(("corpus",), ("duplicates",), ("representations", "white"), ("target_embeddings", slug, "adding")),
        *(("targets", "adding"), ("representation_basis", "white"), ("scores", "text"), ("near_duplicates",)),
    ]
    grouped = recipe(select={"sampler": "stratify", "groups": "cluster"})
    assert recipe_reads(grouped, registry)[2:] == [("clusters", "white"), ("cluster_models", "white")]


def test_further_columns_are_those_of_the_rows_in_their_order(settled: Project):
    rows = pl.DataFrame({"row_id": [first_row(settled, source) for source in reversed(SOURCES)], "rank": [1, 2, 3]})
    found = with_columns_of_corpus(settled.warehouse, rows, ("source", "prompt"))
    assert found["source"].to_list() == list(reversed(SOURCES))
    assert found["row_id"].equals(rows["row_id"])
    assert found["prompt"].null_count() == 0


def test_where_every_row_could_be_computed_the_pool_has_no_column_for_it(settled: Project):
    pool = candidate_pool(settled.warehouse, recipe(select={"sampler": "topk", "by": "blend.rich"}), GRAPH)
    assert "failed" not in pool.columns


def test_failures_of_all_that_is_read_are_told_and_no_others(settled: Project):
    slug = settled.warehouse.registry.representations["white"].encoder.slug
    code, fruit = first_row(settled, "code"), first_row(settled, "fruit")
    tell_failure(settled, ("scores", "text", "code"), {code: "ValueError: odd"})
    tell_failure(settled, ("embeddings", slug, "code"), {code: "ValueError: long"})
    tell_failure(settled, ("embeddings", slug, "fruit"), {fruit: "ValueError: empty"})
    warehouse = settled.warehouse
    assert failed_rows(warehouse, [("duplicates",)], GRAPH) is None
    assert failed_rows(warehouse, [("scores", "text")], GRAPH).rows() == [
        (code, "scores/text could not be computed: ValueError: odd")
    ]
    # The blend is made from the texts' scores, and from distances between vectors.
    told = dict(failed_rows(warehouse, [("blend", "rich")], GRAPH).rows())
    assert told[fruit] == f"embeddings/{slug} could not be computed: ValueError: empty"
    assert set(told[code].split("; ")) == {
        "scores/text could not be computed: ValueError: odd",
        f"embeddings/{slug} could not be computed: ValueError: long",
    }
    pool = candidate_pool(warehouse, recipe(select={"sampler": "topk", "by": "text.response_ttr"}), GRAPH)
    assert dict(pool.drop_nulls("failed").select("row_id", "failed").rows()) == {
        code: "scores/text could not be computed: ValueError: odd"
    }
    assert pool["row_id"].is_sorted()
    assert pool.height == 120


def test_a_failure_is_told_of_the_table_where_it_began(settled: Project):
    slug = settled.warehouse.registry.representations["white"].encoder.slug
    code, fruit = first_row(settled, "code"), first_row(settled, "fruit")
    tell_failure(settled, ("embeddings", slug, "code"), {code: "ValueError: long"})
    tell_failure(settled, ("representations", "white", "code"), {code: "upstream: ValueError: long"})
    tell_failure(settled, ("representations", "white", "fruit"), {fruit: "ValueError: flat"})
    tell_failure(settled, ("clusters", "white", "code"), {code: "upstream: upstream: ValueError: long"})
    found = failed_rows(settled.warehouse, [("clusters", "white"), ("representations", "white")], GRAPH)
    assert found is not None
    assert dict(found.rows()) == {
        code: f"embeddings/{slug} could not be computed: ValueError: long",
        fruit: "representations/white could not be computed: ValueError: flat",
    }


def test_the_ledger_names_what_could_not_be_computed(settled: Project, monkeypatch: pytest.MonkeyPatch):
    """A row whose text cannot be encoded has no vector: the recipe drops it and says why."""
    slug = settled.warehouse.registry.representations["white"].encoder.slug
    bad = first_row(settled, "sums")
    encode = embeddings.encode

    @wraps(encode)
    def fails(rows, context):
        if bad in rows["row_id"]:
            raise ValueError("the text cannot be encoded")
        return encode(rows, context)

    monkeypatch.setattr(embeddings, "encode", fails)
    lake = settled.warehouse.lake
    for key in (("embeddings", slug, "sums"), ("representations", "rds_plus", "sums"), ("selections", "spread")):
        lake.delete(key)
    stages = {f"embeddings/{slug}", "representations/rds_plus", "selections/spread"}
    made = settled.refresh(lambda table: table.name in stages)
    assert made[f"embeddings/{slug}", "sums"].metadata["rows_failed"] == 1
    decision = lake.scan(("decisions", "spread")).filter(pl.col("row_id") == bad).collect().row(0, named=True)
    assert (decision["stage"], decision["kept"]) == ("ineligible", False)
    assert decision["reason"] == (
        "no vector in rds_plus, or one of zeros: nothing to compare; "
        f"embeddings/{slug} could not be computed: ValueError: the text cannot be encoded"
    )
    others = lake.scan(("decisions", "spread")).filter(pl.col("row_id") != bad).collect()
    assert not others["reason"].str.contains("could not be computed").any()
