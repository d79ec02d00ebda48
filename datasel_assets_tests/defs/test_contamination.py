"""Evaluations keep their items out of every release, with the passage as evidence."""

import polars as pl
import pytest

from datasel_assets_tests.defs.conftest import Project
from datasel_assets_tests.pools import add_source, rows, write_jsonl, write_yaml

QUESTION = (
    "A train leaves the northern station at noon with forty passengers and loses a quarter of them at every one of its "
    "three stops; how many passengers are still on board after the last stop?"
)


@pytest.fixture
def leaking(settled: Project) -> Project:
    """The small pool with a source that repeats an evaluation's question, whole and in part."""
    leaked = [
        {"instruction": QUESTION, "output": "Seventeen, rounded up, and here is a long explanation of each stop." * 4},
        {"instruction": "Rewrite: " + QUESTION.split("; how")[0].lower(), "output": "A train departs." * 9},
    ]
    add_source(settled.data, "leaky", [*leaked, *rows("fruit", 5, start=100)])
    write_jsonl(settled.data / "files" / "exam.jsonl", [{"question": QUESTION, "answer": "17", "id": "q1"}])
    write_yaml(settled.data / "evaluations" / "exam.yaml", {"uri": "files/exam.jsonl", "item_column": "id"})
    assert settled.run()[0].failures == []
    return settled


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
    _, runs = leaking.run()
    assert not {run["stage"] for run in runs} & {"contamination", "corpus", "evaluations/exam"}
    decisions = leaking.warehouse.lake.scan(("decisions", "longest")).collect()
    assert (decisions["stage"] == "contaminated").sum() == 1
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().height == 2


def test_a_changed_evaluation_is_compared_with_every_source_again(leaking: Project):
    write_jsonl(leaking.data / "files" / "exam.jsonl", [{"question": "Something quite different?", "id": "q2"}])
    _, runs = leaking.run()
    assert {run["source"] for run in runs if run["stage"] == "contamination"} == {"code", "fruit", "leaky", "sums"}
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().is_empty()


def test_an_evaluation_that_cannot_be_read_fails_and_the_old_answer_stays(leaking: Project):
    (leaking.data / "files" / "exam.jsonl").write_text("{}\n")
    outcome, _ = leaking.run()
    assert any("evaluation exam" in failure["error"] or "exam" in failure["error"] for failure in outcome.failures)
    assert leaking.warehouse.lake.scan(("contamination", "leaky")).collect().height == 2
