"""The page of a release in a real browser."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.diagnostics.report import html_report

pytestmark = pytest.mark.e2e

LONG = "a prompt of several words that goes on and on, " * 8


@pytest.mark.parametrize("width", [1100, 1500])
def test_every_column_of_a_table_of_rows_is_in_sight(page, tmp_path: Path, width: int):
    rows = pl.DataFrame(
        {
            "stage": ["semantic duplicate", "budget"],
            "reason": [
                "ranked 13,456th of 120,000 by neighbours.knn_distance (0.1234); the budget took 4,200",
                "short",
            ],
            "score": [0.1234, -12345.5],
            "source": ["python_libraries_docs", "https://example.org/a-very-long-name"],
            "prompt": [LONG, "x" * 300],
            "response": ["y" * 300, LONG],
        }
    )
    stages = pl.DataFrame({"stage": ["kept"], "rows": [3]})
    path = tmp_path / "report.html"
    path.write_text(html_report(title="t", summary="s", recipe="r", facts={}, stages=stages, dropped=rows), "utf-8")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.as_uri())
    frames = page.evaluate("[...document.querySelectorAll('.wide')].map(e => [e.scrollWidth, e.clientWidth])")
    assert len(frames) == 2
    assert all(scrolled <= seen for scrolled, seen in frames)
    narrow = page.evaluate("[...document.querySelectorAll('td')].filter(e => e.clientWidth < 40).length")
    assert narrow == 0  # no column is squeezed to a letter a line to make room for others
