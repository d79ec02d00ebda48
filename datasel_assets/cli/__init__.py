"""The command line ``datasel``: one module for each command, of the same name, and what they share.

Belongs here: arguments, progress, what is printed. Does not belong here: any decision about data. A command's module
has ``HELP`` (a sentence), ``add_arguments(parser)`` and ``run(arguments, settings)``, which returns the exit status. It
imports Dagster and whatever else is slow to load inside functions: ``datasel --help`` must answer at once.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from datasel_assets.cli import (
    add,
    ask,
    check,
    compare,
    crowd,
    evidence,
    explain,
    explore,
    held_to,
    init,
    label,
    plan,
    prune,
    rethreshold,
    run,
    ui,
)
from datasel_assets.cli.environment import command_line
from datasel_assets.settings import DATA_VARIABLE, Settings, load_settings

COMMANDS = (run, plan, ui, ask, evidence, rethreshold, compare, prune, explain, explore, label, crowd, init, add, check)

READ_SOURCES = {"run", "plan", "ask", "evidence", "rethreshold", "compare", "explain", "explore", "label"}
"""Commands that have nothing to do before there is a source."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; return the exit status: 0, 1 where something failed, 2 where it cannot be carried out."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings(getattr(arguments, "data", None))
    if arguments.command != "init" and (problem := _no_data_folder(settings, arguments.command)):
        print(problem, file=sys.stderr)
        return 2
    try:
        return arguments.carry_out(arguments, settings)
    except held_to.UnknownNameError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept, and the same command continues from there", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    # Without a default, so that the option after the command leaves one before it as it is.
    data = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    data.add_argument("--data", type=Path, metavar="FOLDER", help=f"data folder; overrides {DATA_VARIABLE}")
    parser = argparse.ArgumentParser(
        prog="datasel", description="Select instruction-tuning data from the sources of a data folder.", parents=[data]
    )
    parser.add_argument("--version", action="version", version=f"datasel_assets {metadata.version('datasel_assets')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP, parents=[] if module is init else [data]
        )
        command.set_defaults(carry_out=module.run)
        module.add_arguments(command)
    return parser


def _no_data_folder(settings: Settings, command: str) -> str | None:
    """Say what is wrong where a command would find nothing to work on, or return None."""
    remedy = f"name a data folder with --data or {DATA_VARIABLE}, or make one with: {command_line('init FOLDER')}"
    if not settings.data.is_dir():
        return f"{settings.data} is not a folder: {remedy}"
    if not (settings.data / "sources").is_dir():
        return f"{settings.data} has no folder sources/, so it is not a data folder: {remedy}"
    if command in READ_SOURCES and not any(_registry_files(settings.data / "sources")):
        return (
            f"{settings.data / 'sources'} has no source yet: write a file there, such as sources/mine.yaml with the "
            f"line 'uri: path/to/rows.jsonl', then type: {command_line(command, settings)}"
        )
    return None


def _registry_files(folder: Path) -> Iterator[Path]:
    """Yield the files that the registry looks at, good or bad."""
    return (path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and not path.name.startswith("."))
