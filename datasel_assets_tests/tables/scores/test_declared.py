"""Scores in files that are no blends: what they hold, what they recompute, what recipes make of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from data_selection.hashed_ngram_dsir import get_ngram_counts

from datasel_assets.indicators.predictability import adversarial_filter, predictability, removal_score
from datasel_assets.tables import make
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.scores.declared import declared_tables
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, write_yaml
from datasel_assets_tests.project import Project

EXAMPLE = REPOSITORY / "docs" / "examples" / "instruction_mining"
SCORES = {
    "near": {"how": "dsir", "target": "adding", "buckets": 500},
    "told": {"how": "predictability", "representation": "white", "splits": 12},
    "topic": {"how": "predictability", "representation": "rds_plus", "label": "cluster", "splits": 4, "seed": 3},
    "kept": {"how": "predictability", "representation": "white", "splits": 6, "remove": 15, "leave": 40},
    "felt": {"how": "sensitivity", "representation": "white", "loss": "proxy_lm.nll", "distance_weight": 2.0},
}
RECIPES = {
    "nearest": {"sampler": "topk", "by": "dsir.near"},
    "hardly_told": {"sampler": "topk", "by": "predictability.told", "keep": "auto"},
    "weighted": {"sampler": "topk", "by": "sensitivity.felt", "tau": 1.0, "weights": "normalised"},
}


@pytest.fixture(scope="module")
def declared(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pool with a score of each kind, run; never run it again, copy it."""
    data = tmp_path_factory.mktemp("declared") / "data"
    shutil.copytree(finished, data)
    model = {"causal": CAUSAL, "contexts": [], "proxy": TINY, "retrain": {"drift": 0.5}}
    write_yaml(data / "language_models" / "proxy_lm.yaml", model)
    for name, spec in SCORES.items():
        write_yaml(data / "scores" / f"{name}.yaml", spec)
    for name, select in RECIPES.items():
        recipe = {"paper": "baseline", "select": select, "budget": {"rows": 9}}
        write_yaml(data / "recipes" / f"{name}.yaml", recipe)
    with dg.DagsterInstance.ephemeral() as instance:
        Project(data, instance).update()
    return data


@pytest.fixture
def settled(declared: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(declared, tmp_path / "data")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(tmp_path / "data", instance)


@pytest.fixture(scope="module")
def looked_at(declared: Path) -> Iterator[Project]:
    """The same, for tests that change nothing."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(declared, instance)


def pool_of(project: Project, *scores: str) -> pl.DataFrame:
    return read_pool(project.warehouse, clusters="white", scores=scores)


def texts(project: Project, kind: str, name: str) -> pl.DataFrame:
    table = project.warehouse.lake.scan((kind, name)).select("row_id", "prompt", "response").collect()
    return table.select("row_id", text=pl.col("prompt") + "\n" + pl.col("response"))


def counts(series: pl.Series) -> np.ndarray:
    return np.sum([get_ngram_counts(text, n=2, num_buckets=500) for text in series], axis=0)


def test_importance_weights_are_those_of_data_selection(looked_at: Project):
    sources = pl.concat(texts(looked_at, "corpus", name) for name in ("code", "fruit", "sums"))
    target, pool = counts(texts(looked_at, "targets", "adding")["text"]), counts(sources["text"])
    difference = np.log(target / target.sum() + 1e-8) - np.log(pool / pool.sum() + 1e-8)
    expected = sources.with_columns(
        expected=pl.Series([get_ngram_counts(text, n=2, num_buckets=500) @ difference for text in sources["text"]])
    )
    found = pool_of(looked_at, "dsir.near").join(expected, on="row_id")
    assert found.height == 120
    np.testing.assert_allclose(found["dsir.near"], found["expected"], rtol=1e-5)


def test_predictability_is_of_the_source_or_of_the_cluster(looked_at: Project):
    pool = pool_of(looked_at, "predictability.told", "predictability.topic")
    ids = pool["row_id"].to_numpy().astype(np.str_)
    sources = np.unique(pool["source"].to_numpy().astype(np.str_), return_inverse=True)[1]
    for name, labels, vectors, how in (
        ("told", sources, "white", {"splits": 12}),
        ("topic", pool["cluster"].to_numpy(), "rds_plus", {"splits": 4, "seed": 3}),
    ):
        numbers = read_vectors(looked_at.warehouse, vectors, pool).vectors.take(np.arange(pool.height))
        expected = predictability(numbers, labels, ids, **how)
        found = pool[f"predictability.{name}"].fill_null(float("nan")).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_that_are_told_too_well_are_removed_in_rounds(looked_at: Project):
    pool = pool_of(looked_at, "predictability.kept")
    ids = pool["row_id"].to_numpy().astype(np.str_)
    labels = np.unique(pool["source"].to_numpy().astype(np.str_), return_inverse=True)[1]
    vectors = read_vectors(looked_at.warehouse, "white", pool).vectors.take(np.arange(pool.height))
    p, rounds = adversarial_filter(vectors, labels, ids, 15, leave=40, splits=6)
    table = looked_at.warehouse.lake.scan(("predictability", "kept")).collect()
    found = pool.select("row_id").join(table, on="row_id", how="left", maintain_order="left")
    assert rounds.max() > 1
    assert found["round"].to_list() == rounds.tolist()
    np.testing.assert_allclose(found["accuracy"], p)
    np.testing.assert_allclose(pool["predictability.kept"].fill_null(float("nan")), removal_score(p, rounds), rtol=1e-6)


def test_sensitivity_is_the_loss_at_the_centre_and_a_squared_distance(looked_at: Project):
    pool = pool_of(looked_at, "sensitivity.felt", "proxy_lm.nll")
    distances = pl.concat(
        looked_at.warehouse.lake.scan(("clusters", "white", name)).select("row_id", "distance").collect()
        for name in ("code", "fruit", "sums")
    )
    pool = pool.join(distances, on="row_id").sort("distance", "row_id")
    centres = pool.group_by("cluster", maintain_order=True).agg(centre=pl.col("proxy_lm.nll").first())
    pool = pool.join(centres, on="cluster")
    np.testing.assert_allclose(
        np.exp(pool["sensitivity.felt"]), pool["centre"] + 2.0 * 2.0 * pool["distance"], rtol=1e-4
    )


def test_recipes_rank_by_each_kind(looked_at: Project):
    lake = looked_at.warehouse.lake
    pool = pool_of(looked_at, "dsir.near", "predictability.told")
    for recipe, score, down in (("nearest", "dsir.near", True), ("hardly_told", "predictability.told", False)):
        chosen = lake.scan(("selections", recipe)).collect()
        best = pool.drop_nulls(score).sort(score, "row_id", descending=[down, False]).head(9)
        assert sorted(best[score]) == sorted(pool.join(chosen, on="row_id", how="semi")[score])
    weighted = lake.scan(("selections", "weighted")).collect()
    assert weighted.height == 9
    assert weighted["weight"].sum() == pytest.approx(120)


def test_appended_rows_alone_are_weighed_until_the_pool_has_moved_too_far(settled: Project):
    before = settled.warehouse.lake.scan(("dsir", "near", "sums")).collect()
    add_source(settled.data, "sums", rows("sums", 42))
    runs = settled.update()
    done = {(run["stage"], run["source"]): run["rows_new"] for run in runs}
    assert done["dsir_counts/near", None] == 0
    assert done["dsir/near", "sums"] == 2
    assert ("dsir/near", "code") not in done
    after = settled.warehouse.lake.scan(("dsir", "near", "sums")).collect()
    assert after.join(before, on=["row_id", "score"], how="semi").height == 40
    assert done["predictability/told", None] == done["sensitivity/felt", None] == 122
    write_yaml(settled.data / "scores" / "near.yaml", {**SCORES["near"], "drift": 1e-6})
    runs = settled.update()
    done = {(run["stage"], run["source"]): run["rows_new"] for run in runs}
    assert done["dsir_counts/near", None] == 122, "beyond the drift that is allowed the pool is counted again"
    assert {done["dsir/near", name] for name in ("code", "fruit")} == {40}
    counted = make(settled.warehouse, "dsir_counts/near").built.metadata["counted"]
    assert counted.startswith("yes: the pool has moved by")


def test_the_columns_say_what_they_are_and_come_from(looked_at: Project):
    (table,) = declared_tables("felt", looked_at.warehouse.registry)
    assert table.lineage["score"] == [(("clusters", "white"), "distance"), (("scores", "proxy_lm"), "nll")]
    assert table.columns["score"].endswith("Keep: high.")


def test_instruction_mining_works_with_outcomes_of_the_user(settled: Project):
    for folder in ("scores", "recipes"):
        shutil.copy(EXAMPLE / folder / "instruction_mining.yaml", settled.data / folder)
    inputs = [entry.score for entry in settled.warehouse.registry.scores["instruction_mining"].inputs]
    pool = pool_of(settled, *inputs).select("row_id", *(pl.col(name).cast(pl.Float64) for name in inputs))
    filled = pool.with_columns(pl.col(inputs).fill_null(pl.col(inputs).median()))
    generator = np.random.default_rng(0)
    subsets = [filled[generator.choice(120, 15, replace=False)].select(pl.col(inputs).mean()) for _ in range(20)]
    weights = np.array([0.01, -0.02, 0.003, -0.004, 0.5])
    runs = pl.concat(subsets)
    runs.with_columns(log_loss=pl.Series(runs.to_numpy() @ weights + 0.3)).write_csv(settled.data / "outcomes.csv")
    settled.update()
    found = settled.warehouse.lake.scan(("blend", "instruction_mining")).collect().join(filled, on="row_id")
    rule = found.select(inputs).to_numpy() @ weights + 0.3
    np.testing.assert_allclose(found["score"], -rule, rtol=1e-3, atol=1e-4)
    chosen = settled.warehouse.lake.scan(("selections", "instruction_mining")).collect()
    assert set(chosen["row_id"]) == set(found.sort("score", descending=True)["row_id"].head(chosen.height))
