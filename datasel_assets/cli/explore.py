"""``datasel explore``: look at the rows of the pool on a page of this machine.

Belongs here: the command. Does not: what is found out (``storage.exploration``), the page (``explore_server``).
"""

import argparse
import signal
import sys
import time
from threading import Event

from datasel_assets.cli.environment import command_line, open_warehouse
from datasel_assets.settings import EXPLORE_PORT, Settings

HELP = (
    "Look at the rows of the pool on a page of this machine: search, filter, compare, and why each was kept or dropped."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the port."""
    parser.add_argument(
        "--port", type=int, default=EXPLORE_PORT, help="port of the page (default: %(default)s; any, if taken)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve the page until Ctrl-C; return 2 where there are no rows."""
    from datasel_assets.cli.explore_server import Rows, serve_rows

    warehouse, started = open_warehouse(settings), time.perf_counter()
    if not warehouse.active_sources():
        print(f"nothing has been ingested yet; run this first: {command_line('run', settings)}", file=sys.stderr)
        return 2
    stopped = Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda signum, frame: stopped.set())
    rows = Rows(settings)
    pool = rows.now().pool
    took = time.perf_counter() - started
    with serve_rows(rows, arguments.port) as address:
        print(f"{pool.height:,} rows, {len(pool.columns.numbers)} columns of numbers, read in {took:.1f} s", flush=True)
        print(f"{address} shows the tables as they are when it is loaded; stop with Ctrl-C", flush=True)
        stopped.wait()
    return 0
