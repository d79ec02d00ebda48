"""Recipes of the gallery, brought into a data folder of one's own."""

from pathlib import Path

import pytest
import yaml

from datasel_assets.registry.load import load_registry
from datasel_assets.settings import DEFAULT_DATA
from datasel_assets_tests.pools import rows, write_jsonl, write_yaml

SHIPPED = sorted(path.stem for folder in ("gallery", "recipes") for path in (DEFAULT_DATA / folder).glob("*.yaml"))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A data folder with a source and nothing else."""
    write_jsonl(tmp_path / "data" / "rows.jsonl", rows("sums", 3))
    write_yaml(tmp_path / "data" / "sources" / "sums.yaml", {"uri": "rows.jsonl"})
    return tmp_path / "data"


def written(folder: Path) -> dict[str, bytes]:
    """Files of a data folder, but for the schemas that editors read."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".schema/")}


@pytest.mark.parametrize("recipe", SHIPPED)
def test_every_shipped_recipe_can_be_used_in_a_folder_that_has_a_source_and_nothing_else(datasel, bare, recipe):
    before = set(written(bare))
    answer = datasel(bare, "add", recipe)
    assert (answer.status, answer.err) == (0, "")
    registry = load_registry(bare)
    assert registry.errors == {}
    assert recipe in registry.recipes
    new = set(written(bare)) - before
    assert {line.removeprefix("wrote ").partition(":")[0] for line in answer.out.splitlines()[:-1]} == new
    assert answer.out.endswith(f"next: datasel --data {bare} run\n")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_folder_of_init_takes_every_recipe_of_the_gallery_one_after_the_other(datasel, tmp_path):
    folder = tmp_path / "data"
    datasel(tmp_path, "init", str(folder))
    for recipe in SHIPPED:
        assert datasel(folder, "add", recipe).status == 0
    registry = load_registry(folder)
    assert registry.errors == {}
    assert set(SHIPPED) <= set(registry.recipes)


def test_what_is_brought_is_what_the_recipe_reads_and_no_more(datasel, bare):
    datasel(bare, "add", "lift")
    assert set(written(bare)) == {
        *("rows.jsonl", "sources/sums.yaml", "recipes/lift.yaml"),
        *("representations/rds_plus.yaml", "scores/plain_quality.yaml"),
    }


def test_a_set_brings_the_files_that_go_with_its_recipe_alone_and_keeps_what_is_there(datasel, bare):
    answer = datasel(bare, "add", "near_adjudicated")
    assert (answer.status, answer.err) == (0, "")
    new = {"recipes/near_adjudicated.yaml", "answers/same_rows.yaml", "duplicates.yaml"}
    assert set(written(bare)) == {"rows.jsonl", "sources/sums.yaml", *new}
    registry = load_registry(bare)
    assert registry.errors == {}
    assert registry.duplicates is not None
    assert registry.duplicates.near.adjudicate is not None
    assert registry.answers[registry.duplicates.near.adjudicate.answers].adjudicates
    (bare / "answers" / "same_rows.yaml").unlink()
    (bare / "duplicates.yaml").write_text("near: {threshold: 0.9}\n")
    answer = datasel(bare, "add", "near_adjudicated")
    assert "kept yours, which differs from the shipped one: duplicates.yaml" in answer.out
    assert "near.adjudicate of duplicates.yaml must name this file" in answer.err


def test_adding_twice_changes_nothing_and_says_so(datasel, bare):
    datasel(bare, "add", "qdit")
    before = written(bare)
    answer = datasel(bare, "add", "qdit")
    assert answer.status == 0
    assert "wrote" not in answer.out
    assert "there already: recipes/qdit.yaml" in answer.out
    assert written(bare) == before


def test_a_file_of_the_user_is_read_in_place_of_the_shipped_one_and_that_is_said(datasel, bare):
    mine = {"encoder": {"model": "sentence-transformers/all-MiniLM-L6-v2"}}
    write_yaml(bare / "representations" / "rds_plus.yaml", mine)
    before = written(bare)
    answer = datasel(bare, "add", "herding")
    assert answer.status == 0
    assert "kept yours, which differs from the shipped one: representations/rds_plus.yaml" in answer.out
    assert before.items() <= written(bare).items()


def test_another_recipe_of_the_name_is_left_alone_and_nothing_is_written(datasel, bare):
    write_yaml(bare / "recipes" / "qdit.yaml", {"select": {"sampler": "random"}, "budget": {"rows": 1}})
    before = written(bare)
    answer = datasel(bare, "add", "qdit")
    assert answer.status == 2
    assert "is another recipe of this name" in answer.err
    assert written(bare) == before


def test_a_user_with_clusters_of_their_own_keeps_these(datasel, bare):
    own = {"encoder": {"model": "sentence-transformers/all-MiniLM-L6-v2"}, "clusters": {"k": 3}}
    write_yaml(bare / "representations" / "mine.yaml", own)
    assert datasel(bare, "add", "cluster_clip").status == 0
    assert "representations/spectral.yaml" not in written(bare)
    assert load_registry(bare).clustered == "mine"


def test_a_new_file_that_makes_unclear_which_is_meant_is_settled_for_the_one_before(datasel, bare):
    own = {"how": "rank_mean", "inputs": [{"score": "text.response_words", "keep": "high"}]}
    write_yaml(bare / "scores" / "mine.yaml", own)
    answer = datasel(bare, "add", "lift")
    assert answer.status == 0
    assert "wrote defaults.yaml: quality: mine" in answer.out
    assert yaml.safe_load((bare / "defaults.yaml").read_text("utf-8")) == {"quality": "mine"}
    assert load_registry(bare).quality == "blend.mine"


def test_a_wrong_name_is_answered_with_the_right_one(datasel, bare):
    answer = datasel(bare, "add", "qditt")
    assert answer.status == 2
    assert "there is no shipped recipe 'qditt'" in answer.err
    assert "'qdit'" in answer.err


def test_a_recipe_that_a_model_is_warmed_up_on_comes_with_the_one_that_asks_for_it(datasel, bare):
    assert datasel(bare, "add", "cherry").status == 0
    assert {"recipes/cherry.yaml", "loops/cherry.yaml", "recipes/cherry_warmup.yaml"} <= set(written(bare))
    assert load_registry(bare).errors == {}
