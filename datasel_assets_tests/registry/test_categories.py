"""Files in ``categories/``."""

from datasel_assets.registry.load import load_registry
from datasel_assets_tests.pools import small_pool, write_yaml

GOOD = {"representation": "rds_plus", "target": "adding"}


def test_a_file_may_only_name_what_exists_and_a_recipe_only_files_that_are_good(tmp_path):
    data = small_pool(tmp_path)
    write_yaml(data / "categories" / "kinds.yaml", GOOD)
    write_yaml(data / "categories" / "typo.yaml", {**GOOD, "targt": "x"})
    write_yaml(data / "categories" / "aimless.yaml", {**GOOD, "target": "nowhere"})
    write_yaml(data / "categories" / "blind.yaml", {**GOOD, "representation": "nope"})
    write_yaml(data / "categories" / "source.yaml", GOOD)
    recipe = {"paper": "baseline", "budget": {"rows": 5}}
    for name, groups in (("good", "kinds"), ("bad", "other"), ("worse", "blind")):
        write_yaml(data / "recipes" / f"{name}.yaml", {**recipe, "select": {"sampler": "stratify", "groups": groups}})
    registry = load_registry(data)
    errors = registry.errors
    assert set(registry.categories) == {"kinds"}
    assert "did you mean 'target'" in errors["categories/typo.yaml"]
    assert "target: targets/nowhere.yaml is absent or broken; there are: adding" in errors["categories/aimless.yaml"]
    assert "representation: representations/nope.yaml is absent or broken" in errors["categories/blind.yaml"]
    assert "every pool has the group 'source' already" in errors["categories/source.yaml"]
    assert "good" in registry.recipes
    assert (
        "groups: categories/other.yaml is absent or broken; there are: cluster, kinds, source"
        in errors["recipes/bad.yaml"]
    )
    assert "recipes/worse.yaml" in errors


def test_seed_examples_are_no_aim_of_the_training(tmp_path):
    data = small_pool(tmp_path)
    assert load_registry(data).aims == ["adding"]
    write_yaml(data / "categories" / "kinds.yaml", GOOD)
    assert load_registry(data).aims == []
