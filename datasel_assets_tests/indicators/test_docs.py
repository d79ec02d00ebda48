"""The page of indicators is what the docstrings say."""

import importlib.util
from pathlib import Path

from datasel_assets.indicators import FAMILIES
from datasel_assets.registry.score import RESERVED

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_indicators_has_every_family_that_a_recipe_can_name():
    page = (DOCS / "indicators.md").read_text("utf-8")
    assert [family for family in sorted(RESERVED) if f"\n## Family `{family}`\n" not in page] == []


def test_the_page_of_indicators_is_up_to_date():
    spec = importlib.util.spec_from_file_location("indicators_page", DOCS / "indicators.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "indicators.md").read_text("utf-8") == module.page(), "run: python docs/indicators.py"


def test_column_names_are_unique_within_a_family_and_fit_into_a_recipe():
    for family, indicators in FAMILIES.items():
        columns = [column for indicator in indicators.values() for column in indicator.columns]
        assert len(set(columns)) == len(columns)
        assert all(column == column.lower() and "." not in column for column in [family, *columns])


def test_every_indicator_says_where_it_comes_from():
    for indicators in FAMILIES.values():
        for indicator in indicators.values():
            assert indicator.source.strip()
            assert indicator.summary.endswith((".", ")")), indicator.name
