"""Signatures and shingle sets against sets in plain Python."""

import re
import sys
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.corpus.minhash import Signatures, canonical, jaccard, shingles, signatures
from datasel_assets.specs.minhash import MinHashSpec

WORDS = st.lists(
    st.sampled_from(["a", "B", "cd", "e_f", "7", ",", "<", "\n", "été", "ÉTÉ", "—", "»", " ", " ", " "]), max_size=24
)


def plain_shingles(text: str, unit: str, n: int) -> set[tuple[str, ...]]:
    tokens = text.lower().split() if unit == "word" else re.findall(r"\w+|[^\w\s]", text.lower())
    if not tokens:
        return set()
    n = min(n, len(tokens))
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


@settings(max_examples=150)
@given(WORDS, WORDS, st.sampled_from(["word", "token"]), st.integers(1, 4))
def test_jaccard_is_that_of_the_sets_of_runs(left: list[str], right: list[str], unit: Literal["word", "token"], n: int):
    texts = ["".join(left), "".join(right)]
    a, b = (plain_shingles(text, unit, n) for text in texts)
    sets = shingles(pl.Series(texts), MinHashSpec(unit=unit, n=n))
    assert np.diff(sets.ends).tolist() == [len(a), len(b)]
    if a and b:
        found = jaccard(sets, np.array([0]), np.array([1]))
        assert found[0] == len(a & b) / len(a | b)


@settings(max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(1, 4))
def test_character_runs_ignore_how_much_white_space_there_is(left: str, right: str, n: int):
    def runs(text: str) -> set[str]:
        plain = " ".join(canonical(pl.Series([text]))[0].lower().split())
        return {plain[i : i + n] for i in range(max(len(plain) - n + 1, 1))} - {""}

    a, b = runs(left), runs(right)
    sets = shingles(pl.Series([left, right]), MinHashSpec(unit="character", n=n))
    assert np.diff(sets.ends).tolist() == [len(a), len(b)]
    assert len(np.intersect1d(sets[0], sets[1])) == len(a & b)


def test_white_space_is_what_python_calls_white_space():
    from datasel_assets.corpus.minhash_kernels import kind_of

    spaces = [point for point in range(sys.maxunicode + 1) if chr(point).isspace()]
    assert [point for point in range(0x10000) if kind_of(point) == 0] == spaces


def test_pairs_below_the_threshold_are_given_up():
    sets = shingles(pl.Series(["a b c d", "a b c e", "a b c d"]), MinHashSpec(n=1))
    found = jaccard(sets, np.array([0, 0]), np.array([1, 2]), threshold=0.61)
    assert np.isnan(found[0])
    assert found[1] == 1
    assert jaccard(sets, np.array([0]), np.array([1]), threshold=0.6) == 0.6


def test_the_share_of_equal_slots_estimates_jaccard_without_bias():
    spec = MinHashSpec(n=1, bands=1024 // 64, rows=64)
    estimates, truths = [], []
    for pair in range(200):
        common = [f"c{pair}x{i}" for i in range(60)]
        left, right = ([*common, *(f"{side}{pair}x{i}" for i in range(pair % 40))] for side in "lr")
        found = signatures(pl.Series([" ".join(left), " ".join(right)]), spec)
        estimates.append((found.values[0] == found.values[1]).mean())
        truths.append(60 / (60 + 2 * (pair % 40)))
    error = np.array(estimates) - np.array(truths)
    # Standard deviation of one estimate: at most sqrt(1/4 / 1024) = 0.0156; of the mean of 200: 0.0011.
    assert abs(error.mean()) < 0.004
    assert error.std() < 0.0156


def test_pairs_share_a_band_as_often_as_the_formula_says():
    spec = MinHashSpec(n=1, bands=4, rows=2)
    left = pl.Series([f"c{i} d{i} l{i}" for i in range(4000)])
    right = pl.Series([f"c{i} d{i} r{i}" for i in range(4000)])
    equal = signatures(left, spec).values == signatures(right, spec).values
    shared = equal.reshape(4000, 4, 2).all(axis=2).any(axis=1).mean()
    assert spec.chance(0.5) == 1 - 0.75**4
    assert abs(shared - spec.chance(0.5)) < 4 * (0.25 / 4000) ** 0.5


MASK = 2**64 - 1


def mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def plain_signature(tokens: list[str], n: int, slots: int, seed: int) -> list[int]:
    """The format, written once more in unbounded integers."""
    hashed = []
    for token in tokens:
        value = 0xCBF29CE484222325
        for character in token:
            value = ((value ^ ord(character)) * 0x100000001B3) & MASK
        hashed.append(mixed(value))
    n = min(n, len(tokens))
    elements = []
    for start in range(len(tokens) - n + 1):
        run = 0
        for value in hashed[start : start + n]:
            run = (run * 0x9E3779B97F4A7C15 + value) & MASK
        elements.append(mixed(run ^ mixed(n)) >> 32)
    found = []
    for slot in range(slots):
        drawn = mixed((seed + (slot + 1) * 0x9E3779B97F4A7C15) & MASK)
        a, b = (drawn >> 32) | 1, drawn & 0xFFFFFFFF
        found.append(min((a * x + b) % 2**32 for x in elements))
    return found


def test_signatures_never_change():
    """Stored signatures are compared with new ones: a change here makes every stored one worthless."""
    found = signatures(pl.Series(["Sort the List of names.", "请写一首诗", "Füße 🙂"]), MinHashSpec(seed=7))
    tokens = [["sort", "the", "list", "of", "names."], list("请写一首诗"), ["füße", "🙂"]]
    assert found.values.tolist() == [plain_signature(each, 3, 128, 7) for each in tokens]
    assert found.values[0, :4].tolist() == [445637021, 326733492, 2731511512, 48948033]
    assert found.sizes.tolist() == [3, 3, 1]
    assert found.digests[0] == 5138567023041337258


def test_signatures_do_not_depend_on_the_other_rows_or_on_blocks(monkeypatch: pytest.MonkeyPatch):
    texts = pl.Series([f"row {i} has words {'x ' * (i % 7)}" + "é" * (i % 3) for i in range(100)])
    spec = MinHashSpec()
    whole = signatures(texts, spec)
    monkeypatch.setattr("datasel_assets.corpus.minhash._BLOCK_ROWS", 7)
    parts = Signatures.concat([signatures(texts[:31], spec), signatures(texts[31:], spec)])
    for name in ("values", "sizes", "digests"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_a_text_shorter_than_a_shingle_equals_only_itself():
    sets = shingles(pl.Series(["Yes", "yes ", "Yes sir", "yes sir no sir"]), MinHashSpec(n=3))
    assert np.array_equal(sets[0], sets[1])
    assert not set(sets[0]) & set(sets[2])
    assert not set(sets[2]) & set(sets[3])


def test_empty_and_null_texts_have_no_shingle():
    found = signatures(pl.Series(["", None, " \n\t\u3000"], dtype=pl.String), MinHashSpec())
    assert found.sizes.tolist() == [0, 0, 0]
    assert (found.values == 0xFFFFFFFF).all()
    assert len(signatures(pl.Series([], dtype=pl.String), MinHashSpec())) == 0


def test_each_han_character_and_each_emoji_is_a_token():
    sets = shingles(pl.Series(["今天天气很好", "🙂🙂👍", "สวัสดี"]), MinHashSpec(n=2))
    assert np.diff(sets.ends).tolist() == [5, 2, 5]


def test_punctuation_belongs_to_words_and_is_a_token_of_its_own_where_tokens_are_asked_for():
    texts = pl.Series(["f(x)=1; “so”", "f ( x ) = 1 ; “ so ”"])
    words, tokens = signatures(texts, MinHashSpec(n=1)), signatures(texts, MinHashSpec(unit="token", n=1))
    assert words.sizes.tolist() == [2, 10]
    assert tokens.digests[0] == tokens.digests[1]


def test_composed_and_decomposed_accents_are_the_same_text():
    found = signatures(pl.Series(["CAFÉ NOIR ÉTÉ", "cafe\u0301 noir e\u0301te\u0301"]), MinHashSpec())
    assert found.digests[0] == found.digests[1]


def test_a_table_of_signatures_reads_back(tmp_path):
    texts = pl.Series(["one two three four", "five", ""])
    spec = MinHashSpec(bands=3, rows=2)
    found = signatures(texts, spec)
    frame = found.to_frame(pl.Series(["r1", "r2", "r3"]))
    assert frame.schema["signature"] == pl.Array(pl.UInt32, 6)
    frame.write_parquet(tmp_path / "signatures.parquet")
    back = Signatures.from_frame(pl.read_parquet(tmp_path / "signatures.parquet"))
    for name in ("values", "sizes", "digests"):
        assert np.array_equal(getattr(found, name), getattr(back, name))
    assert len(Signatures.from_frame(frame.clear())) == 0


def test_signatures_of_different_lengths_are_not_put_together():
    texts = pl.Series(["a b c d"])
    with pytest.raises(ValueError, match="one length"):
        Signatures.concat([signatures(texts, MinHashSpec()), signatures(texts, MinHashSpec(bands=3))])
