"""Tables of single messages become conversations; every message is in one, refused, or its end."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.corpus import ingest
from datasel_assets.raw_rows import RawRow
from datasel_assets_tests.corpus.test_columns import read


def message(id: str, parent: str | None, role: str = "assistant", **fields: Any) -> dict[str, Any]:
    return {"message_id": id, "parent_id": parent, "role": role, "text": f"says {id}", **fields}


def threads(records: list[dict]) -> list[str]:
    """The ids of each thread, read off its texts."""
    return ["".join(turn["content"].removeprefix("says ") for turn in row["messages"]) for row in read(records)[0]]


def reasons(records: list[dict]) -> dict[str, str]:
    return {records[row["position"]]["message_id"]: row["reason"] for row in read(records)[1]}


TREE = [
    message("a", None, "prompter"),
    message("b", "a", rank=1),
    message("c", "a", rank=0, lang="en"),
    message("d", "c", "prompter"),
    message("e", "d"),
    message("f", "b", "prompter"),
    message("g", "f"),
]


def test_the_best_ranked_answer_is_followed_to_its_end():
    kept, refused, run = read(TREE)
    assert [turn["role"] for turn in kept[0]["messages"]] == ["user", "assistant", "user", "assistant"]
    assert threads(TREE) == ["acde"]
    assert (kept[0]["position"], run.summary.joined) == (4, 3)
    assert reasons(TREE) == {
        "b": "marked as undesirable: rank 1, and another answer to the same message has a better one",
        "f": "marked as undesirable: it follows a message that was refused",
        "g": "marked as undesirable: it follows a message that was refused",
    }
    assert run.summary.quarantined_share == 0
    assert len(refused) == 3


def test_the_order_of_records_does_not_matter():
    shuffled = random.Random(0).sample(TREE, len(TREE))
    assert threads(shuffled) == ["acde"]
    assert reasons(shuffled) == reasons(TREE)


def test_all_answers_are_followed_where_none_is_ranked_and_all_questions_always_are():
    records = [message("a", None, "user"), message("b", "a"), message("c", "a")]
    assert threads(records) == ["ab", "ac"]
    more = [message(id, "b", "user", rank=i) for i, id in enumerate("xy")] + [message("X", "x"), message("Y", "y")]
    assert sorted(threads([*records, *more])) == ["abxX", "abyY", "ac"]


def test_what_nobody_answered_what_was_deleted_and_what_hangs_in_the_air_is_refused_by_its_name():
    records = [
        message("a", None, "user"),
        message("b", "a"),
        message("c", "b", "user"),
        message("d", "a", deleted=True),
        message("e", "d", "user"),
        message("f", "nowhere"),
        message("g", "f", "user"),
        message("h", "i"),
        message("i", "h"),
        message("b", "a"),
        {"message_id": "j", "parent_id": "a", "role": "narrator", "text": "x"},
        message("k", "a", review_result=False),
    ]
    assert threads(records) == ["ab"]
    found = [(records[row["position"]]["message_id"], row["reason"].split(":")[0]) for row in read(records)[1]]
    assert found == [
        ("c", "unanswered"),
        ("d", "marked as undesirable"),
        ("e", "marked as undesirable"),
        ("f", "broken thread"),
        ("g", "broken thread"),
        ("h", "broken thread"),
        ("i", "broken thread"),
        ("b", "repeated id"),
        ("j", "not a message"),
        ("k", "marked as undesirable"),
    ]


def test_fields_of_the_last_message_are_those_of_the_thread():
    (row, *_), _, run = read([message("a", None, "user", lang="de"), message("b", "a", lang="en")])
    assert row["extra"] == '{"lang": "en", "message_id": "b"}'
    assert run.summary.unmapped == {"message_id": 1, "lang": 1}


@pytest.mark.parametrize(
    "names", [("id", "parent_id", "role", "content"), ("message_id", "parent_message_id", "from", "value")]
)
def test_other_names_of_the_columns_are_known(names: tuple[str, ...]):
    records = [dict(zip(names, turn, strict=True)) for turn in ((1, None, "human", "Q"), (2, 1, "gpt", "A"))]
    (row,), _, _ = read(records)
    assert (row["prompt"], row["response"]) == ("Q", "A")


def test_a_thread_of_ten_thousand_messages_is_put_together():
    records = [message(str(i), str(i - 1) if i else None, ("user", "assistant")[i % 2]) for i in range(10_000)]
    (row,), _, run = read(records, max_turns=10_000)
    assert (row["n_turns"], run.summary.joined) == (10_000, 9_999)


@st.composite
def forests(draw: st.DrawFn) -> list[dict]:
    """Any table of messages, circles, repeated ids and unreadable parents among them."""
    ids = draw(st.lists(st.integers(0, 12), min_size=1, max_size=14))
    records = [
        message(
            str(i), draw(st.none() | st.integers(0, 14).map(str)), draw(st.sampled_from(["user", "assistant", "x"]))
        )
        for i in ids
    ]
    for record in records:
        record["rank"] = draw(st.none() | st.integers(0, 3))
        record["deleted"] = draw(st.booleans())
    return [message("first", None, "user"), message("second", "first"), *records, *[message("z", "first")] * 14]


@given(forests())
def test_every_message_is_in_a_thread_or_refused_whatever_the_table(records: list[dict]):
    rows = [RawRow(i, record) for i, record in enumerate(records)]
    run = ingest(rows, source="s")
    kept = [row for batch in run for row in batch.corpus.to_pylist()]
    assert run.summary.rows_in == len(records) == run.summary.kept + run.summary.quarantined + run.summary.joined
    assert not any(reason.startswith("unexpected") for reason in run.summary.reasons)
    for row in kept:
        assert row["messages"][-1]["role"] == "assistant"
