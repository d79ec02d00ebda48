"""Questions of a file asked together, with answered rows shown, over a small pool and a real server."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.answers.plan import plan
from datasel_assets.tables.answers.questions import Questions
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.answers.server import judge, said
from datasel_assets_tests.pools import TOPICS, small_pool, write_yaml

SOURCES = sorted(TOPICS)
TASK = re.compile(r"^Task \d+:\n", re.MULTILINE)
TEXT = re.compile(r"<text \w+>\n(.*?)\n</text \w+>", re.DOTALL)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool whose rows have vectors; each test writes a file of answers of its own."""
    data = small_pool(tmp_path_factory.mktemp("batches") / "data", n=10)
    labels = {
        "question": "Good?",
        "answers": ["1", "4"],
        "files": "labels/good.csv",
        "per_row": 1,
        "truth": "majority",
    }
    write_yaml(data / "labels" / "good.yaml", labels)
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "representations/rds_plus", source, upstream=True)
    make(warehouse, "duplicates")
    fruit = warehouse.lake.scan(("corpus", "fruit")).select("row_id").collect()["row_id"].sort()
    lines = [f"{row},ann,{'4' if place % 2 else '1'}" for place, row in enumerate(fruit)]
    (data / "labels" / "good.csv").write_text("\n".join(["row_id,worker,answer", *lines]) + "\n", "utf-8")
    for table in ("label_answers", "label_truth"):
        make(warehouse, f"{table}/good")
    return data


def grades(body: dict[str, Any], number: int):
    """A judge that grades each task by the length of its last text."""
    prompt = body["messages"][-1]["content"].partition("Now the task:")[2] or body["messages"][-1]["content"]
    tasks = TASK.split(prompt)[1:] or [prompt]
    marks = [f"{len(TEXT.findall(task)[-1]) % 6}" for task in tasks]
    return said(marks[0] if len(marks) == 1 else "\n".join(f"#{at}: {mark}" for at, mark in enumerate(marks, 1)))


def asked(pool: Path, name: str, url: str, **more: Any) -> tuple[pl.DataFrame, Warehouse]:
    provider = {"endpoint": url, "model": "judge", "concurrency": 4}
    write_yaml(pool / "answers" / f"{name}.yaml", {"ask": "alpagasus", "provider": provider, **more})
    warehouse = open_warehouse(pool, device="cpu")
    assert warehouse.registry.errors == {}
    for source in SOURCES:
        make(warehouse, f"answers/{name}", source)
    return pl.concat([warehouse.lake.scan(("answers", name, source)).collect() for source in SOURCES]), warehouse


@pytest.mark.parametrize("by", ["random", "similarity", "diversity"])
def test_in_batches_fewer_requests_give_every_row_the_grade_that_it_gets_alone(pool: Path, by: str):
    batch = {"size": 4, "by": by, **({} if by == "random" else {"representation": "rds_plus"})}
    with judge(grades) as there:
        table, warehouse = asked(pool, f"by_{by}", there.url, batch=batch)
        assert len(there.requests) == 9
        asked(pool, f"by_{by}", there.url, batch=batch)
        assert len(there.requests) == 9
    corpus = pl.concat([warehouse.lake.scan(("corpus", source)).collect() for source in SOURCES])
    both = table.join(corpus.select("row_id", "response"), on="row_id")
    assert both["score"].to_list() == [len(text) % 6 for text in both["response"]]
    assert sorted(table["item"].unique()) == [f"{at} of {n}" for at in (1, 2, 3, 4) for n in (2, 4) if at <= n]
    assert table["tokens_in"].sum() == 9 * 50


def test_the_plan_counts_batches_and_what_is_settled(pool: Path):
    batch = {"size": 4, "by": "random"}
    with judge(grades) as there:
        write_yaml(
            pool / "answers" / "planned.yaml",
            {"ask": "alpagasus", "provider": {"endpoint": there.url, "model": "j"}, "batch": batch},
        )
        warehouse = open_warehouse(pool, device="cpu")
        own = Questions("planned", warehouse.registry.answers["planned"], warehouse.registry)

        def planned():
            with own.kept(warehouse) as kept:
                return plan(own, warehouse, kept)

        first = planned()
        assert (first.rows, first.requests, first.kept) == (30, 9, 0)
        make(warehouse, "answers/planned", "code")
        second = planned()
        assert (second.requests, second.kept, second.to_send) == (9, 3, 6)
        assert second.tokens_in < first.tokens_in


@pytest.mark.parametrize("choose", ["covering", "topk_batch", "topk_question", "fixed"])
def test_what_people_said_of_other_rows_is_shown_and_never_the_row_itself(pool: Path, choose: str):
    shown = {"from": "good", "choose": choose, "k": 3, "representation": "rds_plus"}
    with judge(grades) as there:
        table, warehouse = asked(
            pool, f"show_{choose}", there.url, demonstrations=shown, batch={"size": 4, "by": "random"}
        )
        prompts = [body["messages"][-1]["content"] for body in there.requests]
    assert table["score"].null_count() == 0
    corpus = warehouse.lake.scan(("corpus", "fruit")).select("row_id", "prompt").collect()
    said_of = dict(
        warehouse.lake.scan(("label_truth", "good"))
        .collect()
        .join(corpus, on="row_id")
        .select("prompt", "answer")
        .rows()
    )
    for prompt in prompts:
        before, _, tasks = prompt.partition("There are ")
        examples = re.findall(r"Example:\n.*?<text \w+>\n(.*?)\n</text.*?\nReply: (\S+)", before, re.DOTALL)
        assert examples
        assert all(said_of[text] == reply for text, reply in examples)
        assert not {text for text, _ in examples} & set(TEXT.findall(tasks))


def test_answers_of_another_file_are_shown_too_and_a_request_may_hold_one_question(pool: Path):
    with judge(grades) as there:
        asked(pool, "first", there.url, rows={"sources": ["code"]})
        before = len(there.requests)
        shown = {"from": "first", "choose": "topk_question", "representation": "rds_plus"}
        table, _ = asked(pool, "second", there.url, rows={"sources": ["sums"]}, demonstrations=shown)
        sent = [body["messages"][-1]["content"] for body in there.requests[before:]]
    assert len(sent) == 10
    assert all(prompt.count("Example:") == 1 and "Task 1" not in prompt for prompt in sent)
    assert all("print(" in prompt.partition("Now the task:")[0] for prompt in sent)
    assert table["item"].unique().to_list() == [""]


def test_what_people_say_must_be_a_reply_that_can_be_read(pool: Path):
    shown = {"from": "good", "representation": "rds_plus"}
    with judge(grades) as there, pytest.raises(ValueError, match="'4', which is no reply that this file can read"):
        asked(
            pool,
            "humpback_like",
            there.url,
            ask={"prompt": "{{ row.prompt }}", "reply": {"read": "number", "low": 0, "high": 3}},
            demonstrations=shown,
        )
