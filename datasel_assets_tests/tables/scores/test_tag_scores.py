"""The table of scores made of tags: one column per file of tags, each with a version of its own."""

import polars as pl
import pytest

from datasel_assets.indicators.base import Indicator
from datasel_assets.storage.lake import MissingTableError
from datasel_assets.tables.scores import tag_scores
from datasel_assets.tables.scores.families import within_bounds
from datasel_assets.tables.table import Built
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project

STAGES = ("raw_corpus", "corpus", "tag_candidates", "tag_vocabulary", "tags")


def phrases(project: Project, name: str, max_tags: int) -> None:
    spec = {"phrases": {"max_share": 1.0, "max_tags": max_tags}, "min_rows": 3}
    write_yaml(project.data / "tags" / f"{name}.yaml", spec)


def refresh(project: Project) -> dict[tuple[str, str | None], Built]:
    return project.refresh(lambda table: table.key[0] in STAGES or table.key == ("scores", "tags"))


def scores(project: Project, source: str) -> pl.DataFrame:
    return project.warehouse.lake.scan(("scores", "tags", source)).collect()


@pytest.fixture
def scored(project: Project) -> Project:
    """A pool with nothing made but the counts of its phrases."""
    phrases(project, "many", 6)
    refresh(project)
    return project


def test_the_score_is_how_many_tags_the_row_has(scored: Project):
    lake = scored.warehouse.lake
    for source in ("sums", "fruit", "code"):
        found = scores(scored, source)
        counts = lake.scan(("tags", "many", source)).select("row_id", n=pl.col("tags").list.len()).collect()
        assert found["row_id"].is_sorted()
        assert found.schema == {"row_id": pl.String, "many_count": pl.Float32}
        assert dict(found.iter_rows()) == dict(counts.iter_rows())


def test_another_file_of_tags_adds_its_column_and_leaves_the_others(scored: Project):
    before = scores(scored, "fruit")
    phrases(scored, "few", 1)
    built = refresh(scored)["scores/tags", "fruit"]
    assert (built.rows_new, built.rows_reused) == (0, 40)
    after = scores(scored, "fruit")
    assert after.columns == ["row_id", "few_count", "many_count"]
    assert after.select(before.columns).equals(before)
    assert after["few_count"].to_list() == before["many_count"].clip(upper_bound=1).to_list()


def test_only_the_column_whose_tags_changed_is_computed_again(scored: Project, monkeypatch):
    phrases(scored, "few", 1)
    refresh(scored)
    asked = []

    def watched(found: pl.DataFrame, family: dict[str, Indicator]) -> pl.DataFrame:
        asked.append((found.columns, found.height))
        return within_bounds(found, family)

    monkeypatch.setattr(tag_scores, "within_bounds", watched)
    phrases(scored, "few", 2)
    refresh(scored)
    assert asked == [(["row_id", "few_count"], 40)] * 3
    assert scores(scored, "fruit")["few_count"].max() == 2


def test_without_the_tags_of_the_source_nothing_is_published(scored: Project):
    lake = scored.warehouse.lake
    before = scores(scored, "fruit")
    lake.delete(("tags", "many", "fruit"))
    with pytest.raises(MissingTableError, match="tags/many/fruit"):
        scored.refresh(lambda table: table.key == ("scores", "tags"))
    assert scores(scored, "fruit").equals(before)
