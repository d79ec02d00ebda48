"""Families of scores: what their tables hold, what their pages show, what is refused."""

import dagster as dg
import polars as pl
import pytest

from datasel_assets.indicators import FAMILIES
from datasel_assets.tables.scores.families import within_bounds
from datasel_assets_tests.project import FirstRun, Project


def test_every_row_has_every_indicator_and_every_neighbour_score(settled: Project):
    columns = [column for indicator in FAMILIES["text"].values() for column in indicator.columns]
    for source in ("code", "fruit", "sums"):
        table = settled.warehouse.lake.scan(("scores", "text", source)).collect()
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


def test_the_page_of_a_score_table_shows_pictures_rows_and_where_columns_come_from(first_run: FirstRun):
    shown = [e.step_materialization_data.materialization for e in first_run.events if e.is_step_materialization]
    *_, last = (each for each in shown if each.asset_key == dg.AssetKey(["scores", "text"]))
    metadata = last.metadata
    assert metadata["plot: distributions"].value.startswith("![text scores of ")
    (faces,) = [r.data for r in metadata["rows"].records if r.data["score_name"] == "response_words"]
    assert all(":" in faces[place] for place in ("lowest", "median", "highest"))
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert lineage["response_mtld"][0].asset_key == dg.AssetKey(["corpus"])
    (schema,) = [c for c in metadata["dagster/column_schema"].schema.columns if c.name == "response_mtld"]
    assert "Keep: high." in schema.description


def test_a_score_outside_its_bounds_is_refused_before_anything_is_replaced():
    family = {"ttr": FAMILIES["text"]["ttr"]}
    good = pl.DataFrame({"row_id": ["a", "b"], "prompt_ttr": [0.5, None], "response_ttr": [1.0, float("nan")]})
    assert within_bounds(good, family) is good
    with pytest.raises(ValueError, match=r"response_ttr \(1 rows\); nothing was published"):
        within_bounds(good.with_columns(response_ttr=pl.Series([1.2, 0.1])), family)
