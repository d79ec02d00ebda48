"""What no file accounts for any more is deleted with all that belongs to it, and nothing else is."""

import polars as pl
import pytest

from datasel_assets.registry.base import RegistryError
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.pruning import prune
from datasel_assets_tests.pools import ENCODER, write_jsonl, write_yaml
from datasel_assets_tests.project import Project

ENCODER_SLUG = EncoderSpec.model_validate(ENCODER).slug


def test_prune_deletes_retired_tables_and_nothing_else(settled: Project):
    (settled.data / "sources" / "fruit.yaml").unlink()
    (settled.data / "recipes" / "spread.yaml").unlink()
    settled.run()
    assets = all_tables(settled.warehouse.registry)
    planned = prune(settled.warehouse, assets, dry_run=True)
    before = set(settled.warehouse.lake.tables())
    assert prune(settled.warehouse, assets, dry_run=False) == planned
    after = set(settled.warehouse.lake.tables())
    assert {"/".join(key) for key in before - after} == set(planned)
    assert all(key[-1] in {"fruit", "spread"} for key in before - after)
    assert ("quarantine", "fruit") in before - after
    assert ("decisions", "spread") in before - after
    assert settled.instance.get_dynamic_partitions("source") == ["code", "sums"]
    assert settled.run()[0].runs == []
    assert list((settled.settings.releases / "spread").iterdir())


def test_prune_takes_all_that_belongs_to_a_table(project: Project):
    warehouse = project.warehouse
    root = warehouse.lake.root
    kept = {("corpus", "sums"), ("neighbours",), ("embeddings", ENCODER_SLUG, "sums")}
    gone = {
        ("evaluations", "old"),
        ("evaluation_neighbours", "old", "sums"),
        ("label_graph", "old"),
        ("targets", "old"),
    }
    beside = {("_evaluation_neighbours", "old", "sums"), ("_label_vectors", "old")}
    for key in kept | gone | beside:
        warehouse.lake.write(Expected(key, "1"), pl.DataFrame({"n": [1]}))
        write_yaml(root.joinpath("_notes", *key).with_suffix(".json"), {})
    for cache in ("_evaluations/old", "_targets/old", "sums"):
        write_jsonl(root / "_cache" / cache / "digests.json", [])
    write_yaml(project.data / "evaluations" / "new.yaml", {"uri": "files/no_such_file.jsonl"})
    assets = all_tables(project.warehouse.registry)
    removed = prune(project.warehouse, assets, dry_run=False)
    assert removed == sorted("/".join(key) for key in gone)
    left = {path.relative_to(root).with_suffix("").parts for path in root.rglob("*") if path.is_file()}
    assert {parts for parts in left if parts[0] not in ("_notes", "_cache")} == kept
    assert {parts[1:] for parts in left if parts[0] == "_notes"} == kept | beside
    assert {parts[1:] for parts in left if parts[0] == "_cache"} == {("sums", "digests")}


@pytest.mark.parametrize("folder", ["representations", "tags", "evaluations", "sources"])
def test_while_a_file_has_a_typo_nothing_is_pruned(project: Project, folder: str):
    project.warehouse.lake.write(Expected(("embeddings", "dear", "sums"), "1"), pl.DataFrame({"n": [1]}))
    write_yaml(project.data / folder / "typo.yaml", {"nonsense": 1})
    assets = all_tables(project.warehouse.registry)
    with pytest.raises(RegistryError, match=rf"{folder}/typo.yaml"):
        prune(project.warehouse, assets, dry_run=False)
    assert project.warehouse.lake.info(("embeddings", "dear", "sums"))


def test_a_trained_model_is_no_table_and_stays_as_long_as_its_file(project: Project):
    lake = project.warehouse.lake
    model = lake.root / "models" / "tiny" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    assets = all_tables(project.warehouse.registry)
    assert prune(project.warehouse, assets, dry_run=False) == []
    assert model.is_file()
    lake.write(Expected(("proxy_lm", "tiny"), "1"), pl.DataFrame({"n": [1]}))
    assert prune(project.warehouse, assets, dry_run=False) == ["proxy_lm/tiny"]
    assert not model.parent.exists()


def test_downloads_of_sources_without_a_file_go(project: Project):
    cache = project.warehouse.lake.root / "_cache"
    for folder in ("sums", "gone", "_targets/adding"):
        write_jsonl(cache / folder / "digests.json", [])
    assets = all_tables(project.warehouse.registry)
    prune(project.warehouse, assets, dry_run=True)
    assert (cache / "gone").is_dir()
    prune(project.warehouse, assets, dry_run=False)
    assert {path.parent.relative_to(cache).as_posix() for path in cache.rglob("*.json")} == {"sums", "_targets/adding"}
