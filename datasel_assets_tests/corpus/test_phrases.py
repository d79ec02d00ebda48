"""Key phrases: which words count, which phrases become labels, and what each row is tagged with."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.corpus.lemmas import base_words
from datasel_assets.corpus.phrases import assign_phrases, fit_phrases, words
from datasel_assets.specs.phrases import PhraseSpec

SPEC = PhraseSpec(max_share=1.0)


def of(texts: list[str | None]) -> pl.Series:
    return words(pl.Series(texts, dtype=pl.String), 1000)


def labels(vocabulary: pl.DataFrame) -> list[str]:
    return vocabulary.filter(pl.col("kind") == "label")["label"].to_list()


def tags(texts: list[str], *, min_rows: int = 2, max_labels: int = 100, spec: PhraseSpec = SPEC) -> list[list[str]]:
    lists = of(texts)
    return assign_phrases(lists, fit_phrases(lists, spec, min_rows, max_labels), spec.max_tags, len(texts)).to_list()


def test_words_are_lower_case_and_stop_words_numbers_and_punctuation_end_a_phrase():
    assert of(["Sort the Python lists, then 3 trees!"]).to_list() == [
        ["sort", "", "python", "lists", "", "", "", "trees", ""]
    ]


def test_texts_without_words_have_none():
    assert of([None, "", "1 2 3"]).to_list()[:2] == [[], []]
    assert set(of(["... 42 !"]).to_list()[0]) <= {""}


@pytest.mark.parametrize(
    ("word", "base"),
    [("lists", "list"), ("studies", "study"), ("boxes", "box"), ("making", "make"), ("planned", "plan")],
)
def test_a_form_of_a_word_becomes_the_base_that_the_pool_has(word, base):
    assert base_words({word: 3, base: 5}, 2) == {word: base}


@pytest.mark.parametrize("word", ["series", "string", "glass", "bus", "was", "lists"])
def test_no_base_is_made_up(word):
    assert base_words({word: 9, "str": 1}, 2) == {}


def test_a_base_that_is_a_form_itself_leads_to_its_own_base():
    assert base_words({"buildings": 2, "building": 4, "build": 9}, 2) == {"buildings": "build", "building": "build"}


def test_a_phrase_is_one_label_and_its_words_are_none_of_their_own():
    texts = ["Explain quick sort.", "Quick sort again?", "What is quick sort", "Plant apple trees"]
    assert tags(texts)[:3] == [["quick sort"]] * 3


def test_forms_of_one_phrase_share_the_label_that_is_said_most_often():
    texts = ["neural networks"] * 3 + ["a neural network"] * 2 + ["apple trees"] * 5
    assert tags(texts, min_rows=2)[:5] == [["neural networks"]] * 5


def test_rare_phrases_are_dropped_and_leave_the_row_to_frequent_words():
    texts = ["blue whales", "blue carpets", "blue carpets", "green carpets"]
    assert tags(texts, min_rows=3) == [["blue"], ["blue", "carpets"], ["blue", "carpets"], ["carpets"]]


def test_what_stands_everywhere_tells_nothing():
    texts = [f"Write about {fruit}" for fruit in ("apples", "apples", "pears", "pears")]
    assert tags(texts, spec=PhraseSpec(max_share=0.5)) == [["apples"], ["apples"], ["pears"], ["pears"]]


def test_neighbours_by_chance_do_not_make_a_phrase():
    # "big" and "dog" stand together as often as independent words would.
    texts = ["big dog"] * 4 + ["big cat"] * 4 + ["small dog"] * 4 + ["small cat"] * 4
    assert all(" " not in tag for row in tags(texts, min_rows=2) for tag in row)
    apart = ["hot dog"] * 4 + ["big cat"] * 4
    assert tags(apart, min_rows=2)[0] == ["hot dog"]


def test_the_rarest_tags_come_first_and_no_row_has_more_than_allowed():
    texts = ["alpha. beta. gamma"] * 2 + ["beta. gamma"] * 3 + ["gamma"] * 5
    found = tags(texts, spec=PhraseSpec(max_share=1.0, max_tags=2))
    assert found[0] == ["alpha", "beta"]
    assert found[-1] == ["gamma"]


def test_the_weight_of_a_tag_is_its_occurrences_times_its_rarity():
    # gamma: (1 + ln 4) ln(10 / 5); beta: ln(10 / 3): four times beat once.
    texts = ["gamma. gamma. gamma. gamma. beta"] + ["beta"] * 2 + ["gamma"] * 4 + ["other"] * 3
    assert (1 + math.log(4)) * math.log(10 / 5) > math.log(10 / 3)
    assert tags(texts)[0] == ["gamma", "beta"]


def test_only_the_most_frequent_labels_are_kept():
    texts = ["alpha"] * 5 + ["beta"] * 4 + ["gamma"] * 3
    assert labels(fit_phrases(of(texts), SPEC, 2, 2)) == ["alpha", "beta"]


def test_ideographs_make_phrases_without_spaces_and_single_ones_are_no_label():
    found = tags(["机器 学习", "机器 人", "机器", "猫"] * 3)
    assert all(" " not in tag and len(tag) > 1 for row in found for tag in row)
    assert "机器" in found[2]


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.sampled_from(["tree", "trees", "red", "house", "the", ",", "boat"]), max_size=8), max_size=12),
    st.integers(1, 3),
)
def test_every_tag_is_a_label_and_the_order_of_the_rows_does_not_matter(texts, least):
    joined = [" ".join(text) for text in texts]
    lists = of(joined)
    vocabulary = fit_phrases(lists, SPEC, least, 50)
    found = assign_phrases(lists, vocabulary, 3, len(joined)).to_list()
    assert {tag for row in found for tag in row} <= set(labels(vocabulary))
    assert all(len(row) == len(set(row)) <= 3 for row in found)
    turned = fit_phrases(of(joined[::-1]), SPEC, least, 50)
    assert turned.equals(vocabulary)
    assert [
        assign_phrases(lists[i : i + 1], vocabulary, 3, len(joined)).to_list()[0] for i in range(len(joined))
    ] == found


def test_a_row_that_could_not_be_read_counts_as_a_row_without_words_and_has_no_tags_to_know():
    texts = ["red house", "red boat", "a tree"]
    lists = of([*texts, None])
    unread = pl.Series([*lists[:3].to_list(), None], dtype=lists.dtype)
    vocabulary = fit_phrases(unread, SPEC, 1, 50)
    assert vocabulary.equals(fit_phrases(lists, SPEC, 1, 50))
    found = assign_phrases(unread, vocabulary, 3, 4).to_list()
    assert found == [*assign_phrases(lists[:3], vocabulary, 3, 4).to_list(), None]
    assert assign_phrases(unread[3:], vocabulary, 3, 4).to_list() == [None]
