"""Multiple choice: which rows are, by their text alone, and what the model reads for them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.indicators.token_table import (
    MOST_CHOICES,
    NO_CHOICES,
    NOT_NAMED,
    SEVERAL_LISTS,
    TOO_MANY_CHOICES,
)
from datasel_assets.models.choices import MultipleChoice, multiple_choice, read_choices
from datasel_assets_tests.models.test_contexts import PLAIN, assistant, user

COLOURS = ("red", "green", "blue")


def read(prompt: str, answer: str) -> MultipleChoice | str:
    return read_choices([user(prompt), assistant(answer)])


@pytest.mark.parametrize(
    "written",
    [
        "A) red\nB) green\nC) blue",
        "(A) red\n(B) green\n\n(C) blue",
        "Options:\n\n- A: red\n\n- B: green\n\n- C: blue\n\nA:",
        "A. red  \n  B. green\nC. blue\n\nAnswer:",
        "(A) red (B) green, (C) blue",
        "Choices:\n- red\n - green\n* blue",
        "Possible answers :\n• red\n• green\n• blue",
    ],
)
def test_a_list_of_choices_is_read_however_it_is_written(written):
    found = read(f"Which colour is grass?\n{written}", "green")
    assert isinstance(found, MultipleChoice)
    assert found.choices == COLOURS
    assert found.questions[0].startswith("Which colour is grass?")
    assert not any(colour in found.questions[0] for colour in COLOURS)
    assert not found.questions[0].endswith("A:")


@pytest.mark.parametrize(
    "answer",
    ["B", "(B)", "B.", "green", "B) green", "B: Green.", "The answer is B.", "Answer: green", "B\nsince"],
)
def test_an_answer_names_its_choice_by_letter_or_text(answer):
    assert isinstance(read("Grass?\nA) red\nB) green", answer), MultipleChoice)


@pytest.mark.parametrize("answer", ["", "D", "B) red", "the second", "red or green", "B because grass is", "A, B"])
def test_an_answer_that_names_no_single_choice_is_refused_with_a_reason(answer):
    assert read("Grass?\nA) red\nB) green", answer) == NOT_NAMED


def test_a_bullet_has_no_letter():
    assert read("Options:\n- red\n- green", "A") == NOT_NAMED


def test_the_end_mark_of_a_template_is_no_part_of_the_answer():
    assert isinstance(read("Grass?\nOptions:\n- red\n- green", "green<|endoftext|>"), MultipleChoice)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Name a colour.", NO_CHOICES),
        ("A) red", NO_CHOICES),
        ("B) red\nC) green", NO_CHOICES),
        ("- red\n- green", NO_CHOICES),
        ("Options: red, green", NO_CHOICES),
        ("A) red\nB) Red ", NO_CHOICES),
        ("See (A) and (C).", NO_CHOICES),
        ("One?\nA) x\nB) y\nTwo?\nA) red\nB) green", SEVERAL_LISTS),
        ("Options:\n" + "\n".join(f"- {i}" for i in range(27)), TOO_MANY_CHOICES),
        ("", NO_CHOICES),
    ],
)
def test_what_is_no_single_list_of_choices_is_refused_with_a_reason(prompt, reason):
    assert read(prompt, "red") == reason


def test_the_last_question_of_a_conversation_counts_and_what_stood_before_it_is_kept():
    talk = [user("Hello"), assistant("Hi"), user("Grass? (A) red (B) green"), assistant("B")]
    found = read_choices(talk)
    assert isinstance(found, MultipleChoice)
    assert found.before == (user("Hello"), assistant("Hi"))
    assert read_choices(talk[:3]) == NO_CHOICES
    assert read_choices([assistant("B")]) == NO_CHOICES


def test_choices_in_chinese_are_read():
    found = read("草是什么颜色？\nA. 红色\nB. 绿色", "B")
    assert isinstance(found, MultipleChoice)
    assert found.choices == ("红色", "绿色")


@given(st.text(alphabet="AB()-.:\n 选\u05d0é", max_size=60), st.text(alphabet="AB(). \n", max_size=6))
def test_any_text_is_read_or_refused(prompt, answer):
    found = read(prompt, answer)
    assert isinstance(found, str) or len(found.choices) > 1


def test_each_choice_is_scored_by_its_letter_in_several_orders():
    row = MultipleChoice(("Which?",), COLOURS, (user("Hello"), assistant("Hi")))
    requests = multiple_choice([NO_CHOICES, row], PLAIN, orders=3)
    assert (requests.items[0].reason, requests.items[0].row) == (NO_CHOICES, 0)
    scored = requests.items[1:]
    assert len(scored) == 9
    for request in scored:
        prompt, choice = divmod(request.turns[0], MOST_CHOICES)
        assert prompt < 3
        letter = request.text[slice(*request.spans[0])]
        assert f"{letter}. {COLOURS[choice]}" in request.text
        assert request.text.startswith("Hello\n\nHi\n\nWhich?")
    assert len({request.text.rsplit("\n\n", 1)[0] for request in scored}) == 3
    assert {request.row for request in scored} == {1}


def test_two_choices_have_two_orders():
    requests = multiple_choice([MultipleChoice(("a?", "b?"), ("yes", "no"))], PLAIN, orders=9)
    assert max(request.turns[0] for request in requests.items) == 3 * MOST_CHOICES + 1


def test_questions_of_real_pools_are_found_and_ordinary_rows_are_not(shared_data: Path):
    def share(name: str, columns: tuple[str, str], rows: int) -> float:
        table = pl.read_parquet(shared_data / f"{name}.parquet").sample(rows, seed=0)
        return float(np.mean([isinstance(read(p, a), MultipleChoice) for p, a in table.select(columns).iter_rows()]))

    assert share("bbh", ("input", "target"), 1000) > 0.6
    assert 0.05 < share("t0_train_50k_templates", ("prompt", "completion"), 2000) < 0.15
    assert share("gsm8k_train", ("question", "answer"), 1000) == 0
