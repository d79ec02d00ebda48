"""LASER's sampler inside one category (LAS-3, 4, 5, 7, 8 of the golden examples)."""

import numpy as np
import pytest

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates
from datasel_assets.samplers import best_of_clusters as laser
from datasel_assets.samplers.best_of_clusters import Params, fine_clusters, principal, representatives, sample


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pool(scores: np.ndarray, vectors: np.ndarray) -> Candidates:
    ids = np.array([f"{i:05d}" for i in range(len(scores))])
    return Candidates(ids, scores=np.asarray(scores, np.float64), vectors=ArrayVectors(vectors))


def topics(n: int, seed: int = 0, spread: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """n rows around 40 centres, and quality times difficulty that knows nothing of them."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 48))
    rows = centres[rng.integers(0, 40, n)] + spread * rng.standard_normal((n, 48))
    return rng.random(n) * rng.random(n), unit(rows)


def by_hand(labels: np.ndarray, scores: np.ndarray, budget: int, percentile: float) -> set[int]:
    """The pseudo-code of the paper's third step, row by row."""
    threshold = np.percentile(scores, 100 * percentile)
    chosen = []
    for cluster in set(labels.tolist()):
        best = max(np.flatnonzero(labels == cluster), key=lambda i: (scores[i], -i))
        if scores[best] >= threshold:
            chosen.append(int(best))
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if len(chosen) < budget and i not in chosen:
            chosen.append(i)
    return set(chosen)


@pytest.mark.parametrize("percentile", [0.0, 0.5, 0.8, 0.93])
def test_it_is_the_pseudo_code_of_the_paper(percentile):
    scores, vectors = topics(300)
    labels = fine_clusters(principal(ArrayVectors(vectors), 0.99), 15, 7)
    found = sample(pool(scores, vectors), 15, Params(by="x", percentile=percentile), 7)
    assert set(found.order.tolist()) == by_hand(labels, scores, 15, percentile)
    assert found.notes == ()


def test_percentile_0_takes_exactly_the_best_of_every_cluster():
    scores, vectors = topics(200)
    labels = fine_clusters(principal(ArrayVectors(vectors), 0.99), 20, 0)
    assert len(set(labels.tolist())) == 20
    chosen = sample(pool(scores, vectors), 20, Params(by="x", percentile=0), 0).order
    assert sorted(labels[chosen].tolist()) == sorted(set(labels.tolist()))
    assert all(scores[i] == scores[labels == labels[i]].max() for i in chosen)


def test_percentile_1_is_plain_topk():
    scores, vectors = topics(200)
    found = sample(pool(scores, vectors), 20, Params(by="x", percentile=1, lower=False), 0)
    assert set(found.order.tolist()) == set(np.argsort(-scores)[:20].tolist())


def test_near_duplicates_of_high_score_do_not_crowd_the_sample():
    scores, vectors = topics(2000)
    rng = np.random.default_rng(1)
    families = rng.choice(2000, (30, 6), replace=False)
    for family in families:
        vectors[family] = unit(vectors[family[:1]] + 1e-3 * rng.standard_normal((6, 48)))
        scores[family] = 0.9 + 0.1 * rng.random(6)
    found = sample(pool(scores, vectors), 20, Params(by="x", percentile=0.8), 0)
    picked = set(found.order.tolist())
    assert max(len(picked & set(family.tolist())) for family in families) == 1
    best = set(np.argsort(-scores)[:20].tolist())
    assert max(len(best & set(family.tolist())) for family in families) > 1


def test_the_shares_of_picks_from_clusters_are_near_the_published_ones():
    """4,000 rows: 81 % of 400 picks and 49 % of 1,000 stand for a cluster. Their data are unknown; ours are topics."""
    scores, vectors = topics(4000, spread=1.3)
    points = principal(ArrayVectors(vectors), 0.99)
    for budget, published in ((400, 0.81), (1000, 0.49)):
        picks = representatives(fine_clusters(points, budget, 0), scores, 0.8)
        assert abs(len(picks) / budget - published) < 0.05
    plain = np.sort(scores)[-1000:]
    found = sample(pool(scores, vectors), 1000, Params(by="x", lower=False), 0)
    assert np.sort(scores[found.order]).tolist() == plain.tolist()
    some = sample(pool(scores, vectors), 400, Params(by="x"), 0)
    assert scores[some.order].mean() < np.sort(scores)[-400:].mean()


@pytest.mark.parametrize("m", [5, 6, 11, 50, 333])
@pytest.mark.parametrize("percentile", [0.5, 0.8, 0.9])
def test_clusters_change_nothing_once_the_budget_reaches_the_best_fifth_and_that_is_said(m, percentile):
    scores, vectors = topics(m)
    least = int(np.ceil(round((1 - percentile) * m, 9)))
    for budget in {least, min(least + 3, m - 1)}:
        found = sample(pool(scores, vectors), budget, Params(by="x", percentile=percentile, lower=False), 0)
        assert set(found.order.tolist()) == set(np.argsort(-scores)[:budget].tolist())
        assert "clusters change nothing" in found.notes[0]
    if least > 1:
        assert sample(pool(scores, vectors), least - 1, Params(by="x", percentile=percentile), 0).notes == ()


def test_the_percentile_is_lowered_so_that_clusters_matter_again():
    scores, vectors = topics(1000)
    found = sample(pool(scores, vectors), 300, Params(by="x"), 0)
    said = found.notes[0]
    assert said.startswith("300 of 1,000 rows are wanted, and only the best 20% may stand for a cluster")
    assert said.endswith("lowered from 0.8 to 0.65")
    same = sample(pool(scores, vectors), 300, Params(by="x", percentile=0.65), 0)
    assert found.order.tolist() == same.order.tolist()
    assert set(found.order.tolist()) != set(np.argsort(-scores)[:300].tolist())


def test_scores_all_equal_leave_the_choice_to_the_clusters():
    _, vectors = topics(120)
    labels = fine_clusters(principal(ArrayVectors(vectors), 0.99), 12, 0)
    chosen = sample(pool(np.ones(120), vectors), 12, Params(by="x"), 0).order
    assert len(set(labels[chosen].tolist())) == 12


def test_fewer_rows_than_dimensions_and_copies_of_one_row():
    scores, vectors = topics(10)
    assert principal(ArrayVectors(vectors), 0.99).shape[1] <= 10
    assert len(sample(pool(scores, vectors), 4, Params(by="x", percentile=0), 0).order) == 4
    copies = np.repeat(vectors[:1], 10, axis=0)
    assert principal(ArrayVectors(copies), 0.99).shape == (10, 1)
    found = sample(pool(scores, copies), 4, Params(by="x"), 0)
    assert scores[found.order].tolist() == sorted(scores, reverse=True)[:4]


def test_rows_without_a_score_are_neither_taken_nor_counted():
    scores, vectors = topics(60)
    holes = scores.copy()
    holes[::2] = np.nan
    found = sample(pool(holes, vectors), 5, Params(by="x"), 0).order
    rest = sample(
        Candidates(pool(scores, vectors).row_ids[1::2], scores=scores[1::2], vectors=ArrayVectors(vectors[1::2])),
        5,
        Params(by="x"),
        0,
    )
    assert found.tolist() == (2 * rest.order + 1).tolist()


def test_infinite_scores_are_best_and_worst():
    scores, vectors = topics(50)
    scores[:3], scores[3:40] = np.inf, -np.inf
    assert set(sample(pool(scores, vectors), 3, Params(by="x", percentile=1, lower=False), 0).order) == {0, 1, 2}


def test_the_axes_keep_the_variance_that_was_asked_for_and_no_more_axes_than_needed():
    rng = np.random.default_rng(0)
    rows = unit(rng.standard_normal((500, 20)) * 0.7 ** np.arange(20) + np.eye(20)[3])
    exact = rows.astype(np.float64)
    values = np.sort(np.linalg.eigvalsh(np.cov(exact.T)))[::-1]
    kept = int((np.cumsum(values) / values.sum() < 0.99).sum()) + 1
    points = principal(ArrayVectors(rows), 0.99)
    assert points.shape == (500, kept + 1)
    assert np.abs(points @ points.T - exact @ exact.T).mean() < 0.01
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)


def test_many_clusters_are_made_inside_coarse_ones(monkeypatch):
    _, vectors = topics(1500)
    whole = fine_clusters(vectors, 100, 0)
    monkeypatch.setattr(laser, "DIRECT", 1)
    split = fine_clusters(vectors, 100, 0)
    assert 80 <= len(set(split.tolist())) <= 100

    def spread(labels: np.ndarray) -> float:
        return sum(
            float(((vectors[labels == c] - vectors[labels == c].mean(axis=0)) ** 2).sum()) for c in set(labels.tolist())
        )

    assert spread(split) < 1.15 * spread(whole)
