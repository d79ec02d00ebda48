"""``datasel ui``: Dagster's programs and the server of reports, started and stopped together."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from datasel_assets.cli.environment import set_environment
from datasel_assets.cli.file_server import serve_files
from datasel_assets.settings import EXPLORE_VARIABLE, FILES_VARIABLE, REPOSITORY, Settings

LOCATION = "datasel_assets.definitions"
"""Name of the code location, as in ``workspace.yaml``: under it runs of the command line are found in the UI."""
LOOK_EVERY_S = 1.0
SELDOM = {"FRESHNESS_DAEMON_INTERVAL_SECONDS": "300", "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "30"}
"""How often Dagster looks at what may wait: freshness in days, runs whose host was lost. Else every few seconds."""

HELP = "Serve the Dagster UI, with its daemon, on this machine alone (127.0.0.1)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the ports."""
    parser.add_argument("--port", type=int, default=3000, help="port of the UI (default: %(default)s)")
    parser.add_argument(
        "--files-port", type=int, help="port of releases and reports (default: the next; any, where it is taken)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal comes; return 1 where a process stopped by itself."""
    from datasel_assets.cli.explore_server import Rows, serve_rows

    set_environment(settings)
    port = arguments.port + 1 if arguments.files_port is None else arguments.files_port
    # Rows are read when somebody first opens their page; until then it costs nothing.
    with serve_files(settings.served, port) as files, serve_rows(Rows(settings), port + 1) as rows:
        os.environ[FILES_VARIABLE], os.environ[EXPLORE_VARIABLE] = files, rows
        return _serve(arguments.port, settings, files)


def _serve(port: int, settings: Settings, files: str) -> int:
    """Run code server, webserver and daemon until a signal comes; return 1 where one of them stopped by itself."""
    import yaml

    asked: list[int] = []
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda signum, frame: asked.append(signum))
    processes: list[subprocess.Popen[bytes]] = []

    def goes_on() -> bool:
        return not asked and all(process.poll() is None for process in processes)

    with TemporaryDirectory(prefix="datasel-ui-") as folder:
        address = Path(folder) / "code"
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": _server(address)}]}), "utf-8")
        # One server of the code for both: on its own the daemon loads all definitions anew every minute.
        code = ["dagster", "code-server", "start", "--socket", str(address), "-m", LOCATION, "-d", str(REPOSITORY)]
        processes.append(_start(code))
        while goes_on() and not _answers(address):
            time.sleep(0.2)
        print(f"Dagster UI on http://127.0.0.1:{port} over {settings.data}; stop it with Ctrl-C", flush=True)
        print(f"releases and reports on {files}, rows on {os.environ[EXPLORE_VARIABLE]}", flush=True)
        if goes_on():
            processes.append(_start(["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)]))
            processes.append(_start(["dagster-daemon", "run", "-w", str(workspace)]))
        while goes_on():
            time.sleep(LOOK_EVERY_S)
        for process in reversed(processes):  # whoever asks goes before who answers
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait()
    statuses = [process.returncode for process in processes]
    if not asked:
        print(f"the code server, webserver or daemon stopped by itself (exit statuses {statuses})", file=sys.stderr)
    return 0 if asked else 1


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    """Start one of Dagster's own programs.

    In a session of its own: Ctrl-C reaches this process alone, which passes on exactly one interrupt. Two of them would
    cut the shutdown of the code server short.
    """
    script = Path(sys.executable).parent / command[0]
    environment = {**SELDOM, **os.environ}
    return subprocess.Popen([str(script), *command[1:]], cwd=REPOSITORY, env=environment, start_new_session=True)


def _server(address: Path) -> dict[str, str]:
    return {"socket": str(address), "location_name": LOCATION}


def _answers(address: Path) -> bool:
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(socket=str(address)).ping("")
    except Exception:  # not yet there
        return False
    return True
