import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from datasel_assets.indicators.text.overlap import (
    overlap_with_set,
    prompt_bleu,
    prompt_jaccard,
    prompt_rouge_l,
    similarity,
)
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import random_words

COLUMNS = (prompt_jaccard, prompt_rouge_l, prompt_bleu)


class Spaces:
    """Tokenizer of rouge-score that takes our words as they are."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


ROUGE = RougeScorer(["rougeL"], tokenizer=Spaces())
SENTENCE_BLEU = BLEU(tokenize="none", smooth_method="exp", effective_order=True)
PAIRS = [(random_words(k, 5 + 29 * k, 20), random_words(50 + k, 3 + 17 * (k % 6), 20)) for k in range(12)]


def bleu_of(reference: str, candidate: str) -> float:
    return SENTENCE_BLEU.sentence_score(candidate, [reference]).score / 100


def test_rouge_and_bleu_equal_their_packages():
    references, candidates = ([" ".join(side) for side in sides] for sides in zip(*PAIRS, strict=True))
    left, right = TextBatch(references), TextBatch(candidates)
    pairs = list(zip(references, candidates, strict=True))
    rouge = [ROUGE.score(a, b)["rougeL"].fmeasure for a, b in pairs]
    np.testing.assert_allclose(similarity(left, right, "rouge_l"), rouge, rtol=0, atol=1e-9)
    np.testing.assert_allclose(similarity(left, right, "bleu"), [bleu_of(*p) for p in pairs], rtol=0, atol=1e-9)


words = st.lists(st.sampled_from("abcde"), min_size=1, max_size=9).map(" ".join)


@settings(max_examples=80)
@given(words, words)
def test_short_pairs_equal_the_packages(reference: str, candidate: str):
    left, right = TextBatch([reference]), TextBatch([candidate])
    assert similarity(left, right, "bleu")[0] == pytest.approx(bleu_of(reference, candidate), abs=1e-9)
    rouge = ROUGE.score(reference, candidate)["rougeL"].fmeasure
    assert similarity(left, right, "rouge_l")[0] == pytest.approx(rouge, abs=1e-9)
    a, b = set(reference.split()), set(candidate.split())
    assert similarity(left, right, "jaccard")[0] == pytest.approx(len(a & b) / len(a | b))


def test_equal_texts_are_one_and_disjoint_ones_zero():
    same, other = TextBatch(["a b c d e"]), TextBatch(["v w x y z"])
    for column in COLUMNS:
        assert column(same, same)[0] == pytest.approx(1, abs=1e-12)
        assert column(same, other)[0] == 0


def test_a_side_without_words_is_undefined():
    for column in COLUMNS:
        assert np.isnan(column(TextBatch(["", "a", "?"]), TextBatch(["a", "", "!"]))).all()


@pytest.mark.parametrize("kind", ["jaccard", "rouge_l", "bleu"])
def test_a_set_is_reduced_over_its_pairs(kind):
    references, candidates = TextBatch(["a b c", "", "c d e", "x"]), TextBatch(["a b c d", "y", ""])
    every = np.array(
        [similarity(TextBatch([reference] * 3), candidates, kind) for reference in references.texts if reference]
    )
    np.testing.assert_allclose(overlap_with_set(candidates, references, kind), every.max(axis=0))
    np.testing.assert_allclose(overlap_with_set(candidates, references, kind, "mean"), every.mean(axis=0))


def test_an_empty_set_leaves_everything_undefined():
    assert np.isnan(overlap_with_set(TextBatch(["a"]), TextBatch([]), "jaccard")).all()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="1 references for 2 candidates"):
        similarity(TextBatch(["a"]), TextBatch(["a", "b"]), "bleu")
    with pytest.raises(ValueError, match="'max' or 'mean'"):
        overlap_with_set(TextBatch(["a"]), TextBatch(["a"]), "bleu", "sum")  # pyright: ignore[reportArgumentType]
