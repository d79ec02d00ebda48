"""Which text a model reads in each context."""

import pytest

from datasel_assets.indicators.token_table import EMPTY, NO_PROMPT, NO_WORDS
from datasel_assets.models.contexts import (
    conditioned,
    drop_words,
    perturbed,
    unconditioned,
)
from datasel_assets.models.dialogue import DialogueRenderer


class NoTemplate:
    chat_template = None


PLAIN = DialogueRenderer(NoTemplate(), "plain")
TALK = [
    {"role": "user", "content": "one two three"},
    {"role": "assistant", "content": "four"},
    {"role": "user", "content": "five"},
    {"role": "assistant", "content": "six seven"},
]


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def test_the_conditioned_context_is_the_conversation_with_each_answer_marked():
    (request,) = conditioned([TALK], PLAIN).items
    assert request.turns == (0, 1)
    assert [request.text[start:end] for start, end in request.spans] == ["four", "six seven"]


def test_the_bare_context_is_each_answer_alone_and_keeps_its_prompt_in_mind():
    first, second = unconditioned([TALK], PLAIN, "bare").items
    assert (first.text, second.text) == ("four", "six seven")
    assert first.hidden == "one two three\n\n"
    assert second.hidden.endswith("five\n\n")


def test_the_header_context_puts_the_header_before_each_answer():
    alpaca = DialogueRenderer(NoTemplate(), "alpaca")
    first, _ = unconditioned([TALK], alpaca, "header").items
    assert first.text == "### Response:four"
    assert first.text[slice(*first.spans[0])] == "four"
    assert first.hidden.endswith("one two three\n\n")


def test_answers_without_a_prompt_or_without_content_are_refused_with_a_reason():
    rows = [[assistant("text")], [user("q"), assistant("")], [user("q")]]
    reasons = [(request.row, request.reason) for request in unconditioned(rows, PLAIN, "bare").items]
    assert reasons == [(0, NO_PROMPT), (1, EMPTY)]


def test_a_fifth_of_the_words_is_dropped_and_the_same_ones_each_time():
    text = " ".join(f"word{i}" for i in range(20))
    rows = [user(text), assistant("keep every word")]
    dropped = drop_words(rows, 0.2, "seed")
    assert dropped == drop_words(rows, 0.2, "seed") != drop_words(rows, 0.2, "other")
    words = dropped[0]["content"].split()
    assert len(words) == 16
    assert words == [word for word in text.split() if word in words]
    assert dropped[1] == rows[1]


@pytest.mark.parametrize("text", ["你好吗朋友", "สวัสดีครับ", "مرحبا بالعالم", "😀 😃 😄"])
def test_words_are_dropped_in_every_script(text):
    dropped = drop_words([user(text)], 0.2, "0")
    assert 0 < len(dropped[0]["content"]) < len(text)


def test_a_prompt_of_one_word_cannot_lose_one():
    rows = [[user("hello"), assistant("hi")], [assistant("hi")], [user("hello there"), assistant("hi")]]
    (requests,) = perturbed(rows, PLAIN, copies=1)
    assert [request.reason for request in requests.items] == [NO_WORDS, NO_WORDS, ""]


def test_copies_differ():
    rows = [[user(" ".join(map(str, range(50)))), assistant("x")]]
    texts = {requests.items[0].text for requests in perturbed(rows, PLAIN, copies=5)}
    assert len(texts) == 5
