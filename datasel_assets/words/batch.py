"""Texts with what several readers need of them: words, sentences, characters, each made once.

Belongs here: the rule of what a word, a sentence and a character class is. Does not: what one indicator alone makes of
them (it is kept with the batch by :meth:`TextBatch.shared`).

A word is, in this order:

* a number with its separators (``3.14``, ``1,000``);
* one letter of a script that is written without spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer,
  Myanmar) with the marks that follow it: in these scripts characters count as words;
* a run of letters, marks and digits of any other script, with apostrophes between letters (``don't`` is one word,
  ``well-known`` and ``snake_case`` are two).

Words are compared in NFC and lower case, the typographic apostrophe as the plain one. Emoji, symbols and punctuation
are not words. A sentence ends at ``. ! ? …`` before white space or the end of the text, at the marks of other scripts
(``。！？；؟۔।`` ...), and at the end of a line; a piece without a word is no sentence, and a number that opens a line
before its point (a list label) belongs to the sentence that follows it.
"""

import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
import polars as pl

Made = TypeVar("Made")

_SOLO = r"[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]&&\p{L}]"
_LETTER = rf"[[\p{{L}}\p{{M}}]--{_SOLO}]"
_WORD = "|".join(
    (
        r"\p{N}+(?:[.,:]\p{N}+)+",
        rf"{_SOLO}[\p{{M}}ーｰ]*",
        rf"[[\p{{L}}\p{{M}}\p{{N}}]--{_SOLO}]+(?:['’]{_LETTER}+)*",
    )
)
_END = r"""[。！？；؟۔।॥።]|[.!?…]+["'”’»)\]*_]*(?:\s|$)|[\n\r\x{2028}\x{2029}]"""
_TOKEN = f"{_WORD}|{_END}"

UPPER, LOWER, LETTER, MARK, DIGIT, SYMBOL, SPACE, OTHER = range(8)
"""Classes of characters: capital, small and uncased letters, marks, numerals, punctuation and symbols, space, rest."""
_CLASS_OF = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "L": LETTER, "M": MARK, "N": DIGIT, "P": SYMBOL, "S": SYMBOL}


@dataclass(frozen=True)
class Ragged:
    """Rows of different length in one flat array.

    Attributes:
        ids: int32 (T,), the values of all rows, one row after the other.
        offsets: int64 (n + 1,), where each row begins and ends in ``ids``.
        size: number of distinct values; ids are 0 .. size - 1.
    """

    ids: np.ndarray
    offsets: np.ndarray
    size: int

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row, int64 (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of each value, int64 (T,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over each row of ``values[id]``, float64 (n,); values (size,).

        In the order of the row's own values, so that a row's sum does not depend on its neighbours.
        """
        from datasel_assets.words import kernels

        return kernels.row_sums(self.ids, self.offsets, values.astype(np.float64))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean over each row of ``values[id]``, float64 (n,); NaN for an empty row."""
        return ratio(self.sums(values), self.lengths)


class TextBatch:
    """Texts with the producers that indicators share, each computed at the first use and kept.

    A batch is meant to be some ten thousand texts: about 5 bytes are held for each of their characters and 16 for each
    word. No value of a text depends on the other texts of its batch.
    """

    def __init__(self, texts: "Sequence[str] | pl.Series") -> None:
        """Take n texts; halves of surrogate pairs, which no encoding can hold, become U+FFFD."""
        try:
            self.texts = pl.Series("text", texts, dtype=pl.String)
        except UnicodeEncodeError:
            self.texts = pl.Series("text", [_without_surrogates(text) for text in texts], dtype=pl.String)
        if self.texts.null_count():
            raise ValueError(f"{self.texts.null_count()} of {len(self.texts)} texts are null: give '' for no text")

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def _shared(self) -> dict[Callable[["TextBatch"], Any], Any]:
        return {}

    def shared(self, producer: Callable[["TextBatch"], Made]) -> Made:
        """Return ``producer(self)``, made at the first use and kept: for what several columns need of these texts."""
        if producer not in self._shared:
            self._shared[producer] = producer(self)
        return self._shared[producer]

    @cached_property
    def _tokens(self) -> "_Tokens":
        return _tokenise(self.texts)

    @property
    def words(self) -> Ragged:
        """The words of each text as numbers into ``vocabulary``."""
        return self._tokens.words

    @property
    def vocabulary(self) -> pl.Series:
        """Distinct words of the batch, lower case, String (V,)."""
        return self._tokens.vocabulary

    @property
    def capitalised(self) -> np.ndarray:
        """Whether each word of the texts has a capital letter, bool (T,)."""
        return self._tokens.capitalised

    @property
    def sentences(self) -> np.ndarray:
        """Sentences of each text, int64 (n,); 0 without a word, else at least 1."""
        return self._tokens.sentences

    @cached_property
    def types(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct words of each text and how often its most frequent one occurs, int64 (n,) each."""
        return distinct_and_top(self.words)

    @cached_property
    def _ngrams(self) -> dict[int, "Ngrams"]:
        return {}

    def ngrams(self, n: int) -> Ragged:
        """Runs of n words of each text as numbers; texts shorter than n words have none."""
        return self.words if n == 1 else self._ngram_table(n).ragged

    def ngram_strings(self, n: int) -> pl.Series:
        """Text of each distinct n-gram, its words joined by single spaces, String (size,)."""
        if n == 1:
            return self.vocabulary
        first = self._ngram_table(n).first
        columns = [self.vocabulary.gather(self.words.ids[first + k]).alias(str(k)) for k in range(n)]
        return pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator=" ")).to_series()

    def _ngram_table(self, n: int) -> "Ngrams":
        if n not in self._ngrams:
            start = np.arange(len(self.words.ids)) if n == 2 else self._ngram_table(n - 1).position
            self._ngrams[n] = extend(self.words, self.ngrams(n - 1), start, n)
        return self._ngrams[n]

    @cached_property
    def word_lengths(self) -> np.ndarray:
        """Characters of each distinct word, int64 (V,)."""
        return self.vocabulary.str.len_chars().to_numpy().astype(np.int64)

    @cached_property
    def latin(self) -> np.ndarray:
        """Whether each distinct word has a letter and only Latin ones, bool (V,)."""
        return self.vocabulary.str.contains(
            r"^[\p{Latin}\p{M}\p{N}'.,:]*\p{Latin}[\p{Latin}\p{M}\p{N}'.,:]*$"
        ).to_numpy()

    @cached_property
    def n_latin_words(self) -> np.ndarray:
        """Words of each text, int64 (n,); 0 where fewer than half of them are in Latin letters."""
        words = self.words.lengths
        return np.where(2 * self.words.sums(self.latin) >= words, words, 0)

    @cached_property
    def n_characters(self) -> np.ndarray:
        """Code points of each text, int64 (n,)."""
        return self.texts.str.len_chars().to_numpy().astype(np.int64)

    @cached_property
    def n_visible(self) -> np.ndarray:
        """Code points of each text that are not white space, int64 (n,)."""
        return self.n_characters - self.count_classes(SPACE)

    @cached_property
    def _codes(self) -> np.ndarray:
        joined = self.texts.str.join("").item() if len(self.texts) else ""
        return np.frombuffer(joined.encode("utf-32-le"), np.uint32)

    @cached_property
    def _character_classes(self) -> np.ndarray:
        return character_table()[self._codes]

    @cached_property
    def _character_offsets(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.n_characters)])

    def count_classes(self, *classes: int) -> np.ndarray:
        """Characters of each text that are of one of the classes, int64 (n,)."""
        wanted = np.zeros(OTHER + 1, np.uint8)
        wanted[list(classes)] = 1
        return _count(wanted[self._character_classes], self._character_offsets)

    def count_bytes(self, *classes: int) -> np.ndarray:
        """UTF-8 bytes of the characters of each text that are of one of the classes, int64 (n,)."""
        wanted = np.zeros(OTHER + 1, np.uint8)
        wanted[list(classes)] = 1
        width = 1 + (self._codes > 0x7F).view(np.uint8) + (self._codes > 0x7FF) + (self._codes > 0xFFFF)
        return _count(wanted[self._character_classes] * width.astype(np.uint8), self._character_offsets)

    @cached_property
    def n_non_ascii(self) -> np.ndarray:
        """Code points of each text above U+007F, int64 (n,)."""
        return _count((self._codes > 0x7F).view(np.uint8), self._character_offsets)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient of two columns, float64; NaN where the lower one is 0."""
    quotient = np.full(len(above), np.nan)
    np.divide(above, below, out=quotient, where=below != 0, casting="unsafe")
    return quotient


def distinct_and_top(ragged: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Number of distinct values of each row and the count of the most frequent one, int64 (n,) each."""
    from datasel_assets.words import kernels

    return kernels.distinct_and_top(ragged.ids, ragged.offsets, ragged.size)


@lru_cache(maxsize=1)
def character_table() -> np.ndarray:
    """Class of every code point, uint8 (0x110000,)."""
    table = np.full(sys.maxunicode + 1, OTHER, np.uint8)
    # Planes 4 to 13 and the private planes hold no assigned character.
    for code in [*range(0x40000), *range(0xE0000, 0xE1000)]:
        character = chr(code)
        category = unicodedata.category(character)
        table[code] = SPACE if character.isspace() else _CLASS_OF.get(category, _CLASS_OF.get(category[0], OTHER))
    return table


@dataclass(frozen=True)
class _Tokens:
    words: Ragged
    vocabulary: pl.Series
    capitalised: np.ndarray
    sentences: np.ndarray


@dataclass(frozen=True)
class Ngrams:
    """Runs of n words.

    Attributes:
        ragged: number of the n-gram at each place of each row.
        position: place of the first word of each among all words of the batch.
        first: position of an occurrence of each distinct n-gram, (size,).
    """

    ragged: Ragged
    position: np.ndarray
    first: np.ndarray


def _tokenise(texts: pl.Series) -> _Tokens:
    """Split ASCII texts with a compiled loop and all others with the expression; both follow the one rule."""
    ascii_only = (texts.str.len_bytes() == texts.str.len_chars()).to_numpy()
    if not ascii_only.any():
        return split_by_expression(texts)
    plain = _split_ascii(texts.filter(ascii_only))
    if ascii_only.all():
        return plain
    return _interleave(ascii_only, plain, split_by_expression(texts.filter(~ascii_only)))


def _split_ascii(texts: pl.Series) -> _Tokens:
    from datasel_assets.words import tokenizer_kernel

    text = texts.str.join("").item()
    offsets = np.concatenate([[0], np.cumsum(texts.str.len_bytes().to_numpy().astype(np.int64))])
    ids, words, capital, sentences, starts, ends = tokenizer_kernel.split(text.encode(), offsets)
    vocabulary = [text[a:b].lower() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return _Tokens(
        Ragged(ids, np.concatenate([[0], np.cumsum(words)]), len(vocabulary)),
        pl.Series("word", vocabulary, dtype=pl.String),
        capital,
        sentences,
    )


def _interleave(first: np.ndarray, left: _Tokens, right: _Tokens) -> _Tokens:
    """Put rows back in order: those of ``left`` where ``first``, those of ``right`` elsewhere."""
    both = pl.concat([left.vocabulary, right.vocabulary]).to_arrow(compat_level=pl.CompatLevel.oldest())
    encoded = both.dictionary_encode()
    number = encoded.indices.to_numpy().astype(np.int32)
    lengths = np.empty(len(first), np.int64)
    sentences = np.empty(len(first), np.int64)
    for side, mine in ((left, first), (right, ~first)):
        lengths[mine], sentences[mine] = side.words.lengths, side.sentences
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids, capital = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], bool)
    of_left = np.repeat(first, lengths)
    split = len(left.vocabulary)
    ids[of_left], ids[~of_left] = number[:split][left.words.ids], number[split:][right.words.ids]
    capital[of_left], capital[~of_left] = left.capitalised, right.capitalised
    vocabulary = pl.Series("word", encoded.dictionary, dtype=pl.String)
    return _Tokens(Ragged(ids, offsets, len(vocabulary)), vocabulary, capital, sentences)


def split_by_expression(texts: pl.Series) -> _Tokens:
    """Split texts of any script: the written form of the rule."""
    found = texts.str.extract_all(_TOKEN).to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = found.offsets.to_numpy().astype(np.int64)
    encoded = found.flatten().dictionary_encode()
    token = encoded.indices.to_numpy()
    surface = pl.Series("word", encoded.dictionary, dtype=pl.String)

    is_word = surface.str.contains(r"[\p{L}\p{M}\p{N}]").to_numpy()
    normal = surface.filter(is_word).str.normalize("NFC").str.to_lowercase().str.replace_all("’", "'", literal=True)
    distinct = normal.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    vocabulary = pl.Series("word", distinct.dictionary, dtype=pl.String)
    word_of = np.full(len(surface), -1, np.int32)
    word_of[is_word] = distinct.indices.to_numpy()

    flat = word_of[token]
    kept = flat >= 0
    position = np.concatenate([[0], np.cumsum(kept)])
    words = Ragged(flat[kept], position[offsets], len(vocabulary))
    capital = surface.str.contains(r"\p{Lu}|\p{Lt}").to_numpy()[token][kept]
    return _Tokens(words, vocabulary, capital, _sentences(surface, token, kept, offsets))


def _sentences(surface: pl.Series, token: np.ndarray, is_word: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Count the words after which a sentence ends, int64 (n,)."""
    first, last = np.zeros(len(token), bool), np.zeros(len(token), bool)
    filled = offsets[1:] > offsets[:-1]
    first[offsets[:-1][filled]] = True
    last[offsets[1:][filled] - 1] = True
    ends = ~is_word
    before, after = np.roll(ends, 1) | first, np.roll(ends, -1) | last
    number = surface.str.contains(r"^\p{Nd}+$").to_numpy()[token]
    point = surface.str.starts_with(".").to_numpy()[token]
    label = number & before & np.roll(point, -1) & ~last
    closed = is_word & after & ~label
    n_closed = _count(closed.view(np.uint8), offsets)
    has_word = _count(is_word.view(np.uint8), offsets) > 0
    return np.maximum(n_closed, has_word)


def extend(words: Ragged, before: Ragged, start: np.ndarray, n: int) -> Ngrams:
    """Make n-grams of (n-1)-grams, each with the word after it, unless its row ends there.

    Args:
        words: the words.
        before: the (n-1)-grams.
        start: place of the first word of each (n-1)-gram.
        n: words of an n-gram.
    """
    end = words.offsets[before.rows + 1]
    fits = start + n <= end
    position = start[fits]
    key = before.ids[fits].astype(np.int64) * max(words.size, 1) + words.ids[position + n - 1]
    _, first, ids = np.unique(key, return_index=True, return_inverse=True)
    counts = np.maximum(words.lengths - n + 1, 0)
    ragged = Ragged(ids.astype(np.int32), np.concatenate([[0], np.cumsum(counts)]), len(first))
    return Ngrams(ragged, position, position[first])


def _count(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of small numbers, uint8, over each row, int64 (n,)."""
    sums = np.zeros(len(offsets) - 1, np.int64)
    filled = offsets[1:] > offsets[:-1]
    # Rows that are not empty touch each other, so the next one's start is the end of the one before.
    if filled.any():
        sums[filled] = np.add.reduceat(values, offsets[:-1][filled], dtype=np.int64)
    return sums


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
