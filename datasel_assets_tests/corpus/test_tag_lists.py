"""Tags that were given: reading answers and columns, one spelling, rare ones into their head."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.corpus.tag_lists import assign_tags, fit_tags, normalise, parse_answer, read_field


def lists(values: list[list[str] | None]) -> pl.Series:
    return normalise(pl.Series(values, dtype=pl.List(pl.String)))


@pytest.mark.parametrize(
    ("answer", "tags"),
    [
        ('[{"tag": "maths", "explanation": "sums"}, {"tag": "story", "explanation": "x"}]', ["maths", "story"]),
        ('{"tag": "maths", "explanation": "sums"}', ["maths"]),
        ('[{"tag": "maths", "explanation": "sums"}, {"tag": "story", "expl', ["maths", "story"]),
        ('[{"tag": "maths", "explanation": "sums"}, {"tag": "sto', ["maths"]),
        ('Sure! {"tag": "a \\"quoted\\" one", "explanation": ""} and so on', ['a "quoted" one']),
        ("I cannot help with that.", None),
        ("", None),
        ("[]", None),
        ('[{"tag": 3}]', None),
    ],
)
def test_answers_of_a_tagger_are_read_as_far_as_they_go(answer, tags):
    assert parse_answer(answer) == tags


@settings(max_examples=80)
@given(st.text(alphabet='[]{}":,\\tag x0', max_size=60))
def test_no_answer_is_a_crash(answer):
    found = parse_answer(answer)
    assert found is None or all(isinstance(tag, str) for tag in found)


def test_a_column_may_hold_a_list_a_string_with_commas_or_objects():
    extra = [
        '{"tags": ["a", "b"]}',
        '{"tags": "a, b"}',
        '{"tags": [{"tag": "a"}]}',
        '{"tags": "[\\"a\\"]"}',
        '{"tags": 3}',
        "{}",
        None,
    ]
    assert read_field(extra, "tags") == [["a", "b"], ["a", " b"], ["a"], ["a"], None, None, None]


def test_spellings_of_one_tag_are_one_tag():
    found = lists([["Spelling & Grammar", "spelling/grammar ", "C++", "", "?", "x" * 200], None, []]).to_list()
    assert found == [["spelling grammar", "c++"], None, []]


def test_forms_of_one_tag_share_the_spelling_that_is_most_frequent():
    given_tags = lists([["lists sorting"], ["list sorting"], ["list sorting"], ["list"]])
    vocabulary = fit_tags(given_tags, 2, 10)
    assert assign_tags(given_tags, vocabulary).to_list() == [["list sorting"]] * 3 + [[]]


def test_a_rare_tag_goes_into_its_head_or_is_dropped():
    given_tags = lists([["sorting"], ["sorting"], ["python list sorting"], ["odd thing"]])
    vocabulary = fit_tags(given_tags, 2, 10)
    assert assign_tags(given_tags, vocabulary).to_list() == [["sorting"], ["sorting"], ["sorting"], []]


def test_a_tag_and_its_head_in_one_row_are_one_label():
    given_tags = lists([["sorting", "list sorting"], ["sorting"]])
    assert assign_tags(given_tags, fit_tags(given_tags, 2, 10)).to_list() == [["sorting"], ["sorting"]]


def test_only_the_most_frequent_labels_are_kept():
    given_tags = lists([["a"]] * 3 + [["b"]] * 2 + [["c"]] * 2)
    assert set(fit_tags(given_tags, 1, 2)["label"]) == {"a", "b"}


def test_a_row_whose_tags_are_not_known_is_not_a_row_without_tags():
    given_tags = lists([None, [], ["a"]])
    assert assign_tags(given_tags, fit_tags(given_tags, 1, 10)).to_list() == [None, [], ["a"]]


def test_a_pool_without_tags_has_no_labels():
    given_tags = lists([None, []])
    vocabulary = fit_tags(given_tags, 1, 10)
    assert vocabulary.is_empty()
    assert assign_tags(given_tags, vocabulary).to_list() == [None, []]
