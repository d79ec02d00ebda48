"""The labelling page by its requests, the queue behind it, and tasks as files."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datasel_assets.cli import label, main
from datasel_assets.cli.label_queue import LabelQueue, NotTaken, Task, checked_worker
from datasel_assets.cli.label_server import serve_labels
from datasel_assets.cli.page_server import MOST_BYTES, TOKEN
from datasel_assets.storage.label_files import answers_path, read_answers
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.pools import small_pool, write_yaml

MARKUP = "<img src=x onerror=alert(1)>"


def tasks(n: int, golden: int = 0) -> list[Task]:
    ours = [Task(f"r{i}", f"c{i}", f"prompt {i} {MARKUP}", f"response {i}") for i in range(n)]
    return ours + [Task(f"g{i}", f"gold{i}", "golden", "golden", is_golden=True) for i in range(golden)]


def queue(n: int = 3, golden: int = 0, most: int = 2, rate: float = 0.0, kept: list | None = None) -> LabelQueue:
    return LabelQueue(tasks(n, golden), ("bad", "good"), most, rate, (kept if kept is not None else []).append)


def all_of(asked: LabelQueue, worker: str, answer: str = "good") -> list[str]:
    """Answer whatever comes; return the contents in their order."""
    found, task = [], asked.next(worker)
    while task is not None:
        found.append(task.content_hash)
        task = asked.answer(worker, task.content_hash, answer, 1.0)
    return found


def test_each_worker_gets_each_row_once_and_no_row_more_answers_than_wanted():
    kept: list[dict] = []
    asked = queue(n=4, most=2, kept=kept)
    assert all_of(asked, "ada") == ["c0", "c1", "c2", "c3"]
    assert all_of(asked, "ben") == ["c0", "c1", "c2", "c3"]
    assert all_of(asked, "cleo") == []
    assert len({(line["worker"], line["content_hash"]) for line in kept}) == len(kept) == 8
    assert asked.progress("cleo") == {"done": 0, "left": 0}


def test_two_at_once_get_different_rows_and_a_row_that_was_left_lying_comes_at_last():
    asked = queue(n=2, most=1)
    assert asked.next("ada").content_hash == "c0"
    assert asked.next("ada").content_hash == "c0"
    assert all_of(asked, "ben") == ["c1", "c0"]


def test_answers_given_before_are_not_asked_for_again():
    asked = queue(n=3)
    asked.answered = {"ada": {"c0", "c2"}}
    assert all_of(asked, "ada") == ["c1"]


def test_undo_takes_back_the_last_answer_and_asks_again():
    kept: list[dict] = []
    asked = queue(n=2, most=1, kept=kept)
    asked.next("ada")
    assert asked.answer("ada", "c0", "bad", 2.04).content_hash == "c1"
    assert asked.undo("ada").content_hash == "c0"
    assert asked.next("ada").content_hash == "c0"
    asked.answer("ada", "c0", "good", None)
    assert [(line["content_hash"], line["answer"], line["seconds"]) for line in kept] == [
        ("c0", "bad", 2.0),
        ("c0", None, None),
        ("c0", "good", None),
    ]
    asked.undo("ada")
    with pytest.raises(NotTaken, match="no answer to take back"):
        asked.undo("ada")


def test_a_tenth_of_what_a_worker_gets_is_golden():
    asked = queue(n=40, golden=10, rate=0.1)
    found = all_of(asked, "ada")
    places = [place for place, content in enumerate(found) if content.startswith("gold")]
    assert places == [9, 19, 29, 39]
    assert len(found) == 44


def test_an_answer_that_is_not_kept_is_not_counted():
    def full(record: Any) -> None:
        raise OSError(28, "No space left on device")

    asked = LabelQueue(tasks(1), ("bad", "good"), 1, 0.0, full)
    asked.next("ada")
    with pytest.raises(OSError, match="No space left"):
        asked.answer("ada", "c0", "good", 1.0)
    assert asked.progress("ada") == {"done": 0, "left": 1}
    assert asked.next("ada").content_hash == "c0"


@pytest.mark.parametrize("name", ["", "   ", "a" * 81, 3, None, "a\x00b"])
def test_nobody_is_no_worker(name: Any):
    with pytest.raises(NotTaken):
        checked_worker(name)


@pytest.fixture
def served() -> Iterator[tuple[str, LabelQueue, list]]:
    kept: list[dict] = []
    asked = queue(n=2, kept=kept)
    with serve_labels(asked, {"name": "quality", "question": "Good?", "guidelines": MARKUP}, 0) as address:
        yield address.removeprefix("http://"), asked, kept


def request(host: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(host, timeout=10)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, content, headers)
    reply = connection.getresponse()
    found = reply.status, reply.read().decode(), dict(reply.headers)
    connection.close()
    return found


def token(host: str) -> dict[str, str]:
    page = request(host, "GET", "/")[1]
    return {TOKEN: re.search(r'name="?token"? content="([\w-]+)"', page)[1]}


def test_the_page_runs_nothing_but_its_own_script(served):
    host, _, _ = served
    status, page, headers = request(host, "GET", "/")
    policy = headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert status == 200
    assert page.count(f'nonce="{nonce}"') == 2
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "innerHTML" not in page
    assert MARKUP not in page
    assert request(host, "GET", "/")[2]["Content-Security-Policy"] != policy
    assert request(host, "GET", "/label_page.html")[0] == 404


def test_a_worker_is_led_through_the_rows(served):
    host, _, kept = served
    key = token(host)
    about = json.loads(request(host, "POST", "/about", {}, **key)[1])
    assert (about["question"], about["answers"], about["guidelines"]) == ("Good?", ["bad", "good"], MARKUP)
    first = json.loads(request(host, "POST", "/next", {"worker": " ada  l "}, **key)[1])
    assert first == {
        "worker": "ada l",
        "task": {"content_hash": "c0", "prompt": f"prompt 0 {MARKUP}", "response": "response 0"},
        "done": 0,
        "left": 2,
    }
    said = {"worker": "ada l", "content_hash": "c0", "answer": "good", "seconds": 3}
    second = json.loads(request(host, "POST", "/answer", said, **key)[1])
    assert (second["task"]["content_hash"], second["done"], second["left"]) == ("c1", 1, 1)
    back = json.loads(request(host, "POST", "/undo", {"worker": "ada l"}, **key)[1])
    assert (back["task"]["content_hash"], back["done"]) == ("c0", 0)
    assert [line["answer"] for line in kept] == ["good", None]


def test_other_sites_cannot_answer(served):
    host, _, kept = served
    said = {"worker": "ada", "content_hash": "c0", "answer": "good"}
    key = token(host)
    assert request(host, "POST", "/answer", said)[0] == 403
    assert request(host, "POST", "/answer", said, **{TOKEN: "guessed"})[0] == 403
    assert request(host, "POST", "/answer", said, **key, Host="evil.example")[0] == 403
    assert request(host, "GET", "/", Host="evil.example")[0] == 403
    assert request(host, "PUT", "/answer", said, **key)[0] == 501
    assert kept == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"worker": "ada", "content_hash": "nothing", "answer": "good"}, "no such task"),
        ({"worker": "ada", "content_hash": "c0", "answer": MARKUP}, "none of the answers"),
        ({"worker": "", "content_hash": "c0", "answer": "good"}, "say who you are"),
        ([], "must be a JSON object"),
        (b"{", "must be a JSON object"),
        (b" " * (MOST_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_answer_is_refused_in_words(served, body: Any, words: str):
    host, _, kept = served
    status, said, headers = request(host, "POST", "/answer", body, **token(host))
    assert status == 400
    assert words in said
    assert headers["Content-Type"].startswith("text/plain")
    assert kept == []


def folder(tmp_path: Path, **spec: Any) -> Path:
    data = small_pool(tmp_path / "data", n=6)
    write_yaml(data / "labels" / "quality.yaml", {"question": "Good?", "answers": ["bad", "good"], **spec})
    return data


def ingested(data: Path) -> None:
    warehouse = open_warehouse(data, device="cpu")
    for source in ("code", "fruit", "sums"):
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "duplicates", upstream=True)


def test_tasks_go_out_as_a_file_with_golden_ones_between_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = folder(tmp_path, ask={"rows": 10}, golden={"file": "labels/golden.csv", "rate": 0.2})
    ingested(data)
    warehouse = open_warehouse(data, device="cpu")
    known = warehouse.lake.scan(("corpus", "sums")).collect()["row_id"].head(2).to_list()
    (data / "labels" / "golden.csv").write_text("row_id,answer\n" + "".join(f"{row},good\n" for row in known))
    out = tmp_path / "tasks.jsonl"
    assert main(["--data", str(data), "label", "quality", "--export", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert "12 tasks in" in capsys.readouterr().out
    assert [place for place, row in enumerate(rows) if row["row_id"] in known] == [4, 9]
    assert all(row["prompt"] and row["response"] and "is_golden" not in row for row in rows)


def test_what_was_answered_on_the_page_or_elsewhere_is_known_when_it_is_opened_again(tmp_path: Path):
    data = folder(tmp_path, files="labels/back.csv")
    ingested(data)
    warehouse = open_warehouse(data, device="cpu")
    rows = warehouse.lake.scan(("corpus", "sums")).collect()
    (data / "labels" / "back.csv").write_text(f"row_id,worker,answer\n{rows['row_id'][0]},Ada,good\n")
    for table in ("label_answers", "label_truth", "label_tasks"):
        make(warehouse, f"{table}/quality")
    spec = warehouse.registry.labels["quality"]
    assert label._answered(warehouse, "quality", spec) == {"Ada": {rows["content_hash"][0]}}
    assert len(label.open_tasks(warehouse, "quality")) == 18


def test_nothing_to_ask_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = folder(tmp_path)
    assert main(["--data", str(data), "label", "nothing"]) == 2
    assert "there are: quality" in capsys.readouterr().err
    assert main(["--data", str(data), "label", "quality"]) == 2
    assert "nothing has been ingested yet" in capsys.readouterr().err
    ingested(data)
    assert main(["--data", str(data), "label", "quality", "--export", str(tmp_path / "a.xlsx")]) == 2
    assert "tasks are written as" in capsys.readouterr().err
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "label_tasks/quality", upstream=True)
    asked = warehouse.lake.scan(("label_tasks", "quality")).collect()["content_hash"]
    lines = [{"content_hash": one, "worker": w, "answer": "good"} for one in asked for w in "abc"]
    answers_path(data, "quality").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(read_answers(answers_path(data, "quality"), "a")) == 54
    assert main(["--data", str(data), "label", "quality"]) == 2
    assert "every row has its answers" in capsys.readouterr().err


def test_check_finds_golden_rows_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = folder(tmp_path, golden={"file": "labels/golden.csv"}, files="labels/not_back_yet.csv")
    assert main(["--data", str(data), "check"]) == 1
    said = r"wrong  labels/quality\.yaml: line \d+: golden\.file: labels/golden\.csv does not exist"
    assert re.search(said, capsys.readouterr().out)
    (data / "labels" / "golden.csv").write_text("row_id,answer\n")
    assert main(["--data", str(data), "check"]) == 0
