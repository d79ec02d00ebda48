import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.words.batch import (
    DIGIT,
    LETTER,
    LOWER,
    MARK,
    OTHER,
    SPACE,
    SYMBOL,
    UPPER,
    TextBatch,
    split_by_expression,
)
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE, EMOJI, ENGLISH, THAI


def words_of(text: str) -> list[str]:
    batch = TextBatch([text])
    return batch.vocabulary.gather(batch.words.ids).to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t STOP", ["don't", "stop"]),
        ("'quoted' words' end", ["quoted", "words", "end"]),
        ("well-known snake_case", ["well", "known", "snake", "case"]),
        ("pi is 3.14, or 1,000", ["pi", "is", "3.14", "or", "1,000"]),
        ("cafe\u0301 caf\u00e9", ["café", "café"]),
        ("東京タワーへ", ["東", "京", "タ", "ワー", "へ"]),
        ("第3章", ["第", "3", "章"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("안녕 세상", ["안녕", "세상"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        (EMOJI, []),
        ("...", []),
        ("", []),
    ],
)
def test_words_follow_the_written_rule(text: str, expected: list[str]):
    assert words_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two. Three four! Five?", 3),
        ("It costs 3.14 dollars", 1),
        ("He said “yes.” Then he left.", 2),
        ("First line\nsecond line", 2),
        ("1. Do this.\n2. Do that.", 2),
        ("4.", 1),
        ("The answer is 4. Good.", 2),
        ("今天很好。我们去吧！好吗？", 3),
        (CHINESE, 3),
        (ARABIC, 3),
        (THAI, 1),
        ("Wait...!! What", 2),
        ("... !", 0),
        (EMOJI, 0),
        ("", 0),
    ],
)
def test_sentences_end_at_marks_and_lines(text: str, expected: int):
    assert TextBatch([text]).sentences.tolist() == [expected]


ascii_text = st.one_of(
    st.text(st.characters(max_codepoint=127), max_size=40),
    st.text(st.sampled_from("aB3.,:!?'\"_ )\n\r\t*\x1f-9"), max_size=14),
)


@settings(max_examples=300)
@given(st.lists(st.one_of(ascii_text, st.sampled_from(["", CHINESE, "É. 2.5 é!"])), max_size=5))
def test_the_loop_for_ascii_and_the_expression_split_alike(texts: list[str]):
    series = pl.Series("text", texts, dtype=pl.String)
    loop, expression = TextBatch(texts), split_by_expression(series)
    assert loop.words.offsets.tolist() == expression.words.offsets.tolist()
    assert loop.sentences.tolist() == expression.sentences.tolist()
    assert loop.capitalised.tolist() == expression.capitalised.tolist()
    words = expression.vocabulary.gather(expression.words.ids).to_list()
    assert loop.vocabulary.gather(loop.words.ids).to_list() == words
    assert loop.vocabulary.n_unique() == len(loop.vocabulary) == loop.words.size


def test_many_distinct_words_are_told_apart():
    words = [f"w{k}" for k in range(30_000)]
    batch = TextBatch([" ".join(words), " ".join(words[::-1])])
    assert batch.vocabulary.to_list() == words
    assert batch.words.ids.tolist() == [*range(30_000), *range(30_000)[::-1]]


def test_long_words_of_the_same_bytes_in_another_order_are_told_apart():
    words = ["abcdefghijklmnop", "ijklmnopabcdefgh", "ABCDEFGHijklmnop"]
    assert TextBatch(words).words.ids.tolist() == [0, 1, 0]


def test_rows_are_cut_where_texts_end():
    batch = TextBatch(["a b", "", "b c d", "."])
    assert batch.words.offsets.tolist() == [0, 2, 2, 5, 5]
    assert batch.words.lengths.tolist() == [2, 0, 3, 0]


def test_ngrams_do_not_cross_rows():
    batch = TextBatch(["a b c", "c a b", "a"])
    pairs = batch.ngram_strings(2).gather(batch.ngrams(2).ids).to_list()
    assert pairs == ["a b", "b c", "c a", "a b"]
    assert batch.ngrams(2).lengths.tolist() == [2, 2, 0]
    triples = batch.ngram_strings(3).gather(batch.ngrams(3).ids).to_list()
    assert triples == ["a b c", "c a b"]
    assert batch.ngrams(4).size == 0


def test_every_character_has_one_class():
    batch = TextBatch([ENGLISH, CHINESE, ARABIC, EMOJI, THAI, "Ⅷ ½ \x00\t"])
    total = sum(batch.count_classes(kind) for kind in (UPPER, LOWER, LETTER, MARK, DIGIT, SYMBOL, SPACE, OTHER))
    np.testing.assert_array_equal(total, batch.n_characters)
    assert batch.count_classes(DIGIT)[-1] == 2
    np.testing.assert_array_equal(batch.n_characters, [len(text) for text in batch.texts])


def test_letters_weigh_their_bytes():
    batch = TextBatch(["abc 1", "äé", "东京", "𝒜!"])
    assert batch.count_bytes(UPPER, LOWER, LETTER).tolist() == [3, 4, 6, 4]


def test_halves_of_surrogate_pairs_are_replaced():
    assert TextBatch(["a\ud800b", "\ud83d\ude42"]).texts.to_list() == ["a\ufffdb", "🙂"]


def test_a_missing_text_is_refused():
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        TextBatch(["a", None])  # pyright: ignore[reportArgumentType]


def test_a_batch_may_be_empty():
    batch = TextBatch([])
    assert len(batch) == 0
    assert batch.sentences.shape == batch.n_visible.shape == batch.words.lengths.shape == (0,)
