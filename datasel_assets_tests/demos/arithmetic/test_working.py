"""Results that an answer may hold, and numbers as they are written, against exact decimals."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.demos.arithmetic.working import ArithmeticStoryError, Working, money, written


def test_working_refuses_results_that_no_answer_should_hold():
    with pytest.raises(ArithmeticStoryError, match="decimals"):
        Working()("{}", 1, "/", 3)
    with pytest.raises(ArithmeticStoryError, match="negative"):
        Working()("{}", 1, "-", 3)


@given(st.decimals(min_value=0, max_value=10**6, places=4))
def test_written_numbers_are_exact(value: Decimal):
    text = written(Fraction(value))
    assert Decimal(text) == value
    assert not text.endswith(".")


@pytest.mark.parametrize(("value", "text"), [("3", "$3"), ("2.5", "$2.50"), ("11.75", "$11.75")])
def test_money_has_two_decimals_or_none(value: str, text: str):
    assert money(Fraction(value)) == text
