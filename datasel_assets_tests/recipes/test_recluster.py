"""Clusters of what is left, beside those of the pool."""

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes.inputs import GivenInputs
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.specs.recipe import RecipeSpec

FARTHEST = {
    "sampler": "stratify",
    "groups": "cluster",
    "representation": "r",
    "recluster": {"k": 3},
    "quota": "equal",
    "inner": {"sampler": "topk", "by": "cluster_distance"},
}


def world(seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of four directions; those of the fourth are all copies of something, and one row has no vector."""
    rng = np.random.default_rng(seed)
    topic = np.repeat(np.arange(4), 50)
    vectors = (np.eye(6)[topic] + rng.normal(0, 0.2, (200, 6))).astype(np.float32)
    vectors[7] = 0
    pool = pl.DataFrame(
        {
            "row_id": [f"{i:03d}" for i in rng.permutation(200)],
            "source": ["a"] * 200,
            "n_chars": rng.permutation(200),
            "semantic_duplicate_of": ["000" if t == 3 else None for t in topic],
            "cluster": (np.arange(200) % 2).tolist(),
        }
    )
    return pool, vectors


def run(pool: pl.DataFrame, vectors: np.ndarray, select: dict, **more: object) -> Selection:
    given = {"select": select, "budget": {"rows": 12}, "drop": [{"when": "semantic_duplicate"}], **more}
    return run_recipe(RecipeSpec.model_validate(given), pool, GivenInputs({"r": ArrayVectors(vectors)}))


def distances(vectors: np.ndarray) -> dict[int, np.ndarray]:
    """Topic -> distance (50,) of its rows to their mean on the sphere: with three topics and three clusters, theirs."""
    found = {}
    for topic in range(3):
        rows = vectors[50 * topic : 50 * (topic + 1)]
        units = rows / np.where(rows.any(axis=1), np.linalg.norm(rows, axis=1), np.nan)[:, None]
        mean = np.nansum(units, axis=0)
        found[topic] = np.linalg.norm(units - mean / np.linalg.norm(mean), axis=1)
    return found


def test_clusters_are_made_of_the_rows_that_are_left_and_each_gives_its_farthest():
    pool, vectors = world()
    chosen = run(pool, vectors, FARTHEST).selected["row_id"].to_list()
    farthest = [50 * topic + np.argsort(-away)[:4] for topic, away in distances(vectors).items()]
    assert sorted(chosen) == sorted(pool["row_id"][np.concatenate(farthest).tolist()])


def test_what_was_dropped_before_moves_no_centre():
    pool, vectors = world()
    found = run(pool, vectors, FARTHEST).selected
    elsewhere = vectors.copy()
    elsewhere[150:] = vectors[0]
    assert run(pool, elsewhere, FARTHEST).selected.equals(found)


def test_the_score_of_a_row_is_its_distance_to_its_new_centre():
    pool, vectors = world()
    select = {"sampler": "topk", "by": "cluster_distance", "representation": "r", "recluster": {"k": 3}}
    found = run(pool, vectors, select).selected
    expected = np.sort(np.concatenate(list(distances(vectors).values())))
    assert found["score"].to_list() == pytest.approx(expected[~np.isnan(expected)][::-1][:12].tolist(), abs=1e-5)


def test_a_row_without_a_vector_is_told_so_by_the_last_sampler_and_by_a_step():
    pool, vectors = world()
    for more in ({"select": FARTHEST}, {"select": {"sampler": "random"}, "narrow": [FARTHEST]}):
        decisions = run(pool, vectors, **more).decisions
        told = decisions.filter(pl.col("row_id") == pool["row_id"][7])["reason"].item()
        assert "no vector in r, or one of zeros" in told


def test_a_step_clusters_what_reaches_it_and_leaves_the_clusters_of_the_pool_to_the_next():
    pool, vectors = world()
    half = {**FARTHEST, "take": {"rows": 60}}
    last = {"sampler": "stratify", "groups": "cluster", "quota": "equal"}
    found = run(pool, vectors, last, narrow=[half]).selected.join(pool, on="row_id", suffix="_pool")
    assert found["cluster"].value_counts()["count"].to_list() == [6, 6]


def test_the_order_of_the_pool_does_not_matter():
    pool, vectors = world()
    turned = np.random.default_rng(1).permutation(200)
    found = run(pool[turned.tolist()], vectors[turned], FARTHEST)
    assert found.selected.equals(run(pool, vectors, FARTHEST).selected)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows_or_none_are_no_trouble(n):
    pool, vectors = world()
    found = run(pool[:n], vectors[:n], {**FARTHEST, "recluster": {"k": "auto"}})
    assert found.selected.height == n


def test_a_recipe_that_clusters_anew_reads_vectors_and_not_the_clusters_of_the_pool():
    given = {"paper": "baseline", "select": FARTHEST, "budget": {"rows": 5}}
    needs = RecipeSpec.model_validate(given).requires()
    assert needs.representations == {"r"}
    assert not needs.clusters
    assert not needs.scores
    assert RecipeSpec.model_validate(RecipeSpec.model_validate(given).model_dump(mode="json")).requires() == needs
    plain = {"sampler": "stratify", "groups": "cluster"}
    assert "recluster" not in RecipeSpec.model_validate({**given, "select": plain}).model_dump()["select"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"representation": None}, "recluster needs 'representation: ...'"),
        ({"recluster": None, "representation": None}, "add that, or use neighbours.centroid_distance"),
        ({"groups": "source", "inner": {"sampler": "random"}}, "nothing uses 'recluster': add 'groups: cluster'"),
        ({"recluster": {"k": 0}}, "greater than or equal to 1"),
    ],
)
def test_a_recluster_that_cannot_be_or_does_nothing_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        RecipeSpec.model_validate({"select": {**FARTHEST, **change}, "budget": {"rows": 5}})
