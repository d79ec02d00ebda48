"""Names of scores across files: what exists, what is missing, what goes in circles."""

import pytest

from datasel_assets.indicators.blend import BlendSpec
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.score import blend_order, score_keep

RECIPE = "paper: baseline\nselect: {{sampler: topk, by: {by}}}\nbudget: {{rows: 3}}\n"


@pytest.fixture
def data(tmp_path):
    for folder in ("sources", "scores", "recipes"):
        (tmp_path / folder).mkdir()
    return tmp_path


def blend_file(data, name, *scores):
    inputs = "".join(f"  - {{score: {score}}}\n" for score in scores)
    (data / "scores" / f"{name}.yaml").write_text(f"how: sum\ninputs:\n{inputs}")


def test_blends_are_scores_like_indicators(data):
    blend_file(data, "quality", "n_chars")
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="blend.quality"))
    registry = load_registry(data)
    assert registry.errors == {}
    assert registry.score_keep()["blend.quality"] == "high"


def test_a_recipe_with_an_unknown_score_names_it_and_what_is_close(data):
    blend_file(data, "quality", "n_chars")
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="blend.qualty"))
    message = load_registry(data).errors["recipes/best.yaml"]
    assert "no score 'blend.qualty'; did you mean 'blend.quality'?" in message


def test_a_family_that_does_not_exist_is_named_with_those_that_do(data):
    (data / "recipes" / "best.yaml").write_text(RECIPE.format(by="gpt.perplexity"))
    message = load_registry(data).errors["recipes/best.yaml"]
    assert "no family 'gpt'" in message
    assert "text" in message


def test_a_blend_of_a_broken_blend_is_broken_too_and_takes_no_other_down(data):
    blend_file(data, "a", "text.no_such_column")
    blend_file(data, "b", "blend.a")
    blend_file(data, "c", "n_chars")
    registry = load_registry(data)
    assert sorted(registry.errors) == ["scores/a.yaml", "scores/b.yaml"]
    assert sorted(registry.scores) == ["c"]


def test_blends_that_need_each_other_are_refused(data):
    blend_file(data, "a", "blend.b")
    blend_file(data, "b", "blend.a")
    errors = load_registry(data).errors
    assert any("in a circle" in message for message in errors.values())


def test_a_blend_comes_after_those_it_reads():
    specs = {
        name: BlendSpec.model_validate({"how": "sum", "inputs": [{"score": score}]})
        for name, score in (("a", "blend.b"), ("b", "blend.c"), ("c", "n_chars"))
    }
    assert blend_order(specs) == ["c", "b", "a"]


def test_every_score_says_which_values_are_kept():
    assert set(score_keep(["x"]).values()) <= {"high", "low", "mid"}
