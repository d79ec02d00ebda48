"""Addresses of reports: links while somebody serves them, paths otherwise."""

import json
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import pytest

from datasel_assets.defs import display
from datasel_assets.defs.served import address_of, page_of, rows_of
from datasel_assets.settings import DATA_VARIABLE, EXPLORE_VARIABLE, FILES_VARIABLE, load_settings
from datasel_assets.tables.shown import FilePath

BASE = "http://127.0.0.1:3001"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(FILES_VARIABLE, BASE)
    return load_settings().data


def test_a_served_file_is_shown_as_a_link_with_odd_names_escaped(data: Path):
    report = data / "releases" / "a b#c" / "report.html"
    assert display.metadata({"report": FilePath(report)})["report"] == dg.MetadataValue.url(
        f"{BASE}/releases/a%20b%23c/report.html"
    )


def test_a_file_elsewhere_is_shown_as_a_path(data: Path):
    catalog = data / "warehouse" / "datasel.duckdb"
    assert address_of(catalog) is None
    assert display.metadata({"duckdb": FilePath(catalog)})["duckdb"] == dg.MetadataValue.path(str(catalog))


def test_nothing_is_a_link_where_nobody_serves_it(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(FILES_VARIABLE)
    report = data / "warehouse" / "reports" / "comparison.html"
    assert display.metadata({"report": FilePath(report)})["report"] == dg.MetadataValue.path(str(report))
    assert page_of(("selections", "random")) is None


@pytest.mark.parametrize(
    ("key", "address"),
    [
        (("selections", "random"), f"{BASE}/releases/random/latest/report.html"),
        (("comparison",), f"{BASE}/reports/comparison.html"),
        (("corpus",), None),
    ],
)
def test_selections_and_the_comparison_have_a_page(data: Path, key: tuple[str, ...], address: str | None):
    assert page_of(key) == address


def test_the_rows_of_a_selection_are_those_that_it_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(EXPLORE_VARIABLE, BASE)
    address, _, asked = str(rows_of(("selections", "mine"))).partition("#")
    assert address == f"{BASE}/"
    assert json.loads(unquote(asked))["decisions"] == {"mine": "kept"}
    assert rows_of(("corpus",)) == f"{BASE}/"
    assert rows_of(("duplicates",)) is None
    monkeypatch.delenv(EXPLORE_VARIABLE)
    assert rows_of(("corpus",)) is None
