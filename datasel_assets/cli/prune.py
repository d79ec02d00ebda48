"""``datasel prune``: tables that no registry file asks for any more are deleted."""

import argparse
import sys

from datasel_assets.cli.environment import open_warehouse
from datasel_assets.settings import Settings

HELP = "Delete the tables of retired sources and of removed registry files; releases stay."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the rehearsal."""
    parser.add_argument("--dry-run", action="store_true", help="list what would be deleted, and delete nothing")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Delete, or with ``--dry-run`` list, what no registry file accounts for."""
    from datasel_assets.registry.base import RegistryError
    from datasel_assets.tables.graph import all_tables
    from datasel_assets.tables.pruning import prune

    warehouse = open_warehouse(settings)
    try:
        removed = prune(warehouse, all_tables(warehouse.registry), dry_run=arguments.dry_run)
    except RegistryError as error:
        print(error, file=sys.stderr)
        return 2
    verb = "would delete" if arguments.dry_run else "deleted"
    for name in removed:
        print(f"{verb} {name}")
    print(f"{verb} {len(removed)} table{'s' * (len(removed) != 1)}" if removed else "nothing to prune")
    return 0
