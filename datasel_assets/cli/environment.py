"""What a command needs before it can work: the environment of Dagster, the opened data folder, how to type commands."""

import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datasel_assets.settings import DAGSTER_VARIABLE, DATA_VARIABLE, DEFAULT_DATA, REPOSITORY, Settings

if TYPE_CHECKING:
    import dagster as dg

    from datasel_assets.tables.warehouse import Warehouse

MAKE_TARGETS = {"run", "ui", "evidence", "prune"}


def set_environment(settings: Settings) -> None:
    """Tell Dagster's own processes where data and run history are, and make the folder of the history."""
    os.environ[DATA_VARIABLE] = str(settings.data)
    os.environ[DAGSTER_VARIABLE] = str(settings.dagster)
    os.environ.setdefault("DAGSTER_HOME", str(REPOSITORY))
    settings.dagster.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_instance(settings: Settings) -> Iterator["dg.DagsterInstance"]:
    """Open the run history of a data folder; Dagster's log is kept quiet, since failures are printed in short."""
    set_environment(settings)
    import dagster as dg

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with dg.DagsterInstance.get() as instance:
        yield instance


def open_warehouse(settings: Settings) -> "Warehouse":
    """Return the tables and the registry files of a data folder as they are now."""
    from datasel_assets.tables.warehouse import Warehouse

    return Warehouse(settings)


def command_line(command: str, settings: Settings | None = None) -> str:
    """Return what to type for ``command`` over a data folder, which is left out where it is the default.

    Args:
        command: name and arguments, such as ``run``.
        settings: of the data folder; None where the command names it itself.
    """
    data = None if settings is None or settings.data == DEFAULT_DATA else shlex.quote(str(settings.data))
    if Path(sys.argv[0]).stem == "datasel":
        return f"datasel --data {data} {command}" if data else f"datasel {command}"
    # The script need not be on the path of who came by make or python -m.
    typed = f"make {command}" if command in MAKE_TARGETS else f"python -m datasel_assets {command}"
    return f"{DATA_VARIABLE}={data} {typed}" if data else typed
