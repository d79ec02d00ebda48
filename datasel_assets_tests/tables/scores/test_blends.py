"""Scores made from scores: what they hold, what they recompute, what recipes make of them."""

import numpy as np
import polars as pl

from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project


def stages(runs: list[dict]) -> set[str]:
    return {run["stage"] for run in runs}


def scores(project: Project, source: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(("scores", "text", source)).collect()


def test_a_changed_blend_recomputes_itself_and_the_recipe_that_reads_it(settled: Project):
    inputs = [{"score": "text.response_ttr", "weight": 3}, {"score": "neighbours.knn_distance", "keep": "low"}]
    write_yaml(settled.data / "scores" / "rich.yaml", {"doc": "other", "how": "rank_mean", "inputs": inputs})
    runs = settled.update()
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
    settled.update()
    found = settled.warehouse.lake.scan(("blend", "fitted")).collect().join(scores(settled, "sums"), on="row_id")
    np.testing.assert_allclose(found["score"], found["response_words"] / 4 - 3, atol=1e-4)
    observed.with_columns(loss=-pl.col("loss")).write_csv(settled.data / "runs.csv")
    runs = settled.update()
    assert "blend/fitted" in stages(runs), "other outcomes mean another fit"


def test_a_blend_without_its_outcomes_fails_alone_and_says_what_is_missing(settled: Project):
    spec = {"how": "ols", "inputs": [{"score": "text.response_words"}], "outcomes": {"uri": "none.csv"}}
    write_yaml(settled.data / "scores" / "fitted.yaml", spec)
    outcome, _ = settled.run()
    (failure,) = outcome.failures
    assert "none.csv does not exist" in failure["error"]
