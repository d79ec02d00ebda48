"""Every recipe of the gallery that is made of gradients, with the files that it reads, on a small pool."""

import shutil
from pathlib import Path

import pytest

from datasel_assets.registry.base import parse, read_yaml
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.needed import files_needed
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import CAUSAL, ENCODER, TINY, small_pool, write_yaml

SHIPPED = REPOSITORY / "data"
GALLERY = SHIPPED / "gallery"
ROWS = 90
RECIPES = [
    path.stem
    for path in sorted(GALLERY.glob("*.yaml"))
    if any(word in path.read_text("utf-8") for word in ("influence.", "gradient_norm.", "proxy_gradients"))
]


def test_all_of_them_are_found():
    assert len(RECIPES) == 14


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool with the shipped files of all these recipes; its models are tiny."""
    data = small_pool(tmp_path_factory.mktemp("gallery") / "data", n=ROWS // 3)
    for recipe in (data / "recipes").glob("*.yaml"):
        recipe.unlink()
    for name in RECIPES:
        shutil.copyfile(GALLERY / f"{name}.yaml", data / "recipes" / f"{name}.yaml")
    registry = load_registry(SHIPPED, GALLERY)
    write_yaml(data / "language_models" / "proxy_lm.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "representations" / "spectral.yaml", {"encoder": ENCODER, "compress": {"method": "none"}})
    for file in sorted({file for spec in _specs() for file in files_needed(spec, registry)}):
        if not (data / file).exists():
            (data / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(next(root / file for root in (SHIPPED, GALLERY) if (root / file).is_file()), data / file)
    assert load_registry(data).errors == {}
    return data


def _specs() -> list[RecipeSpec]:
    return [parse(read_yaml(GALLERY / f"{name}.yaml"), RecipeSpec) for name in RECIPES]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_of_gradients_selects_its_share(data: Path, name: str):
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, f"selections/{name}", upstream=True)
    assert all(check.passed for check in made.built.checks.values())
    chosen = warehouse.lake.scan(("selections", name)).collect()
    assert chosen.height == int(0.035 * ROWS)
    assert chosen["row_id"].n_unique() == chosen.height


def test_a_shipped_file_makes_nothing_of_gradients_by_itself():
    kinds = {table.kind.name for table in all_tables(load_registry(SHIPPED))}
    costly = {"curvature", "gradients", "target_gradients", "influence", "influence_targets", "gradient_norm"}
    assert not kinds & costly
