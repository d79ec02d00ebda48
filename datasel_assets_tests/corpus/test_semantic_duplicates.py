"""SemDeDup and DEITA's filter against plain loops over all pairs."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.corpus import semantic_duplicates
from datasel_assets.corpus.semantic_duplicates import deita_filter, semdedup

ANGLES = np.deg2rad(np.arange(6) * 10.0)
CHAIN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LIMIT = float(np.cos(np.deg2rad(15)))


def test_on_a_chain_semdedup_keeps_one_row_and_deita_three():
    deita = deita_filter(CHAIN, np.arange(6), LIMIT)
    assert np.flatnonzero(deita.kept).tolist() == [0, 2, 4]
    assert deita.representative.tolist() == [-1, 0, -1, 2, -1, 4]
    farthest_first = np.arange(6.0)[::-1]
    found = semdedup(CHAIN, np.zeros(6, int), farthest_first, LIMIT)
    assert np.flatnonzero(found.kept).tolist() == [0]
    assert found.nearest.tolist() == [-1, 0, 1, 2, 3, 4]
    assert found.representative.tolist() == [-1, 0, 0, 0, 0, 0]
    assert found.similarity[1:] == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)
    assert np.isnan(found.similarity[0])


def plain(points: np.ndarray, order: list[int], threshold: float, among_kept: bool) -> set[int]:
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-30)
    kept: list[int] = []
    for place, i in enumerate(order):
        earlier = kept if among_kept else order[:place]
        if all(float(points[i] @ points[j]) <= threshold for j in earlier):
            kept.append(i)
    return set(kept)


# Whole-number coordinates and thresholds between the cosines that these can have: no rounding decides.
POINTS = st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=20)


@settings(max_examples=150)
@given(POINTS, st.data(), st.sampled_from([1, 3, 1024]))
def test_both_rules_are_those_of_plain_loops(rows: list[tuple[int, ...]], data: st.DataObject, block: int):
    points = np.array(rows, np.float32)
    n = len(points)
    labels = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    distances = np.array(data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=n, max_size=n)))
    order = data.draw(st.permutations(range(n)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic_duplicates, "_BLOCK_ROWS", block)
        patch.setattr(semantic_duplicates, "_TILE_ROWS", 2 * block)
        found = semdedup(points, labels, distances, 0.871)
        deita = deita_filter(ArrayVectors(points), np.array(order), 0.871)
    expected = set(np.flatnonzero(labels < 0).tolist())
    for label in range(3):
        rows_in = sorted(np.flatnonzero(labels == label).tolist(), key=lambda i: (-distances[i], i))
        expected |= plain(points.astype(float), rows_in, 0.871, among_kept=False)
    assert set(np.flatnonzero(found.kept).tolist()) == expected
    assert set(np.flatnonzero(deita.kept).tolist()) == plain(points.astype(float), order, 0.871, among_kept=True)
    for result in (found, deita):
        dropped = np.flatnonzero(~result.kept)
        assert (result.similarity[dropped] > 0.871).all()
        assert result.kept[result.representative[dropped]].all()
        assert (result.representative[result.kept] == -1).all()


def test_names_break_ties_so_the_order_of_rows_does_not_matter():
    generator = np.random.default_rng(0)
    points = generator.standard_normal((300, 4)).astype(np.float32)
    labels = generator.integers(0, 3, 300)
    distances = generator.integers(0, 5, 300) / 10
    names = pl.Series([f"{i * 7919 % 1000:03}" for i in range(300)])
    shuffled = generator.permutation(300)
    first = semdedup(points, labels, distances, 0.95, names.to_numpy())
    second = semdedup(points[shuffled], labels[shuffled], distances[shuffled], 0.95, names.gather(shuffled).to_numpy())
    assert (
        first.table(names)
        .select("row_id", "duplicate_of")
        .equals(second.table(names.gather(shuffled)).select("row_id", "duplicate_of"))
    )
    assert first.table(names).height > 50


def test_rows_without_a_cluster_or_a_direction_stay():
    points = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], np.float16)
    found = semdedup(points, np.array([-1, 0, 0, 0]), np.array([np.nan, 0, 0, 0]), 0.9)
    assert found.kept.all()
    assert found.nearest[0] == -1
    assert deita_filter(points, np.arange(4), 0.9).kept.tolist() == [True, False, True, True]


def test_rows_that_are_not_in_the_order_are_neither_kept_nor_duplicates():
    found = deita_filter(CHAIN, np.array([3, 4]), LIMIT)
    assert found.kept.tolist() == [False, False, False, True, False, False]
    assert found.table(pl.Series(list("abcdef"))).rows() == [("e", "d", "semantic", pytest.approx(0.9848, abs=1e-4))]


def test_nothing_gives_nothing():
    nothing = np.zeros((0, 3), np.float32)
    assert len(semdedup(nothing, np.zeros(0, int), np.zeros(0), 0.9).kept) == 0
    assert deita_filter(nothing, np.zeros(0, np.int64), 0.9).table(pl.Series([], dtype=pl.String)).height == 0


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="cosine from -1 to 1"):
        deita_filter(CHAIN, np.arange(6), 15.0)
    with pytest.raises(ValueError, match="distinct positions"):
        deita_filter(CHAIN, np.array([0, 0]), 0.9)
    with pytest.raises(ValueError, match="one of each per row"):
        semdedup(CHAIN, np.zeros(5, int), np.zeros(6), 0.9)
    with pytest.raises(ValueError, match="no finite distance"):
        semdedup(CHAIN, np.zeros(6, int), np.full(6, np.nan), 0.9)
    bad = CHAIN.copy()
    bad[2] = np.nan
    with pytest.raises(ValueError, match="1 vectors hold NaN"):
        deita_filter(bad, np.arange(6), 0.9)


def test_a_cosine_within_rounding_of_the_threshold_is_decided_exactly():
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((400, 96)).astype(np.float16)
    rows[200:] = rows[:200] + np.float16(0.5) * generator.standard_normal((200, 96)).astype(np.float16)
    wide = rows.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    for pair in (3, 77, 150):
        cosine = float(unit[pair] @ unit[pair + 200])
        for threshold in (cosine - 1e-9, cosine + 1e-9):
            kept = semdedup(rows, np.zeros(400, int), -np.arange(400.0), threshold).kept
            assert kept[pair + 200] == (cosine <= threshold)


def test_equal_rows_pass_a_threshold_of_one():
    rows = np.random.default_rng(0).standard_normal((1, 50)).astype(np.float32).repeat(300, axis=0)
    assert semdedup(rows, np.zeros(300, int), np.zeros(300), 1.0).kept.all()
    assert semdedup(rows, np.zeros(300, int), np.zeros(300), 0.999).kept.sum() == 1
