"""People's answers from files to scores, on a pool of three sources with 12 rows each."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.crowd.sampling import wilson
from datasel_assets.raw_rows import SourceError
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.making import Made
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import add_source, rows, small_pool, write_yaml

QUESTION = {"question": "Is the response right?", "answers": ["bad", "fair", "good"]}


def folder(tmp_path: Path, **spec: object) -> Path:
    data = small_pool(tmp_path / "data", n=12)
    write_yaml(data / "labels" / "quality.yaml", {**QUESTION, "files": "labels/quality_*.csv", **spec})
    return data


def opened(data: Path) -> Warehouse:
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    return warehouse


def made(warehouse: Warehouse, table: str, source: str | None = None) -> Made:
    return make(warehouse, table, source, upstream=True)


def read(warehouse: Warehouse, *key: str) -> pl.DataFrame:
    return warehouse.lake.scan(key).collect()


def pool(warehouse: Warehouse) -> pl.DataFrame:
    return pl.concat(read(warehouse, "corpus", source) for source in ("code", "fruit", "sums")).sort("row_id")


def answer(data: Path, lines: list[tuple], file: str = "quality_1.csv", key: str = "row_id") -> None:
    text = "".join(",".join(map(str, line)) + "\n" for line in [(key, "worker", "answer"), *lines])
    (data / "labels" / file).write_text(text)


def test_three_people_s_answers_become_a_score_that_recipes_can_read(tmp_path: Path):
    data = folder(tmp_path, truth="majority", price=0.05)
    recipe = {"drop": [{"score": "quality.score", "below": 1}], "select": {"sampler": "random"}, "budget": {"rows": 5}}
    write_yaml(data / "recipes" / "liked.yaml", {"doc": "liked", "paper": "baseline", **recipe})
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    ids = read(warehouse, "corpus", "sums")["row_id"].to_list()
    said = {ids[0]: ["good", "good", "fair"], ids[1]: ["bad", "BAD", "bad"], ids[2]: ["bad", "good", "fair"]}
    answer(data, [(row, worker, one) for row, three in said.items() for worker, one in zip("abc", three, strict=True)])
    made(warehouse, "selections/liked")
    found = {row["row_id"]: row for row in read(warehouse, "scores", "quality", "sums").iter_rows(named=True)}
    assert found[ids[0]]["score"] == pytest.approx(5 / 3)
    assert found[ids[1]]["score"] == 0
    assert found[ids[2]]["score"] == pytest.approx(1)
    assert found[ids[0]]["posterior"] == pytest.approx(2 / 3)
    assert found[ids[0]]["agreed"] == pytest.approx(2 / 3)
    assert np.isnan(found[ids[2]]["agreed"])
    assert np.isnan(found[ids[3]]["score"])
    decisions = read(warehouse, "decisions", "liked")
    assert "quality.score" in decisions.filter(pl.col("row_id") == ids[1])["reason"].item()
    truth = {row["row_id"]: row["answer"] for row in read(warehouse, "label_truth", "quality").iter_rows(named=True)}
    assert truth == {ids[0]: "good", ids[1]: "bad", ids[2]: None}
    assert read(warehouse, "label_workers", "quality")["cost"].to_list() == pytest.approx([0.15] * 3)


def test_names_of_workers_stand_in_no_table(tmp_path: Path):
    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    answer(data, [(read(warehouse, "corpus", "sums")["row_id"][0], "Grace Hopper", "good")])
    made(warehouse, "label_tasks/quality")
    for path in (data / "warehouse").rglob("*"):
        assert not path.is_file() or b"Grace Hopper" not in path.read_bytes()
    assert len(read(warehouse, "label_workers", "quality")["worker"][0]) == 12


def test_labels_outlive_the_ids_of_their_rows(tmp_path: Path):
    """The source is renamed, so every row has another id; the content is known all the same."""
    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    row = read(warehouse, "corpus", "sums").row(0, named=True)
    answer(data, [(row["content_hash"], "ada", "good")], key="content_hash")
    (data / "sources" / "sums.yaml").unlink()
    add_source(data, "renamed", rows("sums", 12))
    warehouse = opened(data)
    made(warehouse, "label_truth/quality")
    truth = read(warehouse, "label_truth", "quality")
    assert truth["source"].to_list() == ["renamed"]
    assert truth["row_id"].item() != row["row_id"]


def test_one_answer_counts_for_every_copy_of_a_row(tmp_path: Path):
    data = folder(tmp_path)
    add_source(data, "copies", rows("sums", 3))
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    answer(data, [(row, "ada", "good") for row in read(warehouse, "corpus", "sums")["row_id"]])
    made(warehouse, "label_truth/quality")
    assert read(warehouse, "label_truth", "quality")["source"].value_counts().sort("source").rows() == [
        ("copies", 3),
        ("sums", 12),
    ]
    made(warehouse, "label_tasks/quality")
    assert read(warehouse, "label_tasks", "quality")["content_hash"].is_duplicated().sum() == 0


def test_every_line_is_kept_and_what_is_wrong_with_it_named(tmp_path: Path):
    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    first, second = read(warehouse, "corpus", "sums")["row_id"][:2]
    answer(data, [(first, "ada", "good"), (first, "ada", "bad"), ("nobody", "ada", "bad"), (second, "ben", "meh")])
    (data / "labels" / "quality_2.csv").write_text("worker,answer\nada,good\n")
    done = made(warehouse, "label_answers/quality").built
    table = read(warehouse, "label_answers", "quality")
    assert table.select("file", "line", "answer", "problem").rows() == [
        ("labels/quality_1.csv", 2, "good", "answered again later: labels/quality_1.csv, line 3"),
        ("labels/quality_1.csv", 3, "bad", None),
        ("labels/quality_1.csv", 4, "bad", "row nobody is not in the pool, and the line names no content_hash"),
        ("labels/quality_1.csv", 5, "meh", "'meh' is none of the answers bad, fair, good"),
        ("labels/quality_2.csv", 1, None, table["problem"][-1]),
    ]
    assert "lacks row_id or content_hash" in table["problem"][-1]
    check = done.checks["every_line_can_be_used"]
    assert not check.passed
    assert list(check.details) == [
        "labels/quality_1.csv, line 4",
        "labels/quality_1.csv, line 5",
        "labels/quality_2.csv, line 1",
    ]


def test_an_answer_that_was_taken_back_does_not_count(tmp_path: Path):
    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    row = read(warehouse, "corpus", "sums")["row_id"][0]
    lines = [f'{{"row_id": "{row}", "worker": "ada", "answer": {said}}}' for said in ('"good"', "null")]
    (data / "labels" / "quality.answers.jsonl").write_text("\n".join(lines) + "\n")
    made(warehouse, "label_truth/quality")
    assert read(warehouse, "label_truth", "quality").height == 0
    done = made(warehouse, "label_answers/quality").built
    assert done.checks["every_line_can_be_used"].passed
    assert read(warehouse, "label_answers", "quality")["problem"][1] == "taken back"


def test_a_guesser_is_told_by_golden_rows_and_does_not_count(tmp_path: Path):
    data = folder(tmp_path, golden={"file": "labels/golden.csv"})
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    ids = read(warehouse, "corpus", "sums")["row_id"].to_list()
    (data / "labels" / "golden.csv").write_text("row_id,answer\n" + "".join(f"{row},good\n" for row in ids[:6]))
    answer(data, [(row, "wrong", "bad") for row in ids[:8]] + [(row, "right", "good") for row in ids[:7]])
    made(warehouse, "label_truth/quality")
    workers = read(warehouse, "label_workers", "quality").sort("golden_right")
    assert workers["golden"].to_list() == [6, 6]
    assert workers["golden_right"].to_list() == [0, 6]
    assert workers["blocked"].to_list() == [True, False]
    assert workers["cost"].to_list() == [0, 0]
    assert (workers["low"] < workers["accuracy"]).all()
    truth = {row["row_id"]: row for row in read(warehouse, "label_truth", "quality").iter_rows(named=True)}
    assert truth[ids[6]]["answer"] == "good"
    assert ids[7] not in truth
    assert truth[ids[0]]["is_golden"]
    assert truth[ids[0]]["posterior"] == 1


def test_golden_rows_that_cannot_be_answered_so_are_refused_by_file_and_line(tmp_path: Path):
    data = folder(tmp_path, golden={"file": "labels/golden.csv"})
    warehouse = opened(data)
    with pytest.raises(SourceError, match=r"labels/golden\.csv does not exist"):
        made(warehouse, "label_truth/quality")
    (data / "labels" / "golden.csv").write_text("row_id,answer\nx,superb\n")
    with pytest.raises(SourceError, match=r"labels/golden\.csv, line 2: 'superb'"):
        made(warehouse, "label_truth/quality")


def test_equally_many_rows_of_every_source_are_asked_about(tmp_path: Path):
    data = folder(tmp_path, ask={"rows": 10, "by": "stratified"})
    warehouse = opened(data)
    made(warehouse, "label_tasks/quality")
    tasks = read(warehouse, "label_tasks", "quality")
    assert sorted(tasks["source"].value_counts()["count"]) == [3, 3, 4]
    assert tasks["is_settled"].sum() == 0


def test_a_larger_sample_holds_the_smaller_one(tmp_path: Path):
    chosen = []
    for size in (5, 15):
        data = folder(tmp_path / str(size), ask={"rows": size})
        warehouse = opened(data)
        made(warehouse, "label_tasks/quality")
        chosen.append(set(read(warehouse, "label_tasks", "quality")["row_id"]))
    assert (len(chosen[0]), len(chosen[1])) == (5, 15)
    assert chosen[0] < chosen[1]


def test_uncertainty_asks_about_the_rows_nearest_to_the_middle_of_a_score(tmp_path: Path):
    data = folder(tmp_path, ask={"rows": 6, "by": "uncertainty", "score": "n_tokens"})
    warehouse = opened(data)
    made(warehouse, "label_tasks/quality")
    far = pool(warehouse).select("row_id", far=(pl.col("n_tokens") - pl.col("n_tokens").median()).abs())
    asked = far.filter(pl.col("row_id").is_in(read(warehouse, "label_tasks", "quality")["row_id"].implode()))
    assert asked["far"].max() <= far["far"].sort()[5]


def test_settled_rows_come_last_and_are_not_asked_about(tmp_path: Path):
    data = folder(tmp_path, ask={"rows": 6}, stop={"posterior": 0.9, "most": 4})
    warehouse = opened(data)
    made(warehouse, "label_tasks/quality")
    ids = read(warehouse, "label_tasks", "quality")["row_id"].to_list()
    agreed = [(ids[0], worker, "good") for worker in "abc"]
    split = [(ids[1], worker, said) for worker, said in zip("abcd", ["good", "bad", "fair", "bad"], strict=True)]
    answer(data, [*agreed, *split, (ids[2], "a", "good"), (ids[2], "b", "bad")])
    made(warehouse, "label_tasks/quality")
    tasks = {row["row_id"]: row for row in read(warehouse, "label_tasks", "quality").iter_rows(named=True)}
    assert [tasks[row]["is_settled"] for row in ids] == [True, True, False, False, False, False]
    assert {tasks[row]["place"] for row in ids[:2]} == {4, 5}


def test_the_share_of_noise_stands_beside_its_interval(tmp_path: Path):
    data = folder(tmp_path, truth="majority")
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    ids = read(warehouse, "corpus", "sums")["row_id"].to_list()
    answer(data, [(row, "a", "bad" if place < 2 else "good") for place, row in enumerate(ids[:8])])
    shown = made(warehouse, "label_truth/quality").built.metadata
    low, high = wilson(2, 8, of=12)
    ((source, of, labelled, *figures),) = shown["noise_by_source"].cells
    assert (source, of, labelled) == ("sums", 12, 8)
    assert figures == pytest.approx([0.25, low, high], abs=1e-4)
    assert shown["krippendorff_alpha"] == "not known"


def test_tables_are_made_again_when_a_file_changes_and_only_then(tmp_path: Path):
    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    first, second = read(warehouse, "corpus", "sums")["row_id"][:2]
    answer(data, [(first, "ada", "good")])
    made(warehouse, "scores/quality", "sums")
    before = warehouse.lake.version(("label_truth", "quality"))
    again = made(warehouse, "scores/quality", "sums")
    assert again.cost == {}
    answer(data, [(first, "ada", "good"), (second, "ada", "bad")])
    made(warehouse, "scores/quality", "sums")
    assert warehouse.lake.version(("label_truth", "quality")) != before
    scores = read(warehouse, "scores", "quality", "sums")
    assert scores["n"].fill_nan(0).sum() == 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"answers": None}, "give one of 'answers' and 'scale'"),
        ({"scale": [1, 5]}, "give one of 'answers' and 'scale'"),
        ({"answers": None, "scale": [1, 20]}, "2 to 9 numbers"),
        ({"answers": ["a", "a"]}, "'a' is empty or stands there twice"),
        ({"noise": ["awful"]}, "'awful' is none of the answers"),
        ({"ask": {"by": "uncertainty"}}, "'score' goes with 'by: uncertainty'"),
        ({"ask": {"by": "uncertainty", "score": "text.nothing"}}, "there is no score 'text.nothing'"),
        ({"truth": "glad", "prior_right": 1}, "'prior_right' goes with 'truth: dawid_skene'"),
    ],
)
def test_a_file_that_cannot_be_meant_so_says_why(spec: dict, words: str, tmp_path: Path):
    data = folder(tmp_path, **spec)
    errors = open_warehouse(data, device="cpu").registry.errors
    assert list(errors) == ["labels/quality.yaml"]
    assert words in errors["labels/quality.yaml"]


def test_labels_are_not_named_like_another_family_of_scores(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=4)
    write_yaml(data / "labels" / "text.yaml", QUESTION)
    errors = open_warehouse(data, device="cpu").registry.errors
    assert "belongs to another family of scores" in errors["labels/text.yaml"]


def test_a_scale_counts_by_its_numbers_and_what_has_no_order_has_no_score(tmp_path: Path):
    data = folder(tmp_path, answers=None, scale=[1, 5], truth="majority")
    write_yaml(data / "labels" / "kind.yaml", {"question": "What?", "answers": ["code", "prose"], "ordered": False})
    warehouse = opened(data)
    made(warehouse, "corpus", "sums")
    row = read(warehouse, "corpus", "sums")["row_id"][0]
    answer(data, [(row, "a", 5), (row, "b", 4)])
    made(warehouse, "scores/quality", "sums")
    scores = read(warehouse, "scores", "quality", "sums").filter(pl.col("row_id") == row)
    assert scores["score"].item() == pytest.approx(4.5)
    made(warehouse, "scores/kind", "sums")
    assert "score" not in read(warehouse, "scores", "kind", "sums").columns
    assert "kind.score" not in warehouse.registry.score_keep()


def test_workers_tasks_and_answers_are_views_of_the_catalog(tmp_path: Path):
    import duckdb

    data = folder(tmp_path)
    warehouse = opened(data)
    made(warehouse, "label_tasks/quality")
    make(warehouse, "catalog")
    with duckdb.connect(str(data / "warehouse" / "datasel.duckdb"), read_only=True) as opened_file:
        names = {name for (name,) in opened_file.execute("select view_name from duckdb_views()").fetchall()}
    assert {f"label_{one}_quality" for one in ("answers", "truth", "workers", "tasks")} <= names
