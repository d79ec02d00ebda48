"""Whether the sums that an answer writes out are right. Belongs here: reading and computing them. Nothing is evaluated.

A sum is two expressions of numbers alone with an equals sign between them. Whatever could be read otherwise (a letter,
a unit, another base) is not judged: a wrong alarm costs more than a missed one.
"""

import math
import re
from fractions import Fraction

from datasel_assets.indicators.verify.exchange import Exchange, verifier

_RUN = re.compile(r"[\d$€£%.,()+\-*/×÷·^xX \t−–=]+")
_START = re.compile(r"[\d$€£(.]")
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_TOKEN = re.compile(r"\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)|(\*\*|[-+*/×÷·^xX−–()%]))")
_MARKUP = re.compile(r"[$€£]|\\[()\[\]]|\*\*(?=\s|$)|(?<=\s)\*\*")
_WORD_BEFORE = re.compile(
    r"\b(?:log|ln|sqrt|sin|cos|tan|mod|root|roots?|of|minus|plus|times|by|over|power|x|y|z|n|negative|and|weeks?|days?|steps?|case|pages?|question|numbers?)\s*$",
    re.I,
)
_CLEAN_START = re.compile(r"(?:[:;.,|(\[>\"“]|\*\*|(?<![\\A-Za-z])[A-Za-z]+)\s+$|^\s*$|[\n(:]\s*$")
"""What may stand before a sum: a word or a mark, and a space; an operator or a command of LaTeX may not."""
_AFTER = re.compile(
    r"^\s*(?:\\|&|million|billion|trillion|thousand|hundred|dozen|remainder|rem\b|r\s*\d|mod|and \d|\d|[/:^!²³√π°*×÷]|"
    r"pi\b|sqrt|squared|cubed|percent|cents|%|\(|\.\.\.|…|hours?,? |ft|feet|inch|pounds?,? "
    r"|minutes? and|E[+-]?\d|e[+-]?\d)",
    re.I,
)
_OTHER_BASE = re.compile(
    r"\b(?:binary|hexadecimal|hex|octal|base|bits?|bitwise|modul[oe]|mod|xor|cipher|riddle)\b", re.I
)

_LETTER_X = re.compile(r"[xX]\s*(?:[-+*/=)^]|$)|^\s*[xX]")

MOST_DIGITS = 40
MOST_POWER = 64
MOST_SUMS = 200
LONGEST_RUN = 400


@verifier(source="ours; the steps of Cobbe et al. 2021 (GSM8K, arXiv 2110.14168) are checked as their calculator does")
def arithmetic_wrong(exchange: Exchange) -> float:
    """Share of the sums in the answer that are wrong.

    A sum is ``3 * (4 + 1) = 15``: numbers, ``+ - * / ^``, brackets, per cent and signs of currency on both sides of an
    equals sign. It is right when both sides are equal, up to the rounding that the shorter side shows (or the cut: 2/3
    is both 0.67 and 0.66). ``2 + 3 = 5 * 2 = 10``, which goes on with a result, is right by its steps. Equations with
    letters, mixed units, remainders and other bases than ten are not judged; code is left out. NaN without a sum.
    """
    text = _CALCULATOR.sub("", exchange.prose)
    if "=" not in text or _OTHER_BASE.search(exchange.question) or _OTHER_BASE.search(text):
        return math.nan
    verdicts: list[bool] = []
    for match in _RUN.finditer(text):
        if "=" not in match.group() or len(match.group()) > LONGEST_RUN:
            continue
        first = _START.search(match.group())
        if first is None:
            continue
        start = match.start() + first.start()
        before, after = text[max(0, start - 24) : start], text[match.end() : match.end() + 24]
        verdicts += _steps(text[start : match.end()], before, after)
        if len(verdicts) >= MOST_SUMS:
            break
    return verdicts.count(False) / len(verdicts) if verdicts else math.nan


def _steps(chain: str, before: str, after: str) -> list[bool]:
    """Return whether each step of ``a = b = c`` is right; steps that cannot be read are left out."""
    sides = [_MARKUP.sub("", side).strip(" \t,") for side in chain.split("=")]
    sides[-1] = sides[-1].rstrip(". ,-–")
    readable = [True] * len(sides)
    if not _CLEAN_START.search(before) or _WORD_BEFORE.search(before):
        readable[0] = False
    glued = re.match(r"[A-Za-z_{]", after) and not chain[-1].isspace()
    if glued or _AFTER.match(after) or re.search(r"[x×*/÷+^(−–-]\s*$", chain):
        readable[-1] = False
    values = [_value(side) if good else None for side, good in zip(sides, readable, strict=True)]
    found = []
    for left, right in zip(range(len(sides) - 1), range(1, len(sides)), strict=True):
        a, b = values[left], values[right]
        if a is None or b is None or not (_is_sum(sides[left]) or (left and _is_sum(sides[right]))):
            continue  # a number alone at the start may be a label
        shown = sides[right] if not _is_sum(sides[right]) else sides[left]
        first = _first_number(sides[right])
        found.append(_same(a, b, shown) or (first is not None and _same(a, first, sides[right].split()[0])))
    return found


def _is_sum(side: str) -> bool:
    return bool(re.search(r"[\d.)%]\s*(?:[-+*/×÷·^xX−–]|\*\*)\s*[\d.(-]|\)\s*\(|\d\s*\(", side))


def _first_number(side: str) -> Fraction | None:
    match = _TOKEN.match(side)
    return Fraction(match.group(1).replace(",", "")) if match and match.group(1) else None


def _same(left: Fraction, right: Fraction, shown: str) -> bool:
    """Tell whether two values are equal up to the digits that ``shown`` has behind its point."""
    digits = re.search(r"\.(\d+)", shown)
    step = Fraction(1, 10 ** len(digits.group(1))) if digits else Fraction(1) if left.denominator != 1 else Fraction(0)
    if "%" in shown:
        step /= 100
    return abs(left - right) < step or left == right


def _value(side: str) -> Fraction | None:
    """Return the value of an expression, None where it is none, is large, or could be read in two ways.

    An x before another sign is a letter; what is divided twice (``25 / 1/3``) depends on white space.
    """
    if _LETTER_X.search(side) or len(re.findall(r"[/÷]", side)) > 1:
        return None
    tokens: list[Fraction | str] = []
    place = 0
    while place < len(side):
        match = _TOKEN.match(side, place)
        if not match:
            return None if side[place:].strip() else _parsed(tokens)
        number, sign = match.groups()
        if number and (len(number) > MOST_DIGITS or (tokens and isinstance(tokens[-1], Fraction))):
            return None
        tokens.append(Fraction(number.replace(",", "")) if number else SIGNS.get(sign, sign))
        place = match.end()
    return _parsed(tokens)


SIGNS = {"×": "*", "·": "*", "x": "*", "X": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}


def _parsed(tokens: list[Fraction | str]) -> Fraction | None:
    try:
        parser = _Parser(tokens)
        value = parser.sum()
        return value if parser.place == len(tokens) else None
    except (_Unreadable, ZeroDivisionError, RecursionError):
        return None


class _Unreadable(ValueError):
    """The tokens are no expression of numbers."""


class _Parser:
    """Recursive descent: sums of products of powers of numbers and brackets."""

    def __init__(self, tokens: list[Fraction | str]) -> None:
        self.tokens, self.place = tokens, 0

    def next(self) -> Fraction | str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self) -> Fraction | str | None:
        token = self.next()
        self.place += 1
        return token

    def sum(self) -> Fraction:
        value = self.product()
        while self.next() in ("+", "-"):
            sign = self.take()
            before = self.place
            right = self.product()
            if "%" in self.tokens[before : self.place]:
                raise _Unreadable  # 50 + 20 % may mean 60
            value = value + right if sign == "+" else value - right
        return value

    def product(self) -> Fraction:
        value = self.power()
        while (token := self.next()) in ("*", "/", "("):
            if token == "(":
                value *= self.power()
                continue
            self.take()
            right = self.power()
            value = value * right if token == "*" else value / right
        return value

    def power(self) -> Fraction:
        base = self.unit()
        if self.next() != "^":
            return base
        self.take()
        exponent = self.unit()
        if exponent.denominator != 1 or abs(exponent) > MOST_POWER or len(str(base)) > 12:
            raise _Unreadable
        return base ** int(exponent)

    def unit(self) -> Fraction:
        token = self.take()
        if token == "-":
            return -self.power()
        if token == "(":
            value = self.sum()
            if self.take() != ")":
                raise _Unreadable
        elif isinstance(token, Fraction):
            value = token
        else:
            raise _Unreadable
        if self.next() == "%":
            self.take()
            value /= 100
        return value
