import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.formats import sharegpt
from datasel_assets.storage.release.conversations import (
    NotExpressibleError,
    json_line,
    require_llamafactory,
    to_alpaca,
    to_messages,
    to_sharegpt,
)


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


def named(roles: str) -> list[dict[str, str]]:
    """Conversation from initials: s(ystem), u(ser), a(ssistant), t(ool)."""
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return turns(*((names[initial], f"{index}{initial}") for index, initial in enumerate(roles)))


contents = st.text(st.characters(codec="utf-8"), max_size=30)
conversations = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), contents), min_size=1, max_size=8
).map(lambda pairs: turns(*pairs))


def from_alpaca(row: dict) -> list[dict[str, str]]:
    """Read an alpaca row as LLaMA-Factory does."""
    messages = [("system", row["system"])] if row["system"] else []
    for instruction, output in [*row["history"], [row["instruction"], row["output"]]]:
        messages += [("user", instruction), ("assistant", output)]
    return turns(*messages)


@given(conversations)
def test_messages_are_kept_word_for_word(messages):
    assert to_messages(messages)["messages"] == messages


@given(st.lists(st.tuples(contents, contents), min_size=1, max_size=4), contents.filter(bool))
def test_an_alpaca_row_reads_back_as_the_same_conversation(exchanges, system):
    plain = [turn for question, answer in exchanges for turn in (("user", question), ("assistant", answer))]
    for messages in (turns(*plain), turns(("system", system), *plain)):
        row = to_alpaca(messages)
        assert from_alpaca(row) == messages
        assert list(row) == ["instruction", "input", "output", "system", "history"]


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ("uta", "tool messages"),
        ("uasua", "system message after"),
        ("uua", "alternate"),
        ("a", "alternate"),
        ("au", "alternate"),
        ("uau", "assistant message at the end"),
        ("s", "assistant message at the end"),
    ],
)
def test_what_alpaca_cannot_hold_is_refused_with_a_reason(roles, reason):
    with pytest.raises(NotExpressibleError, match=reason):
        to_alpaca(named(roles))


@given(conversations)
def test_sharegpt_holds_every_conversation(messages):
    back = {"human": "user", "gpt": "assistant", "observation": "tool", "system": "system"}
    row = to_sharegpt(messages)
    assert turns(*((back[turn["from"]], turn["value"]) for turn in row["conversations"])) == messages


def test_our_own_ingest_reads_the_sharegpt_file_back():
    messages = named("suatau")
    conversation = sharegpt.convert(to_sharegpt(messages), {"conversations": "conversations"})
    assert turns(*conversation.messages) == messages
    assert conversation.extra == {}


@pytest.mark.parametrize("roles", ["ua", "sua", "uaua", "uata", "tata"])
def test_llamafactory_takes_alternating_turns_and_tool_results_in_place_of_the_user(roles):
    require_llamafactory(named(roles))


@pytest.mark.parametrize("roles", ["a", "u", "uau", "uua", "uatta", "uasua", "s", "ssua"])
def test_llamafactory_would_skip_other_orders(roles):
    with pytest.raises(NotExpressibleError, match="LLaMA-Factory skips"):
        require_llamafactory(named(roles))


@given(st.recursive(contents, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_json_stays_on_one_line_for_every_kind_of_line_reader(value):
    line = json_line(value)
    assert json.loads(line) == value
    assert len(line.splitlines()) == 1


def test_json_keeps_letters_readable():
    assert json_line("naïve 数学") == '"naïve 数学"'
