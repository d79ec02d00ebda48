"""Near and semantic duplicates of a pool: found across sources, kept up to date, and dropped by recipes."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from datasel_assets.registry.base import RegistryError, parse
from datasel_assets.specs.duplicates import DuplicatesSpec
from datasel_assets.tables.duplicates.near_duplicates import duplicate_tables
from datasel_assets.tables.graph import all_tables, refuse_circles
from datasel_assets_tests.pools import add_source, rows, write_yaml
from datasel_assets_tests.project import Project, changed_copy, copy_of

STORY = (
    "A farmer near the river planted thirty apple trees in the spring and after three long years she picked the "
    "first red apples, filled seven wooden baskets and carried them to the market in the old town where all praised her"
)


def story(**changes: str) -> dict[str, str]:
    text = STORY
    for old, new in changes.items():
        text = text.replace(old, new)
    return {"instruction": "Tell me a story about apples.", "output": text}


@pytest.fixture(scope="module")
def with_copies(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def change(data: Path) -> None:
        add_source(data, "tales", [story(), *rows("fruit", 3)])
        add_source(data, "zebra", [story(), story(thirty="forty"), *rows("code", 2)])
        write_yaml(
            data / "recipes" / "no_copies.yaml",
            {
                "paper": "baseline",
                "drop": [{"when": "duplicate"}, {"when": "near_duplicate"}, {"source": ["sums", "fruit", "code"]}],
                "select": {"sampler": "longest"},
                "budget": {"rows": 50},
            },
        )

    return changed_copy(finished, tmp_path_factory.mktemp("copies"), change)


@pytest.fixture
def copied(with_copies: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """The small pool with one story, its copy in another source, a near copy and an unrelated long row."""
    return copy_of(with_copies, tmp_path, instance)


def near(project: Project) -> pl.DataFrame:
    lake = project.warehouse.lake
    texts = pl.concat(lake.scan(("corpus", s)).select("row_id", "source", "response") for s in ("tales", "zebra"))
    return lake.scan(("near_duplicates",)).join(texts, on="row_id").collect().sort("similarity")


def test_near_copies_are_found_across_sources_and_name_what_stays_and_how_alike_they_are(copied: Project):
    found = near(copied).filter(pl.col("response").str.starts_with("A farmer"))
    assert found["kind"].to_list() == ["near", "exact"]
    assert found["source"].to_list() == ["zebra", "zebra"]
    assert found["duplicate_of"].n_unique() == 1
    assert 0.7 <= found["similarity"][0] < 1
    assert found["similarity"][1] == 1


def test_a_recipe_that_drops_near_copies_keeps_one_of_them_and_names_it(copied: Project):
    decisions = copied.warehouse.lake.scan(("decisions", "no_copies")).collect()
    stages = dict(decisions.group_by("stage").len().iter_rows())
    assert stages["near duplicate"] == 1
    assert stages["duplicate"] >= 1
    (reason,) = decisions.filter(pl.col("stage") == "near duplicate")["reason"]
    assert reason.startswith("near duplicate of ")
    assert reason.endswith(" in source tales")
    assert decisions.filter(pl.col("stage") == "near duplicate")["duplicate_of"].null_count() == 0


def test_an_increment_compares_only_what_is_new_and_gives_what_a_new_pool_gives(copied: Project, project: Project):
    tales = [story(), story(market="fair"), *rows("fruit", 3)]
    add_source(copied.data, "tales", tales)
    runs = copied.update()
    done = {(run["stage"], run["source"]): run for run in runs}
    assert done["minhash", "tales"]["rows_new"] == 1
    assert ("minhash", "zebra") not in done
    add_source(project.data, "tales", tales)
    add_source(project.data, "zebra", [story(), story(thirty="forty"), *rows("code", 2)])
    project.update()
    grown, whole = (p.warehouse.lake.scan(("near_duplicates",)).collect() for p in (copied, project))
    assert grown.equals(whole)


def test_semantic_copies_are_named_with_a_row_that_stays(copied: Project):
    found = copied.warehouse.lake.scan(("semantic_duplicates",)).collect()
    assert not found["duplicate_of"].is_in(found["row_id"].implode()).any()
    assert (found["similarity"] > 0.95).all()


def test_a_settings_file_with_a_mistake_names_itself_and_the_recipes_that_need_it(copied: Project):
    write_yaml(copied.data / "duplicates.yaml", {"near": {"treshold": 0.8}})
    errors = copied.warehouse.registry.errors
    assert "did you mean 'threshold'?" in errors["duplicates.yaml"]
    assert "duplicates.yaml cannot be read" in errors["recipes/no_copies.yaml"]
    assert "recipes/longest.yaml" not in errors


def test_another_threshold_finds_other_copies(copied: Project):
    write_yaml(copied.data / "duplicates.yaml", {"near": {"threshold": 0.99}})
    copied.update()
    assert near(copied).filter(pl.col("response").str.starts_with("A farmer"))["kind"].to_list() == ["exact"]


@pytest.mark.parametrize(("score", "stays"), [("text.response_words", "longer"), ("text.response_ttr", "shorter")])
def test_the_row_with_the_best_score_stays(copied: Project, score: str, stays: str):
    longer = story()
    longer["output"] += " and praised her and praised her"
    add_source(copied.data, "tales", [story(), longer, *rows("fruit", 3)])
    write_yaml(copied.data / "duplicates.yaml", {"near": {"keep": "best_score", "score": score}})
    copied.update()
    lake = copied.warehouse.lake
    texts = pl.concat(lake.scan(("corpus", s)).select("row_id", "response") for s in ("tales", "zebra")).collect()
    family = texts.filter(pl.col("response").str.starts_with("A farmer"))
    left = family.filter(~pl.col("row_id").is_in(near(copied)["row_id"].implode()))["response"].to_list()
    assert len(left) == 1
    assert left[0].endswith("and praised her and praised her") == (stays == "longer")


def test_a_policy_by_a_score_that_is_not_there_names_the_file_and_what_there_is(copied: Project):
    write_yaml(copied.data / "duplicates.yaml", {"near": {"keep": "best_score", "score": "text.response_wordz"}})
    errors = copied.warehouse.registry.errors
    assert "near.score: there is no score 'text.response_wordz'; did you mean" in errors["duplicates.yaml"]
    assert "duplicates.yaml cannot be read" in errors["recipes/no_copies.yaml"]


def test_a_score_that_is_made_from_near_duplicates_cannot_rank_them(copied: Project):
    near_spec = {"near": {"keep": "best_score", "score": "blend.rich"}}
    assets = all_tables(copied.warehouse.registry)
    made = {
        asset.key: asset for asset in duplicate_tables(parse(near_spec, DuplicatesSpec), None, {"blend.rich": "high"})
    }
    ranked = [made.get(asset.key, asset) for asset in assets]
    refuse_circles(ranked)
    looped = [
        replace(asset, reads=[*asset.reads, ("near_duplicates",)]) if asset.key == ("scores", "text") else asset
        for asset in ranked
    ]
    with pytest.raises(
        ValueError, match=r"another near.score in duplicates.yaml: this one is made from itself \(.*text"
    ):
        refuse_circles(looped)


@pytest.mark.parametrize(
    ("near_spec", "words"),
    [
        ({"keep": "best_score"}, "'keep: best_score' needs 'score"),
        ({"score": "text.response_words"}, "'score' goes with 'keep: best_score', and this file says oldest"),
        ({"keep": "best_score", "score": "words"}, "score: "),
        ({"keep": "best-score"}, "did you mean 'best_score'"),
    ],
)
def test_a_policy_that_makes_no_sense_says_why(near_spec: dict, words: str):
    with pytest.raises(RegistryError, match=words):
        parse({"near": near_spec}, DuplicatesSpec)
