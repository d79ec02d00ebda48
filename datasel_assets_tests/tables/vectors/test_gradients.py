"""Tables of gradients of a small pool under a proxy that is trained on it, and what is made of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.gradient_projections import Whole
from datasel_assets.registry.load import load_registry
from datasel_assets.specs.gradients import GradientsSpec
from datasel_assets.storage.lake import MissingTableError, StaleTableError
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.vectors.curvature import Differentiated, open_model, require_curvature
from datasel_assets.tables.vectors.representations import layers_of, target_vectors
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

SOURCES = ("code", "fruit", "sums")
N = 12


def gradients_file(data: Path, **more) -> None:
    spec = {"model": "tiny", "dims": 64, "curvature": {"rows": 20}, **more}
    write_yaml(data / "gradients" / "tiny.yaml", spec)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A pool with a trained proxy, its curvature, and gradients as a representation."""
    data = small_pool(tmp_path_factory.mktemp("gradients") / "data", n=N)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    gradients_file(data)
    by_gradient = {"source": {"gradients": "tiny"}, "compress": {"method": "none"}, "clusters": {"k": 3}}
    write_yaml(data / "representations" / "slopes.yaml", by_gradient)
    recipe = {"select": {"sampler": "round_robin", "representation": "slopes", "target": "adding"}}
    write_yaml(data / "recipes" / "less_like.yaml", {"doc": "x", "paper": "LESS", **recipe, "budget": {"rows": 6}})
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "gradients/tiny", source, upstream=True)
    return data


@pytest.fixture
def warehouse(trained: Path) -> Warehouse:
    return open_warehouse(trained, device="cpu")


def test_a_row_has_the_coordinates_of_its_gradient_and_its_length(warehouse: Warehouse):
    own = Differentiated.of(warehouse, "tiny")
    corpus = warehouse.lake.scan(("corpus", "sums")).select("row_id", "messages").collect()
    table = corpus.join(warehouse.lake.scan(("gradients", "tiny", "sums")).collect(), on="row_id")
    vectors = vectors_of(table["gradient"])
    assert vectors.shape == (N, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
    with open_model(warehouse, **own.opening(warehouse)) as model:
        exact = model.read(table["messages"].to_list(), Whole(model.shapes)).values
    np.testing.assert_allclose(table["norm"], np.linalg.norm(exact, axis=1), rtol=1e-4)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    upper = np.triu_indices(N, 1)
    assert np.corrcoef((vectors @ vectors.T)[upper], (unit @ unit.T)[upper])[0, 1] > 0.9


def test_gradients_as_vectors_make_selections_and_clusters(warehouse: Warehouse):
    made = make(warehouse, "selections/less_like", upstream=True)
    assert all(check.passed for check in made.built.checks.values())
    chosen = warehouse.lake.scan(("selections", "less_like")).collect()
    assert chosen.height == 6
    for source in SOURCES:
        make(warehouse, "clusters/slopes", source, upstream=True)
    clusters = pl.concat(warehouse.lake.scan(("clusters", "slopes", s)) for s in SOURCES).collect()
    assert clusters["cluster"].n_unique() > 1
    spec = warehouse.registry.representations["slopes"]
    ids, vectors = target_vectors(warehouse, "slopes", spec, "adding")
    assert vectors.shape == (3, 64)
    assert layers_of(spec).target_key("adding") == ("target_gradients", "tiny", "adding")
    assert len(ids) == 3


def test_a_new_row_makes_its_own_gradient_and_leaves_curvature_and_the_others(trained: Path):
    before = open_warehouse(trained, device="cpu").lake
    version = before.version(("curvature", "tiny"))
    old = before.scan(("gradients", "tiny", "sums")).collect()
    add_source(trained, "sums", rows("sums", N + 2))
    warehouse = open_warehouse(trained, device="cpu")
    made = make(warehouse, "gradients/tiny", "sums", upstream=True)
    assert (made.built.rows_new, made.built.rows_reused) == (2, N)
    assert warehouse.lake.version(("curvature", "tiny")) == version
    new = warehouse.lake.scan(("gradients", "tiny", "sums")).collect()
    assert new.join(old, on="row_id", how="semi").sort("row_id").equals(old.sort("row_id"))
    add_source(trained, "sums", rows("sums", N))
    make(open_warehouse(trained, device="cpu"), "gradients/tiny", "sums", upstream=True)


def test_the_curvature_of_another_loss_or_model_is_refused(warehouse: Warehouse):
    own = Differentiated.of(warehouse, "tiny")
    assert require_curvature(warehouse, own).meta["parameters"] > 0
    other = GradientsSpec(model="tiny", loss="response_mean")
    with pytest.raises(StaleTableError):
        require_curvature(warehouse, Differentiated("tiny", other, own.model))
    with pytest.raises(MissingTableError):
        require_curvature(warehouse, Differentiated("other", own.spec, own.model))

    class TrainedAgain(Differentiated):
        def version(self, warehouse: Warehouse) -> str:
            return "other weights"

    with pytest.raises(StaleTableError, match="curvature/tiny is that of another training of tiny"):
        require_curvature(warehouse, TrainedAgain("tiny", own.spec, own.model))


@pytest.mark.parametrize(("projection", "width"), [("two_sided", 7 * 3**2), ("count_sketch", 64)])
def test_other_projections_have_a_table_of_their_own_width(trained: Path, projection: str, width: int):
    gradients_file(trained, projection=projection)
    warehouse = open_warehouse(trained, device="cpu")
    make(warehouse, "gradients/tiny", "fruit")
    assert warehouse.lake.require(("gradients", "tiny", "fruit")).meta["dim"] == width
    make(warehouse, "representations/slopes", "fruit", upstream=True)
    assert warehouse.lake.require(("representations", "slopes", "fruit")).meta["dim"] == width
    gradients_file(trained)


def test_a_file_of_gradients_makes_nothing_until_something_reads_it(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=5)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY})
    gradients_file(data)
    toward = {"how": "influence", "gradients": "tiny", "target": "adding"}
    write_yaml(data / "scores" / "toward.yaml", toward)

    def kinds() -> set[str]:
        registry = load_registry(data)
        assert registry.errors == {}
        return {table.kind.name for table in all_tables(registry)}

    costly = {"curvature", "gradients", "target_gradients", "influence", "influence_targets", "gradient_norm"}
    costly |= {"gradient_fidelity"}
    assert not kinds() & costly
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "influence.toward"}, "budget": {"rows": 2}}
    write_yaml(data / "recipes" / "mine.yaml", recipe)
    assert kinds() & costly == {"curvature", "influence", "influence_targets"}
    write_yaml(data / "scores" / "long.yaml", {"how": "gradient_norm", "gradients": "tiny"})
    write_yaml(data / "recipes" / "mine.yaml", {**recipe, "select": {"sampler": "topk", "by": "gradient_norm.long"}})
    assert kinds() & costly == {"curvature", "gradients", "gradient_norm"}
    by_gradient = {"source": {"gradients": "tiny"}, "compress": {"method": "none"}}
    write_yaml(data / "representations" / "slopes.yaml", by_gradient)
    assert kinds() & costly >= {"target_gradients", "gradient_fidelity"}


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("gradients/tiny.yaml", {"model": "none"}, "model: language_models/none.yaml is absent or broken"),
        (
            "representations/by.yaml",
            {"source": {"gradients": "none"}},
            "source.gradients: gradients/none.yaml is absent",
        ),
        (
            "scores/s.yaml",
            {"how": "influence", "gradients": "none", "target": "adding"},
            "gradients/none.yaml is absent",
        ),
        (
            "representations/by.yaml",
            {"source": {"gradients": "a", "table": "b.parquet"}},
            "give one of 'encoder', 'gradients'",
        ),
        (
            "representations/by.yaml",
            {"source": {"gradients": "a", "key": "b"}},
            "key belong to 'table' and not to 'gradients'",
        ),
    ],
)
def test_a_file_that_names_what_is_not_there_says_so(tmp_path: Path, file: str, content: dict, problem: str):
    data = small_pool(tmp_path / "data", n=5)
    write_yaml(data / file, content)
    assert problem in load_registry(data).errors[file]
