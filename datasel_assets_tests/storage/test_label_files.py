import csv
import json
import multiprocessing
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.label_files import (
    append_answer,
    label_studio_configuration,
    read_answers,
    task_records,
    write_tasks,
)

ROWS = [
    {"row_id": "r1", "content_hash": "c1", "prompt": "Add 1 and 2, please.\nNow", "response": '=SUM("A")'},
    {"row_id": "r2", "content_hash": "c2", "prompt": "<b>Bold</b>?", "response": 'yes, "quoted"'},
]
CLASSES = ("bad", "a & b")


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path) -> list[tuple[int, str]]:
    return [(line.line, line.problem) for line in read_answers(path, path.name) if line.problem]


def test_a_csv_is_read_with_its_line_numbers_and_bad_lines_are_named(tmp_path: Path):
    text = 'row_id,worker,answer,seconds\nr1,ada,good,2.5\n"r\n2",ben,bad,\n,cleo,bad,\n'
    text += "r3,,good,\nr4,dan\n\nr5,eva,,\nr6,fay,good,x\n"
    found = read_answers(written(tmp_path / "a.csv", text), "labels/a.csv")
    assert [(line.line, line.row_id, line.worker, line.answer, line.seconds) for line in found if not line.problem] == [
        (2, "r1", "ada", "good", 2.5),
        (3, "r\n2", "ben", "bad", None),
        (10, "r6", "fay", "good", None),
    ]
    assert problems(tmp_path / "a.csv") == [
        (5, "names no row: row_id and content_hash are empty"),
        (6, "names no worker"),
        (7, "2 cells under 4 headings"),
        (9, "has no answer"),
    ]


def test_json_lines_are_read_and_a_torn_one_costs_itself_alone(tmp_path: Path):
    lines = [
        '{"content_hash": "c1", "annotator": "ada", "label": 3, "lead_time": 4}',
        '{"content_hash": "c2", "work',
        "[1]",
        '{"row_id": "r1", "worker": "ada", "answer": null}',
        '{"row_id": "r1", "worker": "ada"}',
    ]
    path = written(tmp_path / "a.jsonl", "\n".join(lines))
    found = read_answers(path, "a.jsonl")
    assert (found[0].content_hash, found[0].worker, found[0].answer, found[0].seconds) == ("c1", "ada", "3", 4.0)
    assert (found[3].answer, found[3].problem) == (None, None)
    assert problems(path) == [(2, "not valid JSON"), (3, "not a JSON object"), (5, "has no answer")]


def test_annotations_of_label_studio_are_read(tmp_path: Path):
    """The published shape: tasks with data and annotations; results of choices and ratings; skipped annotations."""

    def annotation(kind: str, value: dict, who: object, **more: object) -> dict:
        result = [{"id": "x", "from_name": "answer", "to_name": "response", "type": kind, "value": value}]
        return {"id": 7, "result": result, "completed_by": who, "was_cancelled": False, "lead_time": 3.2, **more}

    tasks = [
        {
            "id": 1,
            "project": 83,
            "data": {"row_id": "r1", "content_hash": "c1", "prompt": "p"},
            "annotations": [
                annotation("choices", {"choices": ["good"]}, 10),
                annotation("rating", {"rating": 4}, {"id": 11, "email": "ben@example.org"}),
                annotation("choices", {"choices": ["bad"]}, 12, was_cancelled=True),
                annotation("choices", {"choices": ["good", "bad"]}, 13),
            ],
            "predictions": [],
        },
        {"id": 2, "data": {"row_id": "r2"}, "annotations": []},
        {"id": 3},
    ]
    path = written(tmp_path / "export.json", json.dumps(tasks))
    found = read_answers(path, "export.json")
    assert [(line.row_id, line.worker, line.answer, line.seconds) for line in found if not line.problem] == [
        ("r1", "10", "good", 3.2),
        ("r1", "ben@example.org", "4", 3.2),
    ]
    assert problems(path) == [(1, "has no answer"), (3, "no Label Studio task: it has no 'data'")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "row,answer\n", "lacks row_id or content_hash, worker"),
        ("a.csv", "row_id,worker,answer\n\xff".encode("latin-1"), "not UTF-8"),
        ("a.json", "{}", "list of tasks, but it is dict"),
        ("a.json", "{", "not valid JSON"),
        ("a.xlsx", "", "answers are read from"),
    ],
)
def test_a_file_that_is_nothing_of_the_kind_says_so(name: str, content: str | bytes, words: str, tmp_path: Path):
    with pytest.raises(SourceError, match=words):
        read_answers(written(tmp_path / name, content), name)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_tasks_that_are_filled_in_come_back_as_they_went_out(suffix: str, tmp_path: Path):
    records = list(task_records(ROWS, "Good?", CLASSES))
    (path,) = write_tasks(tmp_path / f"tasks{suffix}", records, CLASSES)
    if suffix == ".csv":
        with path.open(newline="") as handle:
            filled = list(csv.DictReader(handle))
        assert filled[0]["response"] == '\'=SUM("A")'
        assert filled[0]["prompt"] == ROWS[0]["prompt"]
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, filled[0])
            writer.writeheader()
            writer.writerows({**row, "worker": "ada", "answer": "bad"} for row in filled)
    else:
        filled = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["response"] for row in filled] == [row["response"] for row in ROWS]
        path.write_text("".join(json.dumps({**row, "worker": "ada", "answer": "bad"}) + "\n" for row in filled))
    found = read_answers(path, path.name)
    assert [(line.row_id, line.content_hash, line.answer) for line in found] == [
        ("r1", "c1", "bad"),
        ("r2", "c2", "bad"),
    ]


def test_tasks_for_label_studio_bring_a_configuration_whose_fields_they_have(tmp_path: Path):
    tasks_file, configuration = write_tasks(tmp_path / "t.json", task_records(ROWS, "Good?", CLASSES), CLASSES)
    tasks = json.loads(tasks_file.read_text())
    root = ET.fromstring(configuration.read_text())
    fields = {each.get("value")[1:] for each in root if (each.get("value") or "").startswith("$")}
    assert fields == {"question", "prompt", "response"}
    assert all(fields <= task["data"].keys() for task in tasks)
    assert [choice.get("value") for choice in root.find("Choices")] == list(CLASSES)
    assert root.find("Choices").get("toName") in {each.get("name") for each in root.findall("Text")}


def test_quotes_and_brackets_in_answers_stay_inside_the_configuration():
    root = ET.fromstring(label_studio_configuration(['a "b"', "<c>"]))
    assert [choice.get("value") for choice in root.find("Choices")] == ['a "b"', "<c>"]


def append_many(path: Path, worker: str) -> None:
    for number in range(50):
        append_answer(path, {"row_id": f"r{number}", "worker": worker, "answer": "good " * 50})


def test_several_processes_may_append_at_once_and_no_answer_is_lost(tmp_path: Path):
    path = tmp_path / "deep" / "a.jsonl"
    processes = [multiprocessing.Process(target=append_many, args=(path, str(n))) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = read_answers(path, "a.jsonl")
    assert len(found) == 150
    assert not [line.problem for line in found if line.problem]
    assert path.stat().st_mode & 0o077 == 0


def test_an_answer_after_a_torn_line_is_whole(tmp_path: Path):
    path = written(tmp_path / "a.jsonl", '{"row_id": "r1", "worker": "ada", "ans')
    append_answer(path, {"row_id": "r2", "worker": "ada", "answer": "good"})
    found = read_answers(path, "a.jsonl")
    assert [(line.line, line.row_id, line.problem) for line in found] == [(1, None, "not valid JSON"), (2, "r2", None)]
