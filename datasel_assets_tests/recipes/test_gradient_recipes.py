"""The recipes of the gallery that are made of gradients, against closed forms and plain references."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.optimize import nnls

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.recipes.inputs import GivenInputs
from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.registry.load import load_registry
from datasel_assets.specs.recipe import RecipeSpec

DATA = Path(__file__).resolve().parents[2] / "data"
GALLERY = DATA / "gallery"
N = 400
BUDGET = 14
"""3.5 % of them."""


def spec_of(name: str) -> RecipeSpec:
    return RecipeSpec.model_validate(yaml.safe_load((GALLERY / f"{name}.yaml").read_text("utf-8")))


def pool(**scores: np.ndarray) -> pl.DataFrame:
    ids = [f"r{i:03d}" for i in range(N)]
    plain = {"row_id": ids, "source": "s", "response_chars": 1}
    duplicate_of = pl.Series([None] * N, dtype=pl.String)
    return pl.DataFrame({**plain, "duplicate_of": duplicate_of, **scores})


def chosen(name: str, rows: pl.DataFrame, vectors: np.ndarray | None = None) -> tuple[list[int], np.ndarray]:
    """The rows that a recipe takes, in order, and their weights."""
    given = GivenInputs() if vectors is None else GivenInputs({"proxy_gradients": ArrayVectors(vectors)})
    selected = run_recipe(spec_of(name), rows, given).selected
    return selected["row_id"].str.slice(1).cast(int).to_list(), selected["weight"].to_numpy()


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("recipe", "score", "says"),
    [
        ("less_adam", "less_adam_arithmetic", ("proxy_adam", "target", "none", "cosine", "max", "adam", True)),
        ("tracin", "tracin_arithmetic", ("proxy_path", "target", "none", "dot", "mean", "sgd", True)),
        ("trak", "trak_arithmetic", ("proxy_sketch", "target", "gram", "dot", "max", "sgd", False)),
        ("dsdm", "dsdm_arithmetic", ("proxy_sketch", "target", "gram", "dot", "mean", "sgd", False)),
        ("moso", "moso", ("proxy_path", "pool", "none", "dot", "mean", "sgd", True)),
        ("glister", "glister", ("proxy", "held_out", "none", "dot", "mean", "sgd", False)),
    ],
)
def test_the_best_rows_by_influence_of_the_form_that_the_paper_has(recipe: str, score: str, says: tuple):
    """The forms themselves are tested against whole gradients in tables/scores/test_influence_ways.py."""
    registry = load_registry(DATA, GALLERY)
    spec = registry.scores[score]
    gradients = registry.gradients[spec.gradients]
    assert (
        spec.gradients,
        spec.toward,
        spec.precondition,
        spec.similarity,
        spec.reduce,
        gradients.optimiser,
        gradients.several,
    ) == says
    values = np.random.default_rng(0).permutation(N).astype(float)
    rows, _ = chosen(recipe, pool(**{f"influence.{score}": values}))
    assert rows == np.argsort(-values)[:BUDGET].tolist()


def test_gradmatch_is_a_ridge_over_nonnegative_weights_of_gradients_with_their_lengths():
    draw = np.random.default_rng(1)
    directions, lengths = unit(draw.standard_normal((N, 30))), draw.uniform(0.1, 3, N)
    rows, weights = chosen("gradmatch", pool(**{"gradient_norm.grand": lengths}), directions)
    gradients = directions.astype(np.float64) * (lengths / np.sqrt(np.mean(lengths**2)))[:, None]
    own = gradients[rows].T
    ridge = np.vstack([own, np.eye(BUDGET)])
    expected, _ = nnls(ridge, np.concatenate([gradients.mean(axis=0), np.zeros(BUDGET)]))
    np.testing.assert_allclose(weights / N, expected, atol=1e-5)
    # Without lengths other rows are taken: the mean is another one.
    plain = {key: value for key, value in spec_of("gradmatch").select.model_dump().items() if key != "by"}
    other = spec_of("gradmatch").model_copy(update={"select": type(spec_of("gradmatch").select).model_validate(plain)})
    found = run_recipe(other, pool(), GivenInputs({"proxy_gradients": ArrayVectors(directions)})).selected
    assert set(found["row_id"].str.slice(1).cast(int)) != set(rows)


def test_craig_takes_at_each_step_the_row_whose_gradient_covers_most():
    vectors = unit(np.random.default_rng(2).standard_normal((N, 5)))
    rows, _ = chosen("craig", pool(), vectors)
    similar = np.clip(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0, None)
    # As the recipe has it: each row is covered by its 200 nearest, itself among them.
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :200]
    kept = np.zeros_like(similar)
    np.put_along_axis(kept, nearest, np.take_along_axis(similar, nearest, axis=1), axis=1)
    covered = np.zeros(N)
    for row in rows:
        gains = np.maximum(kept - covered[:, None], 0).sum(axis=0)
        assert gains[row] == pytest.approx(gains.max(), rel=1e-4)
        covered = np.maximum(covered, kept[:, row])


def test_tagcos_matches_the_mean_gradient_of_every_cluster_by_itself():
    """Two tight bundles of gradients at right angles, told to be two clusters: a ridge in each, as in GradMatch."""
    draw = np.random.default_rng(3)
    vectors = unit(np.repeat(np.eye(12)[[0, 4]], [300, 100], axis=0) + 0.05 * draw.standard_normal((N, 12)))
    spec = spec_of("tagcos")
    assert spec.select.recluster.k == "auto"
    two = spec.select.model_copy(update={"recluster": spec.select.recluster.model_copy(update={"k": 2})})
    given = GivenInputs({"proxy_gradients": ArrayVectors(vectors)})
    selected = run_recipe(spec.model_copy(update={"select": two}), pool(), given).selected
    rows, weights = selected["row_id"].str.slice(1).cast(int).to_numpy(), selected["weight"].to_numpy()
    for bundle in (np.arange(300), np.arange(300, N)):
        own = np.isin(rows, bundle)
        assert abs(own.sum() - BUDGET * len(bundle) / N) < 1
        gradients = vectors.astype(np.float64)
        assert own.sum() <= vectors.shape[1], "more rows than dimensions would begin another round"
        ridge = np.vstack([gradients[rows[own]].T, np.eye(own.sum())])
        expected, _ = nnls(ridge, np.concatenate([gradients[bundle].mean(axis=0), np.zeros(own.sum())]))
        np.testing.assert_allclose(weights[own] / len(bundle), expected, atol=1e-4)


def test_dealrec_adds_influence_and_effort_and_draws_evenly_over_the_ranges_of_the_sum():
    draw = np.random.default_rng(5)
    influence, effort = draw.standard_normal(N) ** 3, draw.lognormal(size=N)
    rows, _ = chosen("dealrec", pool(**{"influence.ekfac_pool": influence, "gradient_norm.grand": effort}))

    def scaled(values: np.ndarray) -> np.ndarray:
        low, high = np.quantile(values, (0.01, 0.99))
        return (np.clip(values, low, high) - low) / (high - low)

    score = scaled(influence) + 0.5 * scaled(effort)
    place = np.minimum(((score - score.min()) / (score.max() - score.min()) * 50).astype(int), 49)
    sizes = np.bincount(place, minlength=50)
    # More ranges than rows: none gives two, and of 50 ranges more than the budget have rows.
    assert (sizes > 0).sum() > BUDGET
    assert np.bincount(place[rows]).max() == 1
    assert len(rows) == BUDGET


def test_the_rank_sum_takes_rows_that_neither_half_alone_ranks_first():
    draw = np.random.default_rng(4)
    like, helps = draw.permutation(N).astype(float), draw.permutation(N).astype(float)
    scores = {"similarity.like_arithmetic": like / N, "influence.ekfac_arithmetic": 1000 * helps}
    rows, _ = chosen("rank_sum_arithmetic", pool(**scores))
    best = np.sort(like + helps)[::-1][BUDGET - 1]
    assert (like + helps)[rows].min() >= best
    assert set(rows) != set(np.argsort(-helps)[:BUDGET].tolist())
