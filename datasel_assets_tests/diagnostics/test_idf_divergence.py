"""ICD against its definition, written out with dictionaries."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from datasel_assets.diagnostics.idf_divergence import idf_divergence


def ids(n: int) -> list[str]:
    return [f"{i:04d}" for i in range(n)]


def icd(texts: list[str], groups: list[int], **more: int) -> float:
    return idf_divergence(texts, np.array(groups), ids(len(texts)), **more)


def by_hand(texts: list[str], groups: list[int]) -> float:
    def idf(part: list[str]) -> dict[str, float]:
        df = Counter(word for text in part for word in set(text.split()))
        return {word: math.log(len(part) / count) for word, count in df.items()}

    vocabulary = sorted({word for text in texts for word in text.split()})
    found = []
    for group in set(groups) - {-1}:
        own = idf([text for text, g in zip(texts, groups, strict=True) if g == group])
        rest = idf([text for text, g in zip(texts, groups, strict=True) if g not in (group, -1)])
        if sum(own.values()) and sum(rest.values()):
            p, q = ([weights.get(word, 0) for word in vocabulary] for weights in (own, rest))
            found.append(jensenshannon(p, q, base=2) ** 2)
    return float(np.mean(found)) if found else math.nan


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text("abcde ", max_size=9), st.integers(-1, 3)), max_size=12))
def test_it_is_the_mean_divergence_of_normalised_idf(rows):
    texts, groups = [" ".join(text.replace(" ", "")) for text, _ in rows], [group for _, group in rows]
    assert icd(texts, groups) == pytest.approx(by_hand(texts, groups), abs=1e-9, nan_ok=True)


def test_groups_without_a_common_word_are_one_bit_apart_and_groups_of_the_same_texts_none():
    apart = ["red wine", "red cheese", "blue sea", "blue sky"]
    assert icd(apart, [0, 0, 1, 1]) == pytest.approx(1)
    assert icd(apart * 2, [0] * 4 + [1] * 4) == pytest.approx(0, abs=1e-12)


def test_a_word_of_every_text_of_a_group_says_nothing_of_it():
    assert icd(["red wine", "red cheese", "blue sea", "blue sky"], [0, 0, 1, 1]) == icd(
        ["wine", "cheese", "sea", "sky"], [0, 0, 1, 1]
    )


@pytest.mark.parametrize(("texts", "groups"), [([], []), (["a b"], [0]), (["a", "b"], [0, 0]), (["", ""], [0, 1])])
def test_nothing_to_hold_against_each_other_is_not_a_number(texts, groups):
    assert math.isnan(icd(texts, groups))


def test_the_sample_depends_on_the_ids_alone():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghij"), 4)) for _ in range(60)]
    groups, turned = rng.integers(0, 3, 60), rng.permutation(60)
    names = np.array(ids(60))
    found = idf_divergence(texts, groups, names, max_rows=30)
    assert found != idf_divergence(texts, groups, names)
    again = idf_divergence([texts[i] for i in turned], groups[turned], names[turned], max_rows=30)
    assert again == pytest.approx(found, abs=1e-12)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="2 ids and 1 groups for 2 texts"):
        idf_divergence(["a", "b"], np.zeros(1, int), ids(2))
