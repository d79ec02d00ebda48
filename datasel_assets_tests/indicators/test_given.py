"""What a value in a record or a table of the user means as a score."""

import datetime
import math
from decimal import Decimal

import pytest

from datasel_assets.indicators.given import GivenValueError, score_of, value_at
from datasel_assets.registry.base import RegistryError, parse
from datasel_assets.specs.score import GivenSpec

RECORD = {
    "quality": 4,
    "scores": {"helpful": 0.5, "a.b": {"c": 9}},
    "ratings": [{"value": 1, "by": {"age": 30}}, {"value": 3}, {}],
    "as_text": '{"deep": [1, 2]}',
    "message_fields": {"10": {"score": 5}, "2": {"score": 1}, "3": {"name": "x"}},
}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("quality", 4),
        ("scores.helpful", 0.5),
        ("scores.a.b.c", 9),
        ("ratings.value", [1, 3, None]),
        ("ratings.1.value", 3),
        ("ratings.7.value", None),
        ("ratings.by.age", [30, None, None]),
        ("as_text.deep", [1, 2]),
        ("message_fields.score", [1, 5]),
        ("message_fields.absent", None),
        ("quality.more", None),
        ("absent", None),
    ],
)
def test_a_dotted_field_is_found_wherever_it_stands(field: str, found: object):
    assert value_at(RECORD, field) == found


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (3, 3.0),
        (2.5, 2.5),
        ("4.5", 4.5),
        (" 7 ", 7.0),
        (True, 1.0),
        (False, 0.0),
        (Decimal("0.25"), 0.25),
        ("1e3", 1e3),
    ],
)
def test_numbers_their_texts_and_yes_and_no_are_scores(value: object, score: float):
    assert score_of(value) == (score, None)


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), "nan"])
def test_what_is_empty_or_not_a_number_in_a_table_of_numbers_is_no_score(value: object):
    score, turns = score_of(value)
    assert math.isnan(score)
    assert turns is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("good", "'good', which is no number"),
        ("4/5", "no number"),
        ({"value": 3}, "no number"),
        (datetime.date(2024, 1, 1), "no number"),
        (b"3", "no number"),
        (float("inf"), "infinite"),
        ("-Infinity", "infinite"),
        (10**400, "infinite or too large"),
        pytest.param(10**5000, "very many digits, which is infinite", id="5001 digits"),
        (1e300, "too large"),
        ([1, 2], "a list of 2: say under 'turns'"),
        ("[1, 2]", "a list of 2"),
    ],
)
def test_what_is_no_score_says_what_it_is(value: object, reason: str):
    with pytest.raises(GivenValueError, match=reason.replace("[", r"\[")):
        score_of(value)


@pytest.mark.parametrize(("how", "score"), [("mean", 3.0), ("sum", 6.0), ("min", 1.0), ("max", 5.0)])
def test_turns_become_one_score_and_those_without_a_value_are_left_out(how: str, score: float):
    found, turns = score_of([1, None, "5"], how)
    assert found == score
    assert turns is not None
    assert [turns[0], turns[2]] == [1.0, 5.0]
    assert math.isnan(turns[1])


def test_turns_of_which_none_has_a_value_have_no_score():
    assert math.isnan(score_of([None, None], "sum")[0])
    assert math.isnan(score_of([], "mean")[0])


@pytest.mark.parametrize(("value", "bounds"), [(6, (0, 5)), (-1, (0, None)), (["2", "9"], (None, 5))])
def test_a_value_outside_its_range_says_so(value: object, bounds: tuple):
    with pytest.raises(GivenValueError, match=r"outside the range .*\.\."):
        score_of(value, "sum", bounds)


def test_the_ends_of_a_range_are_inside():
    assert score_of(0, None, (0, 5))[0] == 0
    assert score_of([5, 5], "sum", (0, 5))[0] == 10


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({}, "give one of 'field'"),
        ({"field": "a", "table": "b.csv"}, "give one of 'field'"),
        ({"field": "a", "match": "prompt"}, "match belong to 'table'"),
        ({"field": "a", "range": [5, 0]}, r"range must be \[lowest, highest\]"),
    ],
)
def test_a_file_that_names_no_place_or_two_is_refused(document: dict, complaint: str):
    with pytest.raises(RegistryError, match=complaint):
        parse({"how": "given", "keep": "high", **document}, GivenSpec)
