"""Readability: how hard a text is to read, by formulas made for English.

Belongs here: formulas over counts of words, sentences, syllables and familiar words. Does not: the counts
(``words.batch``, ``syllables``, ``easy_words``).

A formula is NaN where fewer than half of the words are in Latin letters; it does not ask whether they are English. The
survey (section 5.1) says which direction is hard and gives no sign to keep; extremes are broken text more often than
hard text, so the columns are declared to be kept in the middle.
"""

import numpy as np

from datasel_assets.indicators.base import indicator
from datasel_assets.indicators.text.familiar import familiar
from datasel_assets.indicators.text.parts import BOTH
from datasel_assets.indicators.text.syllables import syllables
from datasel_assets.words.batch import TextBatch, ratio

COMPLEX = 3
"""Syllables from which a word is complex for the fog index."""


@indicator(keep="mid", bounds=(None, 206.835), source="Flesch 1948", parts=BOTH)
def flesch(batch: TextBatch) -> np.ndarray:
    """Flesch reading ease: 60 is plain English, below 30 very hard.

    206.835 - 1.015 words / sentences - 84.6 syllables / words. NaN without words or outside the Latin script.
    """
    words = batch.n_latin_words
    per_word = ratio(batch.words.sums(batch.shared(syllables)), words)
    return 206.835 - 1.015 * ratio(words, batch.sentences) - 84.6 * per_word


@indicator(keep="mid", bounds=(0, None), source="Gunning 1952", parts=BOTH)
def gunning_fog(batch: TextBatch) -> np.ndarray:
    """Gunning fog index: years of school that a reader needs.

    0.4 (words / sentences + 100 complex / words). Complex: three syllables or more and not familiar; Gunning leaves
    out compounds and inflections of short words, for which the list of familiar words stands in.
    NaN without words or outside the Latin script.
    """
    words = batch.n_latin_words
    complex_words = batch.words.sums((batch.shared(syllables) >= COMPLEX) & ~batch.shared(familiar))
    return 0.4 * (ratio(words, batch.sentences) + 100 * ratio(complex_words, words))


@indicator(keep="mid", bounds=(0, None), source="Chall and Dale 1995", parts=BOTH)
def dale_chall(batch: TextBatch) -> np.ndarray:
    """New Dale-Chall score: below 5 a fourth-grader reads it, above 9 a college student.

    0.1579 p + 0.0496 words / sentences, plus 3.6365 where p > 5; p: per cent of the words that are not familiar.
    Familiar: on the list of 2,941 words, a regular inflection of one (-s, -es, -ed, -ing, 's), or a number. Names
    count as unfamiliar, for nothing tells them. NaN without words or outside the Latin script.
    """
    words = batch.n_latin_words
    unfamiliar = 100 * ratio(batch.words.sums(~batch.shared(familiar)), words)
    score = 0.1579 * unfamiliar + 0.0496 * ratio(words, batch.sentences)
    return score + np.where(unfamiliar > 5, 3.6365, 0.0)


@indicator(keep="mid", bounds=(1, None), source="survey section 5.1, hand-crafted readability", parts=BOTH)
def syllables_per_word(batch: TextBatch) -> np.ndarray:
    """Mean number of syllables of the words.

    From the CMU Pronouncing Dictionary, and hyphenation patterns for words that it lacks. NaN without words or outside
    the Latin script.
    """
    words = batch.n_latin_words
    return ratio(batch.words.sums(batch.shared(syllables)), words)
