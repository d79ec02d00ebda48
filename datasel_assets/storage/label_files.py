"""Files of answers that came back from people, and of tasks that go out to them.

Belongs here: CSV, JSON Lines and Label Studio's JSON, line by line; the file that the labelling page appends to. Does
not: what an answer may be and whose row it is about (``tables.labels``).

A line that cannot be read is a line with a problem, and never the end of the file.
"""

import csv
import fcntl
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.atomic import storage_errors, write_text

SUFFIXES = (".csv", ".jsonl", ".json")
NAMES = {"answer": ("answer", "label"), "worker": ("worker", "annotator"), "seconds": ("seconds", "lead_time")}
"""What a column may be called."""
CONTROL = "answer"
"""Name of the element of Label Studio's labelling configuration that takes the answer."""


@dataclass(frozen=True)
class AnswerLine:
    """One answer as it stands in a file.

    Attributes:
        file: the file, for messages.
        line: its line from 1, with the heading; of Label Studio's JSON the task.
        row_id: the row, where the line names it.
        content_hash: the content of the row, where the line names it.
        worker: who answered.
        answer: what; None where an answer is taken back.
        seconds: how long it took; None where nobody knows.
        problem: why the line cannot be read; None where it can.
    """

    file: str
    line: int
    row_id: str | None = None
    content_hash: str | None = None
    worker: str = ""
    answer: str | None = None
    seconds: float | None = None
    problem: str | None = None


def answers_path(data: Path, name: str) -> Path:
    """Return the file that the labelling page of ``labels/<name>.yaml`` appends to."""
    return data / "labels" / f"{name}.answers.jsonl"


def read_answers(path: Path, shown_as: str) -> list[AnswerLine]:
    """Return the answers of a file in their order.

    Args:
        path: ``.csv`` with a heading, ``.jsonl``, or ``.json`` as Label Studio exports it.
        shown_as: name of the file for messages.

    Raises:
        SourceError: the file is of another kind, is not UTF-8, lacks a column, or is not what its name says.
    """
    if path.suffix not in SUFFIXES:
        raise SourceError(f"{shown_as}: answers are read from {', '.join(SUFFIXES)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{shown_as}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise SourceError(f"{shown_as}: {error.strerror}") from error
    found = {".csv": _csv, ".jsonl": _json_lines, ".json": _label_studio}[path.suffix](text, shown_as)
    return list(found)


def append_answer(path: Path, record: Mapping[str, Any]) -> None:
    """Add an answer to a file of JSON Lines, so that it is on the disk when this returns.

    A line that a crash left unfinished is ended first: it will be told as one that cannot be read. Other processes may
    append at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _csv(text: str, file: str) -> Iterator[AnswerLine]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [name.strip() for name in next(reader, [])]
        _has_columns(heading, file)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(heading):
                said = f"{len(cells)} cells under {len(heading)} headings"
                yield AnswerLine(file, line, problem=said)
                continue
            yield _line(dict(zip(heading, cells, strict=True)), file, line)
    except csv.Error as error:
        yield AnswerLine(file, reader.line_num, problem=f"not valid CSV from here on: {error}")


def _has_columns(heading: Sequence[str], file: str) -> None:
    key = {"row_id", "content_hash"} & set(heading)
    missing = [names[0] for what, names in NAMES.items() if what != "seconds" and not set(names) & set(heading)]
    if missing or not key:
        lacks = [*([] if key else ["row_id or content_hash"]), *missing]
        raise SourceError(f"{file}: line 1 must name the columns; it lacks {', '.join(lacks)}")


def _json_lines(text: str, file: str) -> Iterator[AnswerLine]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            yield AnswerLine(file, number, problem="not valid JSON")
            continue
        if isinstance(record, dict):
            yield _line(record, file, number)
        else:
            yield AnswerLine(file, number, problem="not a JSON object")


def _line(record: Mapping[str, Any], file: str, line: int) -> AnswerLine:
    said = {what: next((record[name] for name in names if name in record), None) for what, names in NAMES.items()}
    row, content = (_text(record.get(name)) for name in ("row_id", "content_hash"))
    worker, answer = _text(said["worker"]), _text(said["answer"])
    taken_back = "answer" in record and record["answer"] is None
    problem = None
    if row is None and content is None:
        problem = "names no row: row_id and content_hash are empty"
    elif worker is None:
        problem = "names no worker"
    elif answer is None and not taken_back:
        problem = "has no answer"
    return AnswerLine(file, line, row, content, worker or "", answer, _seconds(said["seconds"]), problem)


def _text(value: Any) -> str | None:
    """Return what a cell says; a whole number in another spelling is one too."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _label_studio(text: str, file: str) -> Iterator[AnswerLine]:
    """Yield the answers of Label Studio's JSON: a list of tasks with ``data`` and ``annotations``.

    An annotation that was skipped (``was_cancelled``) is no answer. The answer is the first result with choices, a
    rating or a number; the worker is the id, the e-mail address or the number of who completed it.
    """
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file}: not valid JSON; a file with a record per line is called .jsonl") from error
    if not isinstance(tasks, list):
        raise SourceError(f"{file}: the JSON must be Label Studio's list of tasks, but it is {type(tasks).__name__}")
    for number, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            yield AnswerLine(file, number, problem="no Label Studio task: it has no 'data'")
            continue
        annotations = task.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
                continue
            answer = _chosen(annotation.get("result"))
            record = {
                **{name: task["data"].get(name) for name in ("row_id", "content_hash")},
                "worker": _completed_by(annotation.get("completed_by")),
                "seconds": annotation.get("lead_time"),
            }
            # No key at all where there is none: null would take an answer back.
            yield _line(record if answer is None else {**record, "answer": answer}, file, number)


def _chosen(result: Any) -> Any:
    for each in result if isinstance(result, list) else ():
        value = each.get("value") if isinstance(each, dict) else None
        if not isinstance(value, dict):
            continue
        choices = value.get("choices")
        if isinstance(choices, list) and len(choices) == 1:
            return choices[0]
        for kind in ("rating", "number"):
            if kind in value:
                return value[kind]
    return None


def _completed_by(who: Any) -> Any:
    if isinstance(who, dict):
        return next((who[key] for key in ("email", "id", "username") if who.get(key) is not None), None)
    return who


def task_records(rows: Iterable[Mapping[str, Any]], question: str, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what goes out of each row: its names, what is asked, its text, and an empty answer.

    Args:
        rows: ``row_id``, ``content_hash``, ``prompt``, ``response``.
        question: what is asked.
        classes: what can be answered.
    """
    for row in rows:
        names = {name: row[name] for name in ("row_id", "content_hash")}
        texts = {name: row[name] for name in ("prompt", "response")}
        yield {**names, "question": question, "answers": " | ".join(classes), **texts}


def write_tasks(path: Path, records: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> list[Path]:
    """Write tasks to be answered elsewhere; return the files.

    Args:
        path: ``.csv``: a line per task with empty columns ``worker``, ``answer`` and ``seconds``; a cell that a
            spreadsheet would take for a formula begins with an apostrophe. ``.jsonl``: the same as objects. ``.json``:
            tasks for Label Studio, with its labelling configuration beside it as ``.xml``.
        records: of :func:`task_records`.
        classes: what can be answered.

    Raises:
        SourceError: the file is of another kind.
    """
    records = list(records)
    if path.suffix == ".csv":
        out = io.StringIO(newline="")
        empty = {"worker": "", "answer": "", "seconds": ""}
        names = ["row_id", "content_hash", "question", "answers", "prompt", "response", *empty]
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _no_formula(value) for name, value in {**each, **empty}.items()} for each in records)
        write_text(path, out.getvalue())
        return [path]
    if path.suffix == ".jsonl":
        write_text(path, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in records))
        return [path]
    if path.suffix == ".json":
        tasks = [{"id": number, "data": each} for number, each in enumerate(records, 1)]
        write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
        configuration = path.with_suffix(".xml")
        write_text(configuration, label_studio_configuration(classes))
        return [path, configuration]
    raise SourceError(f"{path.name}: tasks are written as {', '.join(SUFFIXES)}")


def _no_formula(value: Any) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def label_studio_configuration(classes: Sequence[str]) -> str:
    """Return the labelling configuration that shows the tasks of :func:`write_tasks` and takes their answers."""
    choices = "\n".join(
        f"    <Choice value={quoteattr(name)} hotkey={quoteattr(str(key))}/>" for key, name in enumerate(classes, 1)
    )
    return (
        "<View>\n"
        '  <Header value="$question"/>\n'
        '  <Text name="prompt" value="$prompt"/>\n'
        '  <Text name="response" value="$response"/>\n'
        f'  <Choices name="{CONTROL}" toName="response" choice="single" required="true">\n'
        f"{choices}\n"
        "  </Choices>\n"
        "</View>\n"
    )
