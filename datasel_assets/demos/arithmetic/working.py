"""Exact working of arithmetic problems, and the random draws behind them.

Belongs here: what a story needs to draw its numbers and to work its answer out. Not here: the stories themselves.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

Number = int | Fraction
T = TypeVar("T")

_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Number]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
}


class ArithmeticStoryError(ArithmeticError):
    """A story drew numbers whose result cannot be written exactly, or is not positive: a mistake in the story."""


@dataclass(slots=True)
class Working:
    r"""The worked answer of one problem, a sentence per step.

    >>> working = Working()
    >>> change = working("The change is {} dollars.", 20, "-", Fraction(25, 2))
    >>> working.answer
    'The change is 20 - 12.5 = 7.5 dollars.\n#### 7.5'
    """

    sentences: list[str] = field(default_factory=list)
    result: Fraction = Fraction(0)

    def __call__(self, sentence: str, a: Number, operator: str, b: Number) -> Fraction:
        """Compute ``a operator b``, add ``sentence`` with the computation in place of ``{}``, return the result.

        ``//`` is division without the remainder.

        Raises:
            ArithmeticStoryError: the result is negative, or has more than four decimals.
        """
        self.result = Fraction(_OPERATIONS[operator](Fraction(a), Fraction(b)))
        if self.result < 0:
            raise ArithmeticStoryError(f"negative result in {sentence!r}: {a} {operator} {b}")
        computation = f"{written(a)} {operator} {written(b)} = {written(self.result)}"
        self.sentences.append(sentence.format(computation))
        return self.result

    @property
    def answer(self) -> str:
        """The sentences, one a line, and the final line ``#### result``."""
        return "\n".join([*self.sentences, f"#### {written(self.result)}"])


@dataclass(frozen=True, slots=True)
class Draw:
    """Random choices of a story. Every choice comes from here, so that a seed fixes a problem."""

    random: random.Random

    def whole(self, low: int, high: int, step: int = 1) -> int:
        """Return one of ``low, low + step, ..., high``."""
        return self.random.randrange(low, high + 1, step)

    def one(self, options: Sequence[T]) -> T:
        """Return one of ``options``."""
        return self.random.choice(options)

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Return ``count`` different ones of ``options`` in random order."""
        return self.random.sample(options, count)

    def quarters(self, low: int, high: int) -> Fraction:
        """Return a price of ``low`` to ``high`` dollars in steps of 25 cents."""
        return Fraction(self.whole(4 * low, 4 * high), 4)


Story = Callable[[Draw, Working], str]
"""Draws numbers, works the answer out, and returns the question."""


def written(value: Number) -> str:
    """Return ``value`` in exact decimal digits, without trailing zeros.

    >>> written(Fraction(7, 4))
    '1.75'

    Raises:
        ArithmeticStoryError: it has more than four decimals.
    """
    scaled = Fraction(value) * 10**4
    if scaled.denominator != 1:
        raise ArithmeticStoryError(f"{value} has more than four decimals")
    whole, decimals = divmod(int(scaled), 10**4)
    return f"{whole}.{decimals:04d}".rstrip("0").rstrip(".")


def money(value: Number) -> str:
    """Return ``value`` dollars as a price tag shows it.

    >>> money(Fraction(5, 2)), money(3)
    ('$2.50', '$3')
    """
    return f"${value}" if Fraction(value).denominator == 1 else f"${float(value):.2f}"
