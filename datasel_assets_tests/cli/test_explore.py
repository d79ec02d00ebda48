"""The page over rows by its requests, and the command."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from datasel_assets.cli.explore_server import FILES, Rows, serve_rows
from datasel_assets.cli.page_server import TOKEN
from datasel_assets.settings import Settings
from datasel_assets.specs.recipe import DropRule

Ask = Callable[..., tuple[int, Any]]


def connection(address: str) -> http.client.HTTPConnection:
    host, _, port = address.removeprefix("http://").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


@pytest.fixture(scope="module")
def served(prepared: Path) -> Iterator[str]:
    with serve_rows(Rows(Settings.at(prepared)), 0) as address:
        yield address


@pytest.fixture(scope="module")
def ask(served: str) -> Ask:
    http_connection = connection(served)
    http_connection.request("GET", "/")
    page = http_connection.getresponse().read().decode()
    token = re.search(r'name="token" content="([^"]+)"', page)[1]  # type: ignore[index]
    assert "__" not in page

    def post(path: str, body: Any, bearing: str = token) -> tuple[int, Any]:
        asking = connection(served)
        asking.request("POST", path, json.dumps(body), {TOKEN: bearing})
        answer = asking.getresponse()
        content = answer.read()
        is_json = answer.headers["Content-Type"].startswith("application/json")
        return answer.status, json.loads(content) if is_json else content

    return post


def corpus(data: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in sorted((data / "warehouse" / "corpus").glob("*.parquet")))


def test_what_can_be_filtered_by_is_told(ask: Ask, prepared: Path):
    status, about = ask("/about", {})
    rows = corpus(prepared)
    assert (status, about["rows"]) == (200, rows.height)
    assert about["shares"]["sources"] == dict(rows["source"].value_counts().sort("source").iter_rows())
    assert {"n_tokens", "response_chars", "text.response_words"} <= set(about["numbers"])
    assert set(about["recipes"]) == {"random", "longest", "wordy"}
    assert about["has_map"] is False


def test_a_view_is_a_page_of_rows_with_a_histogram_and_a_comparison(ask: Ask, prepared: Path):
    wanted = {"text": "apples", "decisions": {"wordy": "dropped"}}
    body = {"filter": wanted, "column": "n_tokens", "sort": "n_tokens", "start": 0, "compare": ["random", "wordy"]}
    status, found = ask("/view", body)
    decisions = pl.read_parquet(prepared / "warehouse" / "decisions" / "wordy.parquet").filter(~pl.col("kept"))
    expected = corpus(prepared).join(decisions, on="row_id").filter(pl.col("prompt").str.contains("apples"))
    assert (status, found["rows"]) == (200, expected.height)
    assert [row["value"] for row in found["page"]] == expected["n_tokens"].sort().to_list()[:100]
    assert found["histogram"]["here"]["known"] == expected.height
    assert sum(found["compared"].values()) >= expected.height


def test_the_page_of_a_row_has_its_turns_scores_copies_and_every_decision(ask: Ask, prepared: Path):
    copied = pl.read_parquet(prepared / "warehouse" / "duplicates.parquet").row(0, named=True)
    status, row = ask("/row", {"row_id": copied["row_id"]})
    assert status == 200
    assert [turn["role"] for turn in row["turns"]] == ["user", "assistant"]
    assert row["copies"][0]["other"] == copied["duplicate_of"]
    assert row["decisions"]["wordy"]["stage"] == "duplicate"
    assert row["decisions"]["wordy"]["flip"].startswith(f"without {copied['duplicate_of']}")
    assert row["decisions"]["spread"] is None
    scores = pl.read_parquet(prepared / "warehouse" / "scores" / "text" / f"{row['source']}.parquet")
    own = scores.filter(pl.col("row_id") == row["row_id"])["response_words"][0]
    assert row["numbers"]["text.response_words"] == pytest.approx(own)


def test_a_filter_becomes_a_rule_that_a_recipe_accepts(ask: Ask):
    status, found = ask("/rule", {"filter": {"sources": ["sums"], "bounds": {"text.response_words": {"low": 3}}}})
    assert (status, found["unsaid"]) == (200, [])
    (rule,) = yaml.safe_load(found["yaml"])["drop"]
    assert DropRule.model_validate(rule).scores == {"text.response_words"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/view", {"filter": {"bounds": {"n_token": {"low": 1}}}}, "did you mean 'n_tokens'"),
        ("/view", {"filter": {}, "sort": "row_id; DROP TABLE pool", "start": 0}, "numbers has no"),
        ("/view", {"filter": {}, "column": "n_tokens", "beside": "nobody", "start": 0}, "recipes has no 'nobody'"),
        ("/view", {"filter": {}, "start": -1}, "a whole number"),
        ("/view", [], "must be a JSON object"),
        ("/row", {"row_id": "' OR true --"}, "no such row"),
        ("/row", {"i": 10**6}, "no such row"),
        ("/rule", {"filter": 3}, "filter: "),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(ask: Ask, path: str, body: Any, message: str):
    status, text = ask(path, body)
    assert status == 400
    assert message in text.decode()


def test_only_the_page_itself_may_ask_and_it_may_load_nothing_from_elsewhere(served: str, ask: Ask):
    assert ask("/view", {}, bearing="guessed")[0] == 403
    asking = connection(served)
    asking.request("POST", "/view", "{}", {"Host": "elsewhere.example"})
    assert asking.getresponse().status == 403
    for path in ("/", *FILES):
        asking = connection(served)
        asking.request("GET", path)
        answer = asking.getresponse()
        text = answer.read().decode()
        assert answer.status == 200
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
        if path == "/":
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self' 'nonce-")
            assert "unsafe" not in policy
    for path in ("/../explore.py", "/page_server.py", "/index.html"):
        asking = connection(served)
        asking.request("GET", path)
        assert asking.getresponse().status == 404


def test_no_part_of_the_page_makes_markup_of_a_text():
    for file in FILES.values():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text("utf-8"))


def test_before_the_first_run_it_says_what_to_do(datasel, untouched):
    answer = datasel(untouched, "explore")
    assert (answer.status, answer.err) == (
        2,
        f"nothing has been ingested yet; run this first: datasel --data {untouched} run\n",
    )
