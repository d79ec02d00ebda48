"""Batches put to somebody who answers in text, and what becomes of replies that cannot be read.

Belongs here: prompts, asking again, splitting, the account of tokens and labels. Does not: who answers (a function).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

RETRIES = 5
YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has: words and marks, for where the tokenizer of a model is not at hand."""
    return sum(1 for _ in TOKEN.finditer(text))


@dataclass
class Ledger:
    """What was paid for.

    Attributes:
        prompt_tokens: of each prompt that was sent, in their order.
        reply_tokens: of each reply.
        labels: examples that were labelled.
        again: prompts that were sent because a reply could not be read.
        unread: questions without a readable answer in the end.
    """

    prompt_tokens: list[int] = field(default_factory=list)
    reply_tokens: list[int] = field(default_factory=list)
    labels: int = 0
    again: int = 0
    unread: int = 0

    def cost(self, per_1k_in: float, per_1k_out: float, per_label: float) -> float:
        """Return what that costs, at prices for a thousand tokens and for a label."""
        tokens = sum(self.prompt_tokens) * per_1k_in + sum(self.reply_tokens) * per_1k_out
        return tokens / 1000 + self.labels * per_label


def render_prompt(task: str, demonstrations: Sequence[tuple[str, bool]], questions: Sequence[str]) -> str:
    """Return a prompt: the task, examples with their answers, numbered questions, and how to answer."""
    shown = [f"Example: {text}\nAnswer: {'yes' if answer else 'no'}" for text, answer in demonstrations]
    asked = [f"Question {number}: {text}" for number, text in enumerate(questions, 1)]
    how = f"Answer with {len(questions)} lines, one for each question in order: its number, then yes or no."
    return "\n\n".join([task, *shown, *asked, how])


def parse_reply(reply: str, n: int) -> list[bool] | None:
    """Return the n answers of a reply; None where it does not have exactly n."""
    found = [word.lower() == "yes" for word in YES_NO.findall(reply)]
    return found if len(found) == n else None


def ask_batches(
    batches: Sequence[np.ndarray],
    demonstrations: Sequence[Sequence[tuple[str, bool]]],
    questions: Sequence[str],
    ask: Callable[[str, np.ndarray], str],
    task: str,
    ledger: Ledger,
    retries: int = RETRIES,
) -> list[bool | None]:
    """Return the answer to each question, None where no reply to it could be read.

    A reply that cannot be read is asked for again, then the batch is halved, down to single questions. None stays in
    every figure: see :func:`f1`.

    Args:
        batches: positions of questions.
        demonstrations: of each batch, texts with answers.
        questions: texts.
        ask: (prompt, positions) -> reply.
        task: first line of every prompt.
        ledger: is written to.
        retries: how often a prompt is sent again.
    """
    found: list[bool | None] = [None] * len(questions)
    waiting = [(batch, shown) for batch, shown in zip(batches, demonstrations, strict=True)][::-1]
    while waiting:
        batch, shown = waiting.pop()
        prompt = render_prompt(task, shown, [questions[int(one)] for one in batch])
        answers = None
        for attempt in range(retries + 1):
            reply = ask(prompt, batch)
            ledger.prompt_tokens.append(count_tokens(prompt))
            ledger.reply_tokens.append(count_tokens(reply))
            ledger.again += attempt > 0
            answers = parse_reply(reply, len(batch))
            if answers is not None:
                break
        if answers is not None:
            for one, answer in zip(batch, answers, strict=True):
                found[one] = answer
        elif len(batch) > 1:
            half = len(batch) // 2
            waiting += [(batch[half:], shown), (batch[:half], shown)]
        else:
            ledger.unread += 1
    return found


def f1(answers: Sequence[bool | None], gold: Sequence[bool]) -> float:
    """Return the F1 of yes; a question without an answer counts as answered wrong. 0 where nothing is right."""
    told = [not right if answer is None else answer for answer, right in zip(answers, gold, strict=True)]
    hits = sum(answer and right for answer, right in zip(told, gold, strict=True))
    total = sum(told) + sum(gold)
    return 2 * hits / total if total else 0.0


def nearest_example(
    questions: np.ndarray,
    batches: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    pool: np.ndarray,
    gold: np.ndarray,
) -> Callable[[str, np.ndarray], str]:
    """Return somebody who answers what the nearest example of the prompt says: a floor for any model.

    Args:
        questions: (q, f).
        batches: positions of questions.
        shown: of each batch, positions of its examples.
        pool: (d, f).
        gold: (d,) bool, what the examples are labelled.
    """
    of = {int(one): place for place, batch in enumerate(batches) for one in batch}

    def answer(prompt: str, batch: np.ndarray) -> str:
        lines = []
        for number, one in enumerate(batch, 1):
            examples = shown[of[int(one)]]
            distance = ((pool[examples] - questions[one]) ** 2).sum(axis=1)
            lines.append(f"{number}. {'yes' if gold[examples[distance.argmin()]] else 'no'}")
        return "\n".join(lines)

    return answer
