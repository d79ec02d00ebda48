"""Surface: what can be counted in a text without knowing its words.

Belongs here: lengths, shares of kinds of characters, how a text ends. Does not: repetition, vocabulary, language.
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.words.batch import DIGIT, LOWER, SYMBOL, UPPER, TextBatch, ratio

_LONG = "Zhao et al. 2024: long responses align better; survey Q13"
_QUALITY = "Rae et al. 2021, quality filter, as shares of characters"
# A mark that ends a sentence, then quotes, brackets and markup that may close after it; or a fence of code.
_FINISHED = r"""(?:[.!?…。！？؟۔।॥።](?:["'”’»)\]}」』*_`~]|\s)*|```|~~~)$"""


@indicator(keep="high", bounds=(0, None), source=_LONG, parts=BOTH)
def characters(batch: TextBatch) -> np.ndarray:
    """Number of characters (code points), white space included. 0 for an empty text."""
    return batch.n_characters.astype(np.float64)


@indicator(keep="high", bounds=(0, None), source=_LONG, parts=BOTH)
def words(batch: TextBatch) -> np.ndarray:
    """Number of words; each character of a script without word spaces is one. 0 for an empty text."""
    return batch.words.lengths.astype(np.float64)


@indicator(keep="high", bounds=(0, None), source=_LONG, parts=BOTH)
def sentences(batch: TextBatch) -> np.ndarray:
    """Number of sentences; the end of a line ends one. 0 without words."""
    return batch.sentences.astype(np.float64)


@indicator(keep="mid", bounds=(1, None), source="Rae et al. 2021, quality filter: 3 to 10; survey Q10", parts=BOTH)
def mean_word_length(batch: TextBatch) -> np.ndarray:
    """Mean number of characters of the words. NaN without words."""
    return batch.words.means(batch.word_lengths)


@indicator(keep="low", bounds=(0, 1), source=_QUALITY, parts=BOTH)
def symbol_share(batch: TextBatch) -> np.ndarray:
    """Share of punctuation, symbols and emoji among the characters that are not white space.

    Unicode categories P and S. NaN without such characters.
    """
    return ratio(batch.count_classes(SYMBOL), batch.n_visible)


@indicator(keep="low", bounds=(0, 1), source=_QUALITY, parts=BOTH)
def digit_share(batch: TextBatch) -> np.ndarray:
    """Share of digits and other numerals among the characters that are not white space.

    Unicode category N. NaN without such characters.
    """
    return ratio(batch.count_classes(DIGIT), batch.n_visible)


@indicator(keep="low", bounds=(0, 1), source=_QUALITY, parts=BOTH)
def uppercase_share(batch: TextBatch) -> np.ndarray:
    """Share of capitals among the letters that have case.

    Unicode categories Lu and Lt over Lu, Lt and Ll. NaN in scripts without case.
    """
    return ratio(batch.count_classes(UPPER), batch.count_classes(UPPER, LOWER))


@indicator(keep="low", bounds=(0, 1), source=_QUALITY, parts=BOTH)
def non_ascii_share(batch: TextBatch) -> np.ndarray:
    """Share of characters beyond ASCII, white space included.

    Says nothing about quality outside English. NaN for an empty text.
    """
    return ratio(batch.n_non_ascii, batch.n_characters)


@indicator(
    keep="low", bounds=(0, 1), source="Raffel et al. 2020, C4: lines end in punctuation", parts=BOTH, aggregate="max"
)
def ends_open(batch: TextBatch) -> np.ndarray:
    """1 where the text ends without final punctuation, a sign that it was cut off; else 0.

    Quotes, brackets and markup may follow the punctuation; a closing fence of code is an end, too. Short answers and
    lists end without punctuation by nature. With several turns, 1 where any of them does. NaN without visible
    characters.
    """
    tail = batch.texts.str.strip_chars_end()
    finished = tail.str.tail(32).str.contains(_FINISHED).to_numpy()
    return np.where(batch.n_visible > 0, np.where(finished, 0.0, 1.0), np.nan)
