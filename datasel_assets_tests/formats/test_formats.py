"""Every accepted spelling of a conversation, and every way to refuse one."""

import json
import math

import pytest

from datasel_assets.corpus import detect_format
from datasel_assets.formats import FORMATS
from datasel_assets.formats.conversation import Conversation, RowError, checked


def convert(record: dict, format: str = "auto", **columns: str) -> Conversation:
    found = detect_format([record], format, columns)
    return checked(FORMATS[found.format].convert(record, found.columns), max_turns=100)


def refused(record: dict, format: str = "auto", **columns: str) -> str:
    with pytest.raises(RowError) as caught:
        convert(record, format, **columns)
    return str(caught.value)


PAIR = [("user", "Q"), ("assistant", "A")]


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Q", "input": "", "output": "A"},
        {"instruction": "Q", "input": None, "output": "A"},
        {"instruction": "Q", "response": "A"},
        {"Instruction": "Q", "Output": "A"},
        {"prompt": "Q", "completion": "A"},
        {"prompt": "Q", "response": "A"},
        {"prompt": "Q", "chosen": "A", "rejected": "B"},
        {"text": "Q", "code": "A"},
        {"inputs": "Q", "targets": "A"},
        {"input": "Q", "target": "A"},
        {"prompt": "Q", "canonical_solution": "A"},
        {"question": "Q", "answer": "A"},
        {"problem": "Q", "solution": "A"},
        {"query": "Q", "response": "A"},
        {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        {"messages": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        {"conversations": [{"role": "User", "content": "Q"}, {"role": "ASSISTANT", "content": "A"}]},
        {"conversations": ["Q", "A"]},
        {"conversations": [{"from": "human", "value": "Q"}], "chosen": {"from": "gpt", "value": "A"}, "rejected": {}},
        {"prompt": [{"role": "user", "content": "Q"}], "completion": [{"role": "assistant", "content": "A"}]},
        {"turns": [{"speaker": "USER", "utterance": "Q"}, {"speaker": "SYSTEM", "utterance": "A"}]},
        {"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"},
        {"instruction": "Q", "instances": [{"input": "", "output": "A"}, {"input": "i", "output": "o"}]},
    ],
    ids=lambda record: ",".join(record),
)
def test_every_spelling_of_one_exchange_is_the_same_conversation(record: dict):
    assert convert(record).messages == PAIR


def test_alpaca_joins_instruction_and_input_by_a_blank_line():
    record = {"instruction": "Sort.", "input": "3 1", "output": "1 3"}
    assert convert(record).messages == [("user", "Sort.\n\n3 1"), ("assistant", "1 3")]
    assert convert({**record, "instruction": ""}).messages[0] == ("user", "3 1")


def test_of_two_response_columns_the_other_is_kept_in_extra():
    conversation = convert({"instruction": "Q", "input": "", "response": "A2", "output": "A"})
    assert (conversation.messages, conversation.extra) == (PAIR, {"response": "A2"})


def test_the_chosen_side_of_a_preference_wins_over_the_output():
    conversation = convert({"instruction": "Q", "output": "O", "chosen": "A", "rejected": "B"})
    assert (conversation.messages, conversation.extra) == (PAIR, {"output": "O", "rejected": "B"})


def test_chosen_means_nothing_without_rejected():
    assert convert({"instruction": "Q", "output": "A", "chosen": "yes"}).extra == {"chosen": "yes"}


def test_a_chosen_conversation_beside_a_whole_one_is_not_appended():
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    conversation = convert({"prompt": "Q", "messages": turns, "chosen": turns, "rejected": turns})
    assert conversation.messages == PAIR
    assert conversation.extra == {"prompt": "Q", "chosen": turns, "rejected": turns}


def test_system_and_history_come_before_the_instruction():
    record = {"instruction": "Q", "output": "A", "system": "S", "history": [["q", "a"]]}
    assert convert(record).messages == [("system", "S"), ("user", "q"), ("assistant", "a"), *PAIR]


def test_the_first_instance_is_taken_and_the_others_are_kept():
    record = {
        "id": "t",
        "instruction": "Q",
        "instances": [{"input": "i", "output": "A"}, {"input": "j", "output": "B"}],
    }
    conversation = convert(record)
    assert conversation.messages == [("user", "Q\n\ni"), ("assistant", "A")]
    assert conversation.extra == {"id": "t", "instances": [{"input": "j", "output": "B"}]}


def test_sharegpt_tool_roles_system_and_tools_are_kept():
    record = {
        "conversations": [
            {"from": "human", "value": "Weather?"},
            {"from": "function_call", "value": '{"name": "weather"}'},
            {"from": "observation", "value": "sunny"},
            {"from": "gpt", "value": "Sunny."},
        ],
        "system": "Be brief.",
        "tools": "[...]",
    }
    conversation = convert(record)
    assert [role for role, _ in conversation.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert conversation.extra == {"tools": "[...]"}


def test_openai_tool_calls_become_the_text_of_their_message():
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    record = {
        "messages": [
            {"role": "developer", "content": "S"},
            {"role": "user", "content": "Q", "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "content": "7", "tool_call_id": "c1"},
            {"role": "assistant", "content": "It is 7.", "tool_calls": None},
            {"role": "assistant", "content": "And", "tool_calls": calls},
        ],
        "tools": [{"name": "f"}],
    }
    conversation = convert(record)
    assert [role for role, _ in conversation.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "assistant",
    ]
    assert json.loads(conversation.messages[2][1]) == calls
    assert conversation.messages[4][1] == "It is 7."
    assert conversation.messages[5][1] == "And\n" + conversation.messages[2][1]
    assert json.loads(conversation.tools or "") == [{"name": "f"}]
    assert conversation.extra == {"message_fields": {"1": {"name": "ann"}, "3": {"tool_call_id": "c1"}}}


def test_content_parts_are_joined_and_parts_that_are_no_text_are_refused():
    def record(*parts: object) -> dict:
        return {"messages": [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": "A"}]}

    text = {"type": "text", "text": "one"}
    assert convert(record(text, {"type": "input_text", "text": "two"}, "three")).messages[0][1] == "one\ntwo\nthree"
    assert (
        refused(record(text, {"type": "image_url", "image_url": {}}))
        == "not text: message 0 has a part of type 'image_url'"
    )


def test_a_transcript_is_split_at_its_speakers_only():
    text = "\n\nHuman: one\n\ntwo\n\nAssistant: A: yes\n\nHuman: Assistant: no\n\nAssistant:end "
    assert convert({"chosen": text, "rejected": ""}, "transcript", transcript="chosen").messages == [
        ("user", "one\n\ntwo"),
        ("assistant", "A: yes"),
        ("user", "Assistant: no"),
        ("assistant", "end "),
    ]


def test_question_answer_with_context_and_choices():
    assert convert({"Body": "Six apples.", "Question": "How many?", "Answer": 6.0}).messages == [
        ("user", "Six apples.\n\nHow many?"),
        ("assistant", "6"),
    ]
    lettered = {"question": "Q", "A": "x", "B": "y", "C": "z", "D": None, "answer": "B"}
    listed = [("user", "Q\n\nA. x\nB. y\nC. z"), ("assistant", "B")]
    assert convert(lettered).messages == listed
    assert convert({"question": "Q", "choices": ["x", "y", "z"], "answer": 1}).messages == listed
    assert convert({"question": "Q", "answer": 2.5}).messages[1] == ("assistant", "2.5")


def test_plain_text_is_one_assistant_message():
    conversation = convert({"text": " T\n", "title": "t"})
    assert (conversation.messages, conversation.extra) == ([("assistant", " T\n")], {"title": "t"})


def test_text_is_kept_as_it_stands_but_for_unicode_composition():
    record = {"prompt": " e\u0301\t\r\n", "completion": "  A<|endoftext|>\u00a0 "}
    assert convert(record).messages == [("user", " é\t\r\n"), ("assistant", "  A<|endoftext|>\u00a0 ")]


def test_a_suffix_is_stripped_only_on_demand_and_only_from_answers():
    conversation = Conversation([("user", "Q<e>"), ("assistant", "A<e>"), ("user", "R"), ("assistant", "<e>A<e>")], {})
    stripped = [("user", "Q<e>"), ("assistant", "A"), ("user", "R"), ("assistant", "<e>A")]
    assert checked(conversation, 10, "<e>").messages == stripped
    assert checked(conversation, 10).messages == conversation.messages
    with pytest.raises(RowError, match="empty response"):
        checked(Conversation([("user", "Q"), ("assistant", "<e>")], {}), 10, "<e>")


ALPACA = {"instruction": "Q", "input": "", "output": "A"}
TURNS = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]


@pytest.mark.parametrize(
    ("record", "format", "reason"),
    [
        ({**ALPACA, "output": ""}, "auto", "empty response"),
        ({**ALPACA, "output": " \n\u00a0\t"}, "auto", "empty response"),
        ({**ALPACA, "output": None}, "alpaca", "missing response: none of the columns"),
        ({"instruction": "Q"}, "alpaca", "missing response: none of the columns chosen, output"),
        ({**ALPACA, "output": ["A"]}, "alpaca", "missing response"),
        ({**ALPACA, "instruction": ""}, "auto", "empty prompt"),
        ({**ALPACA, "instruction": True}, "alpaca", "empty prompt"),
        ({"instruction": "Q", "instances": []}, "alpaca", "missing response"),
        ({**ALPACA, "history": [["q"]]}, "alpaca", "wrong type: history"),
        ({**ALPACA, "output": "A \ud800"}, "auto", "not Unicode"),
        ({"messages": TURNS[:1]}, "auto", "no assistant message"),
        ({"messages": TURNS[1:]}, "auto", "no user message"),
        ({"messages": [{"role": "system", "content": "S"}, TURNS[1]]}, "auto", "no user message"),
        ({"messages": [TURNS[1], TURNS[0]]}, "auto", "no user message"),
        ({"messages": [{**TURNS[0], "content": " "}, TURNS[1]]}, "auto", "no user message"),
        ({"messages": [*TURNS, TURNS[0], {**TURNS[1], "content": ""}]}, "auto", "empty response"),
        ({"messages": [TURNS[0], {"role": "assistant", "content": 3}]}, "auto", "wrong type: message 1 holds a number"),
        ({"messages": [*TURNS, {"role": "boss", "content": "x"}]}, "auto", "unknown role: 'boss' in message 2"),
        ({"messages": [TURNS[0], {"content": "A"}]}, "auto", "not a turn: message 1"),
        ({"messages": [TURNS[0], "A"]}, "auto", "not a turn: message 1"),
        (
            {"messages": [TURNS[0], {"role": "assistant", "content": {}}]},
            "auto",
            "wrong type: message 1 holds an object",
        ),
        (
            {"messages": [TURNS[0], {"role": "assistant", "content": math.nan}]},
            "auto",
            "wrong type: message 1 holds NaN",
        ),
        ({"messages": []}, "messages", "missing turns"),
        ({"messages": "text"}, "messages", "missing turns"),
        ({"messages": TURNS * 51}, "auto", "too many turns: 102, the limit is limits.turns = 100"),
        ({"chosen": "no marks", "rejected": "x"}, "transcript", "missing response"),
        ({"question": "Q", "answer": True}, "qa", "missing response"),
    ],
)
def test_a_record_that_is_no_conversation_says_why(record: dict, format: str, reason: str):
    assert reason in refused(record, format)


def test_a_named_column_of_the_wrong_type_is_named():
    assert refused({"q": "Q", "a": ["A"]}, prompt="q", response="a") == (
        "wrong type: column 'a' holds a list where text is needed"
    )
    assert refused({"q": {}, "a": "A"}, prompt="q", response="a").startswith("wrong type: column 'q' holds an object")
    assert refused({"q": "Q", "b": "A"}, prompt="q", response="a") == "missing response: column 'a' is absent"
    assert refused({"q": "Q", "a": None}, prompt="q", response="a") == "missing response: column 'a' is null"
    assert refused({"t": 3}, messages="t").startswith("wrong type: column 't' holds a number where a list of turns")
    assert refused({"question": "Q", "c": [[1]], "answer": "A"}, choices="c").startswith("wrong type: choices must be")
    assert refused({"c": "no marks"}, transcript="c").startswith("not a transcript")
