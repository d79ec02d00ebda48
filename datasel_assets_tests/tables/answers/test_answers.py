"""Tables of answers and their scores over a small pool, asked of a real server."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.models.providers import ProviderError
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.answers.answers import OverLimitError
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.planning import regular_phases
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.table import Built
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.answers.server import judge, said, with_logprobs
from datasel_assets_tests.pools import CAUSAL, TINY, TOPICS, add_source, rows, small_pool, write_yaml

SOURCES = sorted(TOPICS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_pool(tmp_path / "data", n=12)


def write(data: Path, url: str, name: str = "quality", **more: Any) -> None:
    provider = {"endpoint": url, "model": "judge", "tries": 2, "concurrency": 4}
    write_yaml(data / "answers" / f"{name}.yaml", {"ask": "alpagasus", "provider": provider, **more})


def ask(data: Path, name: str = "quality", sources: list[str] = SOURCES) -> dict[str, Built]:
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "corpus", source, upstream=True)
    return {source: make(warehouse, f"answers/{name}", source).built for source in sources}


def answers(data: Path, name: str = "quality") -> pl.DataFrame:
    lake = open_warehouse(data).lake
    return pl.concat([lake.scan(("answers", name, source)).collect() for source in SOURCES])


def scores(data: Path, name: str = "quality") -> tuple[pl.DataFrame, Built]:
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "duplicates", upstream=True)
    built = make(warehouse, f"scores/{name}").built
    return warehouse.lake.scan(("answer_scores", name)).collect(), built


def by_length(body: dict, number: int):
    """A judge that grades by the length of the answer."""
    texts = re.findall(r"<text \w+>\n(.*?)\n</text \w+>", body["messages"][1]["content"], re.S)
    return said(f"{min(5.0, len(texts[-1]) / 20):.2f}")


def test_every_row_is_graded_and_the_page_says_what_it_cost_and_how_good_the_judge_is(data: Path):
    with judge(by_length) as there:
        write(data, there.url, price={"tokens_in": 1.0, "tokens_out": 2.0})
        built = ask(data)
        assert len(there.requests) == 36
    table = answers(data)
    assert table.height == 36
    assert table["cost"].to_list() == pytest.approx([54e-6] * 36)
    assert table["item"].unique().to_list() == [""]
    facts = built["fruit"].metadata
    assert (facts["replies_paid_for_now"], facts["unread_share"]) == (12, 0)
    assert facts["cost_of_the_table"] == pytest.approx(12 * 54e-6)
    found, scored = scores(data)
    assert found.columns == ["row_id", "source", "score"]
    assert found["score"].null_count() == 0
    (line,) = scored.metadata["columns"].cells
    told = dict(zip(scored.metadata["columns"].columns, line, strict=True))
    assert told["rows"] == 36
    assert told["with length"] > 0.99


def test_nothing_is_sent_twice_and_new_rows_are_asked_about_alone(data: Path):
    with judge(by_length) as there:
        write(data, there.url)
        ask(data)
        assert all(built.rows_new == 0 for built in ask(data).values())
        add_source(data, "fruit", rows("fruit", 15), licence="CC0-1.0")
        built = ask(data)
        assert len(there.requests) == 39
        assert built["fruit"].rows_new == 3


def test_only_a_sample_of_the_pool_is_asked_about_and_the_others_have_no_score(data: Path):
    with judge(by_length) as there:
        write(data, there.url, rows={"sample": 10})
        ask(data)
        assert len(there.requests) == 10
    found, _ = scores(data)
    assert found["score"].count() == 10
    assert found.height == 36


def test_a_score_band_and_sources_choose_rows(data: Path):
    with judge(by_length) as there:
        write(data, there.url, rows={"sources": ["sums"], "score": "text.response_words", "low": 6})
        warehouse = open_warehouse(data, device="cpu")
        for source in SOURCES:
            make(warehouse, "scores/text", source, upstream=True)
        ask(data)
        table = answers(data)
    words = warehouse.lake.scan(("scores", "text", "sums")).collect()
    expected = words.filter(pl.col("response_words") >= 6)["row_id"]
    assert 0 < len(expected) < 12
    assert sorted(table["row_id"]) == sorted(expected)


def test_a_reply_that_cannot_be_read_has_no_score_and_is_neither_zero_nor_dropped(data: Path):
    def answer(body: dict, number: int):
        return said("I would rather not say.") if "print(" in body["messages"][1]["content"] else said("4")

    with judge(answer) as there:
        write(data, there.url, again=1)
        built = ask(data)
        assert len(there.requests) == 24 + 2 * 12
    assert not built["code"].checks["mostly_read"].passed
    table = answers(data)
    unread = table.filter(pl.col("unread").is_not_null())
    assert unread.height == 12
    assert unread["score"].null_count() == 12
    assert unread["reply"].unique().to_list() == ["I would rather not say."]
    assert unread["attempts"].unique().to_list() == [2]
    found, scored = scores(data)
    assert found["score"].null_count() == 12
    assert scored.metadata["unread_share"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_row_that_failed_is_asked_about_the_next_time(data: Path):
    down = {"now": True}

    def answer(body: dict, number: int):
        if down["now"] and "What is 0 plus 1?" in body["messages"][1]["content"]:
            return 500, {}, b"oops"
        return said("4")

    with judge(answer) as there:
        write(data, there.url)
        first = ask(data)["sums"]
        assert not first.checks["all_answered"].passed
        assert answers(data)["failed"].drop_nulls().to_list() == ["status 500: oops"]
        down["now"] = False
        sent = len(there.requests)
        second = ask(data)["sums"]
        assert (second.rows_new, len(there.requests) - sent) == (1, 1)
    assert answers(data)["failed"].null_count() == 36


def test_too_many_failures_publish_nothing_and_keep_what_was_paid_for(data: Path):
    ok = {"now": False}

    def answer(body: dict, number: int):
        return (400, {}, b"no") if number % 2 and not ok["now"] else said("4")

    with judge(answer) as there:
        write(data, there.url)
        with pytest.raises(ProviderError, match=r"6 of 12 requests failed"):
            ask(data, sources=["code"])
        ok["now"] = True
        assert ask(data, sources=["code"])["code"].rows_new == 6


@pytest.mark.parametrize(
    ("limits", "more", "said_of_it"),
    [
        ({"rows": 20}, {}, "36 rows, and limits.rows is 20"),
        ({"tokens": 100}, {}, "limits.tokens is 100"),
        ({"money": 0.00001}, {"price": {"tokens_in": 1}}, "limits.money is 1e-05"),
        ({"minutes": 0.001}, {}, "limits.minutes is 0.001"),
    ],
)
def test_above_a_limit_nothing_is_sent(data: Path, limits: dict, more: dict, said_of_it: str):
    with judge(by_length) as there:
        write(data, there.url, limits=limits, **more)
        with pytest.raises(OverLimitError, match=re.escape(said_of_it)):
            ask(data)
        assert there.requests == []


def test_a_limit_that_is_reached_stops_and_raised_goes_on(data: Path):
    # The prompts take far more tokens than their length tells.
    with judge(by_length) as there:
        write(data, there.url, limits={"tokens": 20_000})
        ask(data, sources=["code"])
        sent = len(there.requests)
        write(data, there.url, limits={"tokens": 12 * 52 + 300}, rows={"sample": 36})
        with pytest.raises(OverLimitError):
            ask(data, sources=["fruit"])
        write(data, there.url, limits={"tokens": 100_000})
        ask(data)
        assert len(there.requests) - sent == 24


def test_deita_multiplies_expected_digits_and_adds_up_turns(data: Path):
    turns = [
        {"role": "user", "content": "Sort."},
        {"role": "assistant", "content": "sorted"},
        {"role": "user", "content": "Again."},
        {"role": "assistant", "content": "again"},
    ]
    add_source(data, "fruit", [{"messages": turns}])

    def answer(body: dict, number: int):
        complexity = "How complex" in body["messages"][1]["content"]
        return with_logprobs(**({"2": 0.0} if complexity else {"4": math.log(0.5), "5": math.log(0.5)}))

    with judge(answer) as there:
        write(data, there.url, ask="deita", rows={"sources": ["fruit"]})
        ask(data)
        assert len(there.requests) == 4
    table = answers(data)
    assert table["item"].to_list() == ["turn 0, complexity", "turn 0, quality", "turn 1, complexity", "turn 1, quality"]
    found, _ = scores(data)
    row = found.filter(pl.col("source") == "fruit").row(0, named=True)
    assert (row["score"], row["complexity"], row["quality"]) == pytest.approx((18, 2, 4.5))


def test_pairs_rank_rows_of_all_sources_and_a_judge_of_places_shows(data: Path):
    def longer(body: dict, number: int):
        texts = re.findall(r"<text \w+>\n(.*?)\n</text \w+>", body["messages"][1]["content"], re.S)
        first, second = len("".join(texts[:2])), len("".join(texts[2:4]))
        return said("A" if first >= second else "B")

    with judge(longer) as there:
        write(data, there.url, ask="qurating", pairs={"rings": 3})
        ask(data)
        sent = len(there.requests)
    table = answers(data)
    assert table.height == sent
    assert 100 * 4 * 2 <= sent <= 108 * 4 * 2
    assert table["swapped"].mean() == 0.5
    found, built = scores(data)
    assert found["writing_style"].null_count() == 0
    pool = read_pool(open_warehouse(data)).with_columns(chars=pl.col("prompt_chars") + pl.col("response_chars"))
    both = pool.join(found, on="row_id")
    assert np.corrcoef(both["chars"].rank(), both["writing_style"].rank())[0, 1] > 0.7
    name, pairs, same, first, agrees = built.metadata["pairs"].cells[0]
    assert (name, pairs) == ("writing_style", sent // 8)
    assert same > 0.9
    assert first == pytest.approx(0.5, abs=0.06)
    assert agrees > 0.7


def test_a_linear_model_scores_the_rows_that_nobody_was_asked_about(data: Path):
    with judge(by_length) as there:
        distil = {"representation": "rds_plus", "folds": 4}
        write(data, there.url, rows={"sample": 24}, distil=distil)
        ask(data)
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "representations/rds_plus", source, upstream=True)
    found, built = scores(data)
    assert found["score"].count() == 24
    assert found["distilled_score"].count() == 36
    cells = {line[0]: line[-1] for line in built.metadata["columns"].cells}
    assert isinstance(cells["distilled_score"], float)
    known = found.drop_nulls("score")
    assert np.corrcoef(known["score"], known["distilled_score"])[0, 1] > 0.8


def test_a_recipe_reads_the_scores_and_says_so_where_nobody_has_been_asked(data: Path):
    recipe = {
        "doc": "d",
        "paper": "AlpaGasus",
        "select": {"sampler": "topk", "by": "quality.score"},
        "budget": {"rows": 3},
    }
    write_yaml(data / "recipes" / "alpagasus.yaml", recipe)
    with judge(by_length) as there:
        write(data, there.url)
        warehouse = open_warehouse(data, device="cpu")
        assert warehouse.registry.errors == {}
        tables = {table.name: table for table in all_tables(warehouse.registry)}
        assert not tables["scores/quality"].on_demand
        assert tables["answers/quality"].on_demand
        make(warehouse, "duplicates", upstream=True)
        with pytest.raises(ValueError, match="datasel ask quality"):
            make(warehouse, "scores/quality")
        ask(data)
        scores(data)
        make(open_warehouse(data, device="cpu"), "selections/alpagasus", upstream=True)
    warehouse = open_warehouse(data)
    chosen = warehouse.lake.scan(("selections", "alpagasus")).collect()["row_id"]
    best = warehouse.lake.scan(("answer_scores", "quality")).collect().sort("score", "row_id", descending=[True, False])
    assert best.filter(pl.col("row_id").is_in(chosen.implode()))["score"].min() >= best["score"][2]


def test_rows_that_a_recipe_chose_are_asked_about(data: Path):
    with judge(by_length) as there:
        write(data, there.url, rows={"recipe": "longest"})
        warehouse = open_warehouse(data, device="cpu")
        make(warehouse, "selections/longest", upstream=True)
        ask(data)
        chosen = warehouse.lake.scan(("selections", "longest")).collect()["row_id"]
    assert sorted(answers(data)["row_id"]) == sorted(chosen)


def test_two_judges_are_compared_with_length_taken_out(data: Path):
    with judge(by_length) as there:
        write(data, there.url)
        ask(data)
        scores(data)
        write(data, there.url, name="second", seed=1)
        ask(data, "second")
        _, built = scores(data, "second")
    ((column, other, n, plain, _, alpha),) = built.metadata["other judges"].cells
    assert (column, other, n) == ("score", "quality.score", 36)
    assert plain == pytest.approx(1)
    assert alpha == pytest.approx(1)


def test_answers_run_in_no_job_by_default(data: Path):
    write(data, "http://127.0.0.1:9/v1")
    warehouse = open_warehouse(data)
    definitions, tables = assemble(warehouse)
    regular = {table.name for phase in regular_phases(tables) for table in phase.tables}
    assert not {"answers/quality", "scores/quality"} & regular
    for name in ("refresh_source", "refresh_pool"):
        keys = definitions.resolve_job_def(name).asset_layer.executable_asset_keys
        assert not {key.to_user_string() for key in keys} & {"answers/quality", "scores/quality"}


def _asks(data: Path, **more: Any) -> str:
    write(data, "http://127.0.0.1:9/v1", **more)
    return Warehouse(open_warehouse(data).settings).registry.errors["answers/quality.yaml"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"ask": "alpagassus"}, "did you mean 'alpagasus'"),
        ({"ask": {"prompt": "{{ nobody }}", "reply": {"read": "text"}}}, "the prompt cannot be filled in"),
        ({"ask": {"prompt": "{{ row.prompt }}", "reply": {"read": "number", "low": 5, "high": 1}}}, "below"),
        ({"provider": {"local": "nobody"}}, "language_models/nobody.yaml is absent"),
        ({"provider": {"people": "Good?"}, "samples": 2, "temperature": 1.0}, "people are asked otherwise"),
        ({"provider": {"people": "Good?"}, "ask": "deita"}, "one question about whole rows"),
        ({"provider": {"people": "Good?"}, "ask": "lift"}, "read as 'fields' is none"),
        ({"provider": {"people": "Good?"}, "rows": {"recipe": "nobody"}}, "recipes/nobody.yaml is absent"),
        ({"provider": {"people": "Good?"}, "rows": {"score": "quality.score", "low": 1}}, "made from the answers"),
        ({"provider": {"people": "Good?", "truth": "glad", "prior_right": 2}}, "goes with 'truth: dawid_skene'"),
        ({"rows": {"recipe": "nobody"}}, "recipes/nobody.yaml is absent"),
        ({"rows": {"score": "text.nobody", "low": 1}}, "there is no score 'text.nobody'"),
        ({"rows": {"score": "quality.score", "low": 1}}, "made from the answers about them"),
        ({"distil": {"representation": "nobody"}}, "representations/nobody.yaml is absent"),
        ({"replies_of": "nobody"}, "answers/nobody.yaml is absent"),
        ({"replies_of": "quality"}, "itself waits for these answers"),
        ({"provider": {"reward": "m"}}, "shipped prompt 'reward'"),
        ({"provider": {"reward": "m"}, "ask": "reward", "samples": 2, "temperature": 1.0}, "reads no prompt"),
        ({"samples": 3}, "give a 'temperature'"),
        ({"rows": {"low": 3}}, "'score' goes with"),
        ({"batch": {"size": 8}}, "'representation' goes with"),
        ({"batch": {"size": 1, "by": "random"}}, "batch.size"),
        ({"batch": {"representation": "nobody"}}, "representations/nobody.yaml is absent"),
        ({"ask": "autods", "batch": {"by": "random"}}, "cannot be one of several"),
        ({"demonstrations": {"from": "nobody", "representation": "rds_plus"}}, "no other file nobody.yaml"),
        ({"demonstrations": {"from": "quality", "representation": "rds_plus"}}, "no other file quality.yaml"),
        ({"ask": "deita", "demonstrations": {"from": "us", "representation": "rds_plus"}}, "whole rows"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: Path, more: dict, problem: str):
    assert problem in _asks(data, **more)


def test_rows_of_a_recipe_that_waits_for_the_answers_are_refused(data: Path):
    recipe = {"doc": "d", "paper": "p", "select": {"sampler": "topk", "by": "quality.score"}, "budget": {"rows": 3}}
    write_yaml(data / "recipes" / "by_grade.yaml", recipe)
    assert "made from the answers about them" in _asks(data, rows={"recipe": "by_grade"})


def test_a_file_named_like_a_family_of_scores_is_refused(data: Path):
    write(data, "http://127.0.0.1:9/v1", name="text")
    assert "belongs to another family" in open_warehouse(data).registry.errors["answers/text.yaml"]


def test_a_model_of_this_process_answers_too(data: Path):
    write_yaml(
        data / "language_models" / "proxy_lm.yaml",
        {"causal": CAUSAL, "contexts": [], "proxy": TINY},
    )
    own = {
        "prompt": "{{ row.turns | length }}",
        "guard": False,
        "reply": {"read": "expected", "options": {"a": 1, "b": 0}, "mass": 0},
    }
    write_yaml(data / "answers" / "local.yaml", {"ask": own, "provider": {"local": "proxy_lm"}})
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    for source in SOURCES:
        made = make(warehouse, "answers/local", source, upstream=True)
        assert made.built.checks["all_answered"].passed
    table = pl.concat([warehouse.lake.scan(("answers", "local", source)).collect() for source in SOURCES])
    assert table["score"].is_between(0, 1).all()
    assert table["logprobs"].list.len().min() >= 2


def test_each_category_has_its_own_judge_and_all_are_one_score(data: Path):
    seeds = [
        {"prompt": f"What is {i} plus {i + 1}?", "response": f"{i} plus {i + 1} is {2 * i + 1}.", "task": "sum"}
        for i in range(90, 94)
    ] + [
        {"prompt": f"Write Python that prints {i} times {i}.", "response": f"print({i} * {i})", "task": "code"}
        for i in range(90, 94)
    ]
    write_yaml(data / "targets" / "kinds_seeds.yaml", {"examples": seeds})
    write_yaml(data / "categories" / "kinds.yaml", {"representation": "rds_plus", "target": "kinds_seeds"})
    write_yaml(data / "scores" / "form.yaml", {"how": "constraints_kept"})
    scorers = {"sum": "steps.score", "code": ["constraints_kept.form", "text.response_words"]}
    write_yaml(data / "scores" / "own.yaml", {"how": "by_category", "categories": "kinds", "scores": scorers})
    recipe = {"doc": "d", "paper": "p", "select": {"sampler": "topk", "by": "by_category.own"}, "budget": {"rows": 3}}
    write_yaml(data / "recipes" / "own.yaml", recipe)

    def answer(body: dict, number: int):
        sure = -0.1 * (len(body["messages"][1]["content"]) % 9)
        return with_logprobs(YES=sure, NO=-2.0)

    with judge(answer) as there:
        write(data, there.url, name="steps", ask="math_steps", rows={"categories": "kinds", "among": ["sum"]})
        warehouse = open_warehouse(data, device="cpu")
        assert warehouse.registry.errors == {}
        for source in SOURCES:
            make(warehouse, "categories/kinds", source, upstream=True)
        ask(data, "steps")
        sums = warehouse.lake.scan(("categories", "kinds", "sums")).collect()
        assert set(sums["category"]) == {"sum"}
        asked = answers(data, "steps")
        chosen = pl.concat([warehouse.lake.scan(("categories", "kinds", source)).collect() for source in SOURCES])
        assert set(asked["row_id"]) == set(chosen.filter(pl.col("category") == "sum")["row_id"])
        assert asked["step"].max() >= 1
        scores(data, "steps")
        warehouse = open_warehouse(data, device="cpu")
        for source in SOURCES:
            make(warehouse, "constraints_kept/form", source)
            make(warehouse, "scores/text", source)
        make(warehouse, "by_category/own")
    found = warehouse.lake.scan(("by_category", "own")).collect().join(chosen, on="row_id")
    assert found["score"].fill_nan(None).null_count() == 0
    assert found["score"].min() == 0
    assert found["score"].max() == 1
    assert set(found["category"]) == {"sum", "code"}


def test_what_a_model_answers_itself_is_judged_and_the_row_is_not(data: Path):
    def answer(body: dict, number: int):
        prompt = body["messages"][-1]["content"]
        if "Carry out the instruction" in prompt:
            return said("I do not know." if "plus" in prompt else "forty-two")
        return said("1" if "I do not know." in prompt else "5" if "forty-two" in prompt else "3")

    with judge(answer) as there:
        write(data, there.url, name="own", ask="own_answer", rows={"sources": ["sums", "code"]})
        write(data, there.url, name="necessity", replies_of="own")
        warehouse = open_warehouse(data, device="cpu")
        assert warehouse.registry.errors == {}
        ask(data, "own")
        ask(data, "necessity")
    table = answers(data, "necessity")
    assert table.height == 24
    found, _ = scores(data, "necessity")
    assert dict(found.drop_nulls().select("source", "score").unique().rows()) == {"sums": 1.0, "code": 5.0}
    assert found.filter(pl.col("source") == "fruit")["score"].null_count() == 12
