"""The page over rows in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from datasel_assets.cli.explore_server import Rows, serve_rows
from datasel_assets.settings import Settings
from datasel_assets.specs.recipe import DropRule
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.pools import add_source, rows, small_pool

pytestmark = pytest.mark.e2e

MARKUP = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A pool with selections that need no model, and one row of markup."""
    data = small_pool(tmp_path_factory.mktemp("explored") / "data", n=25)
    add_source(data, "markup", [{"instruction": f"Say {MARKUP}", "output": f"Said {MARKUP}"}, *rows("sums", 1, 900)])
    warehouse = open_warehouse(data, device="cpu")
    for recipe in ("random", "longest"):
        make(warehouse, f"selections/{recipe}", upstream=True)
    with serve_rows(Rows(Settings.at(data)), 0) as address:
        yield address, data


def seen(page, text: str) -> None:
    page.locator("#count", has_text=re.compile("^" + re.escape(text))).wait_for()


def decisions(data: Path, recipe: str) -> set[str]:
    table = pl.read_parquet(data / "warehouse" / "decisions" / f"{recipe}.parquet")
    return set(table.filter("kept")["row_id"])


def test_rows_are_searched_compared_brushed_and_exported_as_a_rule(page, served: tuple[str, Path]):
    address, data = served
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(address) else None)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address)
    seen(page, "77 rows")
    page.keyboard.press("/")
    page.keyboard.type("apples")
    seen(page, "25 of 77 rows")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    seen(page, "77 rows")
    page.get_by_label("Recipe", exact=True).select_option("random")
    page.get_by_label("Compared with").select_option("longest")
    only = decisions(data, "longest") - decisions(data, "random")
    page.locator("#four-other").click()
    seen(page, f"{len(only)} of 77 rows")
    page.get_by_role("button", name="Clear all").click()
    seen(page, "77 rows")
    box = page.locator("#histogram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 40)
    page.mouse.up()
    page.locator(".chip", has_text="n_tokens").wait_for()
    page.get_by_role("button", name="Export as drop rule").click()
    (rule,) = yaml.safe_load(page.locator("#yaml").inner_text())["drop"]
    assert DropRule.model_validate(rule).scores == {"n_tokens"}
    page.keyboard.press("Escape")
    assert (elsewhere, [text for text in complaints if "404" not in text]) == ([], [])


def test_a_row_opens_by_keys_and_markup_in_it_is_text(page, served: tuple[str, Path]):
    address, _ = served
    page.goto(address)
    seen(page, "77 rows")
    page.keyboard.press("/")
    page.keyboard.type("onerror")
    seen(page, "1 of 77 rows")
    page.keyboard.press("Escape")
    page.locator("#rows tbody tr").focus()
    page.keyboard.press("Enter")
    page.locator("#row .turn").first.wait_for()
    assert [page.locator("#row .turn div").nth(i).inner_text() for i in (0, 1)] == [f"Say {MARKUP}", f"Said {MARKUP}"]
    lines = page.locator("#row table.decisions tbody tr")
    assert {lines.nth(i).locator("td").first.inner_text() for i in range(lines.count())} >= {"random", "longest"}
    assert "would flip it" in page.locator("#row").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert page.title() == "Rows of the pool"
    page.keyboard.press("Escape")
    assert not page.locator("#row").is_visible()
