"""The answers that came back from people: one line for every line of every file, with what is wrong with it.

Belongs here: whose row an answer is about, which of several counts, names of workers as hashes. Does not: reading files
(``storage.label_files``), who is right (``label_truth``).
"""

import hashlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import polars as pl

from datasel_assets.raw_rows import SourceError
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.label_files import AnswerLine, answers_path, read_answers
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.readers.patterns import local_files
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.shown import counts_table, sample_table
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

LABEL_ANSWERS = Kind("label_answers")
SCHEMA = {
    "content_hash": pl.String,
    "worker": pl.String,
    "answer": pl.String,
    "seconds": pl.Float64,
    "file": pl.String,
    "line": pl.Int64,
    "problem": pl.String,
}
CHANGED = "answered again later"
TAKEN_BACK = "taken back"
GONE = "is not in the pool"
SHOWN = 20


def answers_table(name: str, spec: LabelsSpec) -> Table:
    """Return the table of the answers to ``labels/<name>.yaml``."""
    code = digest([LABEL_ANSWERS.version, spec.classes, spec.patterns])
    return Table(
        kind=LABEL_ANSWERS,
        key=(LABEL_ANSWERS.name, name),
        description=(
            f"Every line of the files of answers to: {spec.question} Lines without a `problem` count. A row is known "
            "by its content, so that answers outlive its id; who answered is known by a hash of the name."
        ),
        group="scores",
        reads=[(CORPUS.name,)],
        expect=partial(_expect, name, spec, code),
        build=partial(_build, name, spec),
        checks={"every_line_can_be_used": "no line is unreadable, or says what cannot be answered, or names no row"},
        kinds=frozenset({"parquet", "polars"}),
        version=code,
        columns={
            "worker": "Hash of the worker's name.",
            "answer": "What was answered, as it was written where it cannot be used; null where it was taken back.",
            "seconds": "How long it took.",
            "file": "The file, from the data folder.",
            "line": "Its line, from 1; of a file of Label Studio the task.",
            "problem": "Why the line does not count; null where it does.",
        },
    )


def answer_files(warehouse: Warehouse, name: str, spec: LabelsSpec) -> list[Path]:
    """Return the files of answers that are there: those that the file names, and what the labelling page wrote."""
    data = warehouse.settings.data
    found = [path for pattern in spec.patterns for path in local_files(pattern, data)]
    own = answers_path(data, name)
    return list(dict.fromkeys([*found, *([own] if own.is_file() else [])]))


def worker_hash(labels: str, worker: str) -> str:
    """Return what a worker is called in tables: not the name, and another one for every file in ``labels/``."""
    return hashlib.blake2b(f"{labels}\n{worker}".encode(), digest_size=6).hexdigest()


def contents_of_rows(warehouse: Warehouse) -> pl.DataFrame:
    """Return row_id, source and content_hash of the pool, sorted by row id."""
    found = [
        warehouse.lake.scan((CORPUS.name, source)).select("row_id", "source", "content_hash")
        for source in warehouse.active_sources()
    ]
    empty = pl.DataFrame(schema=dict.fromkeys(("row_id", "source", "content_hash"), pl.String))
    return pl.concat([empty, *pl.collect_all(found)]).sort("row_id")


def judged(
    lines: Iterable[AnswerLine], labels: str, classes: Iterable[str], content_of: dict[str, str], known: set[str]
) -> pl.DataFrame:
    """Return the table of answers.

    Args:
        lines: in the order in which they were given.
        labels: name of the file in ``labels/``.
        classes: what can be answered, in any spelling of upper and lower case.
        content_of: row id -> content of the pool.
        known: contents of the pool.

    Returns:
        A line each. Of a worker's answers to one row the last counts, or none if the last takes it back.
    """
    spelled = {one.casefold(): one for one in classes}
    rows, last = [], {}
    for line in lines:
        content = content_of.get(line.row_id or "", line.content_hash)
        answer, problem = line.answer, line.problem
        if problem is None:
            chosen = spelled.get(answer.casefold()) if answer is not None else None
            if answer is not None and chosen is None:
                problem = f"{answer[:40]!r} is none of the answers {', '.join(spelled.values())}"
            elif content is None:
                problem = f"row {line.row_id} {GONE}, and the line names no content_hash"
            else:
                before = last.get((line.worker, content))
                if before is not None and rows[before]["problem"] is None:
                    rows[before]["problem"] = f"{CHANGED}: {line.file}, line {line.line}"
                last[line.worker, content] = len(rows)
                answer = chosen
                if chosen is None:
                    problem = TAKEN_BACK
                elif content not in known:
                    problem = f"content {content} {GONE} now"
        rows.append(
            {
                "content_hash": content,
                "worker": worker_hash(labels, line.worker) if line.worker else None,
                "answer": answer,
                "seconds": line.seconds,
                "file": line.file,
                "line": line.line,
                "problem": problem,
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def _expect(name: str, spec: LabelsSpec, code: str, warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions(CORPUS.name)
    for path in answer_files(warehouse, name, spec):
        inputs[f"file/{_shown(path, warehouse)}"] = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    return Expected((LABEL_ANSWERS.name, name), code, inputs)


def _shown(path: Path, warehouse: Warehouse) -> str:
    data = warehouse.settings.data
    return path.relative_to(data).as_posix() if path.is_relative_to(data) else str(path)


def _build(name: str, spec: LabelsSpec, step: Step) -> Built:
    warehouse = step.warehouse
    files = answer_files(warehouse, name, spec)
    absent = [pattern for pattern in spec.patterns if not local_files(pattern, warehouse.settings.data)]
    lines, unreadable = [], []
    for path in files:
        try:
            lines += read_answers(path, _shown(path, warehouse))
        except SourceError as error:
            unreadable.append(AnswerLine(_shown(path, warehouse), 1, problem=str(error)))
    pool = contents_of_rows(warehouse)
    content_of = dict(pool.select("row_id", "content_hash").iter_rows())
    table = judged([*lines, *unreadable], name, spec.classes, content_of, set(content_of.values()))
    info = warehouse.lake.write(step.expected, table)
    expected = pl.col("problem").str.contains(f"^({CHANGED}|{TAKEN_BACK})|{GONE} now$")
    counts = table.filter(pl.col("problem").is_null())
    wrong = table.filter(pl.col("problem").is_not_null() & ~expected)
    return Built(
        info,
        table.height,
        metadata={
            "answers": counts.height,
            "rows_answered": counts["content_hash"].n_unique(),
            "workers": counts["worker"].n_unique(),
            "by_answer": counts_table(dict(counts["answer"].value_counts(sort=True).iter_rows()), "answer", "answers"),
            "changed_or_taken_back": table.height - counts.height - wrong.height,
            "files": counts_table(dict(table["file"].value_counts().sort("file").iter_rows()), "file", "lines"),
            **({"files_not_there_yet": ", ".join(absent)} if absent else {}),
            "lines_with_a_problem": sample_table(wrong, ["file", "line", "problem"], SHOWN),
        },
        checks={
            "every_line_can_be_used": Check(
                wrong.is_empty(),
                {f"{file}, line {line}": problem for file, line, problem in _named(wrong)},
            )
        },
    )


def _named(wrong: pl.DataFrame) -> list[tuple[str, int, str]]:
    return wrong.head(SHOWN).select("file", "line", "problem").rows()
