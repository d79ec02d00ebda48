"""``datasel rethreshold``: what a recipe would select under other bounds; nothing is published."""

import argparse
import sys
import time
from pathlib import Path

from datasel_assets.cli.environment import open_warehouse
from datasel_assets.settings import Settings

HELP = "Say what a recipe would select with another budget or further drop rules; nothing is published."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe and its other bounds."""
    parser.add_argument("recipe")
    parser.add_argument("--budget", help='YAML, such as "fraction: 0.05" or "tokens: 200000"')
    parser.add_argument("--drop", action="append", default=[], help='YAML of one rule: "{score: n_tokens, above: 900}"')
    parser.add_argument("--out", type=Path, help="write the selected rows to this Parquet file")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print how many rows are selected, and how many enter and leave for which reason."""
    import polars as pl
    import yaml

    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.tables.rethreshold import rethreshold

    started = time.time()
    try:
        budget = yaml.safe_load(arguments.budget) if arguments.budget else None
        drop = [yaml.safe_load(rule) for rule in arguments.drop]
        found = rethreshold(open_warehouse(settings), arguments.recipe, budget, drop)
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
        file = settings.data / "recipes" / f"{arguments.recipe}.yaml"
        print(f"written to {arguments.out}; to release it, change {file}")
    return 0
