"""Webserver and daemon over a pool that is up to date: sources come and go, files break, and every run is seen."""

import shutil
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from datasel_assets_tests.e2e.conftest import Product, serve
from datasel_assets_tests.pools import add_source, rows

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RUNS = """
{ runsFeedOrError(limit: 200, view: RUNS) { __typename ... on RunsFeedConnection { results {
    __typename id runStatus tags { key value }
    ... on Run { jobName assetMaterializations { assetKey { path } partition } }
} } } }
"""
JOBS = """
{ repositoryOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "datasel_assets.definitions"
  }) { ... on Repository { jobs {
    name runs(limit: 100) { id status repositoryOrigin { repositoryLocationName } }
  } } } }
"""
RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "datasel_assets.definitions") {
  __typename ... on PythonError { message }
} }
"""
REGISTRY = """
{ assetNodeOrError(assetKey: {path: ["registry"]}) { ... on AssetNode {
    description
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
    assetMaterializations(limit: 1) { metadataEntries { label ... on IntMetadataEntry { intValue } } }
} } }
"""

LINKS = """
query($path: [String!]!) { assetNodeOrError(assetKey: {path: $path}) { ... on AssetNode {
    metadataEntries { label ... on UrlMetadataEntry { url } }
} } }
"""


@pytest.fixture(scope="module")
def served(finished: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The UI and the daemon over one copy of the finished pool, for all tests of this file in turn."""
    folder = tmp_path_factory.mktemp("served") / "data"
    shutil.copytree(finished.data, folder)
    product = Product(folder)
    product.run()  # the catalog names files by their place
    with serve(product) as up:
        yield up


def runs(product: Product) -> list[dict[str, Any]]:
    return product.query(RUNS)["runsFeedOrError"]["results"]


def settle(product: Product, known: set[str], done) -> list[dict[str, Any]]:
    """Wait until ``done`` and then for longer than the sensor rests with no run under way; return the new runs."""
    product.wait_for("the change to arrive", done, seconds=300)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 75:
        if any(run["runStatus"] not in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs(product)):
            quiet_since = time.monotonic()
        time.sleep(2)
    return [run for run in runs(product) if run["id"] not in known]


def decided(product: Product) -> set[str]:
    path = product.data / "warehouse" / "decisions" / "random.parquet"
    return set(pl.read_parquet(path, columns=["source"])["source"])


def assert_once_and_green(new: list[dict[str, Any]]) -> None:
    assert {run["runStatus"] for run in new} == {"SUCCESS"}
    assert [run["jobName"] for run in new].count("main") == 1
    made = Counter(
        ("/".join(event["assetKey"]["path"]), event["partition"])
        for run in new
        for event in run["assetMaterializations"]
    )
    assert {key: n for key, n in made.items() if n > 1} == {}


def test_two_sources_added_at_once_cost_one_run_of_main_and_nothing_is_made_twice(served: Product):
    known = {run["id"] for run in runs(served)}
    add_source(served.data, "later", rows("sums", 20, start=500))
    add_source(served.data, "sooner", rows("fruit", 20, start=700))
    new = settle(served, known, lambda: {"later", "sooner"} <= decided(served))
    assert_once_and_green(new)


def test_a_deleted_source_costs_one_run_of_main_and_none_asks_for_it(served: Product):
    known = {run["id"] for run in runs(served)}
    (served.data / "sources" / "later.yaml").unlink()
    new = settle(served, known, lambda: "later" not in decided(served))
    assert_once_and_green(new)
    partitions = {tag["value"] for run in new for tag in run["tags"] if tag["key"] == "dagster/partition"}
    assert "later" not in partitions


def test_runs_of_the_command_line_stand_under_the_jobs_of_the_code_location(served: Product):
    def known() -> dict[str, set[str]]:
        jobs = served.query(JOBS)["repositoryOrError"]["jobs"]
        origins = {run["repositoryOrigin"]["repositoryLocationName"] for job in jobs for run in job["runs"]}
        assert origins == {"datasel_assets.definitions"}
        return {job["name"]: {run["id"] for run in job["runs"]} for job in jobs}

    before = known()
    assert all(before[name] for name in ("main", "refresh_source", "refresh_pool")), "the first run, in a terminal"
    add_source(served.data, "fruit", rows("fruit", 26), licence="CC0-1.0")
    served.run()
    after = known()
    assert all(after[name] > before[name] for name in ("main", "refresh_source", "refresh_pool"))


def test_a_broken_recipe_is_red_on_the_page_of_the_registry_after_a_reload_and_green_when_mended(served: Product):
    def page() -> tuple[str, str, int]:
        node = served.query(REGISTRY)["assetNodeOrError"]
        (check,) = node["assetChecksOrError"]["checks"]
        (event,) = node["assetMaterializations"]
        (wrong,) = (e["intValue"] for e in event["metadataEntries"] if e["label"] == "files that cannot be used")
        return node["description"], (check["executionForLatestMaterialization"] or {}).get("status", ""), wrong

    assert page()[1:] == ("SUCCEEDED", 0)
    broken = served.data / "recipes" / "typo.yaml"
    broken.write_text("budgett: 3\n")
    assert served.query(RELOAD)["reloadRepositoryLocation"]["__typename"] != "PythonError"
    served.wait_for("the red check", lambda: page()[1:] == ("FAILED", 1))
    assert "recipes/typo" in page()[0]
    broken.unlink()
    served.wait_for("the green check", lambda: page()[1:] == ("SUCCEEDED", 0))


@pytest.mark.parametrize(("asset", "says"), [("selections/random", "random"), ("comparison", "toward_adding")])
def test_the_page_of_an_asset_links_to_its_report_and_the_report_opens(served: Product, asset: str, says: str):
    node = served.query(LINKS, path=asset.split("/"))["assetNodeOrError"]
    (url,) = (entry["url"] for entry in node["metadataEntries"] if entry["label"] == "report in the browser")
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert says in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url.split('/', 3)[0]}//{url.split('/')[2]}/releases/%2e%2e/defaults.yaml", timeout=30)
    assert refused.value.code == 404
    refused.value.close()  # it holds the connection


def test_the_timeline_shows_the_jobs_and_not_that_there_are_no_runs(served: Product, page):
    page.goto(f"http://127.0.0.1:{served.port}/overview/activity/timeline")
    for job in ("main", "refresh_source", "refresh_pool"):
        page.get_by_text(job, exact=True).first.wait_for(timeout=60_000)
    assert "No runs" not in page.inner_text("body")
