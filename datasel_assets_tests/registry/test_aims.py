"""What a recipe selects for."""

from datasel_assets.registry.aims import targets_of
from datasel_assets.specs.blend import BlendSpec
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.specs.score import DsirSpec

SCORES = {
    "near_code": DsirSpec(how="dsir", target="code"),
    "near_maths": DsirSpec(how="dsir", target="maths"),
    "near": BlendSpec.model_validate({"how": "sum", "inputs": [{"score": "n_chars"}]}),
}


def targets(**changes) -> set[str]:
    given = {"paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 2}}
    return targets_of(RecipeSpec.model_validate(given | changes), SCORES)


def test_a_recipe_without_a_target_aims_at_nothing():
    assert targets() == set()
    assert targets(select={"sampler": "topk", "by": "blend.near"}) == set()


def test_every_sampler_and_every_score_toward_a_target_counts():
    toward = {"sampler": "round_robin", "representation": "r"}
    step = {"sampler": "topk", "by": "dsir.near_code", "take": {"fraction": 0.5}}
    assert targets(
        select={**toward, "target": "sums"}, narrow=[{**toward, "target": "fruit", "take": {"rows": 9}}]
    ) == {
        "sums",
        "fruit",
    }
    assert targets(narrow=[step], drop=[{"score": "dsir.near_maths", "below": 0}]) == {"code", "maths"}


def test_a_score_whose_file_is_gone_has_no_target():
    assert targets(select={"sampler": "topk", "by": "dsir.gone"}) == set()
