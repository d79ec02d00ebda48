"""Evaluations keep their items out of every release, with the passage as evidence."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from datasel_assets.corpus.contamination.review import LabelsError
from datasel_assets.tables.contamination.review import read_labels
from datasel_assets_tests.pools import add_source, rows, write_jsonl, write_yaml
from datasel_assets_tests.project import Project, changed_copy, copy_of

QUESTION = (
    "A train leaves the northern station at noon with forty passengers and loses a quarter of them at every one of its "
    "three stops; how many passengers are still on board after the last stop?"
)


@pytest.fixture(scope="module")
def with_leaks(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    leaked = [
        {"instruction": QUESTION, "output": "Seventeen, rounded up, and here is a long explanation of each stop." * 4},
        {"instruction": "Rewrite: " + QUESTION.split("; how")[0].lower(), "output": "A train departs." * 9},
    ]

    def change(data: Path) -> None:
        add_source(data, "leaky", [*leaked, *rows("fruit", 5, start=100)])
        write_jsonl(data / "files" / "exam.jsonl", [{"question": QUESTION, "answer": "17", "id": "q1"}])
        write_yaml(data / "evaluations" / "exam.yaml", {"uri": "files/exam.jsonl", "item_column": "id"})

    return changed_copy(finished, tmp_path_factory.mktemp("leaks"), change)


@pytest.fixture
def leaking(with_leaks: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """The small pool with a source that repeats an evaluation's question, whole and in part."""
    return copy_of(with_leaks, tmp_path, instance)


def selected(project: Project, recipe: str) -> pl.DataFrame:
    texts = project.warehouse.lake.scan(("corpus", "leaky")).select("row_id", "prompt")
    return project.warehouse.lake.scan(("selections", recipe)).join(texts, on="row_id").collect()


def test_a_row_with_an_item_is_named_with_the_item_and_the_passage(leaking: Project):
    hits = leaking.warehouse.lake.scan(("contamination", "leaky")).sort("overlap", descending=True).collect()
    assert hits.select("evaluation", "item", "tier").rows() == [("exam", "q1", "exact"), ("exam", "q1", "ngram")]
    assert "forty passengers" in hits["evidence"][0]


def test_no_release_holds_a_contaminated_row_and_the_ledger_says_why(leaking: Project):
    longest = leaking.warehouse.lake.scan(("decisions", "longest")).collect()
    out = longest.filter(pl.col("stage") == "contaminated")
    assert out.height == 2
    assert out["reason"].str.contains("holds item q1 of evaluation exam").all()
    assert not out["kept"].any()
    assert not selected(leaking, "longest")["prompt"].str.contains("train leaves").any()


def test_a_tier_that_does_not_block_only_lists_its_rows(leaking: Project):
    spec = {"uri": "files/exam.jsonl", "item_column": "id", "blocks": ["exact"]}
    write_yaml(leaking.data / "evaluations" / "exam.yaml", spec)
    runs = leaking.update()
    assert not {run["stage"] for run in runs} & {"contamination", "corpus", "evaluations/exam"}
    decisions = leaking.warehouse.lake.scan(("decisions", "longest")).collect()
    assert (decisions["stage"] == "contaminated").sum() == 1
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().height == 2


def test_a_changed_evaluation_is_compared_with_every_source_again(leaking: Project):
    write_jsonl(leaking.data / "files" / "exam.jsonl", [{"question": "Something quite different?", "id": "q2"}])
    runs = leaking.update()
    assert {run["source"] for run in runs if run["stage"] == "contamination"} == {"code", "fruit", "leaky", "sums"}
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().is_empty()


def test_an_evaluation_that_cannot_be_read_fails_and_the_old_answer_stays(leaking: Project):
    (leaking.data / "files" / "exam.jsonl").write_text("{}\n")
    outcome, _ = leaking.run()
    assert any("evaluation exam" in failure["error"] or "exam" in failure["error"] for failure in outcome.failures)
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().height == 2


REWORDED = "At noon a train with forty passengers departs northward; at all three halts a fourth of the people get out."


@pytest.fixture
def reworded(settled: Project) -> Project:
    """A source with a reworded question, an evaluation that looks for it by vectors, and labels for it."""
    add_source(settled.data, "leaky", [{"instruction": REWORDED, "output": "Seventeen."}, *rows("fruit", 5, start=100)])
    write_jsonl(settled.data / "files" / "exam.jsonl", [{"question": QUESTION, "answer": "17", "id": "q1"}])
    (settled.data / "files" / "labels.csv").write_text("row_id,item,is_contaminated\n")
    spec = {
        "uri": "files/exam.jsonl",
        "item_column": "id",
        "embedding": {"representation": "rds_plus", "false_positive_rate": 0.01},
        "labels": "files/labels.csv",
    }
    write_yaml(settled.data / "evaluations" / "exam.yaml", spec)
    settled.update()
    return settled


def weak(project: Project) -> pl.DataFrame:
    return project.warehouse.lake.scan(("contamination_review",)).filter(tier="embedding").collect()


def test_a_reworded_item_is_listed_for_review_and_not_dropped_until_its_tier_blocks(reworded: Project):
    lake = reworded.warehouse.lake
    found = weak(reworded)
    assert found.select("evaluation", "item", "prompt", "blocks").row(0) == ("exam", "q1", REWORDED, False)
    assert found["overlap"][0] >= lake.scan(("evaluation_threshold", "exam")).collect()["threshold"][0]
    assert (lake.scan(("decisions", "longest")).collect()["stage"] != "contaminated").all()
    path = reworded.data / "evaluations" / "exam.yaml"
    path.write_text(path.read_text() + "blocks: [exact, ngram, embedding]\n")
    lines = [f"{row},q1,{text == REWORDED}" for row, text in found.select("row_id", "prompt").iter_rows()]
    (reworded.data / "files" / "labels.csv").write_text("\n".join(["row_id,item,is_contaminated", *lines, ""]))
    runs = reworded.update()
    assert not {run["stage"] for run in runs} & {"contamination", "evaluation_neighbours/exam", "evaluations/exam"}
    out = lake.scan(("decisions", "longest")).filter(stage="contaminated").collect()
    assert out.height == found.height
    assert out["reason"].str.contains("may reword item q1 of evaluation exam \\(embedding, cosine 0").all()
    assert weak(reworded)["is_contaminated"].sum() == 1


def test_new_rows_and_new_items_are_all_that_is_compared_and_the_result_is_that_of_all(reworded: Project):
    files = reworded.data / "files"
    add_source(reworded.data, "sums", [*rows("sums", 40), {"instruction": "Sing.", "output": "La la la."}])
    runs = reworded.update()
    done = {run["source"]: run["rows_new"] for run in runs if run["stage"] == "evaluation_neighbours/exam"}
    assert done == {"sums": 1}
    items = [{"question": "Which basket holds 3 apples?", "answer": "4", "id": "q2"}]
    write_jsonl(files / "exam.jsonl", [{"question": QUESTION, "answer": "17", "id": "q1"}, *items])
    runs = reworded.update()
    done = {run["source"]: run["rows_new"] for run in runs if run["stage"] == "evaluation_neighbours/exam"}
    assert done == dict.fromkeys(("code", "fruit", "leaky", "sums"), 0)
    lake, key = reworded.warehouse.lake, ("evaluation_neighbours", "exam", "fruit")
    grown = lake.scan(key).collect()
    assert (grown["item_id"] != grown["item_id"][0]).any(), "the new item is the nearest of some rows"
    lake.delete(key)
    reworded.update()
    assert lake.scan(key).collect().equals(grown)


POOL = pl.DataFrame({"row_id": ["a", "b"], "content_hash": ["x", "x"]})


def test_labels_by_content_hold_for_every_row_with_it_and_undecided_lines_are_left_out(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("content_hash,item,is_contaminated,note\nx,1,yes,\nx,2,,later\ngone,1,no,\n")
    found = read_labels(path, "e", POOL).sort("row_id")
    assert found.rows() == [("a", "e", "1", True), ("b", "e", "1", True)]
    POOL.with_columns(item=pl.lit("1"), is_contaminated=pl.lit(False)).write_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", "e", POOL)["contaminated"].to_list() == [False, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("row_id,item\na,1\n", "lacks is_contaminated"),
        ("item,is_contaminated\n1,true\n", "lacks content_hash"),
        ("row_id,item,is_contaminated\na,1,maybe\n", "'maybe'; write true or false"),
        ("row_id,item,is_contaminated\na,1,true\na,1,false\n", "both true and false"),
        (None, "does not exist"),
    ],
)
def test_labels_that_cannot_be_used_say_why(tmp_path, text: str | None, words: str):
    path = tmp_path / "labels.csv"
    if text:
        path.write_text(text)
    with pytest.raises(LabelsError, match=words):
        read_labels(path, "e", POOL)
