"""Which tables become which views of the DuckDB file."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.storage.lake import Expected, Key, Lake
from datasel_assets.tables.catalog import FILE, catalog_views
from datasel_assets.tables.columns import describe
from datasel_assets.tables.graph import all_tables, kind_of
from datasel_assets.tables.making import make
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project

DATA = Path(__file__).resolve().parents[2] / "data"


def publish(lake: Lake, *key: str, rows: int = 1, **more: list) -> None:
    ids = {"row_id": [f"{key[-1]}{i}" for i in range(rows)]}
    lake.write(Expected(key, "1"), pl.DataFrame(ids | more))


def views(project: Project) -> dict[str, tuple[str | None, list[Path], int]]:
    found = catalog_views(project.warehouse, kind_of)
    return {name: (view.label, view.files, view.rows) for name, view in found.items()}


def test_every_column_of_every_table_says_what_it_holds(settled: Project):
    warehouse = settled.warehouse
    silent = {
        (table.name, column)
        for table in all_tables(warehouse.registry)
        for source in (warehouse.active_sources() if table.per_source else [None])
        if (info := warehouse.lake.info(table.table_key(source)))
        for file in info.files
        for column in pl.read_parquet_schema(file)
        if not (table.columns.get(column) or describe(column))
    }
    assert silent == set()


def test_every_table_with_one_file_per_source_or_recipe_is_one_view(project: Project):
    registry = load_registry(DATA)
    write_yaml(
        project.data / "evaluations" / "exam.yaml", {"uri": "exam.jsonl", "embedding": {"representation": "white"}}
    )
    tables = [*all_tables(registry), *all_tables(project.warehouse.registry)]
    keys: dict[str, list[Key]] = {"source": [], "recipe": []}
    for table in tables:
        if "safetensors" not in table.kinds and (
            table.per_source or table.key[-1] in set(registry.recipes) - set(registry.answers)
        ):
            per, name = ("source", "sums") if table.per_source else ("recipe", "random")
            stored = table.table_key(name if table.per_source else None)
            keys[per].append((*stored[:-1], name))
    by_source = {key[0] for key in keys["source"]}
    assert {"dsir", "evaluation_neighbours", "tokens", "tags", "categories"} <= by_source
    publish(project.warehouse.lake, "corpus", "sums")
    for per, found in keys.items():
        for key in found:
            publish(project.warehouse.lake, *key)
            name = "_".join(key[:-1]).replace("-", "_")
            assert views(project)[name][0] == per


def test_what_is_retired_is_in_no_view(project: Project):
    lake = project.warehouse.lake
    for key in (("corpus", "sums"), ("corpus", "retired"), ("dsir", "near", "sums"), ("dsir", "near", "retired")):
        publish(lake, *key)
    for recipe in ("random", "removed"):
        publish(lake, "changes", recipe)
    assert views(project) == {
        "corpus": ("source", [lake.path(("corpus", "sums"))], 1),
        "dsir_near": ("source", [lake.path(("dsir", "near", "sums"))], 1),
        "changes": ("recipe", [lake.path(("changes", "random"))], 1),
    }


def test_what_lies_beside_a_table_is_labelled_as_the_table_is(project: Project):
    lake = project.warehouse.lake
    for key in (("corpus", "sums"), ("quarantine", "sums"), ("decisions", "random"), ("versions",)):
        publish(lake, *key)
    labels = {name: label for name, (label, _, _) in views(project).items()}
    assert labels == {"corpus": "source", "quarantine": "source", "decisions": "recipe", "versions": None}


def test_a_table_in_parts_is_one_view_of_all_its_files(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Lake, "part_rows", 2)
    monkeypatch.setattr(Lake, "group_rows", 1)
    lake = project.warehouse.lake
    publish(lake, "corpus", "sums", rows=5)
    publish(lake, "corpus", "code", rows=1)
    label, files, rows = views(project)["corpus"]
    assert (label, len(files), rows) == ("source", 4, 6)
    assert set(files) == {*lake.require(("corpus", "sums")).files, *lake.require(("corpus", "code")).files}


def test_sets_of_arrays_and_files_that_are_no_tables_are_in_no_view(project: Project):
    lake = project.warehouse.lake
    publish(lake, "corpus", "sums")
    lake.write_arrays(Expected(("cluster_models", "white"), "1"), {})
    model = lake.root / "models" / "tiny" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    assert set(views(project)) == {"corpus"}


def test_the_rows_that_could_not_be_computed_are_one_view_of_the_catalog(project: Project):
    import duckdb

    lake = project.warehouse.lake
    publish(lake, "corpus", "sums", rows=2)
    publish(lake, "scores", "text", "sums", rows=2, failed=[None, "ValueError: too long"])
    make(project.warehouse, "catalog")
    with duckdb.connect(str(project.settings.warehouse / FILE), read_only=True) as con:
        found = con.execute('SELECT source, "table", row_id, reason FROM failed_rows').fetchall()
    assert found == [("sums", "scores_text", "sums1", "ValueError: too long")]
