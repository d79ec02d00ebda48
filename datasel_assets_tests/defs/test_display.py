"""What the page of an asset shows first."""

import dagster as dg

from datasel_assets.defs import display
from datasel_assets.tables.shown import Picture, Rows, arranged


def test_ten_figures_come_first_then_pictures_and_tables_and_the_rest_is_one_entry():
    shown = {"plot": Picture(b"png", "a plot"), "rows": Rows({"a": None}, [["x"]])}
    facts = {"first": 1, **shown, **{f"fact {i}": float(i) for i in range(15)}}
    found = display.metadata(arranged(facts))
    assert list(found) == ["first", *(f"fact {i}" for i in range(9)), "plot", "rows", "details"]
    assert found["details"] == dg.MetadataValue.json({f"fact {i}": float(i) for i in range(9, 15)})


def test_a_page_with_few_figures_has_no_details():
    assert arranged({"a": 1, "b": "two"}) == {"a": 1, "b": "two"}
