"""The passes of a causal language model that fill the columns of a table of token statistics.

Belongs here: which pass fills which column. Does not belong here: how one pass is made
(:mod:`~datasel_assets.models.causal_lm`), how its statistics are packed (:mod:`datasel_assets.indicators.token_lists`).
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from datasel_assets.indicators.token_lists import RECORDS, record_columns, turns_column
from datasel_assets.indicators.token_table import TokenStats
from datasel_assets.models.contexts import Conversation
from datasel_assets.specs.language_model import (
    BARE,
    CHECKPOINT,
    CHOICES,
    CONDITIONED,
    HEADER,
    PERTURBED,
    PROMPT,
    SUBNET,
)

if TYPE_CHECKING:
    from datasel_assets.models.causal_lm import CausalLM


def token_columns(
    lm: "CausalLM",
    conversations: Sequence[Conversation],
    columns: Collection[str],
    *,
    copies: int = 0,
    subnet_rates: Sequence[float] = (),
    choice_orders: int = 1,
) -> tuple[dict[str, pl.Series], int]:
    """Return columns of token statistics, and how many conversations the chat template of the model refused.

    Args:
        lm: the model. A column ``checkpoint_<k>`` is its conditioned context: it is asked of the k-th checkpoint.
        conversations: n rows.
        columns: names of contexts (see :data:`datasel_assets.indicators.tokens.Contexts`) and of
            :data:`~datasel_assets.indicators.token_lists.RECORDS`.
        copies: prompts with words dropped that ``perturbed_<k>`` counts.
        subnet_rates: share of the weights that is masked in ``subnet_<k>``.
        choice_orders: orders of the choices in ``choices``.

    Returns:
        A Series of n lists for each column. Conversations are counted where the conditioned context is read.
    """
    made: dict[str, pl.Series] = {}
    refused = 0
    for context, stats, fallbacks in _passes(lm, conversations, columns, copies, subnet_rates, choice_orders):
        made[context] = turns_column(stats)
        refused += fallbacks
        if stats.tokens is not None:
            made |= record_columns(stats)
    return {column: made[column] for column in columns}, refused


def _passes(
    lm: "CausalLM",
    conversations: Sequence[Conversation],
    columns: Collection[str],
    copies: int,
    subnet_rates: Sequence[float],
    choice_orders: int,
) -> Iterator[tuple[str, TokenStats, int]]:
    """Yield (context, statistics, rows that the chat template refused), one pass at a time.

    The statistics of the conditioned context hold the record of each token where a column wants it.
    """
    conditioned = lm.conditioned(conversations)
    records, prompts = not RECORDS.keys().isdisjoint(columns), PROMPT in columns
    if records or prompts or CONDITIONED in columns:
        if prompts:
            stats, asked = lm.stats_with_prompts(conditioned, keep_tokens=records)
            yield PROMPT, asked, 0
        else:
            stats = lm.token_stats(conditioned, keep_tokens=records)
        yield CONDITIONED, stats, conditioned.fallbacks
    if BARE in columns:
        yield BARE, lm.token_stats(lm.unconditioned(conversations, "bare")), 0
    if HEADER in columns:
        yield HEADER, lm.token_stats(lm.unconditioned(conversations, "header")), 0
    if any(column.startswith(f"{PERTURBED}_") for column in columns):
        for k, requests in enumerate(lm.perturbed(conversations, copies=copies)):
            if f"{PERTURBED}_{k}" in columns:
                yield f"{PERTURBED}_{k}", lm.token_stats(requests), 0
    for k, rate in enumerate(subnet_rates):
        if f"{SUBNET}_{k}" in columns:
            with lm.subnet(rate, seed=k):
                yield f"{SUBNET}_{k}", lm.token_stats(conditioned), 0
    for column in sorted(column for column in columns if column.startswith(f"{CHECKPOINT}_")):
        yield column, lm.token_stats(conditioned), 0
    if CHOICES in columns:
        yield CHOICES, lm.token_stats(lm.choices(conversations, orders=choice_orders)), 0
