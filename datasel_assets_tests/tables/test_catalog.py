"""Which tables become which views of the DuckDB file."""

from pathlib import Path

import polars as pl

from datasel_assets.registry.load import load_registry
from datasel_assets.storage.catalog import BY_FILE
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.catalog import _views
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project

DATA = Path(__file__).resolve().parents[2] / "data"


def test_every_table_with_one_file_per_source_or_recipe_is_one_view(project: Project):
    registry = load_registry(DATA)
    write_yaml(
        project.data / "evaluations" / "exam.yaml", {"uri": "exam.jsonl", "embedding": {"representation": "white"}}
    )
    assets = [*all_tables(registry), *all_tables(project.warehouse.registry)]
    by_source = {a.key[0] for a in assets if a.per_source and "safetensors" not in a.kinds}
    assert by_source <= set(BY_FILE["source"])
    assert {"dsir", "evaluation_neighbours", "tokens", "tags", "categories"} <= by_source
    by_recipe = {a.key[0] for a in assets if a.key[-1] in registry.recipes}
    assert by_recipe <= set(BY_FILE["recipe"])


def test_what_is_retired_is_in_no_view(project: Project):
    lake = project.warehouse.lake
    for key in (("corpus", "sums"), ("corpus", "retired"), ("dsir", "near", "sums"), ("dsir", "near", "retired")):
        lake.write(Expected(key, "1"), pl.DataFrame({"row_id": ["a"]}))
    for recipe in ("random", "removed"):
        lake.write(Expected(("changes", recipe), "1"), pl.DataFrame({"row_id": ["a"]}))
    assert _views(project.warehouse) == {
        "corpus": [lake.path(("corpus", "sums"))],
        "dsir_near": [lake.path(("dsir", "near", "sums"))],
        "changes": [lake.path(("changes", "random"))],
    }
