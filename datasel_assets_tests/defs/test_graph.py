"""The resolved graph: a changed key, dependency, partition, check or pool is a reviewed difference."""

from pathlib import Path

import dagster as dg
import pytest
from syrupy.assertion import SnapshotAssertion

from datasel_assets.definitions import assemble, build_defs
from datasel_assets.settings import Settings
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import small_pool, write_yaml


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.at(small_pool(tmp_path / "data"), device="cpu")


def test_the_graph_of_a_small_pool_is_as_reviewed(settings: Settings, snapshot: SnapshotAssertion):
    definitions, _ = assemble(Warehouse(settings))
    graph = definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.materializable_asset_keys, key=lambda k: k.path):
        node = graph.get(key)
        spec = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitioned": node.partitions_def is not None,
            "group": node.group_name,
            "pools": sorted(node.pools),
            "compute": node.tags.get("compute"),
            "kinds": sorted(k.removeprefix("dagster/kind/") for k in node.tags if k.startswith("dagster/kind/")),
            "checks": sorted(check.name for check in node.check_keys),
            "automation": node.automation_condition.get_label() if node.automation_condition else None,
            "owners": list(node.owners),
        }
        lines.append((key.to_user_string(), spec))
    assert lines == snapshot


def test_the_definitions_load_and_every_asset_is_described(settings: Settings):
    definitions = build_defs(settings)
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    bare = [key for key in graph.materializable_asset_keys if not (graph.get(key).description or "").strip()]
    assert bare == []
    assert {job.name for job in definitions.resolve_all_job_defs()} >= {"main", "refresh_source", "refresh_pool"}


def test_trainings_have_jobs_of_their_own_and_no_other_runs_them(settings: Settings):
    spec = {"causal": {"model": "local:proxy_lm"}, "contexts": ["unconditioned_bare"]}
    write_yaml(settings.data / "language_models" / "tiny.yaml", spec)
    write_yaml(settings.data / "proxy_eval.yaml", {"seeds": 2})
    write_yaml(settings.data / "dynamics" / "watched.yaml", {"model": "tiny"})
    write_yaml(settings.data / "runs" / "sources.yaml", {"model": "tiny", "units": "source"})
    definitions = build_defs(settings)
    dg.Definitions.validate_loadable(definitions)
    names = ("refresh_source", "refresh_pool", "evidence", "dynamics", "runs")
    jobs = {name: definitions.resolve_job_def(name).asset_layer.executable_asset_keys for name in names}
    for key, own in (("dynamics/watched", "dynamics"), ("runs/sources", "runs"), ("run_effects/sources", "runs")):
        assert [name for name, keys in jobs.items() if dg.AssetKey(key.split("/")) in keys] == [own]


def test_a_bad_file_names_itself_and_leaves_the_other_assets(settings: Settings):
    folder = settings.data / "recipes"
    write_yaml(folder / "typo.yaml", {"doc": "x", "paper": "y", "select": {"sampler": "randm"}, "budget": {"rows": 1}})
    write_yaml(
        folder / "nowhere.yaml",
        {"paper": "y", "select": {"sampler": "kcenter", "representation": "nope"}, "budget": {"rows": 1}},
    )
    (settings.data / "representations" / "broken.yaml").write_text("compress: {method: [}")
    registry = Warehouse(settings).registry
    assert "randm" in registry.errors["recipes/typo.yaml"]
    assert "random" in registry.errors["recipes/typo.yaml"]
    assert "there are: rds_plus, white" in registry.errors["recipes/nowhere.yaml"]
    assert "representations/broken.yaml" in registry.errors
    keys = {key.to_user_string() for key in build_defs(settings).resolve_asset_graph().materializable_asset_keys}
    assert {"selections/random", "selections/toward_adding"} <= keys
    assert "selections/typo" not in keys


def test_names_that_dagster_cannot_tell_apart_are_refused(settings: Settings):
    recipe = {"doc": "x", "paper": "y", "select": {"sampler": "random"}, "budget": {"rows": 1}}
    write_yaml(settings.data / "recipes" / "a-b.yaml", recipe)
    write_yaml(settings.data / "recipes" / "a_b.yaml", recipe)
    registry = Warehouse(settings).registry
    assert "differs from another file only in" in registry.errors["recipes/a_b.yaml"]
    assert "a-b" in registry.recipes


def test_two_models_with_one_base_name_do_not_share_a_table(settings: Settings):
    for name, model in (("one", "a/minilm"), ("two", "b/minilm")):
        write_yaml(settings.data / "representations" / f"{name}.yaml", {"encoder": {"model": model}})
    registry = Warehouse(settings).registry
    assert "share its table" in registry.errors["representations/two.yaml"]
    assert "one" in registry.representations


@pytest.mark.parametrize("name", ["-x", "a b", "UPPER", "'; DROP TABLE x; --", "<script>", "a|b", "ä"])
def test_a_source_name_that_is_not_a_slug_is_refused(settings: Settings, name: str):
    path = settings.data / "sources" / f"{name}.yaml"
    path.write_text("uri: files/sums.jsonl\n")
    warehouse = Warehouse(settings)
    assert set(warehouse.registry.sources) == {"code", "fruit", "sums"}
    assert any("is not a valid name" in message for message in warehouse.registry.errors.values())


def test_the_control_arms_exist_without_a_file(settings: Settings):
    for arm in ("random", "longest"):
        (settings.data / "recipes" / f"{arm}.yaml").unlink()
    recipes = Warehouse(settings).registry.recipes
    assert {"random", "longest"} <= set(recipes)
    assert recipes["random"].budget.fraction == 0.035
