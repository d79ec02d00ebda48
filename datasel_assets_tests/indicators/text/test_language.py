import numpy as np
import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from datasel_assets.indicators.text import languages
from datasel_assets.indicators.text.identifier import identify
from datasel_assets.indicators.text.language import language_confidence, language_mismatch
from datasel_assets.indicators.text.spelling import COVERED, misspelling_rate, word_list
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE, EMOJI, ENGLISH

GERMAN = "Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter von heute."
FRENCH = "Ceci est une phrase tout à fait normale, écrite en français. L'eau est froide."
JAPANESE = "これは普通の日本語の文章です。今日は天気がいいですね。"
RUSSIAN = "Это самое обычное предложение на русском языке."
LONG = [ENGLISH, GERMAN, FRENCH, CHINESE, JAPANESE, RUSSIAN, ARABIC]


def test_languages_of_plain_sentences_are_found():
    assert languages(TextBatch(LONG)) == ["en", "de", "fr", "zh", "ja", "ru", "ar"]


def test_probabilities_equal_those_of_the_package():
    oracle = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    texts = [
        *LONG,
        ENGLISH.upper(),
        "cafe\u0301 au lait et croissants chauds",
        "def function(value):\n    return value * 2 + other_value",
        FRENCH * 90,
    ]
    found = [oracle.classify(text[:2000]) for text in texts]
    batch = TextBatch(texts)
    np.testing.assert_allclose(language_confidence(batch), [sure for _, sure in found], atol=2e-5)
    expected = [code if sure >= 0.5 else "und" for code, sure in found]
    assert languages(batch) == expected


def test_short_text_has_no_language():
    batch = TextBatch(["", "Yes.", EMOJI, "12345 67890 12345 67890", "a b c d e f g"])
    assert languages(batch) == ["und"] * 5
    assert np.isnan(language_confidence(batch)).all()


def test_sides_in_different_languages_are_told_apart():
    prompts, responses = TextBatch([ENGLISH, ENGLISH, ENGLISH, "?"]), TextBatch([ENGLISH, GERMAN, "Ja.", GERMAN])
    np.testing.assert_array_equal(language_mismatch(prompts, responses), [0, 1, np.nan, np.nan])


@pytest.mark.parametrize("language", COVERED)
def test_word_lists_of_covered_languages_are_long(language: str):
    assert len(word_list(language)) > 80_000


def test_unknown_words_are_a_share_of_the_plain_ones():
    batch = TextBatch(["The quick brown fox jumpps over the lazzy dog near the river in London."])
    # Of 14 words two have a capital; two of the other twelve are wrong.
    assert misspelling_rate(batch)[0] == pytest.approx(2 / 12)


def test_clitics_and_possessives_are_known():
    batch = TextBatch([ENGLISH, FRENCH, "The children's toys aren't in the neighbour's garden, they're in the house."])
    np.testing.assert_array_equal(misspelling_rate(batch), 0)


def test_spelling_is_undefined_where_no_list_covers_the_language():
    batch = TextBatch([CHINESE, RUSSIAN, ARABIC, "", "Yes.", EMOJI])
    assert np.isnan(misspelling_rate(batch)).all()


def test_varieties_of_chinese_are_one_language():
    answer = TextBatch([CHINESE])
    assert answer.shared(identify)[0] == ["zh"]
    answer._shared[identify] = (["wuu"], np.array([0.6]))
    assert language_mismatch(TextBatch([CHINESE]), answer).tolist() == [0]
