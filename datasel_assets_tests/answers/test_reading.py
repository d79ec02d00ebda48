"""Replies: what is read, what is not."""

import json
import math

import pytest
from pydantic import TypeAdapter

from datasel_assets.answers.reading import edits, json_schema, read_reply, reminder
from datasel_assets.specs.ask import ReplySpec

REPLIES = TypeAdapter(ReplySpec)

GRADE = REPLIES.validate_python({"read": "number", "low": 0, "high": 5})
DIGITS = REPLIES.validate_python({"read": "expected", "options": {str(k): k for k in range(1, 7)}})
CHOICE = REPLIES.validate_python({"read": "choice", "options": {"A": 1, "B": 0}})
FIELDS = REPLIES.validate_python({"read": "fields", "fields": {"clarity": {"low": 1, "high": 5}, "truth": {}}})


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("4", 4),
        ("  4.5\nBecause it is good.", 4.5),
        ("Score: 4/5", 4),
        ("**Score:** 3", 3),
        ("Rating is 2 out of 5.", 2),
        ("<think>maybe 1, or 2</think>\n5", 5),
        ("3,5", 3.5),
        ("0", 0),
    ],
)
def test_a_grade_at_the_beginning_is_read(reply: str, score: float):
    assert read_reply(GRADE, reply).numbers == {"score": score}


@pytest.mark.parametrize(
    "reply",
    ["", "good", "10", "-1", "4 or 5", "4-5", "8/10", "I give it a 4", "3 of the 4 points", "NaN", "1e999", "4 5"],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_not_a_score(reply: str):
    found = read_reply(GRADE, reply)
    assert found.numbers == {}
    assert found.unread


def test_the_expected_digit_is_the_mean_by_the_probabilities_of_the_digits():
    logprobs = {"6": math.log(0.4), " 5": math.log(0.2), "5": math.log(0.2), "the": math.log(0.2)}
    assert read_reply(DIGITS, "6", logprobs).numbers["score"] == pytest.approx((0.4 * 6 + 0.4 * 5) / 0.8)


def test_a_saturated_digit_is_that_digit():
    assert read_reply(DIGITS, "3", {"3": 0.0, "4": -1000.0}).numbers["score"] == pytest.approx(3)


@pytest.mark.parametrize("logprobs", [None, {}, {"The": -0.01, "4": -9.0}])
def test_a_model_that_would_have_written_something_else_has_no_expected_digit(logprobs):
    assert read_reply(DIGITS, "4", logprobs).unread


@pytest.mark.parametrize(
    ("reply", "score"), [("A", 1), ("b", 0), ("(B) because", 0), ("Answer: A.", 1), ("**A**", 1), ("Text B", 0)]
)
def test_a_choice_is_the_word_that_a_reply_begins_with(reply: str, score: float):
    assert read_reply(CHOICE, reply).numbers == {"score": score}


@pytest.mark.parametrize("reply", ["", "Both", "A or B", "Apples", "I think A", "A/B"])
def test_a_reply_that_does_not_choose_is_not_read(reply: str):
    assert read_reply(CHOICE, reply).unread


def test_numbers_of_a_json_object_are_read_with_a_fence_around_it_or_words_before_it():
    for reply in (
        '{"clarity": 4, "truth": true}',
        '```json\n{"clarity": "4", "truth": 1}\n```',
        'So: {"clarity":4,"truth":1}',
    ):
        assert read_reply(FIELDS, reply).numbers == {"clarity": 4, "truth": 1}


@pytest.mark.parametrize(
    "reply",
    [
        '{"clarity": 4}',
        '{"clarity": 9, "truth": 1}',
        '{"clarity": 4, "truth": NaN}',
        '{"clarity": 4, "truth": "yes"}',
        '{"clarity": 4, "truth": [1]}',
        '{"clarity": 4, "tru',
        '{"clarity": 4, "truth": 1} {"clarity": 1, "truth": 0}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "no",
    ],
)
def test_json_that_lacks_a_number_or_breaks_off_is_not_read(reply: str):
    found = read_reply(FIELDS, reply)
    assert found.unread
    assert found.numbers == {}


def test_a_regular_expression_finds_numbers_by_its_groups():
    spec = REPLIES.validate_python(
        {"read": "fields", "fields": {"grade": {"high": 5}}, "regex": r"Grade (?P<grade>\d)"}
    )
    assert read_reply(spec, "So: Grade 4!").numbers == {"grade": 4}
    assert read_reply(spec, "none").unread


def test_a_regular_expression_that_loses_its_way_is_given_up():
    spec = REPLIES.validate_python({"read": "fields", "fields": {"x": {}}, "regex": r"(?P<x>(a|a)+)[0-9]"})
    assert "too long" in str(read_reply(spec, "a" * 40 + "!").unread)


def test_an_own_answer_is_compared_with_that_of_the_row():
    exact = REPLIES.validate_python({"read": "text"})
    overlap = REPLIES.validate_python({"read": "text", "compare": "overlap"})
    assert read_reply(exact, " It is 4. ", response="it is  4").numbers == {"score": 1}
    assert read_reply(exact, "It is 5.", response="It is 4.").numbers == {"score": 0}
    assert read_reply(overlap, "a b c", response="b c d e").numbers["score"] == pytest.approx(4 / 7)
    assert read_reply(overlap, "x", response="y").numbers == {"score": 0}


def test_who_is_asked_again_hears_the_form_and_what_was_wrong():
    assert reminder(GRADE, "it is empty") == (
        "That reply could not be read (it is empty). Reply with one number from 0 to 5 and nothing else."
    )
    assert "clarity, truth" in reminder(FIELDS, "x")


def test_the_schema_of_a_json_reply_admits_what_is_read():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(FIELDS)
    assert schema is not None
    jsonschema.validate(json.loads('{"clarity": 4, "truth": 0.5}'), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"clarity": 7, "truth": 1}, schema)
    assert json_schema(GRADE) is None


REVIEW = REPLIES.validate_python({"read": "review"})
CODE = "Here:\n```python\na = 1\nb = 2\nc = 3\nd = 4\n```"


@pytest.mark.parametrize(
    ("review", "response", "score"),
    [
        ({"correct": True, "revised": None}, CODE, 1),
        ({"correct": True, "revised": "a = 1\nb = 2\nc = 3\nd = 4\n"}, CODE, 1),
        ({"correct": True, "revised": "a = 1\nb = 2\nc = 3\nd = 5"}, CODE, 0.75),
        ({"correct": False, "revised": "```python\na = 1\nb = 2\n```"}, CODE, 0.25),
        ({"correct": False, "revised": None}, CODE, 0),
        ({"correct": True, "revised": None}, "```\na = 1\n```", 0.5),
        ({"correct": True, "revised": None}, "Use a loop.", 0.5),
        ({"correct": False}, "Use a loop.", 0),
    ],
)
def test_a_review_of_code_counts_the_lines_that_stay(review: dict, response: str, score: float):
    assert read_reply(REVIEW, json.dumps(review), response=response).numbers == {"score": pytest.approx(score)}


@pytest.mark.parametrize("reply", ["", "It is fine.", '{"correct": "yes"}', '{"correct": true, "revised": 3}'])
def test_a_review_that_cannot_be_read_is_no_score(reply: str):
    assert read_reply(REVIEW, reply, response=CODE).unread


def test_edits_are_the_least_that_make_one_list_of_lines_the_other():
    assert edits("kitten", "sitting") == 3
    assert edits("", "abc") == 3
    assert edits("abc", "abc") == 0
