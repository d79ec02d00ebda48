"""Estimated influence: exact on its probes, an estimate for everybody, and a page that says what it is worth."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.influence import SIGN
from datasel_assets.registry.load import load_registry
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

SOURCES = ("code", "fruit", "sums")
N, PROBES = 30, 60
FEATURES = ["n_response_tokens", "tiny.perplexity"]


def influence_file(data: Path, name: str, **more) -> None:
    spec = {"how": "influence", "gradients": "tiny", "target": "adding", **more}
    write_yaml(data / "scores" / f"{name}.yaml", spec)
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": f"influence.{name}"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / f"{name}.yaml", recipe)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool whose influence is known exactly in one score and estimated in another."""
    data = small_pool(tmp_path_factory.mktemp("probes") / "data", n=N)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 32, "curvature": {"rows": 20}})
    influence_file(data, "exact")
    probes = {"rows": PROBES, "representation": "rds_plus", "scores": FEATURES}
    influence_file(data, "estimated", probes=probes)
    warehouse = open_warehouse(data, device="cpu")
    for recipe in ("exact", "estimated"):
        make(warehouse, f"selections/{recipe}", upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


def scores(warehouse: Warehouse, name: str) -> pl.DataFrame:
    return pl.concat(warehouse.lake.scan(("influence", name, s)).collect() for s in SOURCES).sort("row_id")


def test_the_probes_have_their_exact_influence(warehouse: Warehouse):
    probes = warehouse.lake.scan(("influence_probes", "estimated")).collect()
    assert probes.height == PROBES
    both = probes.join(scores(warehouse, "exact"), on="row_id", suffix="_exact")
    assert both.height == PROBES
    np.testing.assert_allclose(both["score"], both["score_exact"], rtol=1e-4, atol=1e-6)


def test_every_row_has_an_estimate_that_tells_something_of_the_exact_value(warehouse: Warehouse):
    both = scores(warehouse, "estimated").join(scores(warehouse, "exact"), on="row_id", suffix="_exact")
    assert both.height == 3 * N
    assert both["score"].is_finite().all()
    seen = set(warehouse.lake.scan(("influence_probes", "estimated")).collect()["row_id"])
    others = both.filter(~pl.col("row_id").is_in(seen))
    assert others.height == 3 * N - PROBES
    # The three topics differ in influence, and vectors tell them apart.
    assert np.corrcoef(others["score"], others["score_exact"])[0, 1] > 0.6


def test_the_page_says_what_choosing_by_the_estimates_is_worth(warehouse: Warehouse):
    page = make(warehouse, "influence_ridge/estimated").built.metadata
    assert page["probes"] == PROBES
    assert page["out_of_fold_spearman"] <= 1
    assert page["value_of_the_chosen"] <= 1
    assert [row[0] for row in page["by features"].cells] == ["vector and scores", "vector alone", "scores alone"]
    of_score = make(warehouse, "influence/estimated", "sums").built.metadata
    assert of_score["sign"] == SIGN
    assert of_score["estimated_from_probes"] == PROBES


def test_a_new_row_costs_an_estimate_and_no_pass_of_the_model(data: Path):
    before = open_warehouse(data, device="cpu").lake
    probes, ridge = (before.version((kind, "estimated")) for kind in ("influence_probes", "influence_ridge"))
    add_source(data, "sums", rows("sums", N + 2))
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, "influence/estimated", "sums", upstream=True)
    assert (made.built.rows_new, made.built.rows_reused) == (2, N)
    assert warehouse.lake.version(("influence_probes", "estimated")) == probes
    assert warehouse.lake.version(("influence_ridge", "estimated")) == ridge
    add_source(data, "sums", rows("sums", N))
    make(open_warehouse(data, device="cpu"), "influence/estimated", "sums", upstream=True)


def test_a_row_without_a_response_has_no_estimate(data: Path):
    add_source(data, "fruit", [*rows("fruit", N), {"instruction": "Say nothing.", "output": ""}])
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "influence/estimated", "fruit", upstream=True)
    silent = warehouse.lake.scan(("corpus", "fruit")).filter(pl.col("n_response_tokens") == 0).collect()["row_id"]
    found = warehouse.lake.scan(("influence", "estimated", "fruit")).filter(pl.col("row_id").is_in(silent.implode()))
    assert found.collect()["score"].is_nan().sum() == len(silent)
    add_source(data, "fruit", rows("fruit", N))
    make(open_warehouse(data, device="cpu"), "influence/estimated", "fruit", upstream=True)


@pytest.mark.parametrize(
    ("probes", "problem"),
    [
        ({"representation": "none"}, "probes.representation: representations/none.yaml is absent"),
        ({"representation": "white", "scores": ["tiny.nonsense"]}, "there is no score 'tiny.nonsense'"),
        ({"representation": "white", "rows": 3}, "greater than or equal to 20"),
    ],
)
def test_probes_that_cannot_be_used_are_refused(tmp_path: Path, probes: dict, problem: str):
    data = small_pool(tmp_path / "data", n=5)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny"})
    influence_file(data, "estimated", probes=probes)
    assert problem in load_registry(data).errors["scores/estimated.yaml"]
