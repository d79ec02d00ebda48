"""What a vocabulary and rows that are tagged with it tell: counts, numbers, drift."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from datasel_assets.corpus.phrases import VOCABULARY
from datasel_assets.corpus.vocabulary import (
    ambiguous_forms,
    label_counts,
    label_drift,
    label_names,
    label_use,
    numbered_tags,
    rows_needed,
)

LISTS = pl.List(pl.String)


def vocabulary(rows: dict[str, tuple[str, int]], words: tuple[str, ...] = ()) -> pl.DataFrame:
    """Return a vocabulary: form -> (label, rows), and some words."""
    lines = [("word", word, word, 1) for word in words]
    lines += [("label", form, label, count) for form, (label, count) in rows.items()]
    return pl.DataFrame(lines, schema=VOCABULARY, orient="row")


def shares(counts: dict[str, int]) -> pl.DataFrame:
    return vocabulary({label: (label, count) for label, count in counts.items()})


def tagged(lists: dict[str, list[str] | None]) -> pl.LazyFrame:
    return pl.LazyFrame({"row_id": list(lists), "tags": list(lists.values())}, {"row_id": pl.String, "tags": LISTS})


@pytest.mark.parametrize(
    ("min_rows", "sampled", "total", "needed"),
    [(20, 100_000, 400_000, 5), (20, 60, 60, 20), (3, 1, 100, 1), (7, 0, 0, 1), (10, 200, 100, 10)],
)
def test_a_label_needs_the_same_share_of_a_sample_and_at_least_one_row(min_rows, sampled, total, needed):
    assert rows_needed(min_rows, sampled, total) == needed


def test_labels_are_counted_over_their_forms_and_words_do_not_count():
    table = vocabulary({"pear": ("pear", 3), "pears": ("pear", 4), "apple": ("apple", 2)}, words=("pear", "zebra"))
    assert label_counts(table).rows() == [("apple", 2, 1), ("pear", 7, 2)]
    assert label_names(table) == ["apple", "pear"]
    assert label_names(shares({})) == []


def test_a_form_that_counts_as_two_labels_is_noticed_and_one_that_is_also_a_word_is_not():
    fine = vocabulary({"pear": ("pear", 3), "pears": ("pear", 4)}, words=("pear",))
    assert ambiguous_forms(fine) == 0
    assert ambiguous_forms(pl.concat([fine, vocabulary({"pears": ("fruit", 4)})])) == 1


def test_labels_of_equal_shares_have_not_moved_and_other_labels_are_one_bit_away():
    assert label_drift(shares({"a": 1, "b": 3}), shares({"b": 30, "a": 10})) == pytest.approx(0, abs=1e-15)
    assert label_drift(shares({"a": 1}), shares({"b": 1})) == 1


def test_a_vocabulary_without_labels_is_one_bit_from_any_other_and_none_from_another_without():
    words = vocabulary({}, words=("pear",))
    assert label_drift(words, shares({"a": 1})) == label_drift(shares({"a": 1}), words) == 1
    assert label_drift(words, shares({})) == 0


COUNTS = st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 1000), min_size=1)


@given(COUNTS, COUNTS)
def test_drift_is_what_scipy_says_of_the_labels_of_both(before, after):
    names = sorted({*before, *after})
    p, q = ([counts.get(name, 0) for name in names] for counts in (before, after))
    expected = jensenshannon(p, q, base=2) ** 2
    found = label_drift(shares(before), shares(after))
    assert found == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-9)


def test_use_counts_rows_commonest_first_and_rows_without_tags_count_for_nothing():
    tags = pl.Series("anything", [["b", "a"], None, [], ["c", "b"], ["a"]], dtype=LISTS)
    assert label_use(tags).rows() == [("a", 2), ("b", 2), ("c", 1)]
    assert label_use(pl.Series([None, []], dtype=LISTS)).is_empty()


def test_tags_are_numbered_in_the_order_of_the_rows_asked_for():
    lists = tagged({"x": ["pear", "apple"], "y": None, "z": ["pear"], "elsewhere": ["apple"], "w": []})
    found = numbered_tags(lists, pl.Series(["z", "w", "missing", "x", "y"]), ["apple", "pear"])
    assert found.rows() == [(0, 1), (3, 0), (3, 1)]


def test_a_tag_that_is_no_label_has_no_number():
    lists = tagged({"x": ["pear", "plum"]})
    assert numbered_tags(lists, pl.Series(["x"]), ["pear"])["label"].to_list() == [None, 0]
    assert numbered_tags(lists, pl.Series(["x"]), [])["label"].to_list() == [None]


@given(
    st.dictionaries(st.sampled_from("uvwxyz"), st.none() | st.lists(st.sampled_from("abc"))), st.permutations("uvwx")
)
def test_numbers_are_those_of_a_loop_over_the_rows(lists, asked):
    labels = ["a", "b", "c"]
    expected = [(i, n) for i, row in enumerate(asked) for n in range(3) if labels[n] in (lists.get(row) or [])]
    assert numbered_tags(tagged(lists), pl.Series(asked, dtype=pl.String), labels).rows() == expected
