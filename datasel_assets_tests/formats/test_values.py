"""How values of every kind are written in a prompt, and what is empty."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.formats.values import (
    NotTextError,
    is_blank,
    is_missing,
    parsed_json,
    without_nulls,
    written,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (" a\n", " a\n"),
        (14, "14"),
        (-3.0, "-3"),
        (2.5, "2.5"),
        (1e20, "100000000000000000000"),
        (1e300, "1e+300"),
        pytest.param(10**4000, "1" + "0" * 4000, id="long"),
        (Decimal("12.50"), "12.5"),
        (Decimal("14.00"), "14"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00000001"), "0.00000001"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 6, 30, tzinfo=UTC), "2024-02-29T06:30:00+00:00"),
        (time(6, 30), "06:30:00"),
        (timedelta(hours=2, minutes=30), "2:30:00"),
        (-timedelta(hours=1), "-1:00:00"),
        ("naïve".encode(), "naïve"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (np.int32(7), "7"),
        (np.float32(0.5), "0.5"),
        ([], ""),
        ([3, 4], "3, 4"),
        (["a", "b"], "a, b"),
        ([1.0, date(2024, 1, 2)], "1, 2024-01-02"),
        (["Paris, France", "Rome"], "Paris, France\nRome"),
        (["one\ntwo", "three"], "one\ntwo\nthree"),
        ([[1, 2], [3]], "[[1, 2], [3]]"),
        ([1, None], "[1, null]"),
        ([True, False], "[true, false]"),
        ({"a": 1, "b": ["é"]}, '{"a": 1, "b": ["é"]}'),
        ({"when": date(2024, 1, 2), "price": Decimal("1.10")}, '{"when": "2024-01-02", "price": "1.1"}'),
    ],
)
def test_a_value_is_written_as_a_person_would(value: object, text: str):
    assert written(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "true/false"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "Infinity"),
        (Decimal("NaN"), "NaN"),
        (Decimal("1E+99999"), "a number of more than 4,000 digits"),
        pytest.param(10**9000, "a number of more than 4,000 digits", id="huge"),
        (b"\xff\xfe", "bytes that are not UTF-8"),
        ({}, "an object without fields"),
        ([1, math.nan], "NaN"),
        ({"a": [math.inf]}, "Infinity"),
        ([b"\xff"], "bytes that are not UTF-8"),
        (object(), "a object"),
    ],
)
def test_what_has_no_written_form_says_what_it_is(value: object, reason: str):
    with pytest.raises(NotTextError, match=reason):
        written(value)


scalars = (
    st.text(max_size=5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
)
nested = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=8
)


@given(st.dictionaries(st.text(max_size=3), nested, min_size=1))
def test_an_object_is_written_as_json_that_says_the_same(value: dict):
    assert json.loads(written(value)) == value


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_reads_back(value: float):
    assert float(written(value)) == float(value)


@given(st.lists(st.integers(), min_size=1))
def test_a_list_of_numbers_is_written_without_brackets(values: list[int]):
    assert [int(part) for part in written(values).split(", ")] == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u00a0",
        "\u200b\u200d",
        "\ufeff",
        "\x00\x1f",
        "\u2060\u00ad",
        "\u3164",
        "\u2800",
        "\ufe0f",
        "\U000e0001",
    ],
)
def test_text_without_a_visible_character_is_blank(text: str):
    assert is_blank(text)
    assert is_blank(f" {text}\u3000{text}")
    assert not is_blank(f"{text}.{text}")


@pytest.mark.parametrize("text", ["a", ".", "é", "\u200bx", "한", "🙂", "\u0301", "￼"])
def test_text_with_a_visible_character_is_not_blank(text: str):
    assert not is_blank(text)


def test_a_field_is_missing_that_holds_nothing_and_not_one_that_holds_zero():
    assert all(map(is_missing, [None, "", [], {}]))
    assert not any(map(is_missing, [0, False, " ", [None], 0.0]))


@pytest.mark.parametrize("text", ["[1, 2]", ' {"a": 1}', b'["x"]'])
def test_json_text_is_a_list_or_an_object(text: str | bytes):
    assert parsed_json(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "3", '"a"', "[1", "[Sic] is Latin", "{'a': 1}", b"\xff[", None, [1]])
def test_other_text_spells_no_json(text: object):
    assert parsed_json(text) is None


def test_null_keys_go_at_every_level_and_null_elements_stay():
    assert without_nulls({"a": None, "b": [{"c": None, "d": 0}, None]}) == {"b": [{"d": 0}, None]}
