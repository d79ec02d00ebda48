"""Contamination: planted items, a plain-Python oracle, guards against floods, vectors, reports, real benchmarks."""

import dataclasses
import math
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from datasel_assets.corpus import ingest
from datasel_assets.corpus.contamination import (
    CONTAMINATION_SCHEMA,
    EvaluationIndex,
    EvaluationItem,
    Neighbours,
    contamination_report,
    embedding_neighbours,
    evaluation_items,
    find_overlaps,
    guards,
    halved,
    labelled_precision,
    labelled_recall,
    nearest_items,
    normalised_words,
    review_list,
    settle_threshold,
)
from datasel_assets.corpus.contamination import (
    index as index_module,
)
from datasel_assets.corpus.contamination.common import COMMON
from datasel_assets.corpus.contamination.words import split
from datasel_assets.registry.base import load_folder, parse
from datasel_assets.specs.evaluation import EvaluationSpec, OverlapRules
from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import RawRow, read_rows, snapshot

DATA = Path(__file__).resolve().parents[2] / "data"

LONG = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. How much does she make every day at the farmers' market?"
)
SHORT = "How does the greenhouse effect work?"
MIDDLE = "Which gas do green plants mainly absorb during photosynthesis?"
ZH = "请找出给定域扩张中平方根二与平方根三相对于有理数域的次数是多少"
RULES = OverlapRules(n=13, min_share=0.5, min_words=1, enough_words=10_000)


def indexed(*texts: str, rules: OverlapRules = RULES) -> EvaluationIndex:
    return EvaluationIndex.build([EvaluationItem("e", str(i), t) for i, t in enumerate(texts)], {"e": rules})


def hits(texts: list[str], index: EvaluationIndex, **options: int) -> list[tuple]:
    ids = [f"r{i}" for i in range(len(texts))]
    return find_overlaps(ids, texts, index, **options).drop("evidence").rows()


# -- words


def test_normalising_folds_case_width_and_punctuation_and_keeps_numbers():
    words = normalised_words("Janet’s DUCKS — lay 16.5 eggs_per_day!")
    assert words == ["janet", "s", "ducks", "lay", "16", "5", "eggs", "per", "day"]
    assert normalised_words("Ｗｉｄｅ ﬁg STRAẞE x²") == ["wide", "fig", "strasse", "x2"]
    assert normalised_words("什么是 GPU？它快") == ["什", "么", "是", "gpu", "它", "快"]
    assert normalised_words("हिन्दी में") == ["हिन्दी", "में"]
    assert normalised_words("\ud800 🎉 ...") == []


@given(st.text(max_size=60))
def test_normalised_text_normalises_to_itself(text: str):
    words = normalised_words(text)
    assert normalised_words(" ".join(words)) == words
    assert split([text, None, text]).of(2) == words


# -- tiers


@pytest.mark.parametrize(
    "row",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "\n\t "),
        LONG.replace(".", " ;").replace("'", "’"),
        f"Solve this.\n\nQuestion: {LONG}\n\nShe makes 18 dollars.",
        f"user: hello\n\nassistant: hi\n\nuser: {LONG}\n\nassistant: 18",
    ],
    ids=["verbatim", "case", "whitespace", "punctuation", "embedded", "several turns"],
)
def test_a_planted_item_is_exact_however_it_is_set(row: str):
    assert hits(["nothing of the kind", row], indexed(LONG, MIDDLE)) == [("r1", "e", "0", "exact", 1.0)]


def test_a_part_of_an_item_is_ngram_with_its_share_and_the_span_as_evidence():
    words = normalised_words(LONG)
    row = " ".join(words[5:27])
    found = find_overlaps(["a"], [row], indexed(LONG, rules=dataclasses.replace(RULES, min_share=0.4)))
    assert found["tier"].to_list() == ["ngram"]
    assert found["overlap"].item() == pytest.approx(22 / len(words))
    assert found["evidence"].item() == row


def test_one_changed_word_leaves_the_n_grams_on_both_sides():
    words = normalised_words(LONG)
    for place, lost in ((3, 4), (20, 1), (len(words) - 2, 2)):
        changed = [*words]
        changed[place] = "geese"
        share = pytest.approx(1 - lost / len(words), abs=1e-6)
        assert hits([" ".join(changed)], indexed(LONG)) == [("r0", "e", "0", "ngram", share)]


def test_an_overlap_below_the_smallest_share_is_not_reported():
    words = normalised_words(LONG)
    row = " ".join(words[:20])
    share = 20 / len(words)
    assert hits([row], indexed(LONG, rules=dataclasses.replace(RULES, min_share=share + 1e-6))) == []
    assert len(hits([row], indexed(LONG, rules=dataclasses.replace(RULES, min_share=share)))) == 1
    assert hits([" ".join(words[:12])], indexed(LONG, rules=dataclasses.replace(RULES, min_share=0.01))) == []


def test_a_short_item_is_exact_as_lines_of_its_own_and_not_reported_inside_text():
    index = indexed(SHORT)
    assert hits([f"{SHORT}\n\nGases trap heat.", f"Answer briefly.\r\n- {SHORT.lower()}"], index) == [
        ("r0", "e", "0", "exact", 1.0),
        ("r1", "e", "0", "exact", 1.0),
    ]
    assert hits([f"My son asked: {SHORT} I could not say."], index) == []


def test_an_item_of_eight_words_is_found_inside_running_text():
    assert hits([f"Tell me this: {MIDDLE} Thanks."], indexed(MIDDLE)) == [("r0", "e", "0", "ngram", 1.0)]


def test_a_short_item_that_first_runs_in_text_and_then_stands_alone_is_exact():
    assert hits([f"About {MIDDLE} we ask:\n{MIDDLE}"], indexed(MIDDLE)) == [("r0", "e", "0", "exact", 1.0)]


def test_an_item_that_first_appears_in_part_and_then_whole_is_exact():
    start = " ".join(normalised_words(LONG)[:20])
    assert hits([f"{start} and so on. {LONG}"], indexed(LONG)) == [("r0", "e", "0", "exact", 1.0)]


def test_generic_phrases_match_nothing():
    phrases = [
        "Which of the following is true?",
        "What is it?",
        "Is this a good answer to the question?",
        "Write an example sentence for this word.",
        "Give me a list of words that are the same as these words.",
    ]
    index = indexed(*phrases)
    assert index.summary.row(0, named=True) == {
        "evaluation": "e",
        "items": 5,
        "texts": 5,
        "long": 1,
        "short": 0,
        "generic": 3,
        "too_short": 1,
    }
    assert hits(["\n".join(phrases[:4]), *phrases[:4]], index) == []


def test_a_short_text_of_more_than_two_items_is_a_phrase_and_no_item():
    assert hits([SHORT], indexed(SHORT, SHORT)) == [("r0", "e", "0", "exact", 1.0), ("r0", "e", "1", "exact", 1.0)]
    assert hits([SHORT], indexed(SHORT, SHORT, SHORT)) == []


def test_words_that_are_frequent_in_the_evaluation_do_not_tell_an_item():
    frame = [f"Quale colore preferisce {name} oggi?" for name in ("anna", "bruno", "carla")]
    assert len(hits([frame[0]], indexed(*frame))) == 1
    numbered = [f"Quale colore preferisce oggi anna? {i}" for i in range(11)]
    assert hits([numbered[3]], indexed(*numbered)) == [("r0", "e", "3", "exact", 1.0)], "its number is its own"
    framed = [f"Quale colore preferisce anna oggi? {a} {b}" for a in range(4) for b in range(4)]
    pairs = indexed(*framed, rules=dataclasses.replace(RULES, inside_words=4))
    assert {tier for _, _, _, tier, _ in hits([f"Dico: {text} no" for text in framed], pairs)} == set()


def test_instructions_that_many_items_share_do_not_make_them_overlap():
    frame = (
        "The following story holds five objects in a fixed order and every statement about them is logically sound: "
    )
    own = "quartz lies left of garnet while topaz {0} follows beryl {0} and amber {0} ends the row near agate {0}"
    texts = [frame + own.format(f"number{i}") for i in range(12)]
    index = indexed(*texts)
    assert hits([texts[3]], index) == [("r0", "e", "3", "exact", 1.0)]
    assert hits([frame + "nothing of that sort"], index) == []
    for several in (4, 6, 10):
        few = indexed(*texts[:several])
        assert hits([texts[3]], few) == [("r0", "e", "3", "exact", 1.0)], "however small the evaluation"
        assert hits([frame + "nothing of that sort"], few) == []
    words = normalised_words(texts[3])
    halves = [" ".join(words[:10]), " ".join(words[10:])]
    assert hits(halves, index) == [("r1", "e", "3", "ngram", 1.0)], "the words of two rows do not run together"


def test_items_that_differ_in_symbols_only_are_told_apart():
    texts = [f"Complete the rest of the sequence and close all of the parentheses in it, input: {s}" for s in "([{"]
    index = indexed(*texts)
    assert index.summary.select("long", "generic").row(0) == (3, 0)
    assert hits(texts, index) == [(f"r{i}", "e", str(i), "exact", 1.0) for i in range(3)]
    assert hits([texts[0].removesuffix("(")], index) == []


@pytest.mark.parametrize(
    ("item", "others"),
    [
        ("What is 17 + 23?", ["What is 17 * 23?", "What is 17 - 23?", "What is 17 / 23?", "What is 17 23?"]),
        (
            "Solve x^2 = 5 for x",
            ["Solve x*2 = 5 for x", "Solve x^2 < 5 for x", "Solve x^2 = -5 for x", "Solve x2 5 for x"],
        ),
        ("print(f(x)[0]) prints what", ["print(f(x)(0)) prints what", "print f x 0 prints what"]),
        ("Is 50% of it enough now", ["Is 50 of it enough now"]),
        ("Take (a + b) * c today please", ["Take a + (b * c) today please, or not", "Take (a + b) + c today please"]),
    ],
)
def test_operators_and_brackets_are_part_of_an_item(item: str, others: list[str]):
    index = indexed(item)
    assert hits([item], index) == [("r0", "e", "0", "exact", 1.0)]
    assert hits(others, index) == []


def test_a_long_item_with_another_operator_is_not_exact():
    item = LONG + " In short: compute (16 - 3 - 4) * 2 and say what comes out of it for her and for all of her friends."
    changed = item.replace("* 2", "+ 2")
    (found,) = hits([changed], indexed(item))
    assert found[3] == "ngram"
    assert 0.5 < found[4] < 1


@pytest.mark.parametrize(
    "text",
    ["well-known and/or read", "*bold* __bold__ **bold** - ~~no~~", "- one\n* two\n+ three\n> four\n# five\n---\n***",
     "AT&T - said she - C++ (in short) \"quoted\" [see below]. $5 \\alpha"],
)  # fmt: skip
def test_signs_that_set_text_only_separate(text: str):
    assert all(word.isalnum() for word in normalised_words(text))


@pytest.mark.parametrize("spaced", ["a+b=c", "a + b = c", "a +\n  b = c", "a\n+\nb\n=\nc", "A + B = C."])
def test_space_around_operators_does_not_matter(spaced: str):
    assert normalised_words(spaced) == ["a", "+", "b", "=", "c"]


def test_rows_that_share_the_frame_of_a_small_evaluation_and_ask_something_else_are_innocent():
    frame = (
        "Read the two claims below with care. State whether the second follows from the first, give a reason for it in "
        "one sentence, and name a counterexample where there is one. Other counterexamples may exist.\n"
    )
    letters = "PQRSTUVW"
    for several in (3, 6, 12):
        names = [letters[i % 5 : i % 5 + 3] + str(i) for i in range(several)]
        items = [frame + f"{n[0]} or {n[1]}{n[3:]}; not {n[1]}; therefore {n[2]} and {n[0]}" for n in names]
        rows = [frame + f"{n} implies {m}; {m} implies K; hence {n} implies K" for n, m in ("MN", "EF", "AB")]
        index = indexed(*items)
        assert hits(rows, index) == []
        assert {(r[2], r[3]) for r in hits([items[1]], index)} == {("1", "exact")}


def test_two_spellings_of_one_item_do_not_make_its_words_common():
    words = normalised_words(LONG)
    spellings = [LONG, f"{LONG}\nA. one B. two", f"{LONG}\none two", f"Question: {LONG}"]
    index = EvaluationIndex.build([EvaluationItem("e", "7", text) for text in spellings])
    assert [row[2:4] for row in hits([" ".join(words[:25])], index)] == [("7", "ngram")]


def test_chinese_is_compared_character_by_character():
    row = f"问题：{ZH}。\n答案：4"
    assert hits([row], indexed(ZH)) == [("r0", "e", "0", "exact", 1.0)]
    assert hits([ZH[:20]], indexed(ZH))[0][3] == "ngram"
    assert hits(["请找出给定的次数"], indexed(ZH)) == []
    assert hits(["什么是光"], indexed("什么是光")) == [], "four characters weigh two words"


def test_each_evaluation_has_rules_of_its_own():
    items = [EvaluationItem("a", "0", LONG), EvaluationItem("b", "0", LONG), EvaluationItem("c", "0", LONG)]
    rules = {"a": OverlapRules(exact=False), "b": OverlapRules(n=5, min_share=0.1), "c": OverlapRules(ngram=False)}
    index = EvaluationIndex.build(items, rules)
    assert [row[1:4] for row in hits([LONG], index)] == [("a", "0", "ngram"), ("b", "0", "exact"), ("c", "0", "exact")]
    assert [row[1:4] for row in hits([" ".join(LONG.split()[:10])], index)] == [("b", "0", "ngram")]


def test_several_texts_of_one_item_give_one_hit_the_strongest():
    texts = [MIDDLE, LONG, f"{LONG} {MIDDLE}"]
    index = EvaluationIndex.build([EvaluationItem("e", "7", text) for text in texts])
    assert hits([LONG, f"{LONG} {MIDDLE}"], index) == [("r0", "e", "7", "exact", 1.0), ("r1", "e", "7", "exact", 1.0)]
    assert index.summary.select("items", "texts").row(0) == (1, 3)


def test_a_series_of_texts_never_becomes_a_list_as_a_whole():
    texts = pl.Series([f"row {i} says nothing of note" * 9 for i in range(100_000)])
    index = indexed(LONG)
    find_overlaps(["warm"], [LONG], index)
    tracemalloc.start()
    find_overlaps([""] * len(texts), texts, index, block_chars=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * texts.estimated_size()


def test_nothing_to_compare_gives_an_empty_table_with_its_columns():
    empty = EvaluationIndex.build([])
    for found in (
        find_overlaps([], [], indexed(LONG)),
        find_overlaps(["a"], [LONG], empty),
        find_overlaps(["a", "b"], [None, ""], indexed(LONG, "", "?!")),
    ):
        assert dict(found.schema) == CONTAMINATION_SCHEMA
        assert found.is_empty()
    assert dict(find_overlaps(["a"], [LONG], indexed(LONG)).schema) == CONTAMINATION_SCHEMA


def test_rows_and_ids_must_agree_and_rules_must_make_sense():
    with pytest.raises(ValueError, match="1 row ids for 2 texts"):
        find_overlaps(["a"], ["x", "y"], indexed(LONG))
    with pytest.raises(ValueError, match="evaluation e: n, line_words"):
        indexed(LONG, rules=OverlapRules(min_share=0.0))


# -- oracle

VOCABULARY = ["zinc", "opal", "ruby", "jade", "onyx", "gold", "iron", "the"]
line = st.lists(st.sampled_from(VOCABULARY), max_size=7)
text = st.lists(line, min_size=1, max_size=3)


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[list[list[str]]], list[list[list[str]]]]:
    """(rows, items); the lines of a row are pieces of items, or words."""
    items = draw(st.lists(text, min_size=1, max_size=5))
    whole = [[word for part in item for word in part] for item in items]
    cut = st.tuples(st.sampled_from(whole), st.integers(0, 6), st.integers(2, 21))
    piece = st.one_of(cut.map(lambda c: c[0][c[1] : c[1] + c[2]]), cut.map(lambda c: c[0]), line)
    lines = st.lists(piece, min_size=1, max_size=3).map(lambda parts: [word for part in parts for word in part])
    return draw(st.lists(st.lists(lines, min_size=1, max_size=2), max_size=5)), items


SMALL = OverlapRules(n=4, min_share=0.4, min_words=1, enough_words=100, line_words=2, inside_words=3)


def oracle(
    rows: list[list[list[str]]], items: list[list[list[str]]], rules: OverlapRules, common_to: int
) -> set[tuple]:
    """The definition, word for word, with Python sets."""
    n = rules.n
    flat = [[word for part in item for word in part] for item in items]
    grams_of = [[tuple(item[i : i + n]) for i in range(len(item) - n + 1)] for item in flat]
    # Items with the same words are one.
    held = Counter(
        gram for _, gram in {(flat.index(flat[u]), gram) for u, grams in enumerate(grams_of) for gram in grams}
    )
    found = set()
    for r, lines in enumerate(rows):
        words = [word for part in lines for word in part]
        borders = {0, *np.cumsum([len(part) for part in lines]).tolist()}
        grams = {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
        for u, item in enumerate(flat):
            k = len(item)
            places = [i for i in range(len(words) - k + 1) if k and words[i : i + k] == item]
            if flat.count(item) > 2:
                continue
            if k >= max(n, rules.min_words):
                own = {i for i, gram in enumerate(grams_of[u]) if held[gram] <= common_to}
                telling = {i + j for i in own for j in range(n)}
                shared = {i + j for i in own if grams_of[u][i] in grams for j in range(n)}
                if places and rules.exact:
                    found.add((r, u, "exact", 1.0))
                elif (
                    rules.ngram
                    and len(shared) >= rules.min_words
                    and (len(shared) / len(telling) >= rules.min_share - 1e-9 or len(shared) >= rules.enough_words)
                ):
                    found.add((r, u, "ngram", round(len(shared) / len(telling), 6)))
            elif k:
                telling = len(set(item) - COMMON)
                alone = any(i in borders and i + k in borders for i in places)
                if rules.exact and alone and k >= rules.line_words and telling >= 1:
                    found.add((r, u, "exact", 1.0))
                elif rules.ngram and places and k >= rules.inside_words and telling >= 3:
                    found.add((r, u, "ngram", 1.0))
    return found


def as_text(lines: list[list[str]]) -> str:
    return "\n".join(" ".join(words) for words in lines)


def as_set(found: pl.DataFrame) -> set[tuple]:
    return {(int(r), int(i), tier, round(share, 6)) for r, _, i, tier, share, _ in found.rows()}


@settings(max_examples=300)
@given(pools(), st.booleans(), st.booleans(), st.sampled_from([1, 2, 10]), st.integers(1, 6), st.integers(3, 20))
def test_tiers_and_shares_are_those_of_the_definition(
    pool: tuple, exact: bool, ngram: bool, common_to: int, least: int, enough: int
):
    rows, items = pool
    rules = dataclasses.replace(SMALL, exact=exact, ngram=ngram, min_words=least, enough_words=enough)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "BOILERPLATE", common_to)
        patch.setattr(guards, "SMALL", 0)
        index = indexed(*map(as_text, items), rules=rules)
    found = find_overlaps([str(i) for i in range(len(rows))], [as_text(row) for row in rows], index)
    assert as_set(found) == oracle(rows, items, rules, common_to)
    for row, item, evidence in found.select("row_id", "item", "evidence").rows():
        for whole in (as_text(rows[int(row)]), as_text(items[int(item)])):
            assert f" {evidence} " in f" {' '.join(whole.split())} "


@settings(max_examples=60)
@given(pools(), st.randoms(), st.integers(1, 60))
def test_neither_the_order_of_rows_nor_the_size_of_blocks_matters(pool: tuple, shuffler: random.Random, size: int):
    rows, items = pool
    index = indexed(*map(as_text, items), rules=SMALL)
    pairs = [(f"{i:02}", as_text(row)) for i, row in enumerate(rows)]
    whole = find_overlaps([i for i, _ in pairs], [t for _, t in pairs], index)
    shuffler.shuffle(pairs)
    ids, texts = pl.Series([i for i, _ in pairs], dtype=pl.String), pl.Series([t for _, t in pairs], dtype=pl.String)
    assert_frame_equal(find_overlaps(ids, texts, index, block_chars=size), whole)


@settings(max_examples=60)
@given(pools())
def test_collisions_of_hashes_are_never_reported(pool: tuple):
    rows, items = pool

    def colliding(texts: list) -> object:
        words = split(texts)
        return dataclasses.replace(words, hashes=words.hashes & np.uint64(1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "split", colliding)
        patch.setattr(guards, "SMALL", 0)
        patch.setattr(guards, "BOILERPLATE", 10)  # which n-grams are common is told by their hashes
        index = indexed(*map(as_text, items), rules=SMALL)
        found = find_overlaps([str(i) for i in range(len(rows))], [as_text(row) for row in rows], index)
    assert as_set(found) == oracle(rows, items, SMALL, 10)


def test_a_text_that_repeats_itself_is_counted_once():
    assert hits([f"{LONG}\n" * 500], indexed(LONG)) == [("r0", "e", "0", "exact", 1.0)]


# -- reading items


def read(records: list[dict], **options: str | dict) -> list[tuple[str, str]]:
    rows = [RawRow(i, record) for i, record in enumerate(records)]
    return [(item.item, item.text) for item in evaluation_items("e", rows, **options).items]


def test_items_need_no_answers_and_turns_are_texts_of_one_item():
    assert read([{"prompt": "Say hi", "key": 7}], item_column="key") == [("7", "Say hi")]
    assert read([{"turns": ["First?", "Then?"]}], format="prompt_completion", columns={"prompt": "turns"}) == [
        ("0", "First?"),
        ("0", "Then?"),
    ]
    assert read([{"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi"}]}]) == [
        ("0", "Hi?")
    ]
    assert read([{"instruction": "Do", "instances": [{"input": "this", "output": "x"}]}]) == [("0", "Do\n\nthis")]
    assert read([{"text": "Only text"}]) == [("0", "Only text")]


def test_what_is_compared_can_be_the_answer_or_the_choices_too():
    record = {"question": "Which one?", "A": "red", "B": "blue", "answer": "A"}
    assert read([record]) == [("0", "Which one?")]
    assert read([record], compare="question_answer") == [("0", "Which one?\n\nA")]
    assert read([record], compare="question_choices") == [
        ("0", "Which one?\nA. red\nB. blue"),
        ("0", "Which one?\nred\nblue"),
    ]
    assert read([{"Body": "Two.", "question": "More?", "answer": 3.0}], compare="question_answer") == [
        ("0", "Two.\n\nMore?\n\n3")
    ]


def test_records_that_cannot_be_compared_are_counted_with_a_reason():
    rows = [
        RawRow(0, {"question": "Why?", "answer": "so"}),
        RawRow(1, {"question": " ", "answer": "so"}),
        RawRow(2, {"question": math.nan, "answer": "so"}),
        RawRow(3, None, "bad json: line 4"),
    ]
    found = evaluation_items("e", rows)
    assert (found.records, found.refused) == (1, {"missing question": 1, "wrong type": 1, "bad json": 1})
    no_choices = evaluation_items("e", rows[:1], compare="question_choices")
    assert (no_choices.items, no_choices.refused) == ((), {"missing choices": 1})
    assert evaluation_items("e", []).detection is None


# -- vectors


def unit(generator: np.random.Generator, n: int, d: int = 24) -> np.ndarray:
    rows = generator.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_neighbours_are_the_nearest_items_of_the_full_product(monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    rows, items = unit(generator, 300), unit(generator, 90)
    items[60] = items[3]
    rows[5] = items[3]
    rows[9] = 0
    wide_rows, wide_items = rows.astype(np.float64), items.astype(np.float64)
    with np.errstate(invalid="ignore"):
        cosine = (wide_rows / np.linalg.norm(wide_rows, axis=1, keepdims=True)) @ (
            wide_items / np.linalg.norm(wide_items, axis=1, keepdims=True)
        ).T
    best = np.where(np.isnan(cosine[:, 0]), -1, cosine.max(axis=1))
    threshold = float(np.sort(best)[-40] + 1e-6)
    found = embedding_neighbours(rows, items, threshold)
    assert found.rows.tolist() == np.flatnonzero(best >= threshold).tolist()
    assert len(found.rows) == 39
    np.testing.assert_allclose(found.cosine, best[found.rows], atol=1e-6)
    assert found.items[found.rows == 5].tolist() == [3], "the first of equally near items"
    assert 9 not in embedding_neighbours(rows, items, -1.0).rows
    monkeypatch.setattr("datasel_assets.corpus.contamination.neighbours.ROWS", 7)
    monkeypatch.setattr("datasel_assets.corpus.contamination.neighbours.ITEMS", 11)
    again = embedding_neighbours(rows, items, threshold)
    assert (again.rows.tolist(), again.items.tolist()) == (found.rows.tolist(), found.items.tolist())
    assert again.cosine.tolist() == found.cosine.tolist()


def cosines(rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    return nearest_items(rows, items).cosine


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5])
def test_the_calibrated_threshold_lets_at_most_the_stated_share_of_the_background_through(rate: float):
    generator = np.random.default_rng(1)
    near = cosines(unit(generator, 400), unit(generator, 50))
    found = settle_threshold(near, np.empty(0), rate)
    assert found.threshold == found.by_rate == round(found.threshold, 3)
    assert (near >= found.threshold).sum() <= math.floor(rate * 400) < (near >= found.threshold - 0.0011).sum()
    assert (found.share_above, found.background) == ((near >= found.threshold).mean(), 400)


def test_a_pool_full_of_copies_cannot_raise_the_threshold_beyond_what_halved_items_reach():
    clean, copied = np.linspace(0, 0.6, 900), np.full(100, 0.98)
    copies = np.array([0.7, 0.75, 0.9, np.nan])
    found = settle_threshold(np.concatenate([clean, copied]), copies, 0.001)
    assert (found.by_rate, found.reach, found.threshold) == (0.981, 0.825, 0.825)
    assert found.share_above == 0.1
    assert settle_threshold(clean, copies, 0.001).threshold < 0.61, "a clean pool sets its own"


def test_equal_rows_at_the_threshold_stay_below_the_rate():
    near = cosines(np.repeat(np.array([[1.0, 1.0, 0.0]], np.float32), 10, axis=0), np.eye(3, dtype=np.float32))
    assert settle_threshold(near, np.empty(0), 0.3).share_above == 0.0


def test_vectors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="same representation"):
        embedding_neighbours(np.ones((2, 3)), np.ones((2, 4)), 0.5)
    with pytest.raises(ValueError, match="no row with a direction"):
        settle_threshold(np.full(2, np.nan), np.empty(0), 0.1)
    with pytest.raises(ValueError, match="in \\[0, 1\\)"):
        settle_threshold(np.ones(2), np.empty(0), 1.0)


def test_a_halved_copy_keeps_half_of_the_words_in_their_order_and_is_always_the_same():
    text = "one two three four five six seven"
    kept = halved(text).split()
    assert len(kept) == 4
    assert kept == [word for word in text.split() if word in kept]
    assert halved(text) == halved(text)
    assert len(halved("\u4e00\u4e8c\u4e09\u56db")) == 2
    assert (halved("word"), halved("")) == (halved("word"), "")


def test_the_review_list_starts_with_the_nearest():
    items = [EvaluationItem("e", "0", "first"), EvaluationItem("f", "9", "second")]
    found = review_list(
        ["a", "b", "c"], items, Neighbours(np.array([0, 2]), np.array([1, 0]), np.array([0.7, 0.9], np.float32))
    )
    assert found.drop("overlap").rows() == [
        ("c", "e", "0", "embedding", "first"),
        ("a", "f", "9", "embedding", "second"),
    ]
    assert dict(found.schema) == CONTAMINATION_SCHEMA
    nothing = Neighbours(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    assert dict(review_list([], items, nothing).schema) == CONTAMINATION_SCHEMA


# -- report

HITS = pl.DataFrame(
    [
        ("a", "e", "0", "exact", 1.0, ""),
        ("a", "e", "1", "ngram", 0.6, ""),
        ("b", "e", "1", "ngram", 0.7, ""),
        ("c", "e", "2", "embedding", 0.9, ""),
    ],
    schema=CONTAMINATION_SCHEMA,
    orient="row",
)


def test_the_report_counts_rows_by_their_strongest_tier_and_lists_clean_evaluations():
    summary = pl.DataFrame({"evaluation": ["e", "clean"], "items": [4, 10]})
    assert contamination_report(HITS, summary, 100).rows(named=True) == [
        {
            **{"evaluation": "clean", "items": 10, "rows_exact": 0, "rows_ngram": 0, "rows_embedding": 0},
            **{"items_hit": 0, "share_items_hit": 0.0, "share_rows": 0.0},
        },
        {
            **{"evaluation": "e", "items": 4, "rows_exact": 1, "rows_ngram": 1, "rows_embedding": 1},
            **{"items_hit": 2, "share_items_hit": 0.5, "share_rows": 0.03},
        },
    ]
    assert contamination_report(HITS.clear(), summary, 0)["items_hit"].to_list() == [0, 0]


def test_precision_is_that_of_the_labelled_hits_with_its_interval():
    labels = pl.DataFrame(
        {
            "row_id": ["a", "b", "z"],
            "evaluation": ["e"] * 3,
            "item": ["1", "1", "1"],
            "contaminated": [True, False, True],
        }
    )
    found = {row["tier"]: row for row in labelled_precision(HITS, labels).rows(named=True)}
    assert (found["ngram"]["hits"], found["ngram"]["labelled"], found["ngram"]["right"]) == (2, 2, 1)
    assert found["ngram"]["precision"] == 0.5
    # Wilson for 1 of 2: 0.5 -+ z * sqrt(1/8 + z^2/16) / (1 + z^2/2)
    z = 1.959963984540054
    half = z * math.sqrt(1 / 8 + z * z / 16) / (1 + z * z / 2)
    assert (found["ngram"]["low"], found["ngram"]["high"]) == pytest.approx((0.5 - half, 0.5 + half))
    assert (found["exact"]["labelled"], found["exact"]["precision"]) == (0, None)


def test_recall_counts_labelled_rows_by_the_tiers_up_to_each():
    labels = pl.DataFrame(
        {
            "row_id": ["a", "b", "c", "z", "y"],
            "evaluation": ["e"] * 5,
            "item": ["1", "7", "2", "1", "1"],
            "contaminated": [True, True, True, True, False],
        }
    )
    found = labelled_recall(HITS, labels)
    assert found["tier"].to_list() == ["exact", "ngram", "embedding"]
    assert found["contaminated"].to_list() == [4, 4, 4]
    assert found["found"].to_list() == [1, 2, 3]
    assert found["recall"].to_list() == [0.25, 0.5, 0.75]
    assert ((found["low"] < found["recall"]) & (found["recall"] < found["high"])).all()
    assert labelled_recall(HITS.clear(), labels)["found"].to_list() == [0, 0, 0]
    assert labelled_recall(HITS, labels.clear()).is_empty()


def test_the_shipped_evaluation_finds_the_two_rows_that_repeat_it_on_purpose(tmp_path: Path):
    specs = load_folder(DATA / "evaluations", EvaluationSpec)
    assert specs.errors == {}
    items = [
        item
        for name, spec in specs.specs.items()
        for item in evaluation_items(
            name, read_rows(snapshot(spec, name, DATA, tmp_path), spec), **spec.item_options()
        ).items
    ]
    rows = {}
    for name, spec in load_folder(DATA / "sources", SourceSpec).specs.items():
        if name.startswith(("samples_", "arithmetic")):
            run = ingest(read_rows(snapshot(spec, name, DATA, tmp_path), spec), source=name, **spec.ingest_options())
            for batch in run:
                for row in batch.corpus.to_pylist():
                    rows[row["row_id"]] = "\n\n".join(message["content"] for message in row["messages"])
    assert len(rows) > 1_500
    found = find_overlaps(list(rows), list(rows.values()), EvaluationIndex.build(items))
    assert found.select("item", "tier").sort("item").rows() == [("clock", "exact"), ("tip", "exact")]


# -- real benchmarks

EVALUATIONS = {
    "gsm8k_test": {},
    "humaneval": {},
    "mbpp": {},
    "mmlu_test": {},
    "mt_bench_questions": {"format": "prompt_completion", "columns": {"prompt": "turns"}, "item_column": "question_id"},
    "ifeval": {},
    "bbh": {},
    "math_test_5000": {},
    "svamp_test": {},
}


def items_of(folder: Path, cache: Path, *names: str) -> list[EvaluationItem]:
    found: list[EvaluationItem] = []
    for name in names or EVALUATIONS:
        spec = parse({"uri": f"{name}.parquet", **EVALUATIONS[name]}, EvaluationSpec)
        rows = read_rows(snapshot(spec, name, folder, cache), spec)
        found += evaluation_items(name, rows, **spec.item_options()).items
    return found


def alpaca_eval(folder: Path) -> list[EvaluationItem]:
    frame = pl.read_parquet(folder / "alpaca_eval_model_outputs.parquet", columns=["instruction"])
    prompts = frame["instruction"].unique(maintain_order=True).to_list()
    return [EvaluationItem("alpaca_eval", str(i), prompt) for i, prompt in enumerate(prompts)]


def test_the_organic_hits_of_alpaca_are_found_and_no_flood(shared_data: Path, tmp_path: Path):
    index = EvaluationIndex.build([*items_of(shared_data, tmp_path), *alpaca_eval(shared_data)])
    pool = pl.read_parquet(shared_data / "alpaca_52k.parquet").with_row_index("i")
    texts = pool.select(pl.concat_str("instruction", "input", "output", separator="\n\n")).to_series()
    found = find_overlaps(pool["i"].cast(pl.String), texts, index)
    assert set(found.select("evaluation", "evidence").rows()) == {
        ("mmlu_test", "how does the greenhouse effect work"),
        ("mmlu_test", "which of these words is an adverb"),
        ("mmlu_test", "why is the sky blue"),
        ("mt_bench_questions", "prove the pythagorean theorem"),
        ("alpaca_eval", "what is the meaning of life"),
        ("alpaca_eval", "what color is the sky"),
    }
    assert found["row_id"].n_unique() == 8
    assert set(found["tier"]) == {"exact"}


def test_planted_benchmark_items_are_found_in_alpaca(shared_data: Path, tmp_path: Path):
    items = items_of(shared_data, tmp_path, "gsm8k_test", "humaneval", "mbpp", "math_test_5000")
    index = EvaluationIndex.build(items)
    picked = random.Random(0).sample(items, 300)
    pool = pl.read_parquet(shared_data / "alpaca_52k.parquet", n_rows=300)["output"]
    texts = [f"{before}\n\n{item.text}\n\nSure." for before, item in zip(pool, picked, strict=True)]
    found = find_overlaps([f"{item.evaluation}/{item.item}" for item in picked], texts, index)
    own = found.filter(pl.col("row_id") == pl.col("evaluation") + "/" + pl.col("item"))
    assert own.height >= 0.97 * len(picked), "what is missed is generic or under four words"
    assert set(own["tier"]) == {"exact"}


def test_reworded_items_pass_the_word_tiers(shared_data: Path, tmp_path: Path):
    index = EvaluationIndex.build(items_of(shared_data, tmp_path, "gsm8k_test", "humaneval", "mmlu_test"))
    rows = pl.read_parquet(shared_data / "llm_decontaminator_rephrased.parquet")["text"]
    found = find_overlaps([str(i) for i in range(len(rows))], rows, index)
    assert found["row_id"].n_unique() <= 0.04 * len(rows), "this is what the embedding tier is for"


@pytest.mark.slow
def test_reworded_items_are_neighbours_of_their_original(shared_data: Path, tmp_path: Path):
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    items = items_of(shared_data, tmp_path, "gsm8k_test")[:200]
    frame = pl.read_parquet(shared_data / "llm_decontaminator_rephrased.parquet")
    reworded = frame.filter(pl.col("_source_file") == "rephrase_gsm8k")["text"].to_list()[:200]
    # Other questions of the same kind are the hardest to tell from reworded ones.
    clean = pl.read_parquet(shared_data / "gsm8k_train.parquet", n_rows=600)["question"].to_list()
    texts = [*(item.text for item in items), *(halved(item.text) for item in items), *reworded, *clean]
    with Encoder(EncoderSpec(layers="last", pooling="mean", max_tokens=256)) as encoder:
        vectors = encoder.encode([[{"role": "user", "content": text}] for text in texts]).layers[encoder.layers[-1]]
    own, copies, rows, background, held_out = np.split(vectors, [200, 400, 600, 900])
    scaled = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (own, copies)]
    set_on = cosines(np.concatenate([background, rows]), own)
    calibrated = settle_threshold(set_on, np.vecdot(*scaled), 0.01)
    assert calibrated.threshold == calibrated.reach < calibrated.by_rate, "two fifths of this pool are contaminated"
    found = embedding_neighbours(rows, own, calibrated.threshold)
    right = (found.rows == found.items).sum()
    assert right >= 0.85 * len(rows)
    assert right >= 0.98 * len(found.rows)
    assert len(embedding_neighbours(held_out, own, calibrated.threshold).rows) <= 0.01 * len(held_out)
