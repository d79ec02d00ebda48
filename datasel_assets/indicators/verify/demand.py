"""One demand of a question on the form of its answer, and the numbers that such demands are made with.

Belongs here: what the files of demands share. Does not: any demand (``constraints``, ``wording``).
"""

from collections.abc import Callable
from dataclasses import dataclass

NUMBERS = {
    name: value
    for value, name in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"a single": 1, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100, "a hundred": 100}

NUMBER = rf"(\d{{1,5}}(?:,\d{{3}})?|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
"""Pattern of a number, in digits or as a word."""


@dataclass(frozen=True)
class Demand:
    """One demand of a question.

    Attributes:
        rule: its name, after the instruction of IFEval.
        met: tells whether an answer keeps to it.
    """

    rule: str
    met: Callable[[str], bool]


def number_of(text: str) -> int:
    """Return a number that is written as ``NUMBER`` finds it."""
    return NUMBERS[text.lower()] if text.lower() in NUMBERS else int(text.replace(",", ""))
