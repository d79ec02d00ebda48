"""Influence and gradient norms as tables, against whole gradients that are held in memory."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from datasel_assets.indicators.influence import SIGN
from datasel_assets.models.curvature import divide
from datasel_assets.models.gradient_projections import Whole
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.scores.helpful_rows import HELPFUL
from datasel_assets.tables.vectors.curvature import Differentiated, open_model, read_curvature
from datasel_assets.tables.vectors.representations import target_vectors
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml
from datasel_assets_tests.project import Project

FILES = {
    "plain": {"precondition": "none", "similarity": "dot"},
    "bent": {"precondition": "ekfac", "similarity": "cosine"},
    "best": {"precondition": "none", "similarity": "cosine", "reduce": "max"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool with a trained proxy, three scores of influence and one of lengths, each read by a recipe."""
    data = small_pool(tmp_path_factory.mktemp("influence") / "data", n=10)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 32, "curvature": {"rows": 20}})
    for name, spec in FILES.items():
        write_yaml(
            data / "scores" / f"{name}.yaml", {"how": "influence", "gradients": "tiny", "target": "adding", **spec}
        )
        recipe = {"paper": "x", "select": {"sampler": "topk", "by": f"influence.{name}"}, "budget": {"rows": 4}}
        write_yaml(data / "recipes" / f"{name}.yaml", recipe)
    write_yaml(data / "scores" / "long.yaml", {"how": "gradient_norm", "gradients": "tiny"})
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "gradient_norm.long"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "long.yaml", recipe)
    warehouse = open_warehouse(data, device="cpu")
    for recipe in (*FILES, "long"):
        make(warehouse, f"selections/{recipe}", upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


@pytest.fixture
def exact(warehouse: Warehouse) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """The rows of one source, their whole gradients, and those of the target."""
    corpus = warehouse.lake.scan(("corpus", "sums")).sort("row_id").collect()
    target = warehouse.lake.scan(("targets", "adding")).collect()
    with open_model(warehouse, **Differentiated.of(warehouse, "tiny").opening(warehouse)) as model:
        found = [model.read(t["messages"].to_list(), Whole(model.shapes)).values for t in (corpus, target)]
    return corpus, *(gradients.astype(np.float64) for gradients in found)


def unit(gradients: np.ndarray) -> np.ndarray:
    return gradients / np.linalg.norm(gradients, axis=1, keepdims=True).clip(1e-30)


def scores(warehouse: Warehouse, family: str, name: str) -> np.ndarray:
    return warehouse.lake.scan((family, name, "sums")).sort("row_id").collect()["score"].to_numpy()


def test_without_preconditioner_it_is_the_inner_product_with_the_mean_gradient_of_the_target(warehouse, exact):
    _, own, target = exact
    expected = own @ target.mean(axis=0)
    found = scores(warehouse, "influence", "plain")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_with_curvature_it_is_the_mean_cosine_with_what_the_target_asks_for(warehouse, exact):
    _, own, target = exact
    bent = divide(read_curvature(warehouse, ("curvature", "tiny")), target, 0.1)
    expected = (unit(own) @ unit(bent).T).mean(axis=1)
    np.testing.assert_allclose(scores(warehouse, "influence", "bent"), expected, rtol=1e-3, atol=1e-4)


def test_the_best_task_counts_and_examples_without_a_task_are_one_each(warehouse, exact):
    _, own, target = exact
    expected = (unit(own) @ unit(target).T).max(axis=1)
    np.testing.assert_allclose(scores(warehouse, "influence", "best"), expected, rtol=1e-3, atol=1e-4)
    assert warehouse.lake.require(("influence_targets", "best")).meta["names"] == sorted(
        warehouse.lake.scan(("targets", "adding")).collect()["task"]
    )


def test_a_gradient_norm_is_the_length_of_the_whole_gradient(warehouse, exact):
    _, own, _ = exact
    np.testing.assert_allclose(scores(warehouse, "gradient_norm", "long"), np.linalg.norm(own, axis=1), rtol=1e-4)


def test_the_page_says_what_the_sign_means_and_shows_both_ends_with_texts_and_the_part_of_length(data: Path):
    (data / "warehouse" / "influence" / "bent" / "sums.parquet").unlink()
    page = make(open_warehouse(data, device="cpu"), "influence/bent", "sums").built.metadata
    assert page["sign"] == SIGN
    assert "lowers the loss of the target" in SIGN
    found = scores(open_warehouse(data, device="cpu"), "influence", "bent")
    assert page["rows_that_do_harm"] == (found < 0).sum()
    helpful, harmful = page["most helpful rows"], page[HELPFUL[1 if (found < 0).any() else 2]]
    assert list(helpful.columns) == ["score", "n_response_tokens", "prompt", "response", "row_id"]
    assert helpful.cells[0][0] > harmful.cells[0][0]
    assert any("plus" in str(cell) for row in helpful.cells for cell in row)
    assert -1 <= page["spearman_with_response_tokens"] <= 1
    assert page["response_tokens_of_all"] > 0
    (best, matched, every) = (row[1] for row in page["mean_score"].cells)
    assert [row[0] for row in page["mean_score"].cells] == ["the highest tenth", "others that are as long", "all"]
    assert best > every
    assert best >= matched


def test_the_page_compares_influence_with_likeness_to_the_same_target(data: Path):
    (data / "warehouse" / "influence" / "bent" / "code.parquet").unlink()
    warehouse = open_warehouse(data, device="cpu")
    page = make(warehouse, "influence/bent", "code").built.metadata
    assert page["likeness_by"] == "white"
    spec = warehouse.registry.representations["white"]
    rows = warehouse.lake.scan(("representations", "white", "code")).sort("row_id").collect()
    _, examples = target_vectors(warehouse, "white", spec, "adding")
    like = (vectors_of(rows["vector"]).astype(np.float64) @ unit(examples.astype(np.float64)).T).mean(axis=1)
    score = warehouse.lake.scan(("influence", "bent", "code")).sort("row_id").collect()["score"].to_numpy()
    assert page["spearman_with_likeness"] == pytest.approx(spearmanr(score, like).statistic, abs=5e-3)
    assert page["highest_tenth_that_is_also_likest"] in (0, 1)


def test_rows_like_the_target_help_it_more_than_others(warehouse: Warehouse):
    means = {
        source: warehouse.lake.scan(("influence", "bent", source))
        .select(pl.col("score").fill_nan(None).mean())
        .collect()
        .item()
        for source in ("code", "fruit", "sums")
    }
    assert max(means, key=means.get) == "sums"


def test_a_new_target_makes_its_own_directions_and_a_new_row_its_own_value(data: Path):
    add_source(data, "fruit", rows("fruit", 11))
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, "influence/bent", "fruit", upstream=True)
    assert (made.built.rows_new, made.built.rows_reused) == (1, 10)
    add_source(data, "fruit", rows("fruit", 10))


def test_the_main_job_makes_influence_and_gradients_as_vectors_and_leaves_them_when_nothing_changed(settled: Project):
    data = settled.data
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 32, "curvature": {"rows": 20}})
    write_yaml(data / "scores" / "bent.yaml", {"how": "influence", "gradients": "tiny", "target": "adding"})
    write_yaml(
        data / "representations" / "slopes.yaml", {"source": {"gradients": "tiny"}, "compress": {"method": "none"}}
    )
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "influence.bent"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "bent.yaml", recipe)
    outcome, runs = settled.run()
    assert outcome.failures == []
    assert settled.warehouse.lake.require(("selections", "bent")).rows == 4
    assert {
        "curvature/tiny",
        "influence_targets/bent",
        "influence/bent",
        "gradients/tiny",
        "representations/slopes",
    } <= {run["stage"] for run in runs}
    outcome, runs = settled.run()
    assert outcome.failures == []
    assert runs == []
