"""``datasel compare``: two versions of one recipe side by side."""

import argparse
import sys

from datasel_assets.cli.environment import open_warehouse
from datasel_assets.settings import Settings

HELP = "Compare two versions of a recipe: what entered, what left, and the figures of both."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe and its versions."""
    parser.add_argument("recipe")
    parser.add_argument("versions", nargs="*", metavar="version", help="earlier and later one (default: the last two)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what differs between both versions."""
    from datasel_assets.storage.lake import MissingTableError, StaleTableError
    from datasel_assets.storage.release import ReleaseDamagedError
    from datasel_assets.tables.selections.release_versions import compare_versions, titles

    if len(arguments.versions) > 2:
        print("compare takes at most two versions", file=sys.stderr)
        return 2
    warehouse = open_warehouse(settings)
    # One name is the earlier version: it is held against the present one.
    old, new = (*arguments.versions, None, None)[:2]
    try:
        earlier, later = compare_versions(warehouse, arguments.recipe, old, new).to_dicts()
    except (ValueError, ReleaseDamagedError, MissingTableError, StaleTableError) as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{arguments.recipe} {earlier['version']} -> {later['version']}: {later['entered']:,} rows enter, "
        f"{later['left']:,} leave, overlap {later['overlap']:.3f}\ndiffers in {later['differs']}"
    )
    if gone := earlier["rows_gone"] + later["rows_gone"]:
        print(f"{gone:,} rows have left the pool: of the figures below only rows and mean score include them")
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
