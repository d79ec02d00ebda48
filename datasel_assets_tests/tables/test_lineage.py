"""The lineage as it is drawn: few groups, few arrows, and none that the order of a run is lost without."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.lineage import GROUPS, drawn, edges, shown_group
from datasel_assets.tables.table import Kind, Table

DATA = Path(__file__).resolve().parents[2] / "data"
MOST_GROUPS, MOST_EDGES = 10, 24


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry(DATA)


def table(name: str, *reads: str, **more) -> Table:
    return Table(
        kind=Kind(name),
        key=(name,),
        description="",
        group="sources",
        reads=[(read,) for read in reads],
        expect=lambda warehouse, source: Expected((name,), "1"),
        build=lambda step: pytest.fail("nothing is made here"),
        **more,
    )


def arrows(*tables: Table) -> set[tuple[str, str]]:
    return {(key[0], to[0]) for to, reads in drawn(tables).items() for key in reads}


def test_the_shipped_lineage_is_read_in_one_look(shipped: Registry):
    tables = all_tables(shipped)
    assert len({one.group for one in tables}) <= MOST_GROUPS
    assert len(edges(tables)) <= MOST_EDGES


def test_every_group_has_a_name_and_its_arrows_go_the_way_of_reading(shipped: Registry):
    tables = all_tables(shipped)
    assert {one.group for one in tables} == set(GROUPS)
    order = list(GROUPS)
    assert [arrow for arrow in edges(tables) if order.index(arrow[0]) > order.index(arrow[1])] == []
    assert sorted(map(shown_group, GROUPS)) == [*map(shown_group, GROUPS)], "the UI sorts by name"


def test_the_docs_name_every_group_with_what_it_holds():
    said = (DATA.parent / "docs" / "operation.md").read_text("utf-8")
    assert [group for group, holds in GROUPS.items() if f"| `{shown_group(group)}` | {holds} |" not in said] == []


def test_what_is_read_through_another_table_as_well_is_not_drawn_twice():
    rows, scores, chosen = table("rows"), table("scores", "rows"), table("chosen", "rows", "scores")
    assert arrows(rows, scores, chosen) == {("rows", "scores"), ("scores", "chosen")}


def test_an_arrow_past_a_table_that_is_made_on_demand_stays():
    """A run makes the two at its ends without it: only the arrow keeps them in order."""
    rows, answers = table("rows"), table("answers", "rows", on_demand=True)
    scores = table("scores", "rows", "answers")
    assert ("rows", "scores") in arrows(rows, answers, scores)
    assert ("rows", "scores") not in arrows(rows, replace(answers, on_demand=False), scores)


def test_what_comes_last_has_no_arrows():
    rows = table("rows")
    assert arrows(rows, table("catalog", "rows", comes_last=True)) == set()


def test_every_table_still_comes_after_all_that_it_reads_where_it_does_not_come_last(shipped: Registry):
    tables = all_tables(shipped)
    found = drawn(tables)
    above: dict = {}
    for one in tables:
        above[one.key] = set(found[one.key]).union(*(above[key] for key in found[one.key]))
        assert one.comes_last or set(one.reads) <= above[one.key]
