"""Near duplicates against all pairs in plain Python; updates against the computation from scratch."""

import itertools
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from datasel_assets.corpus import near_duplicates
from datasel_assets.corpus.minhash import signatures
from datasel_assets.corpus.near_duplicates import (
    NEAR_DUPLICATES_SCHEMA,
    NearDuplicates,
    Verified,
    find_near_duplicates,
    rank_rows,
    with_exact_kind,
)
from datasel_assets.specs.minhash import MinHashSpec

# One slot per band: a pair of similarity 0.5 is missed with probability 2^-96, so plain loops are an exact oracle.
EXHAUSTIVE = MinHashSpec(n=1, bands=96, rows=1)
TEXTS = st.lists(
    st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join),
    max_size=14,
)


def search(
    texts: list[str],
    ranks: list[int] | np.ndarray | None = None,
    names: list[str] | None = None,
    spec: MinHashSpec = EXHAUSTIVE,
    threshold: float = 0.5,
    known: Verified | None = None,
) -> NearDuplicates:
    column = pl.Series(texts, dtype=pl.String)
    row_ids = pl.Series(names if names is not None else [f"r{i:05}" for i in range(len(texts))], dtype=pl.String)
    order = np.arange(len(texts)) if ranks is None else np.asarray(ranks, np.int64)
    return find_near_duplicates(row_ids, order, signatures(column, spec), column, spec, threshold, known)


def plain(texts: list[str], ranks: list[int], threshold: float) -> dict[int, tuple[int, float]]:
    """The rule of the module, all pairs, with sets; rows of one set share the fate of the best of them."""
    sets = [frozenset(text.split()) for text in texts]
    order = sorted((i for i in range(len(texts)) if sets[i]), key=lambda i: ranks[i])
    stays: list[int] = []
    found = {}
    leader: dict[frozenset[str], int] = {}
    for x in order:
        first = leader.setdefault(sets[x], x)
        if first != x:
            found[x] = found.get(first, (first, 1.0))
            continue
        near = [(len(sets[x] & sets[y]) / len(sets[x] | sets[y]), -ranks[y], y) for y in stays]
        best = max(near, default=(0, 0, -1))
        if best[0] >= threshold:
            found[x] = (best[2], best[0])
        else:
            stays.append(x)
    return found


def as_dict(found: NearDuplicates) -> dict[int, tuple[int, float]]:
    rows = found.table.select("row_id", "duplicate_of", "similarity").iter_rows()
    return {int(a[1:]): (int(b[1:]), s) for a, b, s in rows}


@settings(max_examples=150)
@given(TEXTS, st.sampled_from([0.5, 0.6, 0.75, 1.0]), st.randoms(use_true_random=False))
def test_the_rule_is_the_one_of_plain_loops(texts: list[str], threshold: float, shuffler: random.Random):
    ranks = list(range(len(texts)))
    shuffler.shuffle(ranks)
    found = search(texts, ranks, threshold=threshold)
    expected = plain(texts, ranks, threshold)
    assert as_dict(found) == {a: (b, np.float32(s)) for a, (b, s) in expected.items()}
    assert dict(found.table.schema) == NEAR_DUPLICATES_SCHEMA
    assert found.table["row_id"].is_sorted()


@settings(max_examples=60)
@given(TEXTS, st.randoms(use_true_random=False), st.sampled_from([1, 2, 32]))
def test_the_order_of_the_rows_does_not_matter(texts: list[str], shuffler: random.Random, limit: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BUCKET_LIMIT", limit)
        names = [f"r{i:05}" for i in range(len(texts))]
        expected = search(texts, names=names)
        places = list(range(len(texts)))
        shuffler.shuffle(places)
        found = search([texts[i] for i in places], np.array(places), [names[i] for i in places])
    assert_frame_equal(found.table, expected.table)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.lists(st.sampled_from("abcde"), max_size=6).map(" ".join), st.integers(0, 3)), max_size=16),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 2, 32]),
)
def test_an_update_equals_the_search_from_scratch(rows: list[tuple[str, int]], shuffler: random.Random, limit: int):
    """Rows come in up to three rounds with any rank; those marked 3 come first and go in the last round."""
    texts, rounds = [text for text, _ in rows], [number for _, number in rows]
    ranks = list(range(len(rows)))
    shuffler.shuffle(ranks)
    known = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "BUCKET_LIMIT", limit)
        for step in range(3):
            here = [i for i, number in enumerate(rounds) if number <= step or (number == 3 and step < 2)]
            order = np.argsort(np.argsort([ranks[i] for i in here])) if here else np.zeros(0, np.int64)
            names = [f"r{i:05}" for i in here]
            update = search([texts[i] for i in here], order, names, known=known)
            scratch = search([texts[i] for i in here], order, names)
            assert_frame_equal(update.table, scratch.table)
            assert_frame_equal(update.verified.pairs, scratch.verified.pairs)
            assert update.verified.digests.tolist() == scratch.verified.digests.tolist()
            assert_frame_equal(update.verified.unlisted, scratch.verified.unlisted)
            known = update.verified


def test_an_update_verifies_new_rows_only():
    pool = [f"{'shared words of a family ' * 3} {i % 40} {i % 40 + 1}" for i in range(60)]
    first = search(pool)
    assert first.compared == 40 * 39 / 2
    asked: list[int] = []
    texts = pl.Series([*pool, "nothing like it", pool[3] + " more"])

    def fetch(rows: np.ndarray) -> pl.Series:
        asked.extend(rows.tolist())
        return texts.gather(rows)

    row_ids = pl.Series([f"r{i:05}" for i in range(len(texts))])
    found = find_near_duplicates(
        row_ids, np.arange(len(texts)), signatures(texts, EXHAUSTIVE), fetch, EXHAUSTIVE, 0.5, first.verified
    )
    assert found.compared == 40
    assert sorted(asked) == [*range(40), 61]
    again = search(pool, known=first.verified)
    assert again.compared == 0
    assert_frame_equal(again.table, first.table)


def test_a_higher_threshold_needs_no_text_and_a_lower_one_compares_again():
    texts = ["1 2 3 4", "1 2 3 5", "1 2 3 4 6", "9 8 7", "9 8 5"]
    middle = search(texts, threshold=0.6)
    higher = search(texts, threshold=0.8, known=middle.verified)
    assert higher.compared == 0
    lower = search(texts, threshold=0.5, known=higher.verified)
    assert lower.compared > 0
    for found, threshold in ((higher, 0.8), (lower, 0.5)):
        scratch = search(texts, threshold=threshold)
        assert_frame_equal(found.table, scratch.table)
        assert_frame_equal(found.verified.pairs, scratch.verified.pairs)
    assert [found.table.height for found in (higher, middle, lower)] == [1, 2, 3]


def test_what_another_spec_has_compared_is_not_used():
    texts = ["1 2 3 4", "1 2 3 5"]
    other = search(texts, spec=MinHashSpec(n=2)).verified
    assert search(texts, known=other).compared == 1


def test_every_duplicate_is_similar_to_a_row_that_stays():
    generator = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(300)])
    texts = []
    for _ in range(60):
        base = generator.choice(words, 40)
        for _ in range(generator.integers(1, 9)):
            copy = base.copy()
            changed = generator.random(40) < generator.uniform(0, 0.15)
            copy[changed] = generator.choice(words, changed.sum())
            texts.append(" ".join(copy))
    spec = MinHashSpec(n=2)
    found = search(texts, spec=spec, threshold=0.6)
    assert found.table.height > 50
    assert not found.table["duplicate_of"].is_in(found.table["row_id"].implode()).any()

    def pairs(text: str) -> set[tuple[str, str]]:
        tokens = text.split()
        return set(itertools.pairwise(tokens))

    for row, (other, similarity) in as_dict(found).items():
        a, b = pairs(texts[row]), pairs(texts[other])
        assert similarity == np.float32(len(a & b) / len(a | b))
        assert len(a & b) / len(a | b) >= 0.6


def test_a_chain_is_cut_where_the_ends_differ_and_keeps_one_group():
    # a ~ b and b ~ c at 0.6, a and c at 1/3: a stays, b is its duplicate, c stays although b resembles it.
    found = search(["1 2 3 4", "2 3 4 5", "3 4 5 6"], threshold=0.6)
    assert found.table.select("row_id", "duplicate_of", "group").rows() == [("r00001", "r00000", "r00000")]
    # With b best, both are duplicates of b.
    assert search(["1 2 3 4", "2 3 4 5", "3 4 5 6"], [1, 0, 2], threshold=0.6).table["duplicate_of"].to_list() == [
        "r00001",
        "r00001",
    ]


def test_group_joins_families_whose_rows_stay_apart():
    found = search(["1 2 3 4", "3 4 5 6", "2 3 4 5", "3 4 5 6 7"], threshold=0.6)
    assert found.table.select("row_id", "duplicate_of", "group").rows() == [
        ("r00002", "r00000", "r00000"),
        ("r00003", "r00001", "r00000"),
    ]


def test_empty_texts_are_nobodys_duplicates():
    assert search(["", "", " ", "a"]).table.height == 0
    assert search([]).table.height == 0


def test_chinese_texts_and_emoji_are_compared_by_character():
    spec = MinHashSpec(n=2)
    poem = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少"
    found = search(
        [poem, poem.replace("鸟", "鸡"), poem[::-1], "🙂👍🎉" * 2, "🙂👍🎉🙂👍🎉!"], spec=spec, threshold=0.7
    )
    assert [row[:2] for row in found.table.rows()] == [("r00001", "r00000"), ("r00004", "r00003")]


def test_twenty_thousand_rows_of_boilerplate_end():
    """Near copies, and rows that share a bucket but not enough words: both kinds of crowd."""
    generator = np.random.default_rng(0)
    near = [f"{'please answer the question as well as you can ' * 6}{i}" for i in range(10_000)]
    own = generator.integers(0, 10**6, (10_000, 8))
    boiler = " ".join(f"b{i}" for i in range(30))
    unlike = [f"{boiler} " + " ".join(map(str, row)) for row in own]
    found = search([*near, *unlike], spec=MinHashSpec(), threshold=0.7)
    assert found.table["duplicate_of"].n_unique() == 1
    assert found.table.height == 9_999
    assert found.verified.unlisted.height > 0
    assert found.compared < 20_000 * 32 * 32


def test_planted_copies_of_real_texts_are_found(shared_data: Path):
    frame = pl.read_parquet(shared_data / "dolly_3k.parquet").head(800)
    texts = frame.select(pl.concat_str(["instruction", "input", "output"], separator="\n\n")).to_series().to_list()
    generator = np.random.default_rng(0)
    words = sorted({word for text in texts for word in text.split()})
    long = [i for i, text in enumerate(texts) if len(text.split()) >= 30][:200]
    for i in long:
        tokens = texts[i].split()
        for place in generator.choice(len(tokens), round(0.03 * len(tokens)), replace=False):
            tokens[place] = words[generator.integers(len(words))]
        texts.append(" ".join(tokens))
    found = as_dict(search(texts, spec=MinHashSpec(), threshold=0.7))
    caught = sum(found.get(800 + k, (-1, 0.0))[0] == i for k, i in enumerate(long))
    assert caught >= 0.95 * len(long)
    # The pool has one such pair of its own: a question asked twice, with another answer.
    assert [row for row in found if row < 800] == [233]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("oldest", ["d", "c", "b", "a", "e"]),
        ("longest", ["c", "a", "e", "b", "d"]),
        ("best_score", ["b", "e", "a", "c", "d"]),
    ],
)
def test_ranks_follow_the_policy_and_ties_go_to_the_smaller_id(keep: near_duplicates.Keep, expected: list[str]):
    rows = pl.DataFrame(
        {
            "row_id": ["a", "b", "c", "d", "e"],
            "source": ["y", "y", "x", "x", "z"],
            "position": [5, 2, 3, 1, 0],
            "n_chars": [7, 5, 9, 5, 7],
            "score": [0.5, 0.9, float("nan"), None, 0.5 + 1e-12],
        }
    )
    ranks = rank_rows(rows, keep)
    assert [rows["row_id"][int(i)] for i in np.argsort(ranks)] == expected


def test_the_age_of_sources_can_be_declared():
    rows = pl.DataFrame({"row_id": ["a", "b"], "source": ["x", "y"], "position": [0, 0]})
    assert rank_rows(rows, "oldest", ["y", "x"]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="lacks y"):
        rank_rows(rows, "oldest", ["x"])


def test_wrong_input_is_named():
    rows = pl.DataFrame({"row_id": ["a", "a"], "n_chars": [1, 2]})
    with pytest.raises(ValueError, match="more than once"):
        rank_rows(rows, "longest")
    with pytest.raises(ValueError, match="needs the columns source, position"):
        rank_rows(rows, "oldest")
    with pytest.raises(ValueError, match="choose one of oldest, longest, best_score"):
        rank_rows(rows, "newest")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no permutation"):
        search(["a", "b"], [0, 0])
    with pytest.raises(ValueError, match="one of each per row"):
        search(["a", "b"], [0])
    with pytest.raises(ValueError, match="threshold"):
        search(["a"], threshold=0)
    texts = pl.Series(["a b c"])
    with pytest.raises(ValueError, match="compute them again"):
        find_near_duplicates(pl.Series(["r"]), np.arange(1), signatures(texts, EXHAUSTIVE), texts, MinHashSpec())


def test_a_pair_of_equal_conversations_is_called_exact_and_its_order_stays():
    table = pl.DataFrame(
        [("b", "a", "near", 1.0, "a"), ("c", "a", "near", 0.8, "a")], schema=NEAR_DUPLICATES_SCHEMA, orient="row"
    )
    contents = pl.DataFrame({"row_id": ["a", "b", "c"], "content_hash": ["x", "x", "y"]})
    assert_frame_equal(with_exact_kind(table, contents), table.with_columns(kind=pl.Series(["exact", "near"])))
