"""Every recipe that is shipped, carried out over a part of the default pool."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project

DATA = Path(__file__).resolve().parents[3] / "data"
MAY_FALL_SHORT = {"better_mixture"}


@pytest.fixture
def gallery(project: Project) -> Project:
    """The default folder with the gallery among its recipes, without the large sources."""
    shutil.rmtree(project.data)
    shutil.copytree(DATA, project.data, ignore=shutil.ignore_patterns("warehouse", "releases", "python_*"))
    for file in (project.data / "gallery").glob("*.yaml"):
        file.rename(project.data / "recipes" / file.name)
    source = project.data / "sources" / "arithmetic.yaml"
    spec = yaml.safe_load(source.read_text("utf-8"))
    write_yaml(source, spec | {"uri": "arithmetic:?rows=400&seed=0"})
    model = project.data / "language_models" / "proxy_lm.yaml"
    spec = yaml.safe_load(model.read_text("utf-8"))
    write_yaml(model, spec | {"proxy": {**spec["proxy"], "token_budget": 20_000}})
    watched = project.data / "dynamics" / "learned.yaml"
    spec = yaml.safe_load(watched.read_text("utf-8"))
    write_yaml(watched, spec | {"rows": 200, "epochs": 2, "planted": None})
    return project


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_shipped_recipe_selects_its_share_of_a_part_of_the_default_pool(gallery: Project):
    outcome, _ = gallery.run()
    assert outcome.failures == []
    assert gallery.warehouse.registry.errors == {}
    recipes = {file.stem for file in (gallery.data / "recipes").glob("*.yaml")}
    assert len(recipes) >= 45
    lake = gallery.warehouse.lake
    rows = {name: lake.require(("selections", name)).rows for name in recipes}
    pool = sum(lake.require(("corpus", source)).rows for source in gallery.warehouse.active_sources())
    full = int(0.035 * pool + 0.5)
    assert {name: count for name, count in rows.items() if count != full and name not in MAY_FALL_SHORT} == {}
    assert all(rows[name] > 0 for name in MAY_FALL_SHORT)
    comparison = lake.scan(("comparison",)).collect()
    assert set(comparison["recipe"]) == recipes
    assert comparison.select(pl.col("vendi", "facility_location", "quality").is_not_null().all()).row(0) == (True,) * 3
