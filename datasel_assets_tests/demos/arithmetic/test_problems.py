"""Word problems, checked by an evaluator that shares no code with the generator."""

import hashlib
import json
import re
from collections import Counter
from decimal import Decimal

import pytest

from datasel_assets.demos.arithmetic import problems as arithmetic
from datasel_assets.demos.arithmetic.stories import STORIES
from datasel_assets.raw_rows import SourceError

NUMBER = r"\d+(?:\.\d+)?"
STEP = re.compile(rf"({NUMBER}) (//|[-+*/]) ({NUMBER}) = ({NUMBER})")
KNOWN = {Decimal(n) for n in (1, 2, 4, 12, 60, 100, 1000)}
"""Numbers of the working that need not stand in the question: percent, minutes, a dozen, two sides, ..."""


@pytest.fixture(scope="module")
def problems() -> list[dict[str, str]]:
    return [row.record for row in arithmetic.rows({"rows": "6000", "seed": "1"})]


def evaluate(a: Decimal, operator: str, b: Decimal) -> Decimal:
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b, "//": a // b}
    return results[operator]


def test_every_step_is_right_and_the_last_is_the_result(problems):
    for problem in problems:
        *sentences, final = problem["answer"].split("\n")
        assert 1 <= len(sentences) <= 4
        for sentence in sentences:
            ((a, operator, b, result),) = STEP.findall(sentence)
            assert evaluate(Decimal(a), operator, Decimal(b)) == Decimal(result), sentence
        assert final == f"#### {result}"


def test_the_working_uses_only_numbers_that_the_reader_has(problems):
    for problem in problems:
        known = KNOWN | {Decimal(n) for n in re.findall(NUMBER, problem["question"])}
        for a, _, b, result in STEP.findall(problem["answer"]):
            assert {Decimal(a), Decimal(b)} <= known, problem
            known.add(Decimal(result))


def test_no_step_leads_nowhere(problems):
    for problem in problems:
        if problem["template"] == "enough_buses":  # the people left over are the reason for one more bus
            continue
        steps = STEP.findall(problem["answer"])
        used = {number for a, _, b, _ in steps for number in (a, b)}
        for *_, result in steps[:-1]:
            assert result in used, f"a step leads nowhere: {problem}"


def test_no_problem_appears_twice(problems):
    assert len({problem["question"] for problem in problems}) == len(problems) == 6000


def test_there_are_many_stories_in_several_wordings_and_all_are_used(problems):
    counts = Counter(problem["template"] for problem in problems)
    assert counts.keys() == STORIES.keys()
    assert len(counts) >= 30
    for name in counts:
        texts = [problem["question"] for problem in problems if problem["template"] == name]
        skeletons = {" ".join(re.findall(r"\b[a-z]{2,}\b", text)) for text in texts}
        assert len(skeletons) >= 2, name


def test_questions_read_as_text(problems):
    for problem in problems:
        text = problem["question"]
        assert text[-1] in "?."
        assert not re.search(r"[{}]|  |\b1 (hours|weeks|boxes|days|minutes|eggs)\b|\$\d+\.\d(?!\d)", text), text


def test_a_larger_generation_begins_with_the_smaller_one():
    small = list(arithmetic.rows({"rows": "40", "seed": "3"}))
    large = list(arithmetic.rows({"rows": "90", "seed": "3"}))
    assert large[:40] == small
    assert [row.position for row in large] == list(range(90))
    assert small != list(arithmetic.rows({"rows": "40", "seed": "4"}))


def test_the_default_is_1500_rows_of_seed_0():
    assert list(arithmetic.rows({})) == list(arithmetic.rows({"rows": "1500", "seed": "0"}))
    assert len(list(arithmetic.rows({}))) == arithmetic.DEFAULT_ROWS == 1500


def test_changed_stories_need_a_new_code_version():
    text = "\n".join(f"{row.record['question']}\n{row.record['answer']}" for row in arithmetic.rows({}))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    assert (arithmetic.CODE_VERSION, digest) == ("1", "ef8de9931d207733")


def test_the_identity_follows_query_and_code(monkeypatch: pytest.MonkeyPatch):
    before = arithmetic.identity({})
    assert arithmetic.identity({"rows": "1500", "seed": "0"}) == before
    different = [before, arithmetic.identity({"rows": "10"}), arithmetic.identity({"seed": "1"})]
    monkeypatch.setattr(arithmetic, "CODE_VERSION", "other")
    different.append(arithmetic.identity({}))
    assert len({json.dumps(each) for each in different}) == 4


@pytest.mark.parametrize("query", [{"rows": "-1"}, {"rows": "0"}, {"rows": "ten"}, {"seed": "1.5"}, {"size": "3"}])
def test_a_bad_query_names_the_key(query: dict[str, str]):
    with pytest.raises(SourceError, match=f"arithmetic: .*{next(iter(query))}"):
        list(arithmetic.rows(query))
    with pytest.raises(SourceError):
        arithmetic.identity(query)


def test_more_rows_than_there_are_problems_is_an_error(monkeypatch: pytest.MonkeyPatch):
    def story(draw, work) -> str:
        work("{}", 1, "+", draw.whole(1, 3))
        return f"What is 1 + {work.result - 1}?"

    monkeypatch.setattr(arithmetic, "STORIES", {"tiny": story})
    assert len(list(arithmetic.rows({"rows": "3"}))) == 3
    with pytest.raises(SourceError, match="more than the 3 different problems"):
        list(arithmetic.rows({"rows": "4"}))
