"""Any table can be made from Python, without an orchestrator."""

import subprocess
import sys
from pathlib import Path

import pytest

from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.making import UNCHANGED, named, note_path
from datasel_assets.tables.shown import FilePath, Link, Picture, Rows, from_json, to_json
from datasel_assets_tests.pools import small_pool


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_pool(tmp_path / "data", n=6)


def test_three_lines_make_a_table_with_everything_it_is_made_from(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, "scores/text", source="sums", upstream=True)
    assert made.built.rows_new == 6
    assert all(check.passed for check in made.built.checks.values())
    assert warehouse.lake.scan(("scores", "text", "sums")).collect().height == 6
    assert warehouse.lake.info(("corpus", "fruit")) is None, "only what it is made from"


def test_a_table_of_the_whole_pool_brings_every_source_up_to_date_first(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "duplicates", upstream=True)
    assert {key[1] for key in warehouse.lake.tables("corpus")} == {"sums", "fruit", "code"}


def test_making_a_table_loads_no_dagster(data: Path):
    code = (
        "import sys; from datasel_assets.tables import make, open_warehouse; "
        f"make(open_warehouse({str(data)!r}), 'corpus', source='sums', upstream=True); "
        "print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_table_that_is_current_is_not_made_again_and_still_tells_its_facts(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    first = make(warehouse, "corpus", source="sums", upstream=True)
    again = make(warehouse, "corpus", source="sums")
    assert again.cost == {}
    assert (again.built.rows_new, again.built.rows_reused) == (0, 6)
    assert again.built.metadata["increment"] == UNCHANGED
    assert again.built.metadata["sample"] == first.built.metadata["sample"]
    assert again.built.checks == first.built.checks


def test_a_table_whose_checks_have_no_record_is_made_again(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "corpus", source="sums", upstream=True)
    note_path(warehouse.lake, ("corpus", "sums")).unlink()
    assert make(warehouse, "corpus", source="sums").cost


@pytest.mark.parametrize(("name", "source"), [("corpus", None), ("duplicates", "sums")])
def test_a_source_is_named_exactly_where_there_is_a_table_for_each(data: Path, name: str, source: str | None):
    with pytest.raises(ValueError, match=name):
        make(open_warehouse(data), name, source)


def test_an_unknown_name_is_refused_with_those_of_its_kind(data: Path):
    with pytest.raises(KeyError, match="those of this kind: representations/rds_plus, representations/white"):
        named(open_warehouse(data), "representations/no_such")


def test_what_a_page_shows_comes_back_from_its_note():
    shown = [
        1,
        2.5,
        "text",
        True,
        Picture(b"\x89PNG", "a picture"),
        Rows({"a": "what it means", "b": None}, [["x", 1], ["y", 2.5]]),
        Link(("scores", "text")),
        FilePath(Path("/data/a.parquet")),
    ]
    assert [from_json(to_json(value)) for value in shown] == shown
