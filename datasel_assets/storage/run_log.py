"""What each step cost: one small file per step, written once.

Belongs here: adding a record and reading all of them. Does not belong here: what is measured (``tables.making``).

A file of its own needs neither a lock nor an append, which shared folders do badly and object stores not at all.
Clocks live here and not in the tables.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasel_assets.storage.atomic import write_text

FOLDER = "_runs"
OLD_LOG = "runs.jsonl"
"""Where the records of steps lie that ran before each had a file."""


def add_run(root: Path, record: Mapping[str, Any]) -> None:
    """Keep a record under ``root``, with the time; names of files are ordered by it."""
    now = time.time_ns()
    line = json.dumps({"at": round(now / 1e9, 3), **record}, ensure_ascii=False, default=str) + "\n"
    write_text(root / FOLDER / f"{now:020d}-{uuid.uuid4().hex[:8]}.json", line)


def read_runs(root: Path) -> list[dict[str, Any]]:
    """Return all records under ``root``, oldest first; a torn line of the old log is skipped."""
    return [*_lines(root / OLD_LOG), *(json.loads(path.read_bytes()) for path in sorted(root.glob(f"{FOLDER}/*.json")))]


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else []:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
