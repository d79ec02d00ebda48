"""Why a selection is empty: how many rows each step of the recipe took, and which took the last ones.

Belongs here: the order of the steps and their names for a reader. Does not: carrying them out, refusing the selection.
"""

import polars as pl

_COPIES = ("duplicate", "near duplicate", "semantic duplicate")
_ORDER = ("contaminated", "rule", *_COPIES, "ineligible", "narrow", "source cap", "budget")
"""Stages of the ledger in the order in which they take rows; rules and narrowing steps have a number besides."""

_WORDS = {
    "contaminated": ("the evaluations (rows that hold one of their items)", "see the table contamination"),
    "ineligible": ("what the sampler needs and rows lack", "choose by something that is known"),
    "source cap": ("the maximums per source", "raise budget.per_source"),
    "budget": ("the budget", "raise the budget"),
}
"""Stage -> what took the rows, and what to do."""


def why_empty(decisions: pl.DataFrame) -> str:
    """Return in a sentence or two which steps left no row, the last one with an example and what to do.

    Args:
        decisions: ``ledger.DECISIONS_SCHEMA``, no row kept.
    """
    if decisions.is_empty():
        return "the pool has no rows: add a source"
    fell = decisions.filter(~pl.col("kept"))
    taken = sorted(fell.group_by("stage").len("rows").iter_rows(), key=lambda line: _place(line[0]))
    last, rows = taken[-1]
    name, remedy = _told(last)
    before = "".join(f"{_told(stage)[0]} took {count:,}, " for stage, count in taken[:-1])
    # The row that came nearest, where there is a score; its reason holds the figures that a bound is compared with.
    nearest = fell.filter(pl.col("stage") == last).sort("margin", "row_id", descending=[True, False], nulls_last=True)
    return (
        f"no row is left of {decisions.height:,}: {before}{name} took the last {rows:,} "
        f"(row {nearest['row_id'][0]}: {nearest['reason'][0]}). What to do: {remedy}"
    )


def _place(stage: str) -> tuple[int, int]:
    kind, _, number = stage.partition(":")
    return _ORDER.index(kind), int(number or 0)


def _told(stage: str) -> tuple[str, str]:
    """Return what a stage is called and what to do where it took the last rows."""
    kind, _, number = stage.partition(":")
    if kind == "rule":
        return f"drop rule {number}", f"loosen the drop rule {number} of the recipe"
    if kind == "narrow":
        return f"narrowing step {number}", f"let step {number} of 'narrow' take more rows"
    if kind in _COPIES:
        return f"the rule against {kind}s", f"drop fewer rows before it, or leave out 'when: {kind.replace(' ', '_')}'"
    return _WORDS[kind]
