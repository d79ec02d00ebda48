"""``datasel ask``: what asking about rows would take, and asking.

Belongs here: the plan and the scores in lines. Not: which rows are asked about and whom (``tables.answers``).
"""

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from datasel_assets.cli.environment import command_line, open_warehouse
from datasel_assets.cli.output import open_console
from datasel_assets.cli.progress_display import progress_display
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from datasel_assets.tables.warehouse import Warehouse

HELP = "Ask the questions of a file in answers/ about rows of the pool, and make the scores of the answers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument("name", help="a file of answers/")
    parser.add_argument("--plan", action="store_true", help="only say what it will take; nothing is sent")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the plan, and ask unless only that was wanted; return 1 where asking failed, 2 where it cannot begin."""
    from datasel_assets.answers.cost import above_limits, told
    from datasel_assets.models.providers import ProviderError
    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.tables.answers.plan import plan
    from datasel_assets.tables.answers.questions import Questions

    warehouse, name = open_warehouse(settings), arguments.name
    registry = warehouse.registry
    if name in registry.people:
        print(
            f"people answer answers/{name}.yaml; ask them: {command_line(f'label {name}', settings)}", file=sys.stderr
        )
        return 2
    if name not in registry.answers:
        there = ", ".join(sorted(registry.answers)) or "none"
        absent = f"there is no file answers/{name}.yaml; there are: {there}"
        print(registry.errors.get(f"answers/{name}.yaml", absent), file=sys.stderr)
        return 2
    if not warehouse.active_sources():
        print(f"nothing has been ingested yet; run this first: {command_line('run', settings)}", file=sys.stderr)
        return 2
    own = Questions(name, registry.answers[name], registry)
    try:
        with own.kept(warehouse) as kept:
            planned = plan(own, warehouse, kept)
    except (MissingTableError, StaleTableError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    console = open_console()
    for line in told(planned, name):
        console.print(line, soft_wrap=True)
    problems = above_limits(planned, own.spec)
    for problem in problems:
        console.print(f"  above a limit: {problem}", soft_wrap=True)
    if arguments.plan or problems:
        return 2 if problems else 0
    try:
        _ask(warehouse, name, console)
    except (ProviderError, ValueError, OSError, MissingTableError, StaleTableError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _ask(warehouse: "Warehouse", name: str, console: "Console") -> None:
    """Make the answers of each source, then the scores; print what their pages say of each score."""
    from datasel_assets.tables.making import make
    from datasel_assets.tables.shown import Rows

    log = logging.Logger("datasel ask")
    log.addHandler(_Lines(console))
    with progress_display(console):
        for source in warehouse.active_sources():
            make(warehouse, f"answers/{name}", source, log=log)
        adjudicates = warehouse.registry.answers[name].adjudicates
        made = make(warehouse, "near_duplicates" if adjudicates else f"scores/{name}", log=log)
    facts = made.built.metadata
    if adjudicates:
        same, pairs = facts["pairs_adjudicated_the_same"], facts["pairs_to_adjudicate"]
        console.print(f"{same:,} of {pairs:,} pairs are the same; {facts['near_copies']:,} near duplicates in all")
        return
    unread = f"{facts['unread_share']:.1%} of the replies could not be read"
    console.print(f"{facts['rows_with_a_score']:,} rows have a score; {unread}")
    shown = facts["columns"]
    assert isinstance(shown, Rows)
    for cells in shown.cells:
        said = ", ".join(f"{head} {cell}" for head, cell in zip(shown.columns, cells, strict=True) if cell != "")
        console.print(f"  {said.removeprefix('column ')}", soft_wrap=True)


class _Lines(logging.Handler):
    """Prints what is logged."""

    def __init__(self, console: "Console") -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(f"  {record.getMessage()}", soft_wrap=True)
