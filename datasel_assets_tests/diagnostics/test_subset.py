"""All figures of one subset: each is the figure of its own function, and nothing is made up."""

import math

import numpy as np
import pytest

from datasel_assets.arrays.jensen_shannon import jensen_shannon
from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.dispersion import dispersion
from datasel_assets.diagnostics.hill import hill
from datasel_assets.diagnostics.idf_divergence import idf_divergence
from datasel_assets.diagnostics.lexical import lexical_diversity
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.mmd import mmd2_linear
from datasel_assets.diagnostics.nearest import mean_nearest
from datasel_assets.diagnostics.reach import reach
from datasel_assets.diagnostics.subset import Limits, subset_diagnostics
from datasel_assets.diagnostics.vendi import vendi
from datasel_assets.samplers.candidates import Tags

N, B = 400, 60


def world(seed: int = 0) -> dict:
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((N, 6)).astype(np.float32)
    X[5] = 0
    return {
        "row_ids": np.array([f"{i:032x}" for i in generator.permutation(N)]),
        "vectors": ArrayVectors(X / np.maximum(np.linalg.norm(X, axis=1), 1e-9)[:, None]),
        "clusters": generator.integers(-1, 8, N),
        "sources": generator.choice(["a", "b", "c"], N),
        "tags": Tags(np.arange(N + 1), generator.integers(0, 12, N).astype(np.int32), 20),
        "texts": [f"text {i % 9} of {i}" for i in range(B)],
        "chosen": generator.permutation(N)[:B],
    }


def test_each_figure_is_that_of_its_function():
    w = world()
    found = subset_diagnostics(**w)
    assert list(found) == list(MEASURES)
    assert all(math.isfinite(value) for value in found.values())
    chosen = w["chosen"]
    mine = ArrayVectors(w["vectors"].array[chosen])
    spread, cover = dispersion(mine, w["clusters"][chosen]), reach(w["vectors"], chosen)
    words = lexical_diversity(w["texts"], w["row_ids"][chosen])
    clusters, pool = (np.bincount(c[c >= 0], minlength=8) for c in (w["clusters"][chosen], w["clusters"]))
    used = len(np.unique(w["tags"].indices))
    expected = {
        "vendi": vendi(mine),
        "vendi_2": vendi(mine, 2),
        "mean_nearest": mean_nearest(mine.array, w["row_ids"][chosen]).mean,
        "pair_distance": spread.pair_distance,
        "cluster_inertia": spread.within,
        "mean_distance": spread.mean_distance,
        "radius": spread.radius,
        "icd": idf_divergence(w["texts"], w["clusters"][chosen], w["row_ids"][chosen]),
        "facility_location": cover.facility_location,
        "cover_radius": cover.radius,
        "cluster_effective": hill(clusters),
        "cluster_effective_2": hill(clusters, 2),
        "cluster_js": jensen_shannon(clusters, pool),
        "tag_share": len(np.unique(w["tags"].indices[chosen])) / used,
        "self_bleu": words.self_bleu,
        "vocabulary": words.vocabulary,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    rest = np.setdiff1d(np.flatnonzero(w["vectors"].array.any(axis=1)), chosen)
    A, B_ = w["vectors"].array[chosen[chosen != 5]], w["vectors"].array[rest]
    assert found["mmd2_linear"] == pytest.approx(mmd2_linear(A, B_), rel=1e-5)


def test_what_is_not_given_is_not_a_number():
    w = world()
    found = subset_diagnostics(w["row_ids"], w["vectors"], w["chosen"])
    unknown = {name for name, value in found.items() if math.isnan(value)}
    kinds = ("cluster_", "source_", "tag_", "distinct_")
    expected = {name for name in MEASURES if name.startswith(kinds)} | {"vocabulary", "self_bleu", "compression", "icd"}
    assert unknown == expected


def test_a_subset_from_one_corner_shifts_more_than_a_random_one_and_covers_less():
    w = world()
    X = w["vectors"].array
    corner = np.argsort(-X[:, 0])[:B]
    spread = subset_diagnostics(w["row_ids"], w["vectors"], w["chosen"])
    narrow = subset_diagnostics(w["row_ids"], w["vectors"], corner)
    for name in ("mmd2_linear", "mmd2_rbf", "knn_divergence", "wasserstein"):
        assert narrow[name] > narrow[f"{name}_random"]
        assert narrow[name] > spread[name]
        assert abs(spread[name] - spread[f"{name}_random"]) < narrow[name] - narrow[f"{name}_random"]
    assert narrow["facility_location"] < spread["facility_location"]
    assert narrow["vendi"] < spread["vendi"]


def test_the_order_of_the_rows_changes_nothing_even_where_figures_are_of_samples():
    w = world()
    limits = Limits(nearest=30, cover=100, shift=40, texts=20)
    turned = np.random.default_rng(3).permutation(N)
    place = np.argsort(turned)
    mixed = np.random.default_rng(4).permutation(B)
    other = {
        "row_ids": w["row_ids"][turned],
        "vectors": ArrayVectors(w["vectors"].array[turned]),
        "clusters": w["clusters"][turned],
        "sources": w["sources"][turned],
        "tags": w["tags"].take(turned),
        "texts": [w["texts"][i] for i in mixed],
        "chosen": place[w["chosen"]][mixed],
    }
    assert subset_diagnostics(**other, limits=limits) == pytest.approx(
        subset_diagnostics(**w, limits=limits), rel=1e-5, abs=1e-9
    )


@pytest.mark.parametrize("chosen", [[], [5], [0], list(range(N))])
def test_nothing_one_row_or_everything_can_be_looked_at(chosen):
    w = world()
    found = subset_diagnostics(**{**w, "chosen": np.array(chosen, int), "texts": ["a b"] * len(chosen)})
    assert list(found) == list(MEASURES)
    if len(chosen) == N:
        assert found["facility_location"] == pytest.approx(1, abs=1e-6)
        assert math.isnan(found["mmd2_linear"])
    else:
        assert math.isnan(found["mean_nearest"])
        assert not found["vendi"] > 1 + 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clusters": np.zeros(3, int)}, "clusters has 3 rows for 400"),
        ({"texts": ["a"]}, "1 texts for 60 chosen rows"),
        ({"chosen": np.array([1, 1]), "texts": None}, "a position twice"),
        ({"chosen": np.array([N]), "texts": None}, "outside 0 .. 399"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        subset_diagnostics(**{**world(), **change})


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("zero", [False, True])
def test_a_pool_of_a_few_rows_has_figures_or_none_and_never_fails(n: int, zero: bool):
    w = world()
    for chosen in (np.arange(n), np.arange(1), np.arange(n)[::-1][: n - 1], np.empty(0, np.int64)):
        X = w["vectors"].array[:n] * (0 if zero else 1)
        found = subset_diagnostics(
            w["row_ids"][:n],
            ArrayVectors(X),
            chosen,
            clusters=w["clusters"][:n],
            sources=w["sources"][:n],
            tags=Tags(np.arange(n + 1), np.arange(n, dtype=np.int32), 20),
            texts=["one text"] * len(chosen),
        )
        assert list(found) == list(MEASURES)
