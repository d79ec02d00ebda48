"""Thinning against plain sequential loops: by cosine, by tags, by words."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.samplers import Candidates, Tags, ranks_all, requires, thin_similarity
from datasel_assets.samplers.thin import Params, sample

ANGLES = np.deg2rad(np.arange(6) * 10.0)
CHAIN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
LIMIT = float(np.cos(np.deg2rad(15)))


def pool_of(vectors=None, scores=None, tags=None, texts=None) -> Candidates:
    n = next(len(x) for x in (vectors, tags, texts) if x is not None)
    return Candidates(
        np.array([f"{i:05d}" for i in range(n)]),
        scores=np.arange(n, 0, -1.0) if scores is None else np.asarray(scores, float),
        vectors=None if vectors is None else ArrayVectors(np.asarray(vectors)),
        tags=None if tags is None else tags_of(tags),
        texts=None if texts is None else np.array(texts, dtype=object),
    )


def tags_of(sets: list[set[int]]) -> Tags:
    indptr = np.concatenate([[0], np.cumsum([len(x) for x in sets])]).astype(np.int64)
    return Tags(indptr, np.array([t for x in sets for t in sorted(x)], dtype=np.int32), 30)


def rows(pool: Candidates, budget: int | None = None, seed: int = 0, **raw) -> list[int]:
    return sample(pool, pool.n if budget is None else budget, Params(**{"by": "x", **raw}), seed).order.tolist()


def by_hand(unit: np.ndarray, threshold: float, among_kept: bool) -> list[int]:
    kept: list[int] = []
    for i in range(len(unit)):
        if all(round(float(unit[i] @ unit[j]), 12) <= threshold for j in (kept if among_kept else range(i))):
            kept.append(i)
    return kept


def test_on_a_chain_the_kept_rule_keeps_three_rows_and_the_earlier_rule_one():
    assert rows(pool_of(CHAIN), threshold=LIMIT) == [0, 2, 4]
    assert rows(pool_of(CHAIN), threshold=LIMIT, against="earlier") == [0]
    assert rows(pool_of(CHAIN), threshold=LIMIT, fill="order") == [0, 2, 4, 1, 3, 5]
    assert rows(pool_of(CHAIN, scores=[1, 2, 3, 4, 5, 6]), threshold=LIMIT) == [5, 3, 1]


@pytest.mark.parametrize("among_kept", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (512, 2048)])
@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(1, 40), st.integers(-50, 100).map(lambda x: x / 100))
def test_the_rule_is_that_of_a_plain_loop_for_any_block(sizes, among_kept, seed, n, dim, threshold):
    rng = np.random.default_rng(seed)
    x = (
        rng.standard_normal((n, dim))
        + 2 * rng.standard_normal((max(n // 4, 1), dim))[rng.integers(0, max(n // 4, 1), n)]
    )
    x = np.concatenate([x, 3 * x[: n // 3]]).astype(np.float32)
    unit = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thin_similarity, "BLOCK_ROWS", sizes[0])
        patch.setattr(thin_similarity, "TILE_ROWS", sizes[1])
        found = rows(pool_of(x), threshold=threshold, against="kept" if among_kept else "earlier")
    assert found == by_hand(unit, threshold, among_kept)


@pytest.mark.parametrize("dims", [(1,), (4, 16), ()])
def test_the_projection_never_changes_the_result(dims, monkeypatch):
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((60, 24))
    x = (middles[rng.integers(0, 60, 1500)] + 0.3 * rng.standard_normal((1500, 24))).astype(np.float16)
    expected = rows(pool_of(x))
    assert 60 < len(expected) < 1400
    assert rows(pool_of(x), 40) == expected[:40]
    monkeypatch.setattr(thin_similarity, "_DIMS", (*dims, 24))
    monkeypatch.setattr(thin_similarity, "SAMPLE_ROWS", 7)
    assert rows(pool_of(x)) == expected


def test_equal_rows_pass_a_threshold_of_one_and_no_lower_one():
    x = np.random.default_rng(1).standard_normal((1, 300)).astype(np.float32).repeat(5, axis=0)
    assert rows(pool_of(x), threshold=1) == [0, 1, 2, 3, 4]
    assert rows(pool_of(x), threshold=0.999) == [0]


def complexity_first_by_hand(sets: list[set[int]], budget: int) -> list[int]:
    """InsTag's Algorithm 1 as the errata have it: passes over what is left, each with a fresh set of tags."""
    left = sorted((i for i in range(len(sets)) if sets[i]), key=lambda i: (-len(sets[i]), i))
    picked: list[int] = []
    while left and len(picked) < budget:
        covered: set[int] = set()
        rest = []
        for i in left:
            if len(picked) < budget and sets[i] - covered:
                covered |= sets[i]
                picked.append(i)
            else:
                rest.append(i)
        left = rest
    return picked


@settings(max_examples=150)
@given(st.lists(st.sets(st.integers(0, 8), max_size=5), min_size=1, max_size=30), st.integers(0, 30))
def test_passes_over_tags_are_those_of_instags_algorithm(sets, budget):
    pool = pool_of(tags=sets)
    assert rows(pool, budget, by=None, accept="tags", fill="rounds") == complexity_first_by_hand(sets, budget)
    covered: set[int] = set()
    once = []
    for i in sorted((i for i in range(len(sets)) if sets[i]), key=lambda i: (-len(sets[i]), i)):
        if sets[i] - covered:
            covered |= sets[i]
            once.append(i)
    assert rows(pool, by=None, accept="tags") == once


def test_a_score_may_order_the_walk_over_tags():
    sets = [{0}, {0, 1}, {1}]
    assert rows(pool_of(tags=sets, scores=[3, 2, 1]), accept="tags", fill="rounds") == [0, 1, 2]
    picked = sample(pool_of(tags=sets), 3, Params(accept="tags", fill="rounds"), 0)
    assert picked.order.tolist() == [1, 0, 2]
    assert picked.scores.tolist() == [2, 1, 1]


def lcs(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def likeness(a: str, b: str, overlap: str, words: int) -> float:
    left, right = a.split(), b.split()
    if overlap == "rouge_l":
        return 2 * lcs(left, right) / (len(left) + len(right)) if left and right else 0.0
    one, two = ({tuple(x[i : i + words]) for i in range(len(x) - words + 1)} for x in (left, right))
    return len(one & two) / len(one | two) if one and two else 0.0


TEXTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=90).map(" ".join), min_size=1, max_size=14)


@pytest.mark.parametrize(("overlap", "words"), [("rouge_l", 1), ("jaccard", 1), ("jaccard", 3)])
@pytest.mark.parametrize("among_kept", [True, False])
@settings(max_examples=40)
@given(TEXTS, st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.8]))
def test_limited_overlap_of_words_is_that_of_a_plain_loop(overlap, words, among_kept, texts, threshold):
    kept: list[int] = []
    for i in range(len(texts)):
        others = kept if among_kept else range(i)
        if all(likeness(texts[i], texts[j], overlap, words) <= threshold for j in others):
            kept.append(i)
    raw = {"accept": "lexical", "overlap": overlap, "words": words, "threshold": threshold}
    assert rows(pool_of(texts=texts), against="kept" if among_kept else "earlier", **raw) == kept


def test_words_are_compared_without_case_and_punctuation():
    texts = ["Write a poem about the sea.", "write a poem about the SEA", "Explain recursion", ""]
    assert rows(pool_of(texts=texts), accept="lexical") == [0, 2, 3]


def test_without_a_score_the_walk_is_a_random_one_by_seed():
    x = np.eye(30, dtype=np.float32)
    pool = pool_of(x)
    assert rows(pool, 9, 3, by=None) == rows(pool, 30, 3, by=None)[:9]
    assert rows(pool, 9, 3, by=None) != rows(pool, 9, 4, by=None)
    assert np.isnan(sample(pool, 5, Params(), 0).scores).all()


def test_what_is_read_follows_the_rule():
    assert requires("thin", Params(by="x")) == {"vectors", "scores"}
    assert requires("thin", Params(accept="tags")) == {"tags"}
    assert requires("thin", Params(accept="lexical")) == {"texts"}
    assert not ranks_all("thin", Params())
    assert Params().limit == 0.9
    assert Params(accept="lexical").limit == 0.7


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"accept": "tags", "threshold": 0.5}, "do not go with 'accept: tags'"),
        ({"accept": "tags", "against": "earlier"}, "do not go with 'accept: tags'"),
        ({"fill": "rounds"}, "goes with 'accept: tags'"),
        ({"words": 2}, "'words' goes with"),
        ({"overlap": "jaccard"}, "'overlap' goes with"),
        ({"accept": "lexical", "threshold": -0.5}, "between 0 and 1"),
        ({"threshold": 1.5}, "less than or equal to 1"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(raw, message):
    with pytest.raises(ValueError, match=message):
        Params(**raw)


def test_numba_is_not_loaded_with_the_module():
    for name in ("thin.py", "thin_similarity.py"):
        source = (Path(thin_similarity.__file__).parent / name).read_text("utf-8")
        assert "\nfrom datasel_assets.samplers.thin_kernels" not in source
