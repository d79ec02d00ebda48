"""``datasel run``: the main job in this process, with its progress and a summary."""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from datasel_assets.cli import held_to, plan
from datasel_assets.cli.environment import command_line, open_instance, open_warehouse
from datasel_assets.cli.output import open_console, outside_steps, print_failures
from datasel_assets.cli.progress_display import progress_display
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from datasel_assets.costs.plan import Plan
    from datasel_assets.tables.refresh import Outcome

HELP = "Bring every table and release up to date."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is asked for, and the rehearsal."""
    held_to.add_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan, as `datasel plan` does; make nothing")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run what is stale; return 1 where anything failed or a registry file cannot be used."""
    from rich.text import Text

    if arguments.dry_run:
        return plan.show(arguments, settings)
    console = open_console(outside_steps(sys.stdout))
    started = time.time()
    console.print(Text.assemble(("datasel_assets", "bold"), f" main job over {settings.data}"), soft_wrap=True)
    from datasel_assets.costs.plan import in_words
    from datasel_assets.definitions import assemble
    from datasel_assets.defs.main_job import failed_steps
    from datasel_assets.launching.launch import carry_out, code_location
    from datasel_assets.launching.one_at_a_time import MAIN
    from datasel_assets.tables.refresh import Told

    outcomes: list[Outcome] = []
    with open_instance(settings) as instance:
        warehouse = open_warehouse(settings)
        only = held_to.held_to(arguments, warehouse.registry)
        for message in warehouse.registry.errors.values():
            console.print(Text.assemble(("left out", "red"), " ", message), soft_wrap=True)
        if not (warehouse.registry.sources or warehouse.active_sources()):
            console.print("no source can be read: correct its file and run again", soft_wrap=True)
            return 1
        with progress_display(console) as shown:

            def on_run(state: str, source: str | None, assets: Sequence) -> None:
                names = ", ".join(dict.fromkeys(asset.key[0] for asset in assets))
                if state == "start":
                    shown.begin(f"{source or 'pool'}: {names}")
                    return
                shown.end()
                mark = ("done", "green") if state == "done" else ("failed", "red")
                line = f"{' ' * (6 - len(mark[0]))} {source or 'whole pool':24} {names}"
                console.print(Text.assemble("  ", mark, line), soft_wrap=True)

            def waiting(what: str) -> None:
                console.print(f"  {what}", soft_wrap=True)

            def expected(made: "Plan") -> None:
                console.print(f"  {in_words(made)}", soft_wrap=True)

            definitions, _ = assemble(warehouse, Told(on_run, outcomes.append, waiting, expected), only)
            _, events = carry_out(definitions.resolve_job_def(MAIN), instance, code_location())
        failures = failed_steps(events)
    if not outcomes:
        console.print(Text.assemble(("failed", "bold red"), " ", "; ".join(failures.values())), soft_wrap=True)
        return 1
    (outcome,) = outcomes
    _print_costs(console, settings, outcome, started)
    print_failures(console, outcome, command_line("run", settings))
    _print_unmapped(console, settings)
    _print_places(console, settings, started)
    return 1 if outcome.failures or warehouse.registry.errors else 0


def _print_costs(console: "Console", settings: Settings, outcome: "Outcome", started: float) -> None:
    """Print what each stage did and cost since ``started``, or that there was nothing to do."""
    from rich.table import Table
    from rich.text import Text

    records = [record for record in open_warehouse(settings).lake.runs() if record["at"] >= started]
    if records:
        table = Table(title="what was done", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, justify in (("stage", "left"), *((n, "right") for n in ("rows", "new", "reused", "dropped", "s"))):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        stages: dict[str, list[dict]] = defaultdict(list)
        for record in records:
            stages[record["stage"]].append(record)
        for stage, entries in stages.items():
            totals = [sum(e[k] for e in entries) for k in ("rows_total", "rows_new", "rows_reused", "rows_removed")]
            table.add_row(stage, *(f"{t:,}" for t in totals), f"{sum(e['seconds'] for e in entries):.1f}")
        console.print(table)
    elif not outcome.failures:
        said = f": all {outcome.checked} tables are current, no model was loaded"
        console.print(Text.assemble(("nothing to do", "bold green"), said))


def _print_unmapped(console: "Console", settings: Settings) -> None:
    """Print which columns of sources hold something that no conversation has, though their names are known."""
    from rich.text import Text

    warehouse = open_warehouse(settings)
    for source in sorted(warehouse.registry.sources):
        info = warehouse.lake.info(("corpus", source))
        columns = info.meta.get("unmapped", {}) if info else {}
        if columns:
            said = ", ".join(f"{name} ({rows:,} rows)" for name, rows in columns.items())
            line = f" {source}: no conversation was given {said}; say under 'columns' where they belong"
            console.print(Text.assemble(("not used", "yellow"), line), soft_wrap=True)


def _print_places(console: "Console", settings: Settings, started: float) -> None:
    """Print where releases, reports and tables are, and how to look at them."""
    warehouse = open_warehouse(settings)
    lines = [f"\nreleases  {settings.releases}"]
    for name in sorted(warehouse.registry.recipes):
        info = warehouse.lake.info(("selections", name))
        if info:
            lines.append(f"  {name:26} {info.rows:>7,} rows  {info.meta.get('release', '')}")
    lines += [
        f"report    {settings.releases}/<recipe>/<version>/report.html",
        f"DuckDB    {settings.warehouse / 'datasel.duckdb'}",
        f"UI        {command_line('ui', settings)}, then http://127.0.0.1:3000    ({time.time() - started:.1f} s)",
    ]
    console.print("\n".join(lines), soft_wrap=True)
