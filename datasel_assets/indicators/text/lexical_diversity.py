"""Lexical diversity: how varied the words of one text are.

Belongs here: type-token ratios and what corrects them for length. Does not: the variety of a set of texts. The rule of
what a word is stands in ``batch``; words are compared in lower case. All loops are in ``kernels``.

The survey asks for diverse data and gives no sign for these columns; they are declared to be kept high, Maas's index,
which falls as texts grow richer, to be kept low.
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.words.batch import TextBatch, distinct_and_top, ratio

WINDOW = 50
"""Words of a segment or window."""
THRESHOLD = 0.72
"""Type-token ratio at which a factor of MTLD ends (McCarthy and Jarvis 2010)."""
SHORTEST_FACTOR = 10
"""Fewest words of a factor of the wrapped MTLD, so that one repeated word is not a factor."""
DRAWS = 42
"""Words that HD-D draws (McCarthy and Jarvis 2007)."""
SIZES = (35, 50)
"""Smallest and largest sample of vocd (Malvern and Richards 1997)."""


@indicator(keep="high", bounds=(0, 1), source="Templin 1957", parts=BOTH)
def ttr(batch: TextBatch) -> np.ndarray:
    """Share of the words that are distinct (type-token ratio).

    V / N with V distinct and N running words. Falls as texts grow longer: compare texts of like length only.
    NaN without words.
    """
    return ratio(batch.types[0], batch.words.lengths)


@indicator(keep="high", bounds=(0, None), source="Guiraud 1954", parts=BOTH)
def root_ttr(batch: TextBatch) -> np.ndarray:
    """Distinct words over the square root of all words (Guiraud's R).

    V / sqrt(N). NaN without words.
    """
    return ratio(batch.types[0], np.sqrt(batch.words.lengths))


@indicator(keep="high", bounds=(0, 1), source="Herdan 1960", parts=BOTH)
def herdan_c(batch: TextBatch) -> np.ndarray:
    """Logarithm of the distinct words over the logarithm of all words (Herdan's C, also called log TTR).

    ln V / ln N. NaN below two words.
    """
    types, words = batch.types[0], batch.words.lengths
    return ratio(np.log(np.maximum(types, 1)), np.log(np.maximum(words, 1)))


@indicator(keep="low", bounds=(0, None), source="Maas 1972", parts=BOTH)
def maas(batch: TextBatch) -> np.ndarray:
    """Maas's index, low for rich vocabulary.

    (ln N - ln V) / (ln N)^2. NaN below two words.
    """
    types, words = np.log(np.maximum(batch.types[0], 1)), np.log(np.maximum(batch.words.lengths, 1))
    return ratio(words - types, words * words)


@indicator(keep="high", bounds=(0, 1), source="Johnson 1944", parts=BOTH)
def msttr(batch: TextBatch) -> np.ndarray:
    """Mean type-token ratio of consecutive segments of 50 words.

    Every full segment counts, the last one too; words after it are left out. NaN below 50 words.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.segment_ttr(batch.words.ids, batch.words.offsets, batch.words.size, WINDOW)


@indicator(keep="high", bounds=(0, 1), source="Covington and McFall 2010", parts=BOTH)
def mattr(batch: TextBatch) -> np.ndarray:
    """Mean type-token ratio of all windows of 50 words (moving-average TTR).

    NaN below 50 words.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.moving_ttr(batch.words.ids, batch.words.offsets, batch.words.size, WINDOW)


@indicator(keep="high", bounds=(1, None), source="McCarthy and Jarvis 2010; survey Eq 28, corrected", parts=BOTH)
def mtld(batch: TextBatch) -> np.ndarray:
    """Mean number of words over which the type-token ratio stays above 0.72.

    N / factors, the mean of a forward and a backward pass. A factor ends where the ratio of its words reaches 0.72;
    the rest counts as (1 - ratio) / (1 - 0.72) of a factor. N where all words are distinct, NaN without words.
    Unstable below about 100 words.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.mtld(batch.words.ids, batch.words.offsets, batch.words.size, THRESHOLD)


@indicator(keep="high", bounds=(1, None), source="Vidal and Jarvis 2020; Kyle, Crossley and Jarvis 2021", parts=BOTH)
def mtld_w(batch: TextBatch) -> np.ndarray:
    """Mean length of the MTLD factors that begin at each word, the text read in a circle (wrapped moving average).

    A factor has at least 10 words. Where one turn of the circle ends none, its length is
    N (1 - 0.72) / (1 - V/N), as the partial factor of MTLD. N where all words are distinct, NaN without words.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.mtld_wrap(batch.words.ids, batch.words.offsets, batch.words.size, THRESHOLD, SHORTEST_FACTOR)


@indicator(keep="high", bounds=(1 / DRAWS, 1), source="McCarthy and Jarvis 2007; survey Eq 29, exact", parts=BOTH)
def hdd(batch: TextBatch) -> np.ndarray:
    """Expected type-token ratio of 42 words drawn from the text (HD-D).

    Sum over distinct words of [1 - C(N - f, 42) / C(N, 42)] / 42 with f the count of the word: exact, nothing is
    drawn. NaN below 42 words.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.hdd(batch.words.ids, batch.words.offsets, batch.words.size, DRAWS)


@indicator(keep="high", bounds=(0, None), source="Malvern and Richards 1997; survey Eq 25-27, exact", parts=BOTH)
def vocd_d(batch: TextBatch) -> np.ndarray:
    """Parameter D of the curve that type-token ratios follow as samples grow (vocd-D).

    Least-squares fit of TTR(s) = D/s (sqrt(1 + 2 s/D) - 1) to the exact expectation of the ratio for s = 35..50 words
    drawn without replacement, where vocd draws samples. NaN below 50 words, and where all words are distinct: there
    D has no bound.
    """
    from datasel_assets.indicators.text import kernels

    return kernels.vocd(batch.words.ids, batch.words.offsets, batch.words.size, *SIZES)


@indicator(keep="high", bounds=(0, 1), source="Li et al. 2016, distinct-1", parts=BOTH)
def distinct_1(batch: TextBatch) -> np.ndarray:
    """Distinct words over all words; for one text the same as its type-token ratio.

    NaN without words.
    """
    return ratio(batch.types[0], batch.words.lengths)


@indicator(keep="high", bounds=(0, 1), source="Li et al. 2016, distinct-2", parts=BOTH)
def distinct_2(batch: TextBatch) -> np.ndarray:
    """Distinct pairs of neighbouring words over all words.

    Divided by the number of words as Li et al. do, not of pairs: at most (N - 1) / N. NaN below two words.
    """
    words = batch.words.lengths
    return ratio(distinct_and_top(batch.ngrams(2))[0], np.where(words > 1, words, 0))
