"""The recipes in data/recipes: what a newcomer starts from."""

import re
import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.specs.recipe import RecipeSpec

DATA = Path(__file__).resolve().parents[2] / "data"
FILES = sorted([*(DATA / "recipes").glob("*.yaml"), *(DATA / "gallery").glob("*.yaml")])


def spec_of(file: Path) -> RecipeSpec:
    return RecipeSpec.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_every_arm_of_the_comparison_is_there():
    aimed = {f"{method}_{target}" for method in ("rds_plus", "crds_r", "crds_w") for target in ("arithmetic", "code")}
    assert {file.stem for file in FILES} >= {"random", "longest", "kcenter", "cluster_balanced", *aimed}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_recipe_says_where_its_method_comes_from_and_how_its_weights_reach_a_trainer(file: Path):
    spec = spec_of(file)
    assert spec.paper
    assert spec.weights is None or "weights" in yaml.safe_load(file.read_text("utf-8")).get("release", {})


def test_the_page_of_recipes_is_what_the_files_say():
    page = runpy.run_path(str(DATA.parent / "docs" / "gallery.py"))
    assert page["PAGE"].read_text("utf-8") == page["page"](), "run: python docs/gallery.py"


def test_moderate_takes_rows_from_the_middle_of_their_own_cluster():
    cluster, place = np.arange(400) % 2, np.arange(400) // 2
    pool = pl.DataFrame(
        {
            "row_id": [f"r{i:03d}" for i in range(400)],
            "source": "s",
            "response_chars": 1,
            "duplicate_of": pl.Series([None] * 400, dtype=pl.String),
            "cluster": cluster,
            "neighbours.centroid_distance": place + 150.0 * cluster,
        }
    )
    chosen = run_recipe(spec_of(DATA / "gallery" / "moderate.yaml"), pool).selected["row_id"].str.slice(1).cast(int)
    assert np.bincount(cluster[chosen]).tolist() == [7, 7]
    assert np.abs(place[chosen] - 99.5).max() < 4


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
class TestEachRecipe:
    def test_says_what_it_is_for_and_where_it_comes_from(self, file):
        spec = spec_of(file)
        assert spec.doc
        assert spec.use
        assert spec.paper == "baseline" or re.search(r"arXiv \d{4}\.\d{5}|\b(19|20)\d\d\b|survey", spec.paper)
        assert file.read_text(encoding="utf-8").startswith("# ")

    def test_takes_the_same_share_of_the_pool_as_the_others(self, file):
        assert spec_of(file).budget.fraction == 0.035

    def test_drops_duplicates_and_empty_responses(self, file):
        rules = spec_of(file).drop
        assert any(rule.when == "duplicate" for rule in rules)
        assert any(rule.score == "response_chars" and rule.below == 1 for rule in rules)

    def test_names_only_targets_and_representations_that_are_there(self, file):
        needs = spec_of(file).requires()
        named = {("targets", target) for _, target in needs.targets}
        named |= {("representations", name) for name in needs.representations} | {("tags", name) for name in needs.tags}
        named |= {("categories", name) for name in needs.categories}
        for folder, name in named:
            assert any((root / folder / f"{name}.yaml").is_file() for root in (DATA, file.parent))
