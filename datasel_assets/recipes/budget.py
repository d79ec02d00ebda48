"""How many rows a budget means, and which rows of an order fit into it.

Belongs here: rows, fraction and token budgets, bounds per source. Does not: the order itself (``samplers``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasel_assets.specs.recipe import BudgetSpec, SourceLimits


@dataclass(frozen=True, eq=False)
class Limits:
    """A budget in numbers.

    Attributes:
        unit: ``rows``, ``tokens`` or ``response_tokens``.
        total: how much of the unit may be taken.
        asked: how much the recipe asks for; larger than ``total`` only where fewer rows are eligible.
        sources: names, sorted.
        minimum: (s,) int64 rows reserved for each source.
        maximum: (s,) int64 rows that each source may give.
    """

    unit: str
    total: int
    asked: int
    sources: tuple[str, ...]
    minimum: np.ndarray
    maximum: np.ndarray

    @property
    def bounded(self) -> bool:
        """Whether some source has a bound that the budget alone would not set."""
        return bool(self.minimum.any() or (self.maximum < np.iinfo(np.int64).max).any())


@dataclass(frozen=True, eq=False)
class Filled:
    """Which rows of an order the budget takes.

    Attributes:
        accepted: (m,) bool.
        reserved: (m,) bool: rows that count towards their source's minimum.
        capped: (m,) bool: rows whose source had given its maximum before.
        used: amount of the unit taken.
        enough: False when a longer order could add rows.
    """

    accepted: np.ndarray
    reserved: np.ndarray
    capped: np.ndarray
    used: int
    enough: bool


def resolve(budget: BudgetSpec, pool_rows: int, sources: tuple[str, ...], eligible: np.ndarray) -> Limits:
    """Turn a budget into numbers for this pool.

    A share of a source refers to the rows that the budget takes. ``default`` bounds hold for the sources that are not
    named and have eligible rows.

    Args:
        budget: from the recipe.
        pool_rows: rows of the pool, dropped ones included.
        sources: names of the pool's sources, sorted.
        eligible: (s,) int: eligible rows of each source.

    Raises:
        ValueError: the bounds cannot be met; the message has the numbers.
    """
    by_rows = budget.kind in ("rows", "fraction")
    asked = int(budget.amount) if budget.fraction is None else max(1, math.floor(budget.amount * pool_rows + 0.5))
    total = min(asked, int(eligible.sum())) if by_rows else asked

    minimum = np.zeros(len(sources), dtype=np.int64)
    maximum = np.full(len(sources), np.iinfo(np.int64).max)
    default = budget.per_source.get("default", SourceLimits())
    for index, source in enumerate(sources):
        named = source in budget.per_source and source != "default"
        if not named and eligible[index] == 0:
            continue
        limits = budget.per_source[source] if named else default
        minimum[index] = _rows(limits.min_rows, limits.min_share, total, math.ceil, 0)
        maximum[index] = _rows(limits.max_rows, limits.max_share, total, math.floor, np.iinfo(np.int64).max)
        if minimum[index] > maximum[index]:
            raise ValueError(
                f"budget.per_source.{source if named else 'default'}: at least {minimum[index]:,} and at most "
                f"{maximum[index]:,} rows of {source} cannot both hold"
            )
        if minimum[index] > eligible[index]:
            raise ValueError(
                f"budget.per_source.{source if named else 'default'}: at least {minimum[index]:,} rows of {source} are "
                f"asked for, but only {eligible[index]:,} are eligible"
            )
    unknown = sorted(
        name for name, limits in budget.per_source.items() if name not in (*sources, "default") and _asks(limits)
    )
    if unknown:
        raise ValueError(
            f"budget.per_source.{unknown[0]}: a minimum is set for a source that is not in the pool "
            f"(which has {', '.join(sources)})"
        )
    unit = "rows" if by_rows else budget.kind
    limits = Limits(unit, total, asked, sources, minimum, maximum)
    if by_rows:
        if minimum.sum() > total:
            raise ValueError(
                f"budget.per_source: the minimums add up to {minimum.sum():,} rows, the budget is {total:,}: "
                f"{_listed(sources, minimum, minimum > 0)}"
            )
        possible = np.minimum(maximum, eligible)
        if possible.sum() < total:
            raise ValueError(
                f"budget.per_source: the maximums let {possible.sum():,} rows through, the budget is {total:,}: "
                f"{_listed(sources, possible, maximum < eligible)}; raise them or lower the budget"
            )
    return limits


def fill(limits: Limits, source: np.ndarray, cost: np.ndarray | None) -> Filled:
    """Take rows in the given order until the budget is full.

    Each source's first ``minimum`` rows are reserved: they are always taken. Of the other rows, those whose source has
    given its maximum are skipped, and the longest prefix of the rest that fits into what the reserved rows leave is
    taken: the first row that does not fit ends it, and what is left over stays unused.

    Args:
        limits: the budget.
        source: (m,) int index into ``limits.sources``, in the sampler's order.
        cost: (m,) int64 tokens of each row; None when the unit is rows.

    Raises:
        ValueError: the reserved rows, or the first row alone, are more than a token budget holds.
    """
    nth = _nth_of_its_source(source)
    capped = nth >= limits.maximum[source]
    reserved = nth < limits.minimum[source]
    free = ~capped & ~reserved
    spent = np.ones(len(source), dtype=np.int64) if cost is None else cost
    pending = int(limits.minimum.sum()) - int(reserved.sum())
    room = limits.total - int(spent[reserved].sum()) - (pending if cost is None else 0)
    if room < 0:
        raise ValueError(
            f"the minimums per source take {limits.total - room:,} {limits.unit}, the budget is {limits.total:,}"
        )
    running = np.cumsum(np.where(free, spent, 0))
    accepted = reserved | (free & (running <= room))
    if free.any() and not accepted.any():
        raise ValueError(
            f"the first row in the sampler's order has {int(spent[free][0]):,} {limits.unit}, more than the budget of "
            f"{limits.total:,}: raise the budget or drop longer rows"
        )
    given = np.bincount(source[accepted], minlength=len(limits.sources))
    capped &= given[source] == limits.maximum[source]  # otherwise the budget was full before the source was
    full = bool(len(running)) and (running[-1] >= room if cost is None else running[-1] > room)
    return Filled(accepted, reserved, capped, int(spent[accepted].sum()), pending == 0 and full)


def _nth_of_its_source(source: np.ndarray) -> np.ndarray:
    """Return (m,) how many rows of the same source come earlier."""
    order = np.argsort(source, kind="stable")
    counts = np.bincount(source) if len(source) else np.zeros(0, dtype=np.int64)
    nth = np.empty(len(source), dtype=np.int64)
    nth[order] = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    return nth


def _rows(rows: int | None, share: float | None, total: int, rounding: Callable[[float], int], otherwise: int) -> int:
    if share is not None:
        # 0.1 * 30 is 3.0000000000000004 and would round up to 4.
        return rounding(round(share * total, 9))
    return otherwise if rows is None else rows


def _asks(limits: SourceLimits) -> bool:
    return bool(limits.min_rows or limits.min_share)


def _listed(sources: tuple[str, ...], rows: np.ndarray, which: np.ndarray) -> str:
    return ", ".join(f"{name} {int(count):,}" for name, count, show in zip(sources, rows, which, strict=True) if show)
