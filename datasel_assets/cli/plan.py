"""``datasel plan``: what a run would make, why and at what cost; what the last one took beside what was expected.

Belongs here: how a plan is printed. Does not belong here: making it (``tables.costs``), adding it up (``costs.plan``).
"""

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from datasel_assets.cli import held_to
from datasel_assets.cli.environment import command_line, open_warehouse
from datasel_assets.cli.output import open_console
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from datasel_assets.costs.plan import Compared, Plan, PlanLine
    from datasel_assets.tables.warehouse import Warehouse

HELP = "Say what a run would make, why and at what cost; makes nothing."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is shown, and how."""
    held_to.add_arguments(parser)
    parser.add_argument("--last", action="store_true", help="forecast and actual of the last run instead")
    parser.add_argument("--steps", action="store_true", help="each source of a table on a line of its own")
    parser.add_argument("--json", action="store_true", help="as JSON, every step with all figures")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the plan; return 2 where it is above a limit, or where there is no last run."""
    if arguments.last:
        return _last(open_warehouse(settings), settings, as_json=arguments.json)
    return show(arguments, settings, as_json=arguments.json, by_source=arguments.steps)


def show(arguments: argparse.Namespace, settings: Settings, *, as_json: bool = False, by_source: bool = False) -> int:
    """Print the plan of what the arguments ask for; return 2 where it is above a limit.

    Raises:
        UnknownNameError: what they ask for has no file.
    """
    warehouse = open_warehouse(settings)
    from datasel_assets.costs.limits import above_limits
    from datasel_assets.tables.costs.planned import plan_run
    from datasel_assets.tables.graph import all_tables

    only = held_to.held_to(arguments, warehouse.registry)
    plan = plan_run(warehouse, all_tables(warehouse.registry), only)
    compute = warehouse.registry.compute
    problems = above_limits(plan, compute.limits.model_dump()) if compute else []
    if as_json:
        print(json.dumps({**plan.plain(), "above_limits": problems}, indent=1, ensure_ascii=False))
        return 2 if problems else 0
    console = open_console()
    _print_plan(console, plan, by_source=by_source)
    for message in [*warehouse.registry.errors.values(), *plan.untold]:
        console.print(f"left out: {message}", soft_wrap=True)
    for problem in problems:
        console.print(f"above a limit: {problem}", soft_wrap=True)
    return 2 if problems else 0


def _print_plan(console: "Console", plan: "Plan", *, by_source: bool) -> None:
    from datasel_assets.costs.plan import in_words

    if not plan.lines:
        console.print("nothing to do" if not plan.untold else "nothing that can be made", soft_wrap=True)
        return
    with_gpu = any(line.gpu_seconds is None or line.gpu_seconds for line in plan.lines)
    heads = ["rows", "tokens", "read", "written", "memory", "CPU", *(["GPU"] if with_gpu else []), "time"]
    rows = [["table", *heads, "known from", "why"]]
    for name, lines in _grouped(plan, by_source).items():
        rows.append(
            [name, *_cells(lines, with_gpu), ", ".join(dict.fromkeys(line.basis for line in lines)), _why(lines)]
        )
    _print_aligned(console, rows, left=(0, len(heads) + 1, len(heads) + 2))
    console.print(in_words(plan), soft_wrap=True)


def _print_aligned(console: "Console", rows: Sequence[Sequence[str]], left: Collection[int]) -> None:
    """Print rows in columns, of which those in ``left`` begin and the others end at one place.

    Lines are as long as they need to be: names that a terminal cuts off could not be read, and those in a file would be
    cut off for no terminal's sake.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        console.print("  ".join(cells).rstrip(), soft_wrap=True)


def _grouped(plan: "Plan", by_source: bool) -> Mapping[str, list["PlanLine"]]:
    groups: dict[str, list[PlanLine]] = {}
    for line in plan.lines:
        name = f"{line.stage} {line.source}" if by_source and line.source else line.stage
        groups.setdefault(name, []).append(line)
    return groups


def _cells(lines: "list[PlanLine]", with_gpu: bool) -> list[str]:
    from datasel_assets.costs.plan import duration

    gpu = [line.gpu_seconds for line in lines]
    on_gpu = "?" if None in gpu else duration(sum(seconds or 0 for seconds in gpu))
    rows, tokens = (sum(getattr(line, name) for line in lines) for name in ("rows", "tokens"))
    return [
        f"{rows:,}" if rows else "",
        f"{tokens:,}" if tokens else "",
        _size(sum(line.bytes_read for line in lines)),
        _size(sum(line.bytes_written for line in lines)),
        _size(max(line.memory_mb for line in lines) * 2**20),
        _time(sum(line.cpu_seconds for line in lines)),
        *([on_gpu] if with_gpu else []),
        _time(sum(line.seconds for line in lines)),
    ]


def _why(lines: "list[PlanLine]") -> str:
    reasons = list(dict.fromkeys(line.why for line in lines))
    return f"{reasons[0]}; {len(reasons) - 1} other reasons" if len(reasons) > 1 else reasons[0]


def _last(warehouse: "Warehouse", settings: Settings, *, as_json: bool) -> int:
    from datasel_assets.costs.plan import compare
    from datasel_assets.tables.costs.kept import last_plan, records_of

    found = last_plan(warehouse.lake)
    if found is None:
        print(f"no run has been planned yet; run this first: {command_line('run', settings)}", file=sys.stderr)
        return 2
    name, plan = found
    compared = compare(plan, records_of(warehouse.lake, name))
    not_made = len(plan.lines) - (compared[-1].steps if compared else 0)
    if as_json:
        rows = [{"stage": c.stage, "steps": c.steps, "forecast": c.forecast, "actual": c.actual} for c in compared]
        print(json.dumps({"stages": rows, "not_made": not_made}, indent=1, ensure_ascii=False))
        return 0
    console = open_console()
    if compared:
        _print_compared(console, compared)
    if not_made:
        said = f"{not_made:,} planned steps were not made: what they read turned out to be as it was, or the run ended"
        console.print(said, soft_wrap=True)
    return 0


def _print_compared(console: "Console", compared: "list[Compared]") -> None:
    rows = [["table", "time", "was", "CPU", "was", "factor", "memory", "was", "written", "was"]]
    for one in compared:
        cells = [_time(side[name]) for name in ("seconds", "cpu_seconds") for side in (one.forecast, one.actual)]
        cells.append(f"{one.factor('cpu_seconds'):.2f}")
        cells += [_size(side["memory_mb"] * 2**20) for side in (one.forecast, one.actual)]
        cells += [_size(side["bytes_written"]) for side in (one.forecast, one.actual)]
        rows.append([one.stage, *cells])
    _print_aligned(console, rows, left=(0,))


def _time(seconds: float) -> str:
    from datasel_assets.costs.plan import duration

    return f"{seconds:.1f} s" if seconds < 9.95 else duration(seconds)


def _size(size: float) -> str:
    """Return a number of bytes as people say it.

    >>> _size(512), _size(4_200_000), _size(3_100_000_000)
    ('0.5 kB', '4.2 MB', '3.1 GB')
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if size >= one:
            return f"{size / one:,.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
