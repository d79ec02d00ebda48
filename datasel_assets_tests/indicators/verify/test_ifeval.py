"""The 25 instructions of IFEval: each is found in plain English, and a good answer is told from a bad one."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.indicators.verify.constraints import demands

# Instruction of IFEval -> a question, an answer that keeps to it, one that does not.
MADE = {
    "keywords:existence": ('Include the keywords "oak" and "elm".', "An oak, an elm.", "An oak."),
    "keywords:frequency": ("The word rain should appear at least 2 times.", "Rain, more rain.", "Rain, rainy."),
    "keywords:forbidden_words": ('Do not include the words "sun", "sea" in it.', "A seal.", "The sea."),
    "keywords:letter_frequency": ("Make sure the letter q appears at least twice.", "Quick quiz", "Quick"),
    "language:response_language": (
        "Please answer only in German.",
        "Der Hund läuft schnell durch den großen Wald und sucht seinen Ball.",
        "The dog runs quickly through the large forest and looks for its ball.",
    ),
    "length_constraints:number_sentences": ("Write at most two sentences.", "One. Two.", "One. Two. Three."),
    "length_constraints:number_paragraphs": ("Write exactly 2 paragraphs.", "A b.\n\nC d.", "A b."),
    "length_constraints:number_words": ("Answer with at least 3 words.", "one two three", "one two"),
    "length_constraints:nth_paragraph_first_word": (
        "There should be 2 paragraphs. Paragraph 2 must start with the word Jasper.",
        "One.\n\n**Jasper** ran.",
        "Jasper ran.\n\nOne.",
    ),
    "detectable_content:number_placeholders": ("Use at least 2 placeholders.", "[name] of [town]", "[name]"),
    "detectable_content:postscript": ("Add a postscript starting with P.S.", "Hello.\n\nP.S. Bye", "Hello."),
    "detectable_format:number_bullet_lists": ("Use exactly 2 bullet points.", "* a\n* b", "* a\n* b\n* c"),
    "detectable_format:constrained_response": (
        'Is it? Answer with one of the following: "My answer is yes.", "My answer is no."',
        "Well. My answer is no.",
        "No.",
    ),
    "detectable_format:number_highlighted_sections": ("Highlight at least 2 sections.", "*a b* and *c*", "*a b*"),
    "detectable_format:multiple_sections": (
        "It must have 2 sections. Mark the beginning of each section with SECTION X.",
        "SECTION 1\na\nSECTION 2\nb",
        "SECTION 1\na",
    ),
    "detectable_format:json_format": ("Wrap the entire output in JSON format.", '```json\n{"a": 1}\n```', "a: 1"),
    "detectable_format:title": ("Add a title, wrapped in double angular brackets.", "<<Rain>>\nIt rains.", "Rain"),
    "combination:two_responses": ("Give two answers, separated by 6 asterisk symbols.", "a\n******\nb", "a\n***\nb"),
    "combination:repeat_prompt": (
        "Write a line about rain.\nFirst repeat the request above word for word, then give your answer.",
        "write a line  about rain.\nIt rains.",
        "It rains. Write a line about rain.",
    ),
    "startend:end_checker": ('Finish your response with this exact phrase "Is that all?"', "Yes. Is that all?", "Yes."),
    "startend:quotation": ("Wrap your entire response with double quotation marks.", '"Yes."', "Yes."),
    "change_case:capital_word_frequency": ("Use at least 2 words in all capital letters.", "GO, now, GO", "GO now"),
    "change_case:english_capital": ("Your entire response should be in all capital letters.", "YES", "Yes"),
    "change_case:english_lowercase": ("Your response should be in all lowercase letters.", "yes", "Yes"),
    "punctuation:no_comma": ("Do not use any commas.", "Well no.", "Well, no."),
}


def rule_of(instruction: str) -> str:
    return instruction.split(":")[1]


def test_the_instructions_are_25():
    assert len(MADE) == 25


@pytest.mark.parametrize("instruction", MADE)
def test_a_good_answer_is_told_from_a_bad_one(instruction: str):
    question, good, bad = MADE[instruction]
    found = [demand for demand in demands(question) if demand.rule == rule_of(instruction)]
    assert found
    assert all(demand.met(good) for demand in found)
    assert not all(demand.met(bad) for demand in found)


@pytest.mark.parametrize(
    ("question", "answer", "is_met"),
    [
        ("Avoid using the letter i more than twice.", "i i", True),
        ("Avoid using the letter i more than twice.", "i i i", False),
        ("Do not use the letter e.", "a", True),
        ("Do not use the letter e.", "e", False),
        ("The number of words in all capital letters should be less than four.", "A B C", True),
        ("The last paragraph must start with the word end.", "a\n\nb\n\nEnd it.", True),
        ("The third paragraph must start with the word end.", "End.", False),
        ("Repeat the request below first, then answer it.\n\nName a tree.", "Name a tree. Oak.", True),
        ("Write it in French, no other language is allowed.", "Il fait beau et les enfants jouent dehors.", True),
    ],
)
def test_other_ways_to_say_it_are_read_too(question: str, answer: str, is_met: bool):
    assert [demand.met(answer) for demand in demands(question)] == [is_met]


@pytest.mark.parametrize(
    "question",
    [
        "Translate it into French.",
        "How many letters does the word cat have?",
        "Which of the following is a tree? A) oak B) owl",
        "Repeat after me: one, two.",
        "Write about the letter Paul wrote at least 2000 years ago.",
        "What is JSON?",
    ],
)
def test_what_demands_nothing_of_the_form_is_left_alone(question: str):
    assert list(demands(question)) == []


def test_the_questions_of_ifeval_are_read_as_their_authors_meant_them(shared_data: Path):
    """Of each instruction a share is found, most of the 25 above one half; what is found is hardly ever another one."""
    meant, found, right, of_rule = Counter(), Counter(), 0, Counter()
    for prompt, names in pl.read_parquet(shared_data / "ifeval.parquet")["prompt", "instruction_id_list"].iter_rows():
        told, wanted = {demand.rule for demand in demands(prompt)}, {rule_of(name) for name in names}
        meant.update(wanted)
        found.update(told & wanted)
        of_rule.update(told)
        # A word that shall occur some number of times shall occur.
        right += len(told & (wanted | ({"existence"} if "frequency" in wanted else set())))
    recall = {rule: found[rule] / meant[rule] for rule in meant}
    assert set(recall) == {rule_of(name) for name in MADE}
    assert min(recall.values()) > 0.3
    assert sum(share > 0.5 for share in recall.values()) >= 21
    assert right / of_rule.total() > 0.95
