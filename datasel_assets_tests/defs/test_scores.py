"""Score tables, neighbours and blends as assets: what they hold, what they recompute, what recipes make of them."""

import dagster as dg
import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators import FAMILIES
from datasel_assets.tables.scores.scores import within_bounds
from datasel_assets_tests.pools import add_source, rows, write_yaml
from datasel_assets_tests.project import Project


def stages(runs: list[dict]) -> set[str]:
    return {run["stage"] for run in runs}


def scores(project: Project, source: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(("scores", "text", source)).collect()


def test_every_row_has_every_indicator_and_every_neighbour_score(settled: Project):
    columns = [column for indicator in FAMILIES["text"].values() for column in indicator.columns]
    for source in ("code", "fruit", "sums"):
        table = scores(settled, source)
        assert table.columns == ["row_id", *sorted(columns)]
        assert table.height == 40
        assert table["response_words"].is_not_nan().all()
    around = settled.warehouse.lake.scan(("neighbours",)).collect()
    assert around.height == 120
    assert around.select(pl.col("knn_distance", "centroid_distance", "row_variance").is_not_nan().all()).row(0) == (
        True,
        True,
        True,
    )


def test_appended_rows_and_only_they_are_scored_and_compared(settled: Project):
    add_source(settled.data, "sums", rows("sums", 43))
    _, runs = settled.run()
    done = {(run["stage"], run["source"]): run for run in runs}
    assert done["scores/text", "sums"]["rows_new"] == 3
    assert done["scores/neighbours", None]["rows_new"] == 3
    assert ("scores/text", "code") not in done
    assert settled.warehouse.lake.scan(("neighbours",)).collect().height == 123


def test_neighbours_after_an_increment_are_those_of_a_pool_made_at_once(settled: Project, project: Project):
    add_source(settled.data, "sums", rows("sums", 45)[4:])
    settled.run()
    add_source(project.data, "sums", rows("sums", 45)[4:])
    project.run()
    grown, whole = (p.warehouse.lake.scan(("neighbours",)).collect() for p in (settled, project))
    assert grown["row_id"].to_list() == whole["row_id"].to_list()
    np.testing.assert_allclose(grown["distances"].to_numpy(), whole["distances"].to_numpy(), atol=2e-3)


def test_a_changed_blend_recomputes_itself_and_the_recipe_that_reads_it(settled: Project):
    inputs = [{"score": "text.response_ttr", "weight": 3}, {"score": "neighbours.knn_distance", "keep": "low"}]
    write_yaml(settled.data / "scores" / "rich.yaml", {"doc": "other", "how": "rank_mean", "inputs": inputs})
    _, runs = settled.run()
    assert stages(runs) == {"blend/rich", "selections/richest", "comparison", "catalog"}


def test_a_recipe_takes_the_rows_with_the_best_blend_and_says_so(settled: Project):
    lake = settled.warehouse.lake
    chosen = lake.scan(("selections", "richest")).sort("rank").collect()
    blend = lake.scan(("blend", "rich")).collect()
    decisions = lake.scan(("decisions", "richest")).collect()
    dropped = decisions.filter(pl.col("stage") == "rule:1")
    best = blend.filter(~pl.col("row_id").is_in(dropped["row_id"].implode())).sort("score", descending=True).head(9)
    assert dropped.height == 12
    assert dropped["reason"].str.contains("text.response_words .* is in the lowest 0.1 of the pool").all()
    assert sorted(chosen["row_id"]) == sorted(best["row_id"])
    reason = decisions.filter(pl.col("row_id") == chosen["row_id"][0])["reason"][0]
    assert reason.startswith("ranked 1st of 108 by blend.rich (0.")


def test_least_squares_on_outcomes_of_the_user_becomes_a_score(settled: Project):
    observed = pl.DataFrame({"text.response_words": [4.0, 8.0, 12.0, 9.0], "loss": [2.0, 1.0, 0.0, 0.75]})
    observed.write_csv(settled.data / "runs.csv")
    spec = {
        "how": "ols",
        "inputs": [{"score": "text.response_words"}],
        "outcomes": {"uri": "runs.csv", "column": "loss"},
    }
    write_yaml(settled.data / "scores" / "fitted.yaml", spec)
    settled.run()
    found = settled.warehouse.lake.scan(("blend", "fitted")).collect().join(scores(settled, "sums"), on="row_id")
    np.testing.assert_allclose(found["score"], found["response_words"] / 4 - 3, atol=1e-4)
    observed.with_columns(loss=-pl.col("loss")).write_csv(settled.data / "runs.csv")
    _, runs = settled.run()
    assert "blend/fitted" in stages(runs), "other outcomes mean another fit"


def test_a_blend_without_its_outcomes_fails_alone_and_says_what_is_missing(settled: Project):
    spec = {"how": "ols", "inputs": [{"score": "text.response_words"}], "outcomes": {"uri": "none.csv"}}
    write_yaml(settled.data / "scores" / "fitted.yaml", spec)
    outcome, _ = settled.run()
    (failure,) = outcome.failures
    assert "none.csv does not exist" in failure["error"]


def test_the_page_of_a_score_table_shows_pictures_rows_and_where_columns_come_from(project: Project):
    project.run()
    event = project.instance.get_latest_materialization_event(dg.AssetKey(["scores", "text"]))
    metadata = event.asset_materialization.metadata
    assert metadata["plot: distributions"].value.startswith("![text scores of ")
    (faces,) = [r.data for r in metadata["rows"].records if r.data["score_name"] == "response_words"]
    assert all(":" in faces[place] for place in ("lowest", "median", "highest"))
    lineage = metadata["dagster/column_lineage"].value.reads_by_column
    assert lineage["response_mtld"][0].asset_key == dg.AssetKey(["corpus"])
    (schema,) = [c for c in metadata["dagster/column_schema"].schema.columns if c.name == "response_mtld"]
    assert "Keep: high." in schema.description


def test_a_score_outside_its_bounds_is_refused_before_anything_is_replaced():
    family = {"ttr": FAMILIES["text"]["ttr"]}
    good = pl.DataFrame({"row_id": ["a", "b"], "prompt_ttr": [0.5, None], "response_ttr": [1.0, float("nan")]})
    assert within_bounds(good, family) is good
    with pytest.raises(ValueError, match=r"response_ttr \(1 rows\); nothing was published"):
        within_bounds(good.with_columns(response_ttr=pl.Series([1.2, 0.1])), family)
