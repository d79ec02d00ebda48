"""Batches: whoever is answered, split, asked again or alone, nothing is lost, scored 0 or paid for twice."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from datasel_assets.answers.batch import Batch, Member, member_of
from datasel_assets.answers.prompts import asked_row
from datasel_assets.answers.replies import Reply
from datasel_assets.answers.requests import Item, Request
from datasel_assets.models.asking import Asked
from datasel_assets.models.batch_asking import ask_in_batches
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.ask import AskSpec
from datasel_assets.storage.replies import KeptReplies

ASK = AskSpec.model_validate({"prompt": "Rate {{ row.prompt }}", "reply": {"read": "number", "low": 0, "high": 9}})
N = 20


class Told:
    """Answers each request by a function of the texts of its tasks; None: it fails."""

    def __init__(self, answer: Callable[[list[str]], str | None], *, too_much: bool = False) -> None:
        self.answer, self.too_much = answer, too_much
        self.asked: list[list[str]] = []

    def ask(self, requests, told) -> None:
        waiting: Iterator[Request] = iter(requests)
        again: list[Request] = []
        while request := (again.pop(0) if again else next(waiting, None)):
            texts = re.findall(r"<text \w{8}>\n(.*?)\n</text", request.messages[-1]["content"])
            self.asked.append(texts)
            said = self.answer(texts)
            reply = (
                Reply("", failed="no", too_much=self.too_much)
                if said is None
                else Reply(said, tokens_in=101, tokens_out=500)
            )
            again += told(request, reply)


def right(texts: Sequence[str]) -> str:
    """The last digit of each text."""
    if len(texts) == 1:
        return texts[0][-1]
    return "\n".join(f"#{number}: {text[-1]}" for number, text in enumerate(texts, 1))


def ask(provider: Told, folder: Path, n: int = N, **more) -> Asked:
    said = {
        "ask": "alpagasus",
        "provider": {"endpoint": "http://x/v1", "model": "m"},
        "batch": {"size": 8, "by": "random"},
    }
    spec = AnswersSpec.model_validate({**said, **more})
    rows = {f"r{i:02}": asked_row([{"role": "user", "content": f"row {i:02}"}]) for i in range(n)}
    members = [member_of(spec, ASK, Item(row), rows, {"model": "m"}) for row in rows]

    def batches(some: Sequence[Member]) -> Iterator[Batch]:
        yield from (Batch(tuple(some[start : start + 8])) for start in range(0, len(some), 8))

    with KeptReplies(folder) as kept:
        found = ask_in_batches(members, batches, 16, spec, ASK, kept, {"model": "m"}, lambda: provider)
        everything = sum(answer.tokens_in for answer in found.answers.values())
        if len(found.answers) == n:
            assert everything == kept.spent.tokens_in
    return found


def scores(found: Asked) -> list[float | None]:
    return [found.answers[item].read.numbers.get("score") for item in sorted(found.answers, key=lambda one: one.row_id)]


RIGHT = [i % 10 for i in range(N)]


def test_every_question_is_in_one_batch_and_gets_its_own_part(tmp_path: Path):
    provider = Told(right)
    found = ask(provider, tmp_path)
    assert scores(found) == RIGHT
    assert [len(texts) for texts in provider.asked] == [8, 8, 4]
    assert sorted(text for texts in provider.asked for text in texts) == [f"row {i:02}" for i in range(N)]
    assert found.answers[Item("r09")].place == (1, 8)
    assert found.answers[Item("r09")].reply.text == "9"


def test_what_is_kept_is_not_asked_for_again_and_a_row_more_is_asked_alone(tmp_path: Path):
    ask(Told(right), tmp_path)
    again = Told(right)
    assert scores(ask(again, tmp_path)) == RIGHT
    assert again.asked == []
    one_more = Told(right)
    assert scores(ask(one_more, tmp_path, n=N + 1)) == [*RIGHT, 0]
    assert one_more.asked == [["row 20"]]


def test_a_batch_that_cannot_be_read_is_asked_again_and_then_halved_down_to_single_questions(tmp_path: Path):
    provider = Told(lambda texts: right(texts) if len(texts) == 1 else "I would say they are all fine.")
    found = ask(provider, tmp_path, n=8, again=1)
    assert scores(found) == RIGHT[:8]
    assert sorted((len(texts) for texts in provider.asked), reverse=True) == [8, 8, *[4] * 4, *[2] * 8, *[1] * 8]
    assert {answer.attempts for answer in found.answers.values()} == {7}


def test_a_part_that_cannot_be_read_is_asked_without_the_others(tmp_path: Path):
    provider = Told(lambda texts: right(texts).replace(" 3", " three") if len(texts) > 1 else right(texts))
    found = ask(provider, tmp_path, n=8)
    assert scores(found) == RIGHT[:8]
    assert provider.asked[1:] == [["row 03"]]


def test_a_question_that_nobody_can_read_an_answer_to_stays_with_its_reason_and_is_asked_no_more(tmp_path: Path):
    def answer(texts: list[str]) -> str:
        return re.sub(r"(: |^)3$", r"\1three", right(texts), flags=re.MULTILINE)

    found = ask(Told(answer), tmp_path, n=8, again=1)
    last = found.answers[Item("r03")]
    assert (last.reply.text, last.read.numbers, last.attempts) == ("three", {}, 3)
    assert last.read.unread == "it does not begin with a number"
    assert len(found.answers) == 8
    again = Told(answer)
    assert ask(again, tmp_path, n=8, again=1).answers == found.answers
    assert again.asked == []


def test_a_batch_that_is_too_long_is_halved_and_one_that_failed_is_not(tmp_path: Path):
    long = Told(lambda texts: right(texts) if len(texts) <= 2 else None, too_much=True)
    assert scores(ask(long, tmp_path / "a", n=8)) == RIGHT[:8]
    down = Told(lambda texts: None)
    found = ask(down, tmp_path / "b", n=8)
    assert len(down.asked) == 1
    assert [answer.reply.failed for answer in found.answers.values()] == ["no"] * 8
    up = Told(right)
    assert scores(ask(up, tmp_path / "b", n=8)) == RIGHT[:8]


@pytest.mark.parametrize("stop", [0, 1, 2, 3])
def test_a_run_that_was_killed_goes_on_to_the_same_answers(tmp_path: Path, stop: int):
    def answer(texts: list[str]) -> str:
        return right(texts).replace("#3: 2", "#3: two") if len(texts) > 2 else right(texts).replace("7", "seven")

    class Killed(Told):
        def ask(self, requests, told) -> None:
            def until(request: Request, reply: Reply):
                if len(self.asked) > stop:
                    raise KeyboardInterrupt
                return told(request, reply)

            super().ask(requests, until)

    whole = ask(Told(answer), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        ask(Killed(answer), tmp_path / "killed")
    assert scores(ask(Told(answer), tmp_path / "killed")) == scores(whole)


def test_a_limit_stops_before_the_next_batch(tmp_path: Path):
    provider = Told(right)
    found = ask(provider, tmp_path, limits={"tokens": 2500})
    assert found.stopped is not None
    assert len(provider.asked) == 1
    assert len(found.answers) == 8


def test_rows_with_the_same_text_are_one_question(tmp_path: Path):
    spec = AnswersSpec.model_validate(
        {"ask": "alpagasus", "provider": {"endpoint": "http://x/v1", "model": "m"}, "batch": {"by": "random"}}
    )
    rows = {row: asked_row([{"role": "user", "content": "row 4"}]) for row in ("a", "b")}
    members = [member_of(spec, ASK, Item(row), rows, {}) for row in rows]
    provider = Told(right)
    with KeptReplies(tmp_path) as kept:
        found = ask_in_batches(
            members, lambda some: [Batch(tuple(some))] if some else [], 8, spec, ASK, kept, {}, lambda: provider
        )
    assert provider.asked == [["row 4"]]
    assert scores(found) == [4, 4]
