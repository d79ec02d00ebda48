"""``datasel explain``: why a row was kept or dropped, by one recipe in full or by each in a line."""

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from datasel_assets.cli.environment import command_line, open_warehouse
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from datasel_assets.tables.warehouse import Warehouse

HELP = "Say why a row was kept or dropped."
MOST_LISTED = 10
MOST_CHARS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe and the row."""
    parser.add_argument("recipe", nargs="?", help="a recipe (default: a line for each)")
    parser.add_argument("--all", action="store_true", help="print every turn and every score as well")
    parser.add_argument("row", help="the beginning of a row id, or a piece of the text in quotes")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the decision about the row, or the rows that match; return 2 where there is nothing to tell."""
    from datasel_assets.cli import row_facts
    from datasel_assets.cli.row_search import pool_rows
    from datasel_assets.tables.exploring import about_row

    warehouse, first = open_warehouse(settings), command_line("run", settings)
    recipe, wanted = arguments.recipe, arguments.row.strip()
    problem = None
    if not warehouse.active_sources():
        problem = f"nothing has been ingested yet; run this first: {first}"
    elif not wanted:
        problem = "name the row by the beginning of its id or by a piece of its text; what was given is empty"
    elif recipe is not None:
        problem = _unusable(warehouse, recipe, first)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    rows = pool_rows(warehouse, wanted)
    if rows.is_empty():
        return _explain_absence(warehouse, wanted)
    if rows.height > 1:
        _list_rows(rows)
        return 0
    row = rows.row(0, named=True)
    row_id, source = row["row_id"], row["source"]
    print(f"row {row_id} of source {source}, position {row['position']:,}")
    _print_facts(row_facts.text_facts(row))
    _print_facts(row_facts.copy_facts(warehouse, row_id))
    _print_facts(row_facts.neighbour_facts(warehouse, row_id))
    _print_facts(row_facts.evaluation_facts(warehouse, source, row_id))
    _print_facts(row_facts.answer_facts(warehouse, source, row_id))
    values = about_row.scores(warehouse, source, row_id)
    if arguments.all:
        print()
        _print_facts(row_facts.turn_facts(warehouse, source, row_id))
        print()
        for name, value in sorted(values.items()):
            print(f"  {name:44} {value:.6g}")
    print()
    decisions = about_row.decisions(warehouse, row_id, values, about_row.cuts(warehouse, recipe and [recipe]))
    if recipe is None:
        for name, decision in decisions.items():
            print(f"{name:26} {_in_a_line(decision, first)}")
        return 0
    decision = decisions.get(recipe)
    if decision is None:
        print(f"{recipe} has no decision about it: the row came after its last run; run this: {first}", file=sys.stderr)
        return 2
    print(f"{recipe}: {'kept' if decision['kept'] else 'dropped, stage ' + decision['stage']}")
    _print_facts(row_facts.decision_facts(decision))
    if recipe in warehouse.registry.recipes:
        _print_facts(row_facts.score_facts(warehouse, warehouse.registry.recipes[recipe], row_id))
    return 0


def _unusable(warehouse: "Warehouse", recipe: str, first: str) -> str | None:
    """Return why there are no decisions of a recipe, or None where there are."""
    registry = warehouse.registry
    if ("decisions", recipe) in warehouse.lake.tables("decisions"):
        return None
    if recipe in registry.recipes:
        return f"{recipe} has not been run yet; run this first: {first}"
    there = f"there is no recipe {recipe!r}; there are: {', '.join(sorted(registry.recipes))}"
    return registry.errors.get(f"recipes/{recipe}.yaml", there)


def _explain_absence(warehouse: "Warehouse", wanted: str) -> int:
    """Look for the text among the rows that were refused; return the exit status."""
    from datasel_assets.cli.row_search import quarantined_rows
    from datasel_assets.diagnostics.text import clean

    refused = quarantined_rows(warehouse, wanted)
    if refused.is_empty():
        shown = clean(wanted, 60)
        print(f"no row of the pool has an id that begins with {shown!r}, and none contains that text", file=sys.stderr)
        return 2
    rows = "a row" if refused.height == 1 else f"{refused.height:,} rows"
    print(f"not in the pool: {rows} with this text went to quarantine, for this reason")
    for row in refused.head(MOST_LISTED).iter_rows(named=True):
        print(f"  {row['source']}, position {row['position']:,}: {clean(row['reason'])}: {clean(row['raw'] or '', 80)}")
    return 0


def _list_rows(rows: "pl.DataFrame") -> None:
    from datasel_assets.diagnostics.text import clean

    print(f"{rows.height:,} rows match; name one of them by the beginning of its id")
    for row in rows.head(MOST_LISTED).iter_rows(named=True):
        print(f"  {row['row_id']}  {row['source']:20} {clean(row['prompt'], 60)}")
    if rows.height > MOST_LISTED:
        print(f"  and {rows.height - MOST_LISTED:,} more: give a longer piece of the text")


def _in_a_line(decision: dict[str, Any] | None, first: str) -> str:
    if decision is None:
        return f"has no decision yet; run this: {first}"
    from datasel_assets.diagnostics.text import clean

    reason = clean(decision["reason"], MOST_CHARS)
    flipped = f"; would flip it: {clean(decision['flip'], MOST_CHARS)}" if decision["flip"] else ""
    return (f"kept     {reason}" if decision["kept"] else f"dropped  {decision['stage']}: {reason}") + flipped


def _print_facts(facts: Iterable[tuple[str, str]]) -> None:
    from datasel_assets.diagnostics.text import clean

    for label, text in facts:
        print(f"  {label:13} {clean(text, MOST_CHARS)}")
