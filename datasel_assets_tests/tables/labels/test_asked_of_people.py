"""Files in ``answers/`` that people answer: tasks, answers, truth and scores by the tables of ``labels/``."""

import csv
import json
import re
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.cli import main
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import TOPICS, small_pool, write_yaml

ASK = {
    "prompt": "Would you use this answer?\n{{ row.prompt }}\n{{ row.response }}",
    "reply": {"read": "choice", "options": {"yes": 3, "partly": 1, "no": -1}},
}
PEOPLE = {"people": "Would you use this answer?", "price": 0.1, "files": "labels/use_*", "truth": "majority"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = small_pool(tmp_path_factory.mktemp("people") / "data", n=6)
    write_yaml(
        data / "answers" / "use.yaml", {"ask": ASK, "provider": PEOPLE, "rows": {"sources": ["sums"], "sample": 4}}
    )
    recipe = {"drop": [{"score": "use.score", "below": 1}], "select": {"sampler": "random"}, "budget": {"rows": 2}}
    write_yaml(data / "recipes" / "used.yaml", {"doc": "used", "paper": "baseline", **recipe})
    warehouse = open_warehouse(data, device="cpu")
    for source in TOPICS:
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "duplicates")
    return data


def opened(data: Path) -> Warehouse:
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    return warehouse


def test_the_rows_of_the_file_are_the_tasks_and_no_model_is_asked(pool: Path):
    warehouse = opened(pool)
    names = {table.name for table in all_tables(warehouse.registry)}
    assert {"label_answers/use", "label_truth/use", "label_tasks/use", "scores/use"} <= names
    assert not any(name.startswith(("answers/", "answer_scores/")) for name in names)
    for table in ("label_answers", "label_truth", "label_tasks"):
        make(warehouse, f"{table}/use")
    tasks = warehouse.lake.scan(("label_tasks", "use")).collect()
    assert (tasks.height, tasks["source"].unique().to_list()) == (4, ["sums"])


def test_tasks_go_out_and_answers_come_back_as_csv_and_from_label_studio_and_become_a_score(pool: Path):
    out = pool.parent / "tasks.csv"
    assert main(["--data", str(pool), "label", "use", "--export", str(out)]) == 0
    tasks = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    assert [tasks[0]["question"], tasks[0]["answers"]] == ["Would you use this answer?", "no | partly | yes"]
    ids = [task["row_id"] for task in tasks]
    lines = [
        (ids[0], "a", "yes"),
        (ids[1], "a", "no"),
        (ids[2], "a", "partly"),
        (ids[0], "b", "yes"),
        (ids[1], "b", "no"),
    ]
    (pool / "labels").mkdir(exist_ok=True)
    text = "".join(",".join(line) + "\n" for line in [("row_id", "worker", "answer"), *lines])
    (pool / "labels" / "use_1.csv").write_text(text, "utf-8")
    chosen = [{"value": {"choices": ["yes"]}, "from_name": "answer", "to_name": "response", "type": "choices"}]
    studio = [
        {"id": 1, "data": {"row_id": row}, "annotations": [{"completed_by": 7, "result": chosen}]} for row in ids[:1]
    ]
    (pool / "labels" / "use_studio.json").write_text(json.dumps(studio), "utf-8")
    warehouse = opened(pool)
    for table in ("label_answers", "label_truth"):
        make(warehouse, f"{table}/use")
    make(warehouse, "scores/use", "sums")
    scores = dict(warehouse.lake.scan(("scores", "use", "sums")).collect().select("row_id", "score").rows())
    assert [scores[row] for row in ids[:3]] == pytest.approx([3, -1, 1])
    truth = {row["row_id"]: row for row in warehouse.lake.scan(("label_truth", "use")).collect().iter_rows(named=True)}
    assert truth[ids[0]]["n"] == 3
    workers = warehouse.lake.scan(("label_workers", "use")).collect()
    assert workers["cost"].sum() == pytest.approx(0.6)
    for source in ("code", "fruit"):
        make(warehouse, "scores/use", source)
    make(warehouse, "selections/used")
    decisions = warehouse.lake.scan(("decisions", "used")).collect()
    assert "use.score" in decisions.filter(pl.col("row_id") == ids[1])["reason"].item()


def test_asking_a_model_is_refused_with_the_command_that_asks_people(pool: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--data", str(pool), "ask", "use"]) == 2
    assert "label use" in capsys.readouterr().err


def test_guidelines_that_are_absent_are_found_by_check(pool: Path, capsys: pytest.CaptureFixture[str]):
    file = pool / "answers" / "told.yaml"
    write_yaml(file, {"ask": ASK, "provider": {"people": "Good?", "guidelines": "labels/told.md"}})
    main(["--data", str(pool), "check"])
    file.unlink()
    said = r"wrong  answers/told\.yaml: line \d+: guidelines: labels/told\.md does not exist"
    assert re.search(said, capsys.readouterr().out)


def test_a_name_that_labels_has_too_is_refused(pool: Path):
    file = pool / "labels" / "use.yaml"
    write_yaml(file, {"question": "Good?", "answers": ["a", "b"]})
    errors = open_warehouse(pool).registry.errors
    file.unlink()
    assert "labels/use.yaml asks people under this name already" in errors["answers/use.yaml"]
