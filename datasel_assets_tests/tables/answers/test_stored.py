"""Replies that came from elsewhere: about which rows they are, never asked for, and told apart by their file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from datasel_assets.raw_rows import SourceError
from datasel_assets.registry.load import load_registry
from datasel_assets.storage.stored_replies import read_stored
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.table import Built
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import TOPICS, small_pool, write_jsonl, write_yaml

PROVIDER = {"stored": "answers/*.jsonl", "model": "elsewhere"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = small_pool(tmp_path_factory.mktemp("pool") / "data", n=4)
    write_yaml(data / "answers" / "graded.yaml", {"ask": "alpagasus", "provider": PROVIDER, "price": {"tokens_in": 1}})
    for source in TOPICS:
        make(open_warehouse(data, device="cpu"), "corpus", source, upstream=True)
    return data


@pytest.fixture
def warehouse(pool: Path, tmp_path: Path) -> Warehouse:
    return open_warehouse(shutil.copytree(pool, tmp_path / "data"), device="cpu")


def ids(warehouse: Warehouse, source: str = "fruit", column: str = "row_id") -> list[str]:
    return warehouse.lake.scan(("corpus", source)).sort("row_id").collect()[column].to_list()


def store(warehouse: Warehouse, *lines: dict[str, Any]) -> None:
    write_jsonl(warehouse.settings.data / "answers" / "graded.jsonl", list(lines))


def answers(warehouse: Warehouse) -> dict[str, Built]:
    opened = open_warehouse(warehouse.settings.data, device="cpu")
    return {source: make(opened, "answers/graded", source).built for source in sorted(TOPICS)}


def test_stored_replies_become_scores_of_the_rows_that_they_are_about_and_the_others_have_none(warehouse: Warehouse):
    one, two, three, _ = ids(warehouse)
    content = ids(warehouse, column="content_hash")[1]
    store(
        warehouse,
        {"row_id": one, "reply": "Grade: 4.5", "tokens_in": 100, "seconds": 2},
        {"content_hash": content, "reply": "3"},
        {"row_id": three, "reply": "I would rather not say"},
        {"row_id": "gone", "reply": "1"},
    )
    built = answers(warehouse)
    assert {source: found.rows_total for source, found in built.items()} == {"fruit": 3, "code": 0, "sums": 0}
    told = warehouse.lake.scan(("answers", "graded", "fruit")).collect().sort("row_id")
    assert told.select("row_id", "score", "attempts", "cost", "latency", "failed").rows() == [
        (one, 4.5, 1, 100e-6, 2.0, None),
        (two, 3.0, 1, 0.0, 0.0, None),
        (three, None, 1, 0.0, 0.0, None),
    ]
    assert told["unread"].is_not_null().to_list() == [False, False, True]
    make(warehouse, "duplicates", upstream=True)
    page = make(warehouse, "scores/graded").built.metadata
    assert (page["rows_with_a_score"], page["replies_about_no_row"]) == (2, 1)
    assert not (warehouse.settings.warehouse / "_replies").exists()


def test_a_changed_file_is_read_anew_and_the_same_one_is_not(warehouse: Warehouse):
    one, *_ = ids(warehouse)
    store(warehouse, {"row_id": one, "reply": "4"})
    answers(warehouse)
    before = warehouse.lake.version(("answers", "graded", "fruit"))
    answers(warehouse)
    assert warehouse.lake.version(("answers", "graded", "fruit")) == before
    store(warehouse, {"row_id": one, "reply": "2"})
    answers(warehouse)
    assert warehouse.lake.scan(("answers", "graded", "fruit")).collect()["score"].to_list() == [2]


def test_they_are_part_of_every_run_because_nobody_is_asked(warehouse: Warehouse):
    store(warehouse)
    tables = {table.key: table for table in all_tables(load_registry(warehouse.settings.data))}
    assert not tables["answers", "graded"].on_demand
    assert not tables["scores", "graded"].on_demand


def test_what_a_file_of_turns_and_samples_says_is_told_apart(warehouse: Warehouse):
    one, *_ = ids(warehouse)
    spec = {"ask": "deita", "provider": PROVIDER, "rows": {"sources": ["fruit"]}}
    write_yaml(warehouse.settings.data / "answers" / "graded.yaml", spec)
    odds = {"2": -0.1, "6": -3.0}
    asked = [{"turn": 0, "question": question, "logprobs": odds} for question in ("complexity", "quality")]
    store(warehouse, *({"row_id": one, "reply": "2", **place} for place in asked))
    answers(warehouse)
    told = warehouse.lake.scan(("answers", "graded", "fruit")).collect()
    assert told["question"].to_list() == ["complexity", "quality"]
    assert all(2 < value < 3 for value in told["score"])


def test_a_missing_reply_to_one_of_several_questions_is_a_failure_that_says_so(warehouse: Warehouse):
    lines = [
        {"row_id": row, "reply": "2", "turn": 0, "question": "quality", "logprobs": {"2": 0}} for row in ids(warehouse)
    ]
    write_yaml(warehouse.settings.data / "answers" / "graded.yaml", {"ask": "deita", "provider": PROVIDER})
    store(warehouse, *lines)
    with pytest.raises(RuntimeError, match=r"answers/\*.jsonl has no reply about it"):
        answers(warehouse)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"x.jsonl, line 2: not JSON"),
        ("3", "a line is an object"),
        ('{"row_id": "a"}', "it lacks reply"),
        ('{"reply": "4"}', "it lacks row_id or content_hash"),
        ('{"row_id": "a", "reply": 4}', "reply is 4"),
        ('{"row_id": "a", "reply": "4", "answer": 4}', "'answer' is not known"),
        ('{"row_id": "a", "reply": "4", "logprobs": {"4": 0.5}}', "logarithm"),
    ],
)
def test_a_line_that_is_no_reply_is_told_with_its_place(line: str, message: str, tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_text(f"{json.dumps({'row_id': 'a', 'reply': '4'})}\n{line}\n", "utf-8")
    with pytest.raises(SourceError, match=message):
        read_stored("x.jsonl", [("x.jsonl", path)])


def test_a_file_that_is_not_there_and_keys_that_ask_somebody_are_refused(warehouse: Warehouse):
    with pytest.raises(SourceError, match=r"there is no file answers/\*.jsonl"):
        answers(warehouse)
    data = warehouse.settings.data
    for more, message in (
        ({"again": 2}, "again: the replies are there"),
        ({"batch": {"size": 2, "by": "random"}}, "batch: the replies are there"),
        ({"ask": "qurating"}, "stored replies are about single rows"),
    ):
        write_yaml(data / "answers" / "graded.yaml", {"ask": "alpagasus", "provider": PROVIDER, **more})
        assert message in load_registry(data).errors["answers/graded.yaml"]
