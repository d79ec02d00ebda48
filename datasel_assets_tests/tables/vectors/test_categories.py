"""Tables of categories: the classifier, the table per source, what an increment costs, and a selection by them."""

import json

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from datasel_assets.storage.vectors import vector_array, vector_type
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.table import Built
from datasel_assets.tables.vectors.categories import sort_rows
from datasel_assets_tests.pools import TOPICS, add_source, rows, write_yaml
from datasel_assets_tests.project import Project

STAGES = (
    *("raw_corpus", "corpus", "targets", "embeddings", "target_embeddings"),
    *("representation_basis", "representations", "category_models", "categories"),
)


def seeds(project: Project, **changes: str) -> None:
    """Write 4 seed examples of each topic; ``changes``: topic -> another name for its category."""
    examples = [
        {"prompt": row["instruction"], "response": row["output"], "task": changes.get(topic, topic)}
        for topic in TOPICS
        for row in rows(topic, 4, start=500)
    ]
    write_yaml(project.data / "targets" / "kinds_seeds.yaml", {"doc": "kinds", "examples": examples})
    write_yaml(project.data / "categories" / "kinds.yaml", {"representation": "rds_plus", "target": "kinds_seeds"})


def refresh(project: Project) -> dict[tuple[str, str | None], Built]:
    """Make what is not current of the categories and what they need; return what was made."""
    return project.refresh(lambda asset: asset.key[0] in STAGES and asset.key[1:] != ("white",))


@pytest.fixture
def sorted_pool(project: Project) -> Project:
    """A pool with nothing made but its categories."""
    seeds(project)
    refresh(project)
    return project


def table(project: Project, source: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(("categories", "kinds", source)).collect()


def test_each_row_gets_the_category_whose_seeds_it_is_like(settled: Project):
    seeds(settled)
    recipe = {"doc": "x", "paper": "baseline", "budget": {"rows": 12}}
    by_kind = {"quota": "weights", "weights": {"sums": 0.5, "fruit": 0.25, "code": 0.25}}
    select = {"sampler": "stratify", "groups": "kinds", **by_kind}
    write_yaml(settled.data / "recipes" / "mixed.yaml", {**recipe, "select": select})
    runs = settled.update()
    assert {"category_models/kinds", "categories/kinds", "selections/mixed"} <= {r["stage"] for r in runs}
    pool = read_pool(settled.warehouse, categories=["kinds"])
    assert (pool["category.kinds"] == pool["source"]).mean() > 0.95
    for source in TOPICS:
        found = table(settled, source)
        assert found.columns == ["row_id", "category", "margin"]
        assert (found["margin"] >= 0).all()
    taken = settled.warehouse.lake.scan(("selections", "mixed")).collect().join(pool, on="row_id")
    counts = dict(taken["category.kinds"].value_counts().iter_rows())
    assert counts == {"sums": 6, "fruit": 3, "code": 3}
    assert settled.update() == []


def test_the_page_of_the_classifier_shows_how_it_does_on_seeds_it_has_not_seen(project: Project):
    seeds(project)
    built = refresh(project)["category_models/kinds", None]
    assert built.metadata["seeds"] == 12
    assert built.metadata["leave_one_out_accuracy"] > 0.8
    confusion = built.metadata["confusion"]
    assert list(confusion.columns) == ["category", *(f"told {topic}" for topic in sorted(TOPICS))]
    assert [line[0] for line in confusion.cells] == sorted(TOPICS)
    assert [sum(line[1:]) for line in confusion.cells] == [4, 4, 4]


def test_new_rows_are_sorted_and_nothing_else_is_done(sorted_pool: Project):
    add_source(sorted_pool.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    done = refresh(sorted_pool)
    assert done["categories/kinds", "fruit"].rows_new == 1
    assert ("category_models/kinds", None) not in done
    assert ("categories/kinds", "code") not in done
    assert refresh(sorted_pool) == {}


def test_other_names_of_categories_sort_the_pool_anew(sorted_pool: Project):
    seeds(sorted_pool, fruit="groceries")
    done = refresh(sorted_pool)
    assert done["category_models/kinds", None].rows_new == 12
    assert done["categories/kinds", "code"].rows_new == 40
    assert "groceries" in table(sorted_pool, "fruit")["category"].to_list()


def test_seeds_without_a_category_are_refused_by_name(project: Project):
    examples = [{"prompt": f"Add {i} and 2.", "response": f"{i + 2}", "task": "sums"} for i in range(3)]
    examples.append({"prompt": "Name a fruit.", "response": "A pear.", "task": "fruit"})
    write_yaml(project.data / "targets" / "kinds_seeds.yaml", {"doc": "kinds", "examples": examples})
    write_yaml(project.data / "categories" / "kinds.yaml", {"representation": "rds_plus", "target": "kinds_seeds"})
    with pytest.raises(ValueError, match=r"1 of them with one example \(fruit\)"):
        refresh(project)


def test_a_classifier_that_only_guesses_is_refused_and_the_old_one_stays(sorted_pool: Project):
    lake = sorted_pool.warehouse.lake
    before = lake.version(("category_models", "kinds")), lake.version(("categories", "kinds", "code"))
    examples = [
        {"prompt": row["instruction"], "response": row["output"], "task": task}
        for topic in TOPICS
        for row in rows(topic, 2, start=700)
        for task in ("left", "right")
    ]
    write_yaml(sorted_pool.data / "targets" / "kinds_seeds.yaml", {"doc": "kinds", "examples": examples})
    with pytest.raises(ValueError, match=r"categories/kinds.yaml: of 12 seeds \d+ are told right .* nothing was publ"):
        refresh(sorted_pool)
    assert before == (lake.version(("category_models", "kinds")), lake.version(("categories", "kinds", "code")))


def test_another_column_of_categories_makes_the_classifier_anew(sorted_pool: Project):
    examples = [row | {"task": topic, "kind": topic.upper()} for topic in TOPICS for row in rows(topic, 4, start=500)]
    (sorted_pool.data / "seeds.jsonl").write_text("\n".join(map(json.dumps, examples)), "utf-8")
    path = sorted_pool.data / "targets" / "kinds_seeds.yaml"
    write_yaml(path, {"doc": "kinds", "uri": "seeds.jsonl"})
    refresh(sorted_pool)
    write_yaml(path, {"doc": "kinds", "uri": "seeds.jsonl", "task_column": "kind"})
    assert ("category_models/kinds", None) in refresh(sorted_pool)
    assert "FRUIT" in table(sorted_pool, "fruit")["category"].to_list()


def test_a_row_without_a_direction_or_without_a_vector_has_no_category(project: Project):
    known = vector_array(np.array([[0.0, 2.0], [0.0, 0.0]]))
    vectors = pa.chunked_array([known, pa.nulls(1, vector_type(2))])
    upstream = pa.table({"row_id": ["a", "b", "c"], "vector": vectors, "is_zero": pa.array([False, True, None])})
    classifier = np.array(["left", "right"]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.25, 0.0])
    context = Context(project.warehouse, "code", ("category", "margin"), {}, classifier)
    found = sort_rows(pl.DataFrame(upstream), context)
    assert found["category"].to_pylist() == ["right", None, None]
    assert found["margin"].to_pylist() == [1.75, None, None]
