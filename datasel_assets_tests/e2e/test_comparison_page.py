"""The page that puts recipes side by side in a real browser: sorted, filtered, by keyboard, in the dark, offline."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics.comparison_report import comparison_html
from datasel_assets.diagnostics.recommend import Advice
from datasel_assets.diagnostics.spread import Spread

pytestmark = pytest.mark.e2e

NAMES = ["random", *(f"recipe_{i}" for i in range(11))]
VENDI = np.arange(12.0) * 7 % 12
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
FIGURES = pl.DataFrame({"recipe": NAMES, "rows": [1000 * i for i in range(12)], "vendi": VENDI, "note": HOSTILE})


@pytest.fixture
def comparison(page, tmp_path: Path):
    text = comparison_html(
        title="Recipes side by side",
        summary=HOSTILE,
        figures=FIGURES,
        advice=[Advice("Toward code", "recipe_3", "it is near", "gives up much")],
        spread=Spread(10, {"vendi": 5.0}, {"vendi": 1.0}),
    )
    path = tmp_path / "comparison.html"
    path.write_text(text, "utf-8")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert page.title() == "Recipes side by side"
    assert asked == [path.as_uri()], "nothing else is loaded"


def shown(page, heading: str) -> list[list[str]]:
    """The rows in sight of the table under a heading."""
    return page.evaluate(
        """heading => {
            const title = [...document.querySelectorAll("h2")].find(each => each.textContent == heading);
            let frame = title; while (!frame.matches(".wide")) frame = frame.nextElementSibling;
            return [...frame.querySelectorAll("tbody tr")].filter(row => row.offsetParent !== null)
              .map(row => [...row.cells].map(cell => cell.textContent));
        }""",
        heading,
    )


def test_a_click_on_a_heading_sorts_numbers_as_numbers_and_a_second_one_turns_them_round(comparison):
    button = comparison.get_by_role("button", name="rows").nth(1)
    button.click()
    assert [row[1] for row in shown(comparison, "Recipes side by side")][:3] == ["11,000", "10,000", "9,000"]
    button.click()
    assert [row[1] for row in shown(comparison, "Recipes side by side")][:3] == ["0", "1,000", "2,000"]
    assert comparison.locator("th[aria-sort='ascending']").inner_text().startswith("rows")


def test_the_keyboard_alone_sorts(comparison):
    button = comparison.get_by_role("button", name="Vendi").first
    button.focus()
    comparison.keyboard.press("Enter")
    best = [float(row[2]) for row in shown(comparison, "How far from random rows")]
    assert best == sorted(best, reverse=True)


def test_a_word_leaves_the_rows_that_hold_it_and_says_how_many(comparison):
    comparison.get_by_role("searchbox").first.fill("recipe_1")
    assert {row[0] for row in shown(comparison, "How far from random rows")} == {"recipe_1", "recipe_10"}
    comparison.get_by_text("2 of 12 rows").wait_for()
    comparison.get_by_role("searchbox").first.fill("")
    assert len(shown(comparison, "How far from random rows")) == 12


def test_a_screen_reader_is_told_what_each_table_is_and_which_column_sorts_it(comparison):
    assert comparison.get_by_role("region", name="How far from random rows").count() == 1
    assert comparison.locator("th:not([aria-sort])").count() == comparison.locator("thead th").count() - sorted_heads(
        comparison
    )


def sorted_heads(page) -> int:
    return page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => t.tBodies[0].rows.length >= 3)"
        ".map(t => t.tHead.rows[0].cells.length).reduce((a, b) => a + b, 0)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_of_the_heat_map_can_be_read_in_both_schemes(comparison, scheme: str):
    """Contrast of at least 4.5 to 1 (WCAG 2.2, level AA) of each number to its cell, over the paper of the page."""
    comparison.emulate_media(color_scheme=scheme)
    pairs = comparison.evaluate(
        """() => {
            const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
            const pen = canvas.getContext("2d", {willReadFrequently: true});
            const seen = (...colours) => { for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); }
              return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3); };
            const paper = getComputedStyle(document.body).backgroundColor;
            return [...document.querySelectorAll("td[class*=up], td[class*=down]")].map(cell => {
              const style = getComputedStyle(cell);
              return [seen(paper, style.backgroundColor), seen(style.color)]; });
        }"""
    )
    assert len(pairs) >= 6
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(one: list[int], other: list[int]) -> float:
    def luminance(colour: list[int]) -> float:
        share = np.asarray(colour) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
