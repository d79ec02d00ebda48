"""``datasel evidence``: selections evaluated by training a small model on them."""

import argparse
import sys

from datasel_assets.cli.environment import command_line, open_instance, open_warehouse
from datasel_assets.cli.output import open_console, print_failures
from datasel_assets.cli.progress_display import progress_display
from datasel_assets.settings import Settings

HELP = "Train a small model on selections, on random rows and on the pool, and say which does better."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipes."""
    parser.add_argument("recipe", nargs="*", help="recipes to evaluate (default: all of them)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Evaluate what has changed since the last time; return 1 where a training failed."""
    from datasel_assets.definitions import assemble
    from datasel_assets.defs.main_job import run_on_demand
    from datasel_assets.diagnostics.outcomes import outcomes, summary

    warehouse = open_warehouse(settings)
    definitions, assets = assemble(warehouse)
    known = {asset.key[-1]: asset for asset in assets if asset.on_demand and asset.kind.per == "recipe"}
    if not known:
        why = "no file in language_models/ says 'causal: {model: local:proxy_lm}': there is no model to train"
        errors = warehouse.registry.errors
        print(errors.get("proxy_eval.yaml") or warehouse.registry.unsettled("proxy") or why, file=sys.stderr)
        return 2
    named = arguments.recipe or list(known)
    unknown = sorted(set(named) - set(known))
    if unknown:
        print(f"there is no recipe {unknown[0]!r} to evaluate; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    absent = [name for name in named if not warehouse.lake.info(("selections", name))]
    if absent:
        first = command_line("run", settings)
        print(f"nothing has been selected yet by {', '.join(absent)}; run this first: {first}", file=sys.stderr)
    if absent and (arguments.recipe or len(absent) == len(known)):
        return 2
    wanted = [known[name] for name in named if name not in absent]
    console = open_console()
    with open_instance(settings) as instance, progress_display(console):
        outcome = run_on_demand(definitions, wanted, warehouse, instance)
    print_failures(console, outcome, command_line("evidence", settings))
    for asset in wanted:
        if warehouse.lake.info(asset.key):
            said = summary(outcomes(warehouse.lake.scan(asset.key).collect()), asset.key[-1])
            console.print(f"{asset.key[-1]:26} {said}", soft_wrap=True)
    return 1 if outcome.failures else 0
