"""Why a row was kept or dropped: rows found by id or text, decisions with what they rest on."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from datasel_assets_tests.pools import add_source, rows
from datasel_assets_tests.project import Project


def decisions(data: Path, recipe: str) -> pl.DataFrame:
    return pl.read_parquet(data / "warehouse" / "decisions" / f"{recipe}.parquet")


def corpus(data: Path, source: str) -> pl.DataFrame:
    return pl.read_parquet(data / "warehouse" / "corpus" / f"{source}.parquet")


def facts(out: str) -> dict[str, str]:
    """Label -> text of the lines with facts; the last of several."""
    return {line[2:16].strip(): line[16:] for line in out.splitlines() if line.startswith("  ")}


def test_a_dropped_row_is_told_with_its_stage_its_reason_and_its_numbers(datasel, prepared):
    dropped = decisions(prepared, "wordy").filter(pl.col("stage") == "budget").row(0, named=True)
    answer = datasel(prepared, "explain", "wordy", dropped["row_id"])
    assert (answer.status, answer.err) == (0, "")
    assert f"row {dropped['row_id']} of source {dropped['source']}, position" in answer.out
    assert "wordy: dropped, stage budget" in answer.out
    told = facts(answer.out)
    assert told["reason"] == dropped["reason"]
    assert int(told["rank"]) == dropped["rank"]
    assert float(told["score"]) == pytest.approx(dropped["score"], rel=1e-3)
    assert float(told["margin"]) == pytest.approx(dropped["margin"], rel=1e-3)
    # The recipe ranks by the very column that it reads.
    assert told["reads"] == f"text.response_words {told['score']}"


def test_a_kept_row_is_told_by_the_beginning_of_its_id_with_its_text(datasel, prepared):
    kept = decisions(prepared, "longest").filter("kept").row(0, named=True)
    text = corpus(prepared, kept["source"]).filter(pl.col("row_id") == kept["row_id"]).row(0, named=True)
    answer = datasel(prepared, "explain", "longest", kept["row_id"][:20])
    assert answer.status == 0
    assert "longest: kept\n" in answer.out
    told = facts(answer.out)
    assert (told["prompt"], told["response"]) == (text["prompt"], " ".join(text["response"].split()))
    assert told["size"].startswith(f"{text['n_tokens']} tokens, {text['n_response_tokens']} in responses")


def test_a_row_is_found_by_its_text_without_regard_to_case_and_white_space(datasel, prepared):
    answer = datasel(prepared, "explain", "random", " what IS  21\nplus 22 ")
    assert answer.status == 0
    assert facts(answer.out)["prompt"] == "What is 21 plus 22?"


def test_without_a_recipe_each_has_a_line(datasel, prepared):
    answer = datasel(prepared, "explain", "what is 21 plus 22?")
    lines = {line.split()[0]: line for line in answer.out.split("\n\n")[1].splitlines()}
    assert set(lines) == {"random", "longest", "wordy", "toward_adding", "spread", "richest"}
    for name in ("random", "longest", "wordy"):
        row_id = answer.out.split()[1]
        decision = decisions(prepared, name).filter(pl.col("row_id") == row_id).row(0, named=True)
        assert decision["reason"] in lines[name]
        assert ("kept" if decision["kept"] else "dropped") in lines[name]
    assert lines["spread"].endswith(f"has no decision yet; run this: datasel --data {prepared} run")


def test_several_rows_that_are_meant_are_listed_ten_at_most(datasel, prepared):
    answer = datasel(prepared, "explain", "random", "What is")
    assert answer.status == 0
    assert answer.out.startswith("40 rows match")
    listed = [line.split()[0] for line in answer.out.splitlines()[1:-1]]
    assert len(listed) == 10
    assert set(listed) <= set(corpus(prepared, "sums")["row_id"])
    assert answer.out.splitlines()[-1].startswith("  and 30 more")


def test_a_copy_and_the_row_that_stands_for_it_name_each_other(datasel, prepared):
    copied = pl.read_parquet(prepared / "warehouse" / "duplicates.parquet").row(0, named=True)
    answer = datasel(prepared, "explain", "wordy", copied["row_id"])
    assert "wordy: dropped, stage duplicate" in answer.out
    assert facts(answer.out)["duplicates"] == f"exact duplicate of {copied['duplicate_of']}"
    assert facts(answer.out)["duplicate of"] == copied["duplicate_of"]
    answer = datasel(prepared, "explain", "wordy", copied["duplicate_of"])
    assert facts(answer.out)["duplicates"] == "1 exact duplicate of it"


def test_a_row_that_holds_an_item_of_an_evaluation_names_it(datasel, prepared):
    answer = datasel(prepared, "explain", "random", "What is 3 plus 4?")
    assert "random: dropped, stage contaminated" in answer.out
    assert "of exam (exact, overlap 1)" in facts(answer.out)["evaluations"]


def test_a_row_that_could_not_be_used_is_found_in_the_quarantine(datasel, prepared):
    answer = datasel(prepared, "explain", "random", "which row is broken")
    assert answer.status == 0
    assert "not in the pool: a row with this text went to quarantine" in answer.out
    assert "again, position 2: missing response" in answer.out


def test_a_row_that_came_after_the_last_run_of_a_recipe_is_told_as_undecided(datasel, changeable):
    add_source(changeable, "late", rows("sums", 1, start=900))
    with dg.DagsterInstance.ephemeral() as instance:
        Project(changeable, instance).refresh(lambda asset: asset.name in {"raw_corpus", "corpus"})
    answer = datasel(changeable, "explain", "random", "What is 900 plus 901?")
    assert answer.status == 2
    assert answer.err == (
        f"random has no decision about it: the row came after its last run; run this: datasel --data {changeable} run\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such", "What is"], "there is no recipe 'no_such'; there are: longest, random, richest"),
        (["../random", "What is"], "there is no recipe '../random'"),
        (["random", "nobody wrote this"], "no row of the pool has an id that begins with 'nobody wrote this'"),
        (["random", " "], "what was given is empty"),
        (["broken", "What is"], "the key 'budgett' is not known"),
        (["spread", "What is"], "spread has not been run yet; run this first: datasel --data "),
    ],
)
def test_what_is_not_there_is_named(datasel, changeable, arguments, message):
    (changeable / "recipes" / "broken.yaml").write_text("budgett: 3\n")
    answer = datasel(changeable, "explain", *arguments)
    assert answer.status == 2
    assert message in answer.err


def test_before_the_first_run_it_says_what_to_do(datasel, untouched):
    answer = datasel(untouched, "explain", "random", "What is")
    assert (answer.status, answer.err) == (
        2,
        f"nothing has been ingested yet; run this first: datasel --data {untouched} run\n",
    )


def test_all_prints_every_turn_and_every_score(datasel, prepared):
    row = corpus(prepared, "sums").row(0, named=True)
    answer = datasel(prepared, "explain", "--all", row["row_id"])
    told = facts(answer.out)
    assert (told["user"], told["assistant"]) == (row["messages"][0]["content"], row["messages"][1]["content"])
    scores = pl.read_parquet(prepared / "warehouse" / "scores" / "text" / "sums.parquet")
    words = scores.filter(pl.col("row_id") == row["row_id"])["response_words"].item()
    assert f"  {'text.response_words':44} {words:g}\n" in answer.out


def test_a_row_that_the_budget_left_out_is_told_what_would_keep_it(datasel, prepared):
    dropped = decisions(prepared, "wordy").filter(pl.col("stage") == "budget").row(0, named=True)
    higher = f"a score higher by {-dropped['margin']:.4g}"
    assert facts(datasel(prepared, "explain", "wordy", dropped["row_id"]).out)["would flip it"].startswith(higher)
    assert f"; would flip it: {higher}" in datasel(prepared, "explain", dropped["row_id"]).out
