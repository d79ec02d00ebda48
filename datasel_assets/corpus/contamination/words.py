"""Normalised words: what of a text is compared, and how a text falls into words.

Belongs here: normalisation and its tables. Not here: what is looked up (``index.py``), loops (``kernels.py``).

Normalised means Unicode NFKC, case folded, and split into runs of letters, digits and combining marks; punctuation and
white space only separate. Numbers stay. In scripts without word spaces (Chinese, Japanese, Thai, Lao, Burmese, Khmer)
every character is a word.

Operators and brackets of formulas and code stay, as a part of the word beside them, so that "17 + 23" and "17 * 23" are
two words each and not equal. The same signs also set text: bullets, quotations, emphasis, dashes. What counts is
therefore what has space, or punctuation, on both of its sides or on neither ("a + b", "f(x", not "*emphasis*"), a
percent sign behind a digit and a minus before one; a hyphen, slash or ampersand only between numbers or single letters
("10-20", "x / y", not "well-known", "and/or"). Dollar signs, backslashes and underscores only separate.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

WORD, ALONE = 1, 2
"""Classes of characters beside 0, which separates: part of a word, and a word of its own."""

TABLE_SIZE = 0x40000
"""Code points above (tags, private use) separate."""

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True, eq=False)
class Words:
    """The normalised words of m texts, back to back.

    Attributes:
        data: uint8, all words in UTF-8 with one space between, so that equal runs of words are equal bytes.
        starts: int64 (w,) first byte of each word, with a relation or sign before it.
        ends: int64 (w,) byte after each word, with the symbols behind it, which a space precedes.
        hashes: uint64 (w,) of each word.
        opens: bool (w,) whether the word is the first of a line.
        texts: int64 (m + 1,) first word of each text, and the number of words.
    """

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    hashes: np.ndarray
    opens: np.ndarray
    texts: np.ndarray

    def compact(self) -> "Words":
        """Return a copy that holds no more memory than it needs."""
        return Words(*(getattr(self, part.name).copy() for part in fields(self)))

    def run(self, first: int, count: int) -> str:
        """Return ``count`` words from word ``first`` on, joined by spaces."""
        return self.data[self.starts[first] : self.ends[first + count - 1]].tobytes().decode()

    def span(self, text: int) -> bytes:
        """Return the words of one text as bytes; equal for equal words."""
        first, last = int(self.texts[text]), int(self.texts[text + 1])
        return self.data[self.starts[first] : self.ends[last - 1]].tobytes() if last > first else b""

    def letters(self, text: int) -> list[str]:
        """Return the words of one text without the symbols beside them."""
        first, last = int(self.texts[text]), int(self.texts[text + 1])
        runs = (self.run(word, 1).split(" ") for word in range(first, last))
        return [max(parts, key=_has_letters).lstrip("-") for parts in runs]

    def of(self, text: int) -> list[str]:
        """Return the words and symbols of one text."""
        span = self.span(text)
        return span.decode().split(" ") if span else []


def split(texts: Sequence[str | None]) -> Words:
    """Normalise texts and split them into words.

    Memory: at most 16 bytes for each byte of text.

    Args:
        texts: m texts; None reads as empty.
    """
    from datasel_assets.corpus.contamination.kernels import split_words

    encoded = [_folded(text) if text else b"" for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(part) for part in encoded], out=offsets[1:])
    size = int(offsets[-1])
    data = np.frombuffer(b"".join(encoded), np.uint8)
    # A word takes two bytes with what separates it; one that stands alone takes three. Spaces are put before words and
    # symbols.
    most = size // 2 + len(encoded) + 1
    out = np.empty(2 * size + most, np.uint8)
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    hashes, opens = np.empty(most, np.uint64), np.empty(most, np.bool_)
    first = np.empty(len(encoded) + 1, np.int64)
    n, used = split_words(data, offsets, classes(), out, starts, ends, hashes, opens, first)
    return Words(out[:used], starts[:n], ends[:n], hashes[:n], opens[:n], first)


def normalised_words(text: str) -> list[str]:
    """Return the words and symbols of a text as they are compared.

    >>> normalised_words("Is 17+23 = 40, or *not*?")
    ['is', '17', '+', '23', '=', '40', 'or', 'not']
    >>> normalised_words("Janet’s DUCKS lay 16 eggs;  是的")
    ['janet', 's', 'ducks', 'lay', '16', 'eggs', '是', '的']
    """
    return split([text]).of(0)


def _has_letters(part: str) -> bool:
    return any(character.isalnum() for character in part)


def _folded(text: str) -> bytes:
    """Fold the case and the compatibility forms; ASCII is folded by the kernel."""
    if text.isascii():
        return text.encode()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = folded.replace("\u2212", "-")  # the minus sign
    return folded.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def classes() -> np.ndarray:
    """Return the class of every code point below TABLE_SIZE, int8."""
    from datasel_assets.corpus.contamination.kernels import BRACKET, GAP, RELATION, SYMBOL, WEAK

    kinds = np.zeros(TABLE_SIZE, np.int8)
    for i in range(TABLE_SIZE):
        category = unicodedata.category(chr(i))
        if category[0] in "LNM":
            kinds[i] = WORD
        elif category == "Sm":
            kinds[i] = RELATION if i > 0x7F and "EQUAL" in unicodedata.name(chr(i), "") else SYMBOL
        elif category[0] == "Z" or category == "Cc":
            kinds[i] = GAP
    for low, high in UNSPACED:
        kinds[low : high + 1] *= ALONE
    for characters, kind in (("*/%^&|~+", SYMBOL), ("<>=", RELATION), ("-/&", WEAK), ("()[]{}", BRACKET)):
        kinds[[ord(character) for character in characters]] = kind
    kinds[[ord(character) for character in ".,;:?!'\"$"]] = GAP
    kinds.flags.writeable = False
    return kinds
