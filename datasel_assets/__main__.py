"""The command line behind the make targets: ``run``, ``ui``, ``prune``, ``evidence``, ``rethreshold``, ``compare``.

Belongs here: arguments, progress, the closing summary. Does not belong here: any decision about data.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from datasel_assets.settings import DAGSTER_VARIABLE, DATA_VARIABLE, REPOSITORY, Settings, load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="datasel_assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="bring every table and release up to date")
    ui = commands.add_parser("ui", help="Dagster webserver and daemon on loopback")
    ui.add_argument("--port", type=int, default=3000)
    prune = commands.add_parser("prune", help="delete tables of retired sources and removed registry files")
    prune.add_argument("--dry-run", action="store_true", help="only list what would be deleted")
    evidence = commands.add_parser("evidence", help="try selections out by training a small model on them")
    evidence.add_argument("recipe", nargs="*", help="recipes; all when none is named")
    again = commands.add_parser("rethreshold", help="what a recipe selects with another budget or further drop rules")
    again.add_argument("recipe")
    again.add_argument("--budget", help='YAML, such as "fraction: 0.05" or "tokens: 200000"')
    again.add_argument("--drop", action="append", default=[], help='YAML of one rule: "{score: n_tokens, above: 900}"')
    again.add_argument("--out", type=Path, help="Parquet file for the selected rows")
    sides = commands.add_parser("compare", help="two versions of one recipe side by side")
    sides.add_argument("recipe")
    sides.add_argument("versions", nargs="*", metavar="version", help="an earlier and a later one; default: the last")
    arguments = parser.parse_args(argv)
    settings = load_settings()
    if not settings.data.is_dir():
        print(f"{settings.data} is not a folder: set {DATA_VARIABLE} to a data folder", file=sys.stderr)
        return 2
    _environment(settings)
    try:
        return _carry_out(arguments, settings)
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130


def _carry_out(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.command == "run":
        return run(settings)
    if arguments.command == "ui":
        return serve(settings, arguments.port)
    if arguments.command == "evidence":
        return try_out(settings, arguments.recipe)
    if arguments.command == "rethreshold":
        return what_if(settings, arguments)
    if arguments.command == "compare":
        return side_by_side(settings, arguments.recipe, arguments.versions)
    return prune_warehouse(settings, dry_run=arguments.dry_run)


def run(settings: Settings) -> int:
    """Run the main job in this process with a progress display and a summary."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from datasel_assets import progress

    console = Console(highlight=False)
    started = time.time()
    console.print(f"[bold]datasel_assets[/bold] main job over {settings.data}")
    import dagster as dg

    from datasel_assets.definitions import assemble
    from datasel_assets.defs.main_job import run_main
    from datasel_assets.tables.warehouse import Warehouse

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    warehouse = Warehouse(settings)
    for message in warehouse.registry.errors.values():
        console.print("[red]left out[/red]", escape(message), soft_wrap=True)
    with dg.DagsterInstance.get() as instance:
        columns = (TextColumn("{task.description:44}"), BarColumn(28), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            tasks: dict[str, TaskID] = {}

            def on_progress(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what)
                bar.update(tasks[what], completed=done, total=total)

            def on_run(state: str, source: str | None, assets: Sequence) -> None:
                names = ", ".join(dict.fromkeys(asset.key[0] for asset in assets))
                if state == "start":
                    tasks["run"] = bar.add_task(f"{source or 'pool'}: {names}"[:44], total=None)
                    return
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                mark = "[green]done[/green]  " if state == "done" else "[red]failed[/red]"
                bar.console.print(f"  {mark} {source or 'whole pool':24} {names}", soft_wrap=True)

            with progress.listen(on_progress):
                definitions, assets = assemble(warehouse)
                outcome = run_main(definitions, assets, lambda: Warehouse(settings), instance, on_run=on_run)
    _summary(console, settings, outcome, started)
    return 1 if outcome.failures or warehouse.registry.errors else 0


def _summary(console, settings: Settings, outcome, started: float) -> None:
    from rich.table import Table

    from datasel_assets.tables.warehouse import Warehouse

    warehouse = Warehouse(settings)
    records = [record for record in warehouse.lake.runs() if record["at"] >= started]
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
        console.print(
            f"[bold green]nothing to do[/bold green]: all {outcome.checked} tables are current, no model was loaded"
        )
    _failures(console, outcome)
    console.print(f"\nreleases  {settings.releases}", soft_wrap=True)
    for name in sorted(warehouse.registry.recipes):
        info = warehouse.lake.info(("selections", name))
        if info:
            console.print(f"  {name:26} {info.rows:>7,} rows  {info.meta.get('release', '')}", soft_wrap=True)
    console.print(f"report    {settings.releases}/<recipe>/<version>/report.html", soft_wrap=True)
    console.print(f"DuckDB    {settings.warehouse / 'datasel.duckdb'}", soft_wrap=True)
    console.print(f"UI        make ui, then http://127.0.0.1:3000    ({time.time() - started:.1f} s)")


def _failures(console, outcome) -> None:
    """Say what failed and what waits for it; messages are foreign text, whose brackets are no markup."""
    for failure in outcome.failures:
        what = f"{failure['source'] or 'whole pool'} ({', '.join(failure['assets'])})"
        console.print("[bold red]failed[/bold red]", what, soft_wrap=True)
        console.print(f"  {failure['error']}", markup=False, soft_wrap=True)
    if outcome.waiting:
        names = dict.fromkeys(asset.name for asset, _ in outcome.waiting)
        console.print(f"  not made for want of these: {', '.join(names)}", soft_wrap=True)
    if outcome.failures:
        console.print("  what was published before is still there; mend the cause and run again")


def serve(settings: Settings, port: int) -> int:
    """Start the webserver and the daemon on loopback and wait for either to stop."""
    script = Path(sys.executable).parent
    workspace = ["-w", str(REPOSITORY / "workspace.yaml")]
    commands = (
        [str(script / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace],
        [str(script / "dagster-daemon"), "run", *workspace],
    )
    print(f"Dagster UI on http://127.0.0.1:{port} over {settings.data}; stop it with Ctrl-C", flush=True)
    # In sessions of their own: Ctrl-C reaches this process alone, which passes on exactly one interrupt. Two of them
    # would cut the shutdown of the code servers short.
    processes = [subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True) for command in commands]
    asked: list[int] = []
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda signum, frame: asked.append(signum))
    while not asked and all(process.poll() is None for process in processes):
        time.sleep(0.2)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    statuses = [process.wait() for process in processes]
    if not asked:
        print(f"the webserver or the daemon stopped by itself (exit statuses {statuses})", file=sys.stderr)
    return 0 if asked else 1


def try_out(settings: Settings, recipes: Sequence[str]) -> int:
    """Train a small model on selections, on random rows and on the pool, and say which won."""
    import dagster as dg
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from datasel_assets import progress
    from datasel_assets.definitions import assemble
    from datasel_assets.defs.main_job import run_on_demand
    from datasel_assets.diagnostics.outcomes import outcomes, summary
    from datasel_assets.tables.warehouse import Warehouse

    console = Console(highlight=False)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    warehouse = Warehouse(settings)
    definitions, assets = assemble(warehouse)
    known = {asset.key[-1]: asset for asset in assets if asset.on_demand}
    if not known:
        why = "no file in language_models/ says 'causal: {model: local:proxy_lm}', the model to try selections out with"
        print(warehouse.registry.errors.get("proxy_eval.yaml", why), file=sys.stderr)
        return 2
    unknown = sorted(set(recipes) - set(known))
    if unknown:
        print(f"there is no recipe {unknown[0]!r} to try out; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    absent = [name for name in (recipes or known) if not warehouse.lake.info(("selections", name))]
    if absent:
        print(f"nothing has been selected yet by {', '.join(absent)}: make run first", file=sys.stderr)
    if absent and (recipes or len(absent) == len(known)):
        return 2
    wanted = [known[name] for name in (recipes or known) if name not in absent]
    columns = (TextColumn("{task.description:44}"), BarColumn(28), MofNCompleteColumn(), TimeElapsedColumn())
    with dg.DagsterInstance.get() as instance, Progress(*columns, console=console, transient=True) as bar:
        tasks = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        with progress.listen(on_progress):
            outcome = run_on_demand(definitions, wanted, warehouse, instance)
    _failures(console, outcome)
    for asset in wanted:
        if warehouse.lake.info(asset.key):
            said = summary(outcomes(warehouse.lake.scan(asset.key).collect()), asset.key[-1])
            console.print(f"{asset.key[-1]:26} {said}", markup=False, soft_wrap=True)
    return 1 if outcome.failures else 0


def what_if(settings: Settings, arguments: argparse.Namespace) -> int:
    """Say what a recipe selects with another budget or further drop rules; nothing is published."""
    import polars as pl
    import yaml

    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.tables.selections.rethreshold import rethreshold
    from datasel_assets.tables.warehouse import Warehouse

    started = time.time()
    try:
        budget = yaml.safe_load(arguments.budget) if arguments.budget else None
        drop = [yaml.safe_load(rule) for rule in arguments.drop]
        found = rethreshold(Warehouse(settings), arguments.recipe, budget, drop)
    except (ValueError, yaml.YAMLError, MissingTableError, StaleTableError) as error:
        print(error, file=sys.stderr)
        return 2
    selected = found.selection.selected
    entered = found.changes.filter(pl.col("change") == "entered").height
    print(
        f"{arguments.recipe}: {selected.height:,} rows, {int(selected['n_tokens'].sum() or 0):,} tokens; "
        f"{entered:,} enter and {found.changes.height - entered:,} leave  ({time.time() - started:.1f} s)"
    )
    for change, reason, count in (
        found.changes.group_by("change", "stage_now").len().sort("change", "len", descending=[False, True]).iter_rows()
    ):
        print(f"  {change} ({reason or 'gone'}): {count:,}")
    for note in found.selection.notes:
        print(f"  {note}")
    if arguments.out is not None:
        selected.write_parquet(arguments.out)
        print(f"written to {arguments.out}; change the recipe's file to release it")
    return 0


def side_by_side(settings: Settings, recipe: str, named: Sequence[str]) -> int:
    """Print what entered and left between two versions of a recipe, and the figures of both."""
    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.storage.release import ReleaseDamagedError
    from datasel_assets.tables.selections.release_versions import compare_versions, titles
    from datasel_assets.tables.warehouse import Warehouse

    if len(named) > 2:
        print("compare takes two versions at most", file=sys.stderr)
        return 2
    warehouse = Warehouse(settings)
    # One name is the earlier version: it is held against the present one.
    old, new = (*named, None, None)[:2]
    try:
        earlier, later = compare_versions(warehouse, recipe, old, new).to_dicts()
    except (ValueError, ReleaseDamagedError, MissingTableError, StaleTableError) as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{recipe} {earlier['version']} -> {later['version']}: {later['entered']:,} rows enter, "
        f"{later['left']:,} leave, overlap {later['overlap']:.3f}\ndiffers in {later['differs']}"
    )
    if gone := earlier["rows_gone"] + later["rows_gone"]:
        print(f"{gone:,} rows have left the pool: they are in no figure below but rows and mean score")
    words = titles(warehouse.registry)
    for name in earlier:
        if name in ("recipe", "version", "entered", "left", "overlap", "differs"):
            continue
        cells = [_figure(side[name]) for side in (earlier, later)]
        if any(cells):
            print(f"  {words.get(name, name.replace('_', ' ')):26} {cells[0]:>26} {cells[1]:>26}")
    return 0


def _figure(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def prune_warehouse(settings: Settings, *, dry_run: bool) -> int:
    """Delete what no registry file asks for any more."""
    import dagster as dg

    from datasel_assets.definitions import assemble
    from datasel_assets.defs.prune import prune
    from datasel_assets.registry.base import RegistryError
    from datasel_assets.tables.warehouse import Warehouse

    _, assets = assemble(Warehouse(settings))
    with dg.DagsterInstance.get() as instance:
        try:
            removed = prune(settings, assets, instance, dry_run=dry_run)
        except RegistryError as error:
            print(error, file=sys.stderr)
            return 2
    verb = "would delete" if dry_run else "deleted"
    for name in removed:
        print(f"{verb} {name}")
    print(f"{verb} {len(removed)} tables" if removed else "nothing to prune")
    return 0


def _environment(settings: Settings) -> None:
    """Set what Dagster's own processes read, unless the caller did."""
    os.environ.setdefault(DATA_VARIABLE, str(settings.data))
    os.environ.setdefault(DAGSTER_VARIABLE, str(settings.dagster))
    os.environ.setdefault("DAGSTER_HOME", str(REPOSITORY))
    settings.dagster.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
