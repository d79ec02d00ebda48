import re

import numpy as np
import polars as pl
import pytest

from datasel_assets.clusters.titles import titles

BANK = [
    "What is the interest rate of this loan at the bank?",
    "Explain how an interest rate changes when the bank lends more.",
    "Compute the interest rate for a loan of 500 euro.",
    "Why did the bank raise its interest rate?",
]
COOK = [
    "Give me a recipe for tomato soup.",
    "Explain how long to boil the soup in this recipe.",
    "Is garlic needed in a recipe of tomato soup?",
    "Which recipe uses garlic?",
]


def test_a_cluster_is_named_by_what_sets_it_apart():
    found = titles(np.array([0] * 4 + [1] * 4), BANK + COOK)
    assert found[0].split(" · ")[0] == "interest rate"
    assert "recipe" in found[1]
    assert "explain" not in " ".join(found)


def test_the_order_of_rows_does_not_matter():
    labels, texts = np.array([0] * 4 + [1] * 4), np.array(BANK + COOK)
    turned = np.random.default_rng(0).permutation(8)
    assert titles(labels, list(texts)) == titles(labels[turned], list(texts[turned]))
    assert titles(labels, pl.Series(BANK + COOK)) == titles(labels, BANK + COOK)


def test_only_a_bounded_sample_of_each_cluster_is_read():
    texts = [f"alpha beta {i}" for i in range(50)] + ["gamma delta"] * 50
    bounded = titles(np.zeros(100, int), texts, per_cluster=1)
    assert bounded[0] in {"alpha beta", "gamma delta"}
    assert titles(np.zeros(2, int), ["word " * 10 + "late late"] * 2, max_chars=20) == ["word"]


def test_rows_without_a_cluster_are_not_read_and_clusters_without_rows_have_a_name():
    found = titles(np.array([-1, -1, 2, 2]), ["secret words here", "secret words there", "open door", "open door"], k=4)
    assert found == ["cluster 0", "cluster 1", "open door", "cluster 3"]
    assert titles(np.array([], int), [], k=2) == ["cluster 0", "cluster 1"]


def test_titles_are_all_different():
    labels = np.repeat([0, 1, 2], 3)
    found = titles(labels, ["same words always"] * 9)
    assert len(set(found)) == 3


def test_a_text_that_repeats_itself_counts_once():
    loops = "foo " * 200
    texts = [loops + "sort a list", "sort the numbers", "sort these names", "sort by age"]
    assert titles(np.zeros(4, int), texts)[0].startswith("sort")


def test_code_is_split_at_its_operators_and_names_of_languages_survive():
    texts = ["def merge_sort(values): return C++", "merge_sort(x[1:], c++)", "call merge_sort->next in C++"] * 2
    found = titles(np.zeros(6, int), texts)[0]
    assert "c++" in found
    assert "merge" in found
    assert re.fullmatch(r"[\w '+#·]+", found)


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["请把下面的句子翻译成英语", "翻译这个段落", "帮我翻译"], "翻译"),
        (["Решите уравнение", "Как решить уравнение?", "Это уравнение"], "уравнение"),
        (["समीकरण हल करें", "यह समीकरण क्या है", "समीकरण लिखें"], "समीकरण"),
        (["プログラムを書く", "プログラムの説明", "プログラム"], "プログラム"),
        (["방정식을 풀다", "방정식을 쓰다", "방정식을 보다"], "방정식을"),
        (["اكتب قصة قصيرة", "قصة عن البحر", "هذه قصة"], "قصة"),
        (["Schreibe ein Märchen", "Das Märchen vom Fischer", "Erzähle ein Märchen"], "märchen"),
    ],
)
def test_any_script_gives_words(texts, word):
    other = ["something quite different", "different thing", "something else"]
    assert word in titles(np.array([0, 0, 0, 1, 1, 1]), texts + other)[0]


def test_hostile_text_cannot_put_markup_into_a_title():
    texts = ["<script>alert('x')</script> **bold** [a](javascript:b) $x$ `code` | a\ud800b \x00\u202e"] * 4
    found = titles(np.zeros(4, int), texts)[0]
    assert re.fullmatch(r"[\w '+#·]+", found)


def test_a_longer_list_of_terms_can_be_asked_for():
    assert len(titles(np.array([0] * 4 + [1] * 4), BANK + COOK, terms=2)[1].split(" · ")) == 2
    assert len(titles(np.array([0] * 4 + [1] * 4), BANK + COOK, terms=1)[1].split(" · ")) == 1


def test_labels_and_texts_must_pair_up():
    with pytest.raises(ValueError, match="2 labels for 1 texts"):
        titles(np.zeros(2, int), ["a"])
