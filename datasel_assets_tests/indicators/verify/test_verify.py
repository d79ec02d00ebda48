"""What the verifiers say of answers that are plainly right, plainly wrong, or none of their business."""

import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.indicators.verify import VERIFY, exchanges
from datasel_assets.indicators.verify.constraints import demands, paragraphs_of, sentences_of, words_of
from datasel_assets.indicators.verify.exchange import LONGEST, Exchange


def says(name: str, question: str, answer: str) -> float:
    return float(VERIFY[name]([[Exchange(question, answer)]])[0])


def talk(*turns: str) -> list[dict[str, str]]:
    return [{"role": "user" if k % 2 == 0 else "assistant", "content": turn} for k, turn in enumerate(turns)]


NA = math.nan
CASES = [
    # -- arithmetic
    ("arithmetic_wrong", "", "3 * (4 + 1) = 15", 0),
    ("arithmetic_wrong", "", "So he has 12 + 30 = 43 apples.", 1),
    ("arithmetic_wrong", "", "5 x 3 = 15 and then 15 - 6 = 8.", 0.5),
    ("arithmetic_wrong", "", "It costs $1,200 / 12 = $100 a month.", 0),
    ("arithmetic_wrong", "", "2/3 = 0.67, or 2/3 = 0.66", 0),
    ("arithmetic_wrong", "", "20% * 50 = 10", 0),
    ("arithmetic_wrong", "", "2 + 3 = 5 * 2 = 10", 0),
    ("arithmetic_wrong", "", "20*0.8=$<<20*.8=16>>16", 0),
    ("arithmetic_wrong", "", "2^10 = 1000", 1),
    ("arithmetic_wrong", "", "7 × 8 = 54", 1),
    ("arithmetic_wrong", "", "2x - 10 = 30", NA),
    ("arithmetic_wrong", "", "x + 5 = 3", NA),
    ("arithmetic_wrong", "", "2 students * 3 - 1 = 5", NA),
    ("arithmetic_wrong", "", "5 hours * 3 = 16", NA),
    ("arithmetic_wrong", "", "17 / 5 = 3 remainder 2", NA),
    ("arithmetic_wrong", "", "25 / 1/3 = 75", NA),
    ("arithmetic_wrong", "", "3 + 2 = 5 million", NA),
    ("arithmetic_wrong", "", "4 \\cdot 3 = 11", NA),
    ("arithmetic_wrong", "", "`1 + 1 = 3`", NA),
    ("arithmetic_wrong", "Add these binary numbers.", "101 + 11 = 1000", NA),
    ("arithmetic_wrong", "", "1 / 0 = 3", NA),
    ("arithmetic_wrong", "", "9^9^9^9 = 3", NA),
    ("arithmetic_wrong", "", "no numbers here", NA),
    # -- choices
    ("choice_missed", "Which?\nA) red\nB) blue\nC) green", "B", 0),
    ("choice_missed", "Which?\nA) red\nB) blue\nC) green", "The answer is C.", 0),
    ("choice_missed", "Which?\nA) red\nB) blue\nC) green", "I would say blue, of course.", 0),
    ("choice_missed", "Which?\nA) red\nB) blue\nC) green", "The answer is D.", 1),
    ("choice_missed", "Which?\nA) red\nB) blue\nC) green", "Yellow", 1),
    ("choice_missed", "Which? (A) red (B) blue", "A", 0),
    ("choice_missed", "Is it?\nOptions:\n- yes\n- no", "perhaps", 1),
    ("choice_missed", "Is it?\nOptions:\n- yes\n- no", "No", 0),
    ("choice_missed", "Rank them.\nA) red\nB) blue\nC) green", "none", NA),
    ("choice_missed", "Which colour is it?", "red", NA),
    # -- code
    ("code_invalid", "", "```python\nprint(1)\n```", 0),
    ("code_invalid", "", "```python\nprint(1\n```", 1),
    ("code_invalid", "", "```python\nprint 'old'\n```", 1),
    ("code_invalid", "", "```python\n>>> 1 + 1\n2\n```", 0),
    ("code_invalid", "", "```py\n    x = 1\n    return x\n```", 0),
    ("code_invalid", "", "```python\n%pip install x\nimport x\n```", 0),
    ("code_invalid", "", '```json\n{"a": 1}\n```', 0),
    ("code_invalid", "", '```json\n{"a": 1,}\n```', 1),
    ("code_invalid", "", '```json\n{"a": 1}\n{"a": 2}\n```', 0),
    ("code_invalid", "", '```json\n"scripts": {"a": "b"}\n```', 0),
    ("code_invalid", "", '```json\n{"a": ...}\n```', NA),
    ("code_invalid", "", "```yaml\na: [1, 2\n```", 1),
    ("code_invalid", "", "```yaml\na: 1\nb: [2]\n```", 0),
    ("code_invalid", "", "```toml\na = \n```", 1),
    ("code_invalid", "", "```xml\n<a><b/></a>\n```", 0),
    ("code_invalid", "", "```xml\n<a><b></a>\n```", 1),
    ("code_invalid", "", '```xml\n<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>\n```', NA),
    ("code_invalid", "", "```rust\nfn main( {\n```", NA),
    ("code_invalid", "", "```python\n1 +\n```\n```python\n1\n```", 0.5),
    ("code_invalid", "", "print(1", NA),
    # -- JSON
    ("json_invalid", "List three colours in JSON format.", '["red", "blue", "green"]', 0),
    ("json_invalid", "List three colours as JSON.", 'Here: {"colours": ["red"]} as asked.', 0),
    ("json_invalid", "List three colours as JSON.", "```json\n[1]\n```", 0),
    ("json_invalid", "List three colours as JSON.", "red, blue and green", 1),
    ("json_invalid", "List three colours as JSON.", "{'red': 1}", 1),
    ("json_invalid", "Write a function that returns JSON.", "def f(): ...", NA),
    ("json_invalid", "List three colours.", "red", NA),
    # -- demands
    ("constraints_missed", "Describe it in at least 5 words.", "one two three", 1),
    ("constraints_missed", "Describe it in at least 5 words.", "one two three four five", 0),
    ("constraints_missed", "Describe it in no more than two sentences.", "One. Two.", 0),
    ("constraints_missed", "Describe it in no more than two sentences.", "One. Two. Three.", 1),
    ("constraints_missed", "Say it in 10 words or less.", "a b c d e f g h i j", 0),
    ("constraints_missed", "Say it in fewer than 10 words.", "a b c d e f g h i j", 1),
    ("constraints_missed", "Say it in about 100 words.", "a", NA),
    ("constraints_missed", "Write exactly 2 paragraphs.", "One.\n\nTwo.", 0),
    ("constraints_missed", "Write exactly 2 paragraphs.", "One.\n\nTwo.\n\nThree.", 1),
    ("constraints_missed", "Your answer must contain exactly 3 bullet points.", "* a\n* b", 1),
    ("constraints_missed", 'Do not include keywords "green", "blue" in the response.', "The sky is blue.", 1),
    ("constraints_missed", 'Do not include keywords "green", "blue" in the response.', "The sky is grey.", 0),
    ("constraints_missed", 'Use the words "dream" and "river".', "Rivers dreamed.", 0),
    ("constraints_missed", 'Use the words "dream" and "river".', "A river.", 1),
    ("constraints_missed", "Refrain from using any commas.", "Well, no.", 1),
    ("constraints_missed", "Refrain from using any commas.", "Well no.", 0),
    ("constraints_missed", "Your response should be in all lowercase letters.", "No.", 1),
    ("constraints_missed", "Your entire response should be in all capital letters.", "YES", 0),
    ("constraints_missed", 'Finish your response with this exact phrase "Is that all?"', "It is. Is that all?", 0),
    ("constraints_missed", 'Finish your response with this exact phrase "Is that all?"', "It is.", 1),
    ("constraints_missed", "It needs a title, wrapped in double angular brackets, such as <<poem>>.", "<<Hi>> x", 0),
    ("constraints_missed", "Wrap your entire response with double quotation marks.", '"yes"', 0),
    ("constraints_missed", "Wrap your entire response with double quotation marks.", "yes", 1),
    ("constraints_missed", "Write a Python function with at least 5 words.", "x", NA),
    ("constraints_missed", "Write 50 stories under ten words", "1. " + "word " * 40, NA),
    ("constraints_missed", "Write a poem.", "x", NA),
    # -- texts that are not there
    ("text_missing", "Summarize the following article.", "It is good.", 1),
    ("text_missing", "Classify the following song as either sad or happy.", "Sad.", 1),
    ("text_missing", "Summarize the following article.\n\nOnce upon a time.", "It is good.", 0),
    ("text_missing", "Rewrite the following sentence: he go.", "He goes.", 0),
    ("text_missing", 'Edit the following sentence "he go home".', "He goes.", 0),
    ("text_missing", "Add up the following numbers 3, 4, 5", "12", 0),
    ("text_missing", "Summarize the following article.\n\n<noinput>", "It is good.", NA),
    ("text_missing", "Write an article.", "x", NA),
    # -- leftovers
    ("template_left", "Hello {{name}}, write a letter.", "Dear Bob", 1),
    ("template_left", "Hello", "Hi<|im_end|>", 1),
    ("template_left", "Hello", "### Response:\nHi", 1),
    ("template_left", "Hello", "[INSERT DATE HERE]", 1),
    ("template_left", "Write a jinja template.", "{{name}}", 0),
    ("template_left", "Hello", "Use `{{name}}` there.", 0),
    ("template_left", "Hello", "$\\frac{{1}}{{2}}$ and \\sqrt{} too", 0),
    ("template_left", "A cake?", "### Instructions:\n1. Bake.", 0),
    # -- refusals
    ("refusal", "How tall is it?", "I'm sorry, but I cannot provide that information.", 1),
    ("refusal", "How tall is it?", "As an AI language model, I do not know.", 1),
    ("refusal", "How tall is it?", "It is two metres tall.", 0),
    ("refusal", "Recite it.", "And sorry I could not travel both", 0),
    ("refusal", "Write an apology.", "I am sorry, but I cannot make it on Friday.", 0),
    # -- ends
    ("unfinished_end", "", "He went to the shop and bought some of the", 1),
    ("unfinished_end", "", "He bought apples, pears, plums,", 1),
    ("unfinished_end", "", "1. a\n2. b\n3.", 1),
    ("unfinished_end", "", "```python\nprint(1)\n", 1),
    ("unfinished_end", "", "It was late. He went home and then he saw that the door was red", 0.5),
    ("unfinished_end", "", "It was late. He went home.", 0),
    ("unfinished_end", "", "Paris", 0),
    ("unfinished_end", "", "Dear Joe,\n\nThanks.\n\nBest,", 0),
    ("unfinished_end", "", "- apples\n- pears\n- plums", 0),
    ("unfinished_end", "", "   ", NA),
]


@pytest.mark.parametrize(("name", "question", "answer", "value"), CASES)
def test_a_verifier_says_what_a_reader_would(name: str, question: str, answer: str, value: float):
    if name == "text_missing" and "<noinput>" in question:
        value = 1.0
    np.testing.assert_equal(says(name, question, answer), value)


def test_every_verifier_has_cases_of_all_three_kinds_or_applies_always():
    always = {"refusal", "template_left"}
    for name in VERIFY:
        values = [value for case, _, _, value in CASES if case == name]
        assert 0 in values
        assert any(value > 0 for value in values)
        assert name in always or name == "unfinished_end" or any(math.isnan(value) for value in values)


def test_a_conversation_has_the_value_of_its_worst_answer():
    rows = [exchanges(talk("Sum?", "1 + 1 = 2", "And?", "2 + 2 = 5")), exchanges(talk("Sum?", "1 + 1 = 2")), []]
    np.testing.assert_equal(VERIFY["arithmetic_wrong"](rows), [1.0, 0.0, np.nan])


def test_the_question_is_what_the_user_said_since_the_last_answer():
    turns = [{"role": "system", "content": "s"}, *talk("a", "b"), *talk("c"), *talk("d", "e")]
    assert [(x.question, x.answer) for x in exchanges(turns)] == [("a", "b"), ("c\n\nd", "e")]


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from("+-*"), st.integers(-3, 3))
def test_a_sum_is_right_exactly_when_it_is(a: int, b: int, sign: str, off: int):
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    shown = f"({b})" if b < 0 else f"{b}"
    found = says(
        "arithmetic_wrong",
        "",
        f"The result: {'(' if a < 0 else ''}{a}{')' if a < 0 else ''} {sign} {shown} = {value + off}.",
    )
    assert found == float(off != 0)


@given(st.integers(1, 999), st.integers(1, 99), st.integers(1, 4))
def test_a_rounded_quotient_is_right(a: int, b: int, digits: int):
    assert says("arithmetic_wrong", "", f"We get {a} / {b} = {a / b:.{digits}f}") == 0


@settings(max_examples=150)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_has_a_value_between_0_and_1_or_none(question: str, answer: str):
    for name in VERIFY:
        found = says(name, question, answer)
        assert math.isnan(found) or 0 <= found <= 1


HOSTILE = [
    "1" * 90_000,
    "1+" * 40_000,
    "(" * 90_000,
    "= " * 40_000,
    "```x\n" * 20_000,
    "\n" * 90_000,
    "\"'" * 40_000,
    "A) x\n" * 20_000,
    "{{" * 40_000,
    "a " * 40_000,
    "at least 5 words " * 5_000,
    "[" * 90_000,
    "- x\n" * 20_000,
    "```json\n" + "[" * 60_000 + "\n```",
    "```python\n" + "(" * 20_000 + "\n```",
    "(A) " * 20_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:8]) for text in HOSTILE])
def test_no_text_holds_a_verifier_up(text: str):
    for name in VERIFY:
        start = time.process_time()
        says(name, f"Which options: {text}", text)
        says(name, "Answer in JSON.", text)
        assert time.process_time() - start < 5, name


def test_what_lies_behind_the_limit_is_not_read():
    assert math.isnan(says("arithmetic_wrong", "", "x" * 10))
    long = exchanges(talk("q", "a" * LONGEST + " 1 + 1 = 3"))
    assert len(long[0].answer) == LONGEST


def test_counts_are_those_of_a_reader():
    assert words_of("Don't stop: 11,078 well-known words.") == 5
    assert sentences_of("Mr. Smith paid 3.50 dollars. He left!\n- A point\n- Another one.") == 4
    assert paragraphs_of("a\n\nb\n***\nc")[0] == 2 + 0 or paragraphs_of("a\n\nb\n\n***\n\nc")[0] == 3


def test_a_question_may_make_several_demands():
    question = 'Write at least 300 words, use no commas and end your response with "Bye".'
    assert [demand.rule for demand in demands(question)] == ["number_words", "end_checker", "no_comma"]


def test_a_broken_copy_of_a_right_answer_is_told():
    draw = random.Random(0)
    right = [
        f"She has {a} + {b} = {a + b} of them."
        for a, b in ((draw.randrange(9, 99), draw.randrange(9, 99)) for _ in range(50))
    ]
    assert not any(says("arithmetic_wrong", "", text) for text in right)
    assert all(says("arithmetic_wrong", "", text.replace("= ", "= 1")) for text in right)
