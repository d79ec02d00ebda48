"""A Postgres server for development, in a folder of its own: `make postgres` starts it, `make postgres-stop` ends it.

It listens on the loopback interface alone, asks for a password that is made here, and needs nothing but the programs of
an installed Postgres. Beside its data stand `env`, the variables by which clients find it, and `dagster.yaml`, which
makes the folder a DAGSTER_HOME. A production server is made by whoever keeps databases: what Dagster needs is in
`dagster.postgres.yaml`.
"""

import argparse
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
INSTANCE = REPOSITORY / "dagster.postgres.yaml"
DEBIAN = Path("/usr/lib/postgresql")
OWNER = "postgres"
"""Postgres refuses to run as root; Debian's package makes this user."""

USER = "dagster"
DATABASE = "dagster"


class PostgresError(RuntimeError):
    """The server cannot be started or stopped."""


def program(name: str) -> str:
    """Return the path of a program of Postgres.

    Raises:
        PostgresError: it is not installed.
    """
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0]), reverse=True)
    for found in (*(folder / name for folder in folders), shutil.which(name)):
        if found and Path(found).is_file():
            return str(found)
    raise PostgresError(f"{name} is not installed: install Postgres, on Debian with: apt-get install postgresql")


def start(folder: Path, port: int) -> dict[str, str]:
    """Make a server in `folder` where there is none yet, and start it; return the variables by which it is found."""
    data, password = folder / "data", secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    if not data.is_dir():
        given = folder / "password"
        _private(given, password)
        if os.geteuid() == 0:
            data.mkdir(mode=0o700)
            for path in (data, given):
                shutil.chown(path, OWNER, OWNER)
        access = [f"--pwfile={given}", "--auth=scram-sha-256", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
        try:
            _as_owner([program("initdb"), f"--pgdata={data}", *access, "--no-sync"])
        finally:
            given.unlink()
        _private(folder / "env", _lines(_variables(port, password)))
    found = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
    found["PGPORT"] = str(port)
    _private(folder / "env", _lines(found))
    listens = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c max_connections=200"
    log = data / "server.log"
    _as_owner([program("pg_ctl"), "start", "--wait", f"--pgdata={data}", f"--log={log}", f"--options={listens}"])
    _make_database(found)
    shutil.copyfile(INSTANCE, folder / "dagster.yaml")
    return found


def stop(folder: Path) -> None:
    """Stop the server of `folder`; its data stay."""
    _as_owner([program("pg_ctl"), "stop", "--wait", "--mode=fast", f"--pgdata={folder / 'data'}"])


def _variables(port: int, password: str) -> dict[str, str]:
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": USER,
        "PGPASSWORD": password,
        "PGDATABASE": DATABASE,
    }


def _lines(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _make_database(variables: dict[str, str]) -> None:
    environment = {**os.environ, **variables}
    names = "--command=SELECT datname FROM pg_database"
    asked = [program("psql"), "--dbname=postgres", "--tuples-only", "--no-align", names]
    there = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    if there.returncode:
        raise PostgresError(f"the server does not take the password in its file env: {there.stderr.strip()}")
    if DATABASE not in there.stdout.split():
        subprocess.run([program("createdb"), DATABASE], env=environment, check=True)


def _as_owner(command: Sequence[str]) -> None:
    """Run a program, as the user of Postgres where this process is root.

    Its output goes to a file: a server that was started would hold on to a pipe.
    """
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(OWNER)
        except KeyError:
            said = f"Postgres does not run as root, and there is no user {OWNER}: run this as another user"
            raise PostgresError(said) from None
        command = ["runuser", "-u", OWNER, "--", *command]
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", check=False)
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    if done.returncode:
        raise PostgresError(f"{' '.join(command)} failed: {words}")


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Start or stop the server; return 1 where that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="of the server")
    parser.add_argument("--port", type=int, default=5432)
    arguments = parser.parse_args(argv)
    folder = arguments.folder.resolve()
    try:
        if arguments.what == "stop":
            stop(folder)
        else:
            start(folder, arguments.port)
            print(
                f"Postgres listens on 127.0.0.1:{arguments.port}; runs are kept there with: make run HISTORY=postgres"
            )
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
