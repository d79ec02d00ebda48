"""One sentence under every rule of what a word is, so that a change of one of them is seen."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.corpus import minhash
from datasel_assets.corpus.contamination.words import normalised_words
from datasel_assets.corpus.phrases import words as words_of_phrases
from datasel_assets.indicators.text.dsir import hashed_ngrams
from datasel_assets.models.contexts import WORD
from datasel_assets.specs.minhash import MinHashSpec
from datasel_assets.words.batch import TextBatch

SENTENCE = "Don’t sort 3.14 c++ lists, ﬁrst 天气!"
APART = "Don ’ t sort 3 . 14 c ++ lists , ﬁrst 天气 !"
"""The sentence with a space between any two of NLTK's word-punctuation tokens."""


def of_batch(text: str) -> list[str]:
    batch = TextBatch([text])
    return batch.vocabulary.gather(batch.words.ids).to_list()


RULES = {
    "words.batch": (of_batch, ["don't", "sort", "3.14", "c", "lists", "ﬁrst", "天", "气"]),
    "corpus.contamination": (normalised_words, ["don", "t", "sort", "3", "14", "c", "lists", "first", "天", "气"]),
    "models.contexts": (WORD.findall, ["Don’t", "sort", "3.14", "c++", "lists,", "ﬁrst", "天", "气", "!"]),
    "corpus.phrases": (
        lambda text: words_of_phrases(pl.Series([text]), 100).to_list()[0],
        ["", "sort", "", "", "", "c++", "lists", "", "first", "天", "气", ""],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_sentence_falls_into_the_words_of_the_rule(rule: str):
    split, expected = RULES[rule]
    assert split(SENTENCE) == expected


def test_shingles_are_of_words_between_white_space_unless_marks_are_parted():
    def shared(unit: str) -> float:
        sets = minhash.shingles(pl.Series([SENTENCE, "sort lists"]), MinHashSpec(unit=unit, n=1))
        return minhash.jaccard(sets, np.array([0]), np.array([1]))[0]

    assert shared("word") == pytest.approx(1 / 10)  # "lists," is not "lists"; 天, 气 and ! are one each
    assert shared("token") > shared("word")


def test_dsir_splits_words_from_marks_as_its_package_does():
    together, apart = (hashed_ngrams([text], n=1) for text in (SENTENCE, APART))
    assert together.ids.tolist() == apart.ids.tolist()
    assert len(together.ids) == len(APART.split())
