"""Which file is meant where several could be: the one that is named, and never the first of the alphabet."""

from pathlib import Path

import pytest

from datasel_assets.registry.base import RegistryError
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.registry import Registry
from datasel_assets.settings import REPOSITORY, Settings
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import small_pool, write_yaml

BALANCED = {
    "paper": "baseline",
    "select": {"sampler": "stratify", "groups": "cluster"},
    "budget": {"rows": 5},
}
KEYS = {
    "clusters": ("representations", {"clusters": {"k": 3}}),
    "tags": ("tags", {}),
    "quality": ("scores", {"how": "sum", "inputs": [{"score": "n_chars"}]}),
    "neighbours": ("representations", {"neighbours": True}),
    "proxy": ("language_models", {}),
}
"""Key of defaults.yaml -> the folder and the content of a file that it may name."""
MEANT = {"clusters": "clustered", "tags": "tagged", "quality": "quality", "neighbours": "neighboured", "proxy": "proxy"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A pool without defaults whose recipe ``balanced`` needs clusters; every key has one candidate."""
    data = small_pool(tmp_path / "data")
    (data / "defaults.yaml").unlink()
    write_yaml(data / "recipes" / "balanced.yaml", BALANCED)
    write_yaml(data / "tags" / "phrases.yaml", {})
    write_yaml(data / "language_models" / "mine.yaml", {})
    return data


def described(data: Path) -> dict[str, tuple | str]:
    """Every table of a data folder with what decides its content."""
    warehouse = Warehouse(Settings.at(data, device="cpu"))
    found = {}
    for table in all_tables(warehouse.registry):
        for source in sorted(warehouse.registry.sources) if table.per_source else [None]:
            try:
                expected = table.expect(warehouse, source)
                found[f"{table.name} {source}"] = (expected.fingerprint, dict(expected.inputs), table.version)
            except RegistryError as error:
                found[f"{table.name} {source}"] = str(error)
    return found


def meant(registry: Registry, key: str) -> str | None:
    return getattr(registry, MEANT[key])


@pytest.mark.parametrize("key", KEYS)
def test_the_only_candidate_is_meant_without_a_line(data: Path, key: str):
    registry = load_registry(data)
    assert registry.errors == {}
    assert meant(registry, key) == {"quality": "blend.rich"}.get(key, registry.candidates(key)[0])


@pytest.mark.parametrize("key", KEYS)
def test_of_several_candidates_none_is_meant_until_a_line_names_one(data: Path, key: str):
    folder, content = KEYS[key]
    write_yaml(data / folder / "aaa.yaml", content)
    registry = load_registry(data)
    message = registry.errors["defaults.yaml"]
    assert f"defaults.yaml: {key}: {folder}/ has several files" in message
    assert ", ".join(registry.candidates(key)) in message
    assert f"such as '{key}: aaa'" in message
    assert meant(registry, key) is None
    write_yaml(data / "defaults.yaml", {key: registry.candidates(key)[-1]})
    settled = load_registry(data)
    assert settled.errors == {}
    assert meant(settled, key) == {"quality": "blend.rich"}.get(key, registry.candidates(key)[-1])


@pytest.mark.parametrize("key", KEYS)
def test_a_default_that_names_an_absent_file_says_which_there_are(data: Path, key: str):
    write_yaml(data / "defaults.yaml", {key: "nowhere"})
    registry = load_registry(data)
    assert "nowhere.yaml" in registry.errors["defaults.yaml"]
    assert f"there are: {', '.join(registry.candidates(key))}" in registry.errors["defaults.yaml"]
    assert meant(registry, key) is None


def test_an_unsettled_default_stops_only_what_needs_it(data: Path):
    before = described(data)
    write_yaml(data / "representations" / "aaa.yaml", {"clusters": {"k": 3}})
    registry = load_registry(data)
    assert set(registry.errors) == {"defaults.yaml", "recipes/balanced.yaml"}
    assert (
        "recipes/balanced.yaml: it needs clusters: clusters: representations/ has several"
        in (registry.errors["recipes/balanced.yaml"])
    )
    now = described(data)
    changed = {name.split()[0]: now.get(name) for name in before if now.get(name) != before[name]}
    reason = f"defaults.yaml: {registry.unsettled('clusters')}"
    assert changed == {
        "selections/balanced": None,
        "proxy_eval/balanced": None,
        "semantic_duplicates": None,
        "scores/neighbours": reason,
        "comparison": reason,
    }


@pytest.mark.parametrize("key", KEYS)
def test_a_new_candidate_changes_no_other_table_where_the_default_is_named(data: Path, key: str):
    folder, content = KEYS[key]
    write_yaml(data / "defaults.yaml", {key: load_registry(data).candidates(key)[0]})
    before = described(data)
    write_yaml(data / folder / "aaa.yaml", content)
    assert load_registry(data).errors == {}
    now = described(data)
    changed = {name.split()[0] for name in before if now[name] != before[name]}
    # The tags of every file are columns of one table of scores, in which each column has a version of its own.
    assert changed <= ({"scores/tags"} if key == "tags" else set())


def test_a_new_target_changes_no_comparison_where_the_targets_are_named(data: Path):
    write_yaml(data / "defaults.yaml", {"comparison": ["adding"]})
    before = described(data)
    write_yaml(data / "targets" / "aaa.yaml", {"examples": [{"prompt": "a", "response": "b"}]})
    now = described(data)
    assert {name for name in before if now[name] != before[name]} == set()
    assert load_registry(data).aims == ["adding"]


def test_a_target_that_is_not_there_cannot_be_compared_by(data: Path):
    write_yaml(data / "defaults.yaml", {"comparison": ["adding", "nowhere"]})
    registry = load_registry(data)
    assert "comparison: targets/nowhere.yaml is absent or broken; there are: adding" in registry.errors["defaults.yaml"]
    assert described(data)["comparison None"] == registry.errors["defaults.yaml"]


def test_a_file_of_defaults_that_cannot_be_read_says_so_and_leaves_what_is_clear(data: Path):
    (data / "defaults.yaml").write_text("clusers: white\n")
    registry = load_registry(data)
    assert "did you mean 'clusters'" in registry.errors["defaults.yaml"]
    assert registry.clustered == "white"


def test_several_unsettled_defaults_are_one_message_with_a_line_for_each(data: Path):
    for folder, content in (KEYS["tags"], KEYS["quality"]):
        write_yaml(data / folder / "aaa.yaml", content)
    message = load_registry(data).errors["defaults.yaml"]
    assert [line.split(":")[0].strip(" -") for line in message.splitlines()[1:]] == ["tags", "quality"]


def test_the_shipped_defaults_name_what_the_shipped_files_were_read_as_before():
    registry = load_registry(REPOSITORY / "data")
    assert registry.errors == {}
    found = {key: meant(registry, key) for key in KEYS}
    assert found == {
        "clusters": "spectral",
        "tags": "phrases",
        "quality": "blend.plain_quality",
        "neighbours": "rds_plus",
        "proxy": "proxy_lm",
    }
    assert registry.aims == ["arithmetic", "code"]
