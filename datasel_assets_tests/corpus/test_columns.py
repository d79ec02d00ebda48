"""Columns that the sample did not show, values of other kinds, marks of bad answers, and what nobody reads."""

import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.corpus import FormatError, Ingest, ingest
from datasel_assets.corpus.columns import MOST_NAMES, OTHERS
from datasel_assets.corpus.contamination import evaluation_items
from datasel_assets.corpus.ingest import SAMPLE_ROWS
from datasel_assets.raw_rows import RawRow


def read(records: Iterable[Any], **options: Any) -> tuple[list[dict], list[dict], Ingest]:
    run = ingest([RawRow(i, record) for i, record in enumerate(records)], source="s", **options)
    batches = list(run)
    kept = [row for batch in batches for row in batch.corpus.to_pylist()]
    refused = [row for batch in batches for row in batch.quarantine.to_pylist()]
    assert run.summary.rows_in == len(kept) + len(refused) + run.summary.joined
    return kept, refused, run


def last(kept: list[dict]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in kept[-1]["messages"]]


SAMPLE = [{"instruction": f"Say {i}.", "output": str(i)} for i in range(SAMPLE_ROWS)]
LATE = {"instruction": "Q", "output": "A"}


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"input": "I"}, [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"Input": "I"}, [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"context": "I"}, [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"input": [3, 4]}, [("user", "Q\n\n3, 4"), ("assistant", "A")]),
        ({"input": {"a": 1}}, [("user", 'Q\n\n{"a": 1}'), ("assistant", "A")]),
        ({"input": b"I"}, [("user", "Q\n\nI"), ("assistant", "A")]),
        ({"input": date(2024, 2, 29)}, [("user", "Q\n\n2024-02-29"), ("assistant", "A")]),
        ({"system": "S"}, [("system", "S"), ("user", "Q"), ("assistant", "A")]),
        ({"history": [["q", "a"]]}, [("user", "q"), ("assistant", "a"), ("user", "Q"), ("assistant", "A")]),
        ({"output": 14}, [("user", "Q"), ("assistant", "14")]),
        ({"output": Decimal("1.50")}, [("user", "Q"), ("assistant", "1.5")]),
        ({"output": None, "response": "R"}, [("user", "Q"), ("assistant", "R")]),
        ({"output": "", "completion": "R"}, [("user", "Q"), ("assistant", "R")]),
    ],
)
def test_a_known_field_that_first_appears_after_the_sample_is_used(fields: dict, messages: list):
    kept, refused, run = read([*SAMPLE, {**LATE, **fields}])
    assert refused == []
    assert last(kept) == messages
    assert run.summary.unmapped == {}


def test_late_tools_and_pictures_are_used():
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    records = [{"messages": turns}] * SAMPLE_ROWS
    kept, _, run = read([*records, {"messages": turns, "tools": [{"name": "f"}], "images": ["a.png"]}])
    assert (kept[-1]["tools"], kept[-1]["images"]) == ('[{"name": "f"}]', ["a.png"])
    assert run.summary.unmapped == {}


def test_a_list_of_turns_of_another_style_under_another_name_is_used():
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    records: list[dict] = [{"messages": turns}] * SAMPLE_ROWS
    for late in ([{"from": "human", "value": "R"}, {"from": "gpt", "value": "B"}], [["user", "R"], ["assistant", "B"]]):
        kept, _, _ = read([*records, {"conversations": late}])
        assert last(kept) == [("user", "R"), ("assistant", "B")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input": True}, "wrong type: column 'input' holds true/false where text is needed"),
        ({"input": b"\xff"}, "wrong type: column 'input' holds bytes that are not UTF-8 where text is needed"),
        ({"output": math.nan}, "missing response: column 'output' holds NaN, which is no answer"),
        ({"output": True}, "missing response: column 'output' holds true/false, which is no answer"),
        ({"output": ["A", "B"]}, "wrong type: column 'output' holds a list where text is needed"),
        ({"output": None}, "missing response: column 'output' is null"),
        (
            {"output": None, "response": "R", "answer": "S"},
            "ambiguous columns: 'response' and 'answer' may both be the response of this record; name one under "
            "'columns'",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_column(fields: dict, reason: str):
    _, refused, _ = read([*SAMPLE, {**LATE, **fields}])
    assert [(row["position"], row["reason"]) for row in refused] == [(SAMPLE_ROWS, reason)]


def test_a_column_that_the_user_named_is_never_replaced():
    records = [{"q": "Q", "a": "A"}, {"q": "R", "a": None, "response": "B"}]
    kept, refused, _ = read(records, columns={"prompt": "q", "response": "a"})
    assert (len(kept), refused[0]["reason"]) == (1, "missing response: column 'a' is null")


def test_answers_that_are_numbers_decide_a_schema_only_where_no_texts_do():
    kept, _, run = read([{"instruction": f"{i} + 1", "output": i + 1} for i in range(3)])
    assert [row["response"] for row in kept] == ["1", "2", "3"]
    documents = [{"text": "A long review.", "target": 1}, {"text": "Another one.", "target": 0}]
    kept, _, run = read(documents)
    assert run.summary.detection is not None
    assert run.summary.detection.format == "text"
    assert run.summary.unmapped == {"target": 2}


@pytest.mark.parametrize(
    ("choices", "answer", "listed", "response"),
    [
        ([3, 5], 1, "A. 3\nB. 5", "B"),
        ([3, 5], 5, "A. 3\nB. 5", "B"),
        ([0.5, 2.0], 0, "A. 0.5\nB. 2", "A"),
        ({"A": "x", "B": "y"}, "B", "A. x\nB. y", "B"),
        ({"A": "x", "B": 7, "C": None}, 1, "A. x\nB. 7", "B"),
        ({"text": ["x", "y"], "label": ["1", "2"]}, "2", "1. x\n2. y", "2"),
        ('["x", "y"]', "A", "A. x\nB. y", "A"),
        ([Decimal("1.50"), date(2024, 1, 2)], 1, "A. 1.5\nB. 2024-01-02", "B"),
    ],
)
@pytest.mark.parametrize("name", ["choices", "options"])
def test_choices_of_every_kind_are_listed(name: str, choices: object, answer: object, listed: str, response: str):
    kept, _, _ = read([{"question": "Q", name: choices, "answer": answer}])
    assert last(kept) == [("user", f"Q\n\n{listed}"), ("assistant", response)]


@pytest.mark.parametrize("mark", [{"label": False}, {"label": "False"}, {"kto_tag": False}, {"rank": "bad"}])
@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q", "completion": "A"},
        {"instruction": "Q", "output": "A"},
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
    ],
)
def test_an_answer_that_is_marked_as_bad_is_set_aside(record: dict, mark: dict):
    kept, refused, run = read([record, {**record, **mark}])
    assert len(kept) == 1
    assert refused[0]["reason"].startswith("marked as undesirable: column ")
    assert run.summary.quarantined_share == 0


def test_labels_that_are_classes_or_good_mark_nothing():
    record = {"prompt": "Q", "completion": "A"}
    kept, _, run = read([{**record, "label": label} for label in (True, 0, 1, "positive")])
    assert len(kept) == 4
    assert run.summary.unmapped == {"label": 3}
    assert len(read([{"text": "a document", "label": False}])[0]) == 1


def test_unmapped_columns_are_counted_where_they_hold_something():
    record = {"prompt": "Q", "completion": "A", "id": 0, "note": "", "tags": [], "reasoning": None}
    turns = [{"role": "user", "content": "Q", "name": "ann"}, {"role": "assistant", "content": "A", "name": "bot"}]
    _, _, run = read([record, {**record, "reasoning": "Because."}, {**record, "note": "x"}])
    assert run.summary.unmapped == {"id": 3, "reasoning": 1, "note": 1}
    assert run.summary.known_unmapped == {"reasoning": 1}
    assert read([{"messages": turns}])[2].summary.unmapped == {"turn.name": 1}


def test_columns_without_end_are_counted_together():
    records = [{"prompt": "Q", "completion": "A", f"key{i}": i} for i in range(MOST_NAMES + 7)]
    counts = read(records)[2].summary.unmapped
    assert len(counts) == MOST_NAMES + 1
    assert counts[OTHERS] == 7


class Odd(dict):
    """A record that fails when it is read."""

    def get(self, key: object, default: object = None) -> object:
        raise OverflowError("out of range \ud800")


def test_whatever_a_record_does_wrong_costs_that_record():
    kept, refused, _ = read([*SAMPLE, Odd(LATE), {**LATE, "note": 10**6000}, {**LATE, "output": 10**6000}])
    assert len(kept) == SAMPLE_ROWS + 1
    assert refused[0]["reason"].startswith("unexpected OverflowError: out of range")
    assert refused[1]["reason"] == (
        "missing response: column 'output' holds a number of more than 4,000 digits, which is no answer"
    )


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=3) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "name", "x"]), inner)
    ),
    max_leaves=6,
)
names = ["instruction", "input", "output", "messages", "tools", "images", "history", "label", "choices", "answer"]


@given(st.lists(st.dictionaries(st.sampled_from(names), odd, max_size=5), max_size=6))
def test_no_value_in_any_column_escapes_the_accounting(records: list[dict]):
    for start in ({"instruction": "Q", "output": "A"}, {"question": "Q", "answer": "A"}):
        _, refused, _ = read([start, start, *records, *[start] * len(records)])
        assert [row["reason"] for row in refused if row["reason"].startswith("unexpected")] == []


@pytest.mark.parametrize(
    "record",
    [
        {"role": "user", "text": "Q"},
        {"role": "assistant", "content": "A", "conversation_id": "c"},
        {"parent_id": "p", "text": "A"},
        {"thread_id": "t", "text": "A"},
    ],
)
def test_single_messages_are_no_documents_unless_the_user_says_so(record: dict):
    with pytest.raises(FormatError, match="single messages and not documents"):
        read([record])
    assert len(read([record], format="text")[0]) == 1


def item(answer: object, **fields: object) -> dict:
    return {"question": "How many loaves does the baker send?", "answer": answer, **fields}


def test_an_odd_item_of_an_evaluation_costs_that_item_and_only_where_it_is_compared():
    answers = [12, [4, "four"], "7", math.nan, date(2024, 1, 2), *range(SAMPLE_ROWS)]
    rows = [RawRow(i, item(answer)) for i, answer in enumerate(answers)]
    rows.append(RawRow(len(rows), Odd(item(1))))
    found = evaluation_items("e", rows)
    assert (found.records, found.refused) == (SAMPLE_ROWS + 5, {"unexpected OverflowError": 1})
    found = evaluation_items("e", rows, compare="question_answer")
    assert [entry.text.rpartition("\n")[2] for entry in found.items][:3] == ["12", "7", "2024-01-02"]
    assert found.refused == {"wrong type": 1, "missing response": 1, "unexpected OverflowError": 1}


def test_choices_of_items_may_be_numbers_and_objects():
    rows = [RawRow(0, item("A", choices=[3, 5])), RawRow(1, item("A", choices={"A": "x", "B": "y"}))]
    found = evaluation_items("e", rows, compare="question_choices")
    assert [entry.text.split("\n", 1)[1] for entry in found.items] == ["A. 3\nB. 5", "3\n5", "A. x\nB. y", "x\ny"]
