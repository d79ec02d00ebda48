"""Which pass of a language model fills which column, told by a model that writes down what it is asked."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from datasel_assets.indicators.token_lists import RECORDS
from datasel_assets.indicators.token_table import TokenTable, summarise
from datasel_assets.models.token_passes import token_columns

ROWS = [[{"role": "assistant", "content": "one"}], [{"role": "assistant", "content": "two"}]]


class Asked:
    """A model whose only token has the log-probability ``-number of the pass``; it notes which text each pass read."""

    def __init__(self) -> None:
        self.passes: list[Any] = []
        self.masked: float | None = None

    def conditioned(self, rows):
        return SimpleNamespace(text="conditioned", n_rows=len(rows), fallbacks=1)

    def unconditioned(self, rows, form):
        return SimpleNamespace(text=form, n_rows=len(rows), fallbacks=0)

    def perturbed(self, rows, *, copies):
        for k in range(copies):
            yield SimpleNamespace(text=f"copy {k}", n_rows=len(rows), fallbacks=0)

    def choices(self, rows, *, orders):
        return SimpleNamespace(text=f"{orders} orders", n_rows=len(rows), fallbacks=0)

    @contextmanager
    def subnet(self, rate, *, seed):
        self.masked = rate
        yield
        self.masked = None

    def stats_with_prompts(self, requests, *, keep_tokens=False):
        found = self.token_stats(requests, keep_tokens=keep_tokens)
        return found, SimpleNamespace(columns=found.columns, n_rows=found.n_rows, tokens=None)

    def token_stats(self, requests, *, keep_tokens=False):
        self.passes.append((requests.text, self.masked, keep_tokens))
        n = requests.n_rows
        value = np.full(n, -len(self.passes), np.float32)
        tokens = TokenTable(np.arange(n + 1), np.arange(n), value, *([np.abs(value)] * 5), value > 0)
        found = summarise(n, np.arange(n), np.zeros(n), np.zeros(n, bool), np.full(n, ""), tokens)
        return found if keep_tokens else SimpleNamespace(columns=found.columns, n_rows=n, tokens=None)


def logp(column) -> list[float]:
    return [row[0]["sum_logp"] for row in column.to_list()]


def test_each_context_is_one_pass_over_its_text():
    lm = Asked()
    columns = ("conditioned", "unconditioned_bare", "unconditioned_header", "choices")
    found, refused = token_columns(lm, ROWS, columns, choice_orders=3)
    assert lm.passes == [
        ("conditioned", None, False),
        ("bare", None, False),
        ("header", None, False),
        ("3 orders", None, False),
    ]
    assert {name: logp(column) for name, column in found.items()} == {
        "conditioned": [-1, -1],
        "unconditioned_bare": [-2, -2],
        "unconditioned_header": [-3, -3],
        "choices": [-4, -4],
    }
    assert refused == 1


@pytest.mark.parametrize("columns", [("prompt", "conditioned"), ("prompt",), ("prompt", "token")])
def test_the_prompt_comes_with_the_conditioned_pass_and_costs_none_of_its_own(columns):
    lm = Asked()
    found, _ = token_columns(lm, ROWS, columns)
    assert lm.passes == [("conditioned", None, "token" in columns)]
    assert tuple(found) == columns
    assert logp(found["prompt"]) == [-1, -1]


def test_only_the_numbered_contexts_that_are_asked_for_are_read():
    lm = Asked()
    columns = ("perturbed_2", "subnet_1")
    found, refused = token_columns(lm, ROWS, columns, copies=4, subnet_rates=(0.1, 0.5, 0.9))
    assert lm.passes == [("copy 2", None, False), ("conditioned", 0.5, False)]
    assert tuple(found) == columns
    assert refused == 0


def test_a_checkpoint_is_the_conditioned_context_of_the_model_that_is_asked():
    lm = Asked()
    found, _ = token_columns(lm, ROWS, ("checkpoint_3",))
    assert lm.passes == [("conditioned", None, False)]
    assert logp(found["checkpoint_3"]) == [-1, -1]


@pytest.mark.parametrize("columns", [("token", "conditioned"), ("token_hit",), tuple(RECORDS)])
def test_records_come_with_the_conditioned_pass_and_cost_none_of_their_own(columns):
    lm = Asked()
    found, _ = token_columns(lm, ROWS, columns)
    assert lm.passes == [("conditioned", None, True)]
    assert tuple(found) == columns
    if "token" in columns:
        assert found["token"].to_list() == [[0], [1]]
