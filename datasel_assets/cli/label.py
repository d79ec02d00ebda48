"""``datasel label``: ask people about rows, on a page of this machine or by files that go elsewhere.

Belongs here: which tasks there are, and where their answers are kept. Does not: the page (``label_server``), the
question (``data/labels``).
"""

import argparse
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from datasel_assets.cli.environment import command_line, open_warehouse
from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from datasel_assets.cli.label_queue import Task
    from datasel_assets.specs.labels import LabelsSpec
    from datasel_assets.tables.warehouse import Warehouse

HELP = "Ask people about rows: a labelling page on this machine, or tasks as a file."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file of labels, and where its tasks go."""
    parser.add_argument("name", help="a file in labels/, or one in answers/ that people answer, without .yaml")
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="write the open tasks to FILE instead: .csv, .jsonl, or .json for Label Studio",
    )
    parser.add_argument("--port", type=int, default=3100, help="port of the page (default: %(default)s; any, if taken)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve the page until Ctrl-C, or write the tasks; return 2 where there is nothing to ask."""
    warehouse, name = open_warehouse(settings), arguments.name
    labels = warehouse.registry.labels
    problem = None
    if name not in labels:
        there = f"there is no file labels/{name}.yaml; there are: {', '.join(sorted(labels)) or 'none'}"
        errors = warehouse.registry.errors
        problem = errors.get(f"labels/{name}.yaml") or errors.get(f"answers/{name}.yaml") or there
    elif not warehouse.active_sources():
        problem = f"nothing has been ingested yet; run this first: {command_line('run', settings)}"
    else:
        problem = _brought_up_to_date(warehouse, name, settings)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    spec = labels[name]
    tasks = open_tasks(warehouse, name)
    if not any(not task.is_golden for task in tasks):
        file = warehouse.registry.file_of_labels(name)
        print(f"nothing is left to ask about {file}: every row has its answers", file=sys.stderr)
        return 2
    if arguments.export is not None:
        return _export(arguments.export, tasks, spec)
    return _serve(warehouse, name, spec, tasks, arguments.port)


def _brought_up_to_date(warehouse: "Warehouse", name: str, settings: Settings) -> str | None:
    """Bring the few tables of the labels up to date; return what is missing for that, or None."""
    from datasel_assets.raw_rows import SourceError
    from datasel_assets.storage.lake import MissingTableError
    from datasel_assets.tables.making import make

    try:
        for table in ("label_answers", "label_truth", "label_tasks"):
            make(warehouse, f"{table}/{name}")
    except SourceError as error:
        return f"{warehouse.registry.file_of_labels(name)}: {error}"
    except MissingTableError as error:
        return f"{error}; run this first: {command_line('run', settings)}"
    return None


def open_tasks(warehouse: "Warehouse", name: str) -> "list[Task]":
    """Return the tasks that are not settled, with their texts, in the order in which they are asked."""
    import polars as pl

    from datasel_assets.cli.label_queue import Task

    tasks = warehouse.lake.scan(("label_tasks", name)).filter(~pl.col("is_settled")).sort("place").collect()
    wanted = pl.col("row_id").is_in(tasks["row_id"].implode())
    texts = [
        warehouse.lake.scan(("corpus", source)).filter(wanted).select("row_id", "prompt", "response")
        for source in warehouse.active_sources()
    ]
    rows = tasks.join(pl.concat(pl.collect_all(texts)), on="row_id", maintain_order="left")
    columns = ("row_id", "content_hash", "prompt", "response", "n", "is_golden")
    return [Task(*row) for row in rows.select(columns).iter_rows()]


def _export(path: Path, tasks: "list[Task]", spec: "LabelsSpec") -> int:
    from datasel_assets.raw_rows import SourceError
    from datasel_assets.storage.label_files import task_records, write_tasks

    mixed = with_golden(tasks, spec.golden.rate if spec.golden else 0.0)
    try:
        written = write_tasks(path, task_records(map(vars, mixed), spec.question, spec.classes), spec.classes)
    except (SourceError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(mixed)} tasks in {' and '.join(map(str, written))}; name what comes back under 'files:'")
    return 0


def with_golden(tasks: "list[Task]", rate: float) -> "list[Task]":
    """Return the tasks with golden ones between them, at most ``rate`` of all, evenly."""
    ours, golden = ([task for task in tasks if task.is_golden == which] for which in (False, True))
    mixed: list[Task] = []
    for task in ours:
        mixed.append(task)
        if golden and int((len(mixed) + 1) * rate) > int(len(mixed) * rate):
            mixed.append(golden.pop(0))
    return mixed


def _serve(warehouse: "Warehouse", name: str, spec: "LabelsSpec", tasks: "list[Task]", port: int) -> int:
    from datasel_assets.cli.label_queue import LabelQueue
    from datasel_assets.cli.label_server import serve_labels
    from datasel_assets.storage.label_files import answers_path, append_answer

    data = warehouse.settings.data
    guidelines = ""
    if spec.guidelines:
        try:
            guidelines = (data / spec.guidelines).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            file = warehouse.registry.file_of_labels(name)
            print(f"{file}: guidelines: {spec.guidelines} cannot be read ({error})", file=sys.stderr)
            return 2
    path = answers_path(data, name)
    rate = spec.golden.rate if spec.golden else 0.0
    queue = LabelQueue(tasks, spec.classes, spec.enough[1], rate, partial(append_answer, path))
    queue.answered = _answered(warehouse, name, spec)
    stopped = Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda signum, frame: stopped.set())
    about = {"name": name, "question": spec.question, "guidelines": guidelines}
    with serve_labels(queue, about, port) as address:
        print(f"{spec.question}\n{address}; answers go to {path}; stop with Ctrl-C", flush=True)
        stopped.wait()
    print(f"\nuse the answers: {command_line('run', warehouse.settings)}")
    return 0


def _answered(warehouse: "Warehouse", name: str, spec: "LabelsSpec") -> dict[str, set[str]]:
    """Return worker -> contents that he has answered, from the files that came back."""
    import polars as pl

    from datasel_assets.raw_rows import SourceError
    from datasel_assets.storage.label_files import read_answers
    from datasel_assets.tables.labels.label_answers import answer_files, worker_hash

    table = warehouse.lake.scan(("label_answers", name)).filter(pl.col("problem").is_null()).collect()
    by_hash: dict[str, set[str]] = {}
    for worker, content in table.select("worker", "content_hash").iter_rows():
        by_hash.setdefault(worker, set()).add(content)
    names: set[str] = set()
    for path in answer_files(warehouse, name, spec):
        with suppress(SourceError):  # the page of label_answers says so
            names |= {line.worker for line in read_answers(path, path.name)}
    return {worker: by_hash[key] for worker in names if (key := worker_hash(name, worker)) in by_hash}
