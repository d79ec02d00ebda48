"""``datasel ui``: Dagster's webserver and daemon and the server of reports, started and stopped together."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from datasel_assets.cli.environment import set_environment
from datasel_assets.cli.file_server import serve_files
from datasel_assets.settings import FILES_VARIABLE, REPOSITORY, Settings

HELP = "Serve the Dagster UI, with its daemon, on this machine alone (127.0.0.1)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the ports."""
    parser.add_argument("--port", type=int, default=3000, help="port of the UI (default: %(default)s)")
    parser.add_argument(
        "--files-port", type=int, help="port of releases and reports (default: the next; any, where it is taken)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal comes; return 1 where a process stopped by itself."""
    set_environment(settings)
    port = arguments.port + 1 if arguments.files_port is None else arguments.files_port
    with serve_files(settings.served, port) as files:
        os.environ[FILES_VARIABLE] = files
        return _serve(arguments.port, settings, files)


def _serve(port: int, settings: Settings, files: str) -> int:
    """Run the webserver and the daemon until a signal comes; return 1 where one of them stopped by itself."""
    script = Path(sys.executable).parent
    workspace = ["-w", str(REPOSITORY / "workspace.yaml")]
    commands = (
        [str(script / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace],
        [str(script / "dagster-daemon"), "run", *workspace],
    )
    print(f"Dagster UI on http://127.0.0.1:{port} over {settings.data}; stop it with Ctrl-C", flush=True)
    print(f"releases and reports on {files}", flush=True)
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
