"""A conversation in any accepted encoding is read back to the same turns; what turns carry is kept or refused."""

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.corpus import CORPUS_SCHEMA, ingest
from datasel_assets.formats.conversation import Conversation, RowError
from datasel_assets.raw_rows import RawRow
from datasel_assets.storage.readers import json_lines
from datasel_assets_tests.formats.test_formats import PAIR, convert, refused

Turns = list[tuple[str, str]]

visible = st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"])
said = st.text(visible, min_size=1, max_size=12).map(lambda text: unicodedata.normalize("NFC", f"t{text}"))


@st.composite
def conversations(draw: st.DrawFn) -> Turns:
    """Questions and answers in turn, which every encoding can say."""
    return [pair for _ in range(draw(st.integers(1, 3))) for pair in (("user", draw(said)), ("assistant", draw(said)))]


def objects(turns: Turns, role: str = "role", content: str = "content") -> list[dict[str, Any]]:
    return [{role: who, content: text} for who, text in turns]


def sharegpt(turns: Turns) -> list[dict[str, Any]]:
    return [{"from": {"user": "human", "assistant": "gpt"}[who], "value": text} for who, text in turns]


def questions(turns: Turns) -> list[list[str]]:
    return [[turns[i][1], turns[i + 1][1]] for i in range(0, len(turns), 2)]


ENCODINGS = {
    "openai": lambda turns: {"messages": objects(turns)},
    "sharegpt": lambda turns: {"conversations": sharegpt(turns)},
    "json in a cell": lambda turns: {"messages": json.dumps(objects(turns), ensure_ascii=False)},
    "sharegpt json in a cell": lambda turns: {"conversations": json.dumps(sharegpt(turns))},
    "bytes of json": lambda turns: {"messages": json.dumps(objects(turns)).encode()},
    "turns of bytes": lambda turns: {"messages": [{k: v.encode() for k, v in turn.items()} for turn in objects(turns)]},
    "list of json texts": lambda turns: {"messages": [json.dumps(turn) for turn in objects(turns)]},
    "object of lists": lambda turns: {
        "conversations": {"from": [t["from"] for t in sharegpt(turns)], "value": [text for _, text in turns]}
    },
    "openai object of lists": lambda turns: {
        "messages": {"role": [who for who, _ in turns], "content": [text for _, text in turns], "name": None}
    },
    "role pairs": lambda turns: {"messages": [list(turn) for turn in turns]},
    "question pairs": lambda turns: {"conversations": questions(turns)},
    "alternating": lambda turns: {"conversations": [text for _, text in turns]},
    "keyed by role": lambda turns: {"messages": [{who: text} for who, text in turns]},
    "keyed pairs": lambda turns: {"messages": [dict(turns[i : i + 2]) for i in range(0, len(turns), 2)]},
    "content parts": lambda turns: {
        "messages": [{"role": who, "content": [{"type": "text", "text": text}]} for who, text in turns]
    },
    "other keys": lambda turns: {"messages": objects(turns, content="text")},
    "padded": lambda turns: {"messages": [{**t, "name": None, "tool_calls": None} for t in objects(turns)]},
    "trl": lambda turns: {"prompt": objects(turns[:-1]), "completion": objects(turns[-1:])},
    "trl text answer": lambda turns: {"prompt": objects(turns[:-1]), "completion": turns[-1][1]},
    "history": lambda turns: {
        "instruction": turns[-2][1],
        "input": "",
        "output": turns[-1][1],
        "history": questions(turns[:-2]),
    },
    "transcript": lambda turns: {
        "chosen": "".join({"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}[who] + text for who, text in turns),
        "rejected": "x",
    },
    "transcript before an answer": lambda turns: {
        "prompt": "".join({"user": "\n\nHuman: ", "assistant": "\n\nAssistant: "}[who] + t for who, t in turns[:-1])
        + "\n\nAssistant:",
        "completion": " " + turns[-1][1],
    },
}


@pytest.mark.parametrize("name", ENCODINGS)
@settings(max_examples=50)
@given(turns=conversations())
def test_every_encoding_is_read_back_to_the_same_turns(name: str, turns: Turns):
    conversation = convert(ENCODINGS[name](turns))
    assert conversation.messages == turns
    assert conversation.extra.keys() <= {"rejected", "history"}


@given(conversations())
def test_a_record_that_is_itself_a_list_of_turns_is_a_conversation(turns: Turns):
    line = json.dumps(objects(turns)).encode()
    (batch,) = ingest(json_lines.rows(io.BufferedReader(io.BytesIO(line)), row_chars=1_000_000, start=0), source="s")
    assert [(m["role"], m["content"]) for m in batch.corpus["messages"][0].as_py()] == turns


@settings(max_examples=30)
@given(st.lists(conversations(), min_size=1, max_size=5))
def test_the_hash_of_a_conversation_is_the_same_in_every_encoding(pool: list[Turns]):
    hashes = set()
    for name, encode in ENCODINGS.items():
        rows = [RawRow(i, encode(turns)) for i, turns in enumerate(pool)]
        corpus = [row for batch in ingest(rows, source="s") for row in batch.corpus.to_pylist()]
        assert len(corpus) == len(pool), name
        hashes.add(tuple(row["content_hash"] for row in corpus))
    assert len(hashes) == 1


def test_texts_alternate_unless_all_of_them_are_turns_in_json():
    assert convert({"conversations": ['{"city": "Rome"}', "A"]}).messages == [("user", '{"city": "Rome"}'), PAIR[1]]


def test_an_object_of_lists_of_different_lengths_is_refused():
    assert refused({"messages": {"role": ["user", "assistant"], "content": ["Q"]}}).startswith(
        "not a turn: an object of"
    )


def test_text_that_is_no_list_of_turns_is_refused_by_name():
    reason = refused({"m": "[{'role': 'user'}]"}, messages="m")
    assert reason == "wrong type: column 'm' holds text where a list of turns is needed"


def turn(role: str = "assistant", content: Any = "A", **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


def answered(*turns: dict[str, Any], **fields: Any) -> Conversation:
    return convert({"messages": [turn("user", "Q"), *turns], **fields})


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_part_of_the_answer(key: str):
    found = answered(turn(**{key: "Because."}))
    assert found.messages[1] == ("assistant", "<think>\nBecause.\n</think>\n\nA")
    assert found.extra == {}


def test_reasoning_parts_are_part_of_the_answer_and_the_same_thought_stands_once():
    parts = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "A"}]
    assert answered(turn(content=parts)).messages[1][1] == "<think>\nHm.\n</think>\n\nA"
    assert answered(turn(content=parts, reasoning="Hm.")).messages[1][1] == "<think>\nHm.\n</think>\n\nA"
    inline = "<think>\nHm.\n</think>\n\nA"
    assert answered(turn(content=inline, reasoning_content="Hm.")).messages[1][1] == inline


def test_reasoning_before_a_call_stands_before_the_call():
    found = answered(turn(content=None, reasoning="Look.", tool_calls=[{"name": "f"}]), turn("tool", "7"), turn())
    assert found.messages[1][1] == '<think>\nLook.\n</think>\n\n[{"name":"f"}]'


def test_reasoning_without_an_answer_is_an_empty_answer():
    assert refused({"messages": [turn("user", "Q"), turn(content="", reasoning="Hm.")]}).startswith("empty response")


@pytest.mark.parametrize("column", ["reasoning_content", "thinking"])
def test_reasoning_beside_an_answer_stands_before_it(column: str):
    record = {"prompt": "Q", "completion": "A", column: "Hm."}
    assert convert(record).messages == [PAIR[0], ("assistant", "<think>\nHm.\n</think>\n\nA")]
    assert convert({"question": "Q", "answer": "A", "why": "Hm."}, reasoning="why").messages[1][1].startswith("<think>")
    assert convert({"prompt": "Q", "completion": "A", "reasoning": "on"}).messages == PAIR


@pytest.mark.parametrize(
    ("prompt", "turns"),
    [
        ("Human: q\n\nAssistant:", [("user", "q")]),
        ("\n\nHuman: q\n\nAssistant: a\n\nHuman: r", [("user", "q"), ("assistant", "a"), ("user", "r")]),
        ("Be brief.\n\nHuman: q\n\nAssistant: ", [("system", "Be brief."), ("user", "q")]),
        ("Human: q\n\nAssistant: Sure,", None),
        ("Human: q", None),
        ("Write a play.\n\nHuman: q\n\nHuman: r", None),
        ("What does a line 'Assistant:' mean to a Human: anything?", None),
    ],
)
def test_marks_inside_a_prompt_are_turns_where_an_answer_follows(prompt: str, turns: Turns | None):
    expected = [("user", prompt)] if turns is None else turns
    assert convert({"prompt": prompt, "completion": "A"}).messages == [*expected, PAIR[1]]


def test_a_reasoning_key_that_is_no_text_stays_beside_the_message():
    assert answered(turn(reasoning={"effort": "low"})).extra == {
        "message_fields": {"1": {"reasoning": {"effort": "low"}}}
    }


@pytest.mark.parametrize(
    "mask", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"loss": False}, {"train_on_turn": False}, {"loss": "0"}]
)
def test_a_masked_answer_stays_as_context_and_is_not_trained_on(mask: dict):
    found = answered(turn(content="wrong", **mask), turn("user", "No."), turn(weight=1, train=True))
    assert found.messages == [*PAIR[:1], ("assistant", "wrong"), ("user", "No."), PAIR[1]]
    assert (found.untrained, found.extra) == ((1,), {})


def test_what_follows_the_last_trained_answer_is_cut():
    found = answered(turn(), turn("user", "More?", name="ann"), turn(content="wrong", weight=0), turn("user", "Bye"))
    assert (found.messages, found.untrained, found.extra) == (PAIR, (), {})
    unmasked = answered(turn(), turn("user", "Bye"))
    assert unmasked.messages == [*PAIR, ("user", "Bye")]


def test_a_conversation_without_a_trained_answer_is_refused():
    assert refused({"messages": [turn("user", "Q"), turn(weight=0)]}).startswith("marked as not to be trained on: ")


def test_a_weight_that_is_neither_zero_nor_one_stays_in_sight():
    found = answered(turn(weight=0.5))
    assert (found.untrained, found.extra) == ((), {"message_fields": {"1": {"weight": 0.5}}})


DEFINITION = {"type": "function", "function": {"name": "warmth", "parameters": {"town": {"type": "string"}}}}


@pytest.mark.parametrize("name", ["tools", "functions"])
@pytest.mark.parametrize(
    "value",
    [
        [DEFINITION],
        json.dumps([DEFINITION]),
        json.dumps(DEFINITION),
        [json.dumps(DEFINITION)],
        [{**DEFINITION, "strict": None, "function": {**DEFINITION["function"], "description": None}}],
    ],
)
def test_tool_definitions_come_along_whatever_their_encoding(name: str, value: object):
    found = answered(turn(), **{name: value})
    assert json.loads(found.tools or "") == [DEFINITION]
    assert found.extra == {}


@pytest.mark.parametrize("value", [None, [], "", "[]"])
def test_no_definitions_are_no_tools(value: object):
    assert answered(turn(), tools=value).tools is None


def test_tools_that_cannot_be_read_are_refused_where_most_rows_have_them():
    rows = [{"messages": [turn("user", str(i)), turn()], "tools": [DEFINITION]} for i in range(3)]
    rows[1]["tools"] = "search, calculate"  # type: ignore[assignment]
    run = ingest([RawRow(i, row) for i, row in enumerate(rows)], source="s")
    (reason,) = [row["reason"] for batch in run for row in batch.quarantine.to_pylist()]
    assert reason == "wrong type: column 'tools' holds text that is no list of tool definitions"


def test_null_arguments_go_only_where_structs_were_aligned():
    call = {"function": {"name": "f", "arguments": {"town": "Rome", "amount": None}}}
    aligned = [turn("user", "Q", tool_calls=None), turn(content="", tool_calls=[call]), turn("tool", "7"), turn()]
    assert json.loads(convert({"messages": aligned}).messages[1][1])[0]["function"]["arguments"] == {"town": "Rome"}
    found = answered(turn(content="", tool_calls=[call]), turn("tool", "7"), turn())
    assert json.loads(found.messages[1][1])[0]["function"]["arguments"] == {"town": "Rome", "amount": None}


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\u00a0\ufeff"])
def test_blank_turns(blank: str):
    assert answered(turn(), system=blank).messages == PAIR
    assert convert({"messages": [turn("system", blank), turn("user", "Q"), turn()]}).messages == PAIR
    more = [turn("user", "Q"), turn(content=blank), turn("user", "And?"), turn()]
    assert refused({"messages": more}) == "empty response: message 1 (assistant) has no text"
    more = [turn("user", "Q"), turn(), turn("user", blank), turn()]
    assert refused({"messages": more}) == "empty prompt: message 2 (user) has no text"
    assert refused({"messages": [turn("user", "Q"), turn(content=blank)]}).startswith("empty response: the final")
    assert refused({"messages": [turn("user", blank), turn()]}).startswith("no user message")
    assert refused({"instruction": "Q", "output": "A", "history": [["q", blank]]}).startswith(
        "empty response: message 1"
    )
    silent = answered(turn(content="call"), turn("tool", blank), turn())
    assert silent.messages[2] == ("tool", blank)


def test_pictures_of_parts_are_marked_in_the_text_in_order():
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x/a.png"}},
        {"type": "text", "text": "Which?"},
        {"type": "image", "image": "b.png"},
    ]
    found = convert({"messages": [turn("user", parts), turn()]})
    assert found.messages[0][1] == "<image>\nWhich?\n<image>"
    assert found.images == ("https://x/a.png", "b.png")


@pytest.mark.parametrize(
    ("question", "column", "text"),
    [
        ("<image>Which?", ["a.png"], "<image>Which?"),
        ("Which?", [{"path": "a.png", "bytes": None}], "<image>\nWhich?"),
        ([{"type": "image"}, {"type": "text", "text": "Which?"}], ["a.png"], "<image>\nWhich?"),
        ("Which?", '["a.png"]', "<image>\nWhich?"),
    ],
)
def test_pictures_beside_the_turns_have_their_place_in_the_text(question: Any, column: object, text: str):
    found = convert({"messages": [turn("user", question), turn()], "images": column})
    assert (found.messages[0][1], found.images, found.extra) == (text, ("a.png",), {})


def test_one_picture_may_stand_in_a_column_of_its_own():
    picture = {"bytes": b"x", "path": "a.png"}
    found = convert({"messages": [turn("user", "<image>Q"), turn()], "image": picture})
    assert (found.images, found.extra) == (("a.png",), {})


def test_pictures_that_cannot_be_kept_are_refused():
    def record(*images: object) -> dict:
        return {"messages": [turn("user", "<image><image>Q"), turn()], "images": list(images)}

    assert refused(record("a.png")).startswith("images do not match: 1 beside the turns, 2 <image>")
    assert refused(record({"bytes": b"x", "path": None})).startswith("not text: column 'images' holds pictures without")
    assert refused({"messages": [turn("user", [{"type": "video", "video": "v"}]), turn()]}).startswith("not text")


def test_hashes_and_ids_of_rows_without_tools_masks_and_pictures_are_what_they_were():
    def ids(**fields: Any) -> tuple[str, str]:
        (batch,) = ingest([RawRow(0, {"messages": objects(PAIR), **fields})], source="s")
        row = batch.corpus.to_pylist()[0]
        return row["row_id"], row["content_hash"]

    plain = ids()
    assert plain == ("27e3a94a7c9107523e1a2cb492d8bfb0", "e19e087c082b9ca51588df11888f66ea")
    assert ids(label="x") == plain
    assert ids(tools=[DEFINITION]) != plain
    assert ids(images=["a.png"]) != plain


def test_tools_count_as_tokens_and_masked_answers_not_as_response():
    record = {
        "messages": [turn("user", "a b"), turn(content="c d e", weight=0), turn("user", "f"), turn(content="g h")],
        "tools": [{"name": "f", "parameters": {}}],
    }
    (batch,) = ingest([RawRow(0, record)], source="s", count_tokens=lambda texts: [len(t.split()) for t in texts])
    row = batch.corpus.to_pylist()[0]
    assert batch.corpus.schema == CORPUS_SCHEMA
    tools = len(row["tools"].split())
    assert (row["n_tokens"], row["n_response_tokens"]) == (2 + 3 + 1 + 2 + tools, 2)
    assert (row["untrained"], row["images"]) == ([1], None)
    assert "c d e" in row["prompt"]


def test_an_unknown_part_names_its_message_and_type():
    with pytest.raises(RowError, match="not text: message 0 has a part of type 'audio'"):
        convert({"messages": [turn("user", [{"type": "audio", "audio": "x"}]), turn()]})
