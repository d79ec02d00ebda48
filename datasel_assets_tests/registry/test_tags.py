"""Files in ``tags/``."""

import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.specs.tags import TagsSpec
from datasel_assets_tests.pools import write_yaml


def test_without_a_column_or_a_model_the_tags_are_phrases():
    assert TagsSpec().of_phrases is not None
    assert TagsSpec(column="tags").of_phrases is None


def test_two_sources_of_tags_in_one_file_are_refused():
    with pytest.raises(ValueError, match="two sources of tags"):
        TagsSpec.model_validate({"column": "tags", "model": {"model": "x"}})


def test_the_threshold_of_the_paper_is_the_default():
    assert TagsSpec().graph.threshold == 0.9


def test_each_file_brings_a_score_and_a_recipe_may_only_name_tags_that_exist(tmp_path):
    (tmp_path / "sources").mkdir()
    write_yaml(tmp_path / "tags" / "topics.yaml", {"column": "topics"})
    write_yaml(tmp_path / "tags" / "broken.yaml", {"colum": "topics"})
    recipe = {"paper": "MIG", "select": {"sampler": "mig", "tags": "topics"}, "budget": {"rows": 5}}
    write_yaml(tmp_path / "recipes" / "good.yaml", recipe)
    write_yaml(tmp_path / "recipes" / "bad.yaml", {**recipe, "select": {"sampler": "mig", "tags": "other"}})
    registry = load_registry(tmp_path)
    assert registry.score_keep()["tags.topics_count"] == "high"
    assert "good" in registry.recipes
    assert "did you mean 'column'" in registry.errors["tags/broken.yaml"]
    assert "tags: tags/other.yaml is absent or broken; there are: topics" in registry.errors["recipes/bad.yaml"]
