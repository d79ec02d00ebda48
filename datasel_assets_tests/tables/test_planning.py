"""Which tables are to be made, and in which order."""

from unittest.mock import ANY

import polars as pl
import pytest

from datasel_assets.storage.lake import Expected, Key, Lake
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.planning import Only, Phase, lacks_input, phases, stale, upstream_of
from datasel_assets.tables.table import Kind, Table
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.project import Project

SOURCES = ["a", "b"]


def table(name: str, *reads: str, per_source: bool = False, lenient: bool = False, missing: str = "") -> Table:
    """Return a table that is current once it is stored, and cannot be looked at while a file is ``missing``."""

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        if missing:
            raise FileNotFoundError(missing)
        return Expected((name, source) if source else (name,), "1")

    def build(step):
        raise AssertionError("nothing is made here")

    return Table(
        kind=Kind(name, per="source" if per_source else "pool"),
        key=(name,),
        description="",
        group="toys",
        reads=[(read,) for read in reads],
        expect=expect,
        build=build,
        lenient=lenient,
    )


TOYS = [
    table("rows", per_source=True),
    table("moments", "rows", per_source=True),
    table("basis", "moments"),
    table("vectors", "rows", "basis", per_source=True),
    table("subset", "vectors"),
]


def publish(lake: Lake, *key: str) -> None:
    lake.write(Expected(key, "1"), pl.DataFrame({"n": [1]}))


def test_phases_alternate_and_respect_every_dependency(project: Project):
    tables = all_tables(project.warehouse.registry)
    done: set[Key] = set()
    *found, last = phases(tables)
    assert [phase.per_source for phase in found] == [i % 2 == 0 for i in range(len(found))]
    assert [one.name for one in last.tables] == ["catalog"], "in a run of its own: no arrow says that it waits"
    for phase in [*found, last]:
        for one in phase.tables:
            assert set(one.reads) <= done
            done.add(one.key)
    assert len(done) == len(tables)


def test_a_table_is_made_in_the_first_phase_in_which_all_it_reads_is_there():
    found = [(phase.per_source, [one.name for one in phase.tables]) for phase in phases(TOYS[::-1])]
    assert found == [(True, ["rows", "moments"]), (False, ["basis"]), (True, ["vectors"]), (False, ["subset"])]


def test_a_pool_without_tables_per_source_has_one_phase():
    assert phases([table("one"), table("two", "one")]) == [Phase(False, (ANY, ANY))]


@pytest.mark.parametrize("left_out", ["rows", "basis"])
def test_tables_that_wait_for_what_nobody_makes_are_named(left_out: str):
    with pytest.raises(ValueError, match=r"nobody makes.*vectors"):
        phases([one for one in TOYS if one.name != left_out])


def test_what_reads_a_stale_table_is_stale_too(settled: Project):
    tables = all_tables(settled.warehouse.registry)
    settled.warehouse.lake.delete(("corpus", "sums"))
    names = {one.name for one in stale(phases(tables)[0], settled.warehouse, "sums")[0]}
    assert {"corpus", "representation_moments/white"} <= names


def test_what_is_broken_is_left_out_and_what_cannot_be_looked_at_is_told(project: Project):
    phase = Phase(True, (*TOYS[:2], table("lost", per_source=True, missing="lost.jsonl is not there")))
    publish(project.warehouse.lake, "rows", "a")
    assert stale(phase, project.warehouse, "a") == ([TOYS[1]], {"lost": "lost.jsonl is not there"})
    assert stale(phase, project.warehouse, "b")[0] == [TOYS[0], TOYS[1]]
    assert stale(phase, project.warehouse, "a", {(("moments",), "a"), (("lost",), "a")}) == ([], {})


def test_a_table_waits_for_a_failed_one_only_where_none_is_there_from_before(project: Project):
    lake, tables = project.warehouse.lake, {one.key: one for one in TOYS}

    def waits(name: str, source: str | None, *broken: tuple[str, str | None]) -> bool:
        picks = {((key,), of) for key, of in broken}
        return lacks_input(tables[name,], source, tables, SOURCES, picks, lake)

    assert not waits("vectors", "a")
    assert waits("vectors", "a", ("rows", "a"))
    assert not waits("vectors", "a", ("rows", "b")), "another source's rows are not read"
    assert waits("vectors", "a", ("basis", None))
    assert waits("subset", None, ("vectors", "a"))
    publish(lake, "vectors", "b")
    assert not waits("subset", None, ("vectors", "a")), "the rows of one source are enough for a subset of the pool"
    publish(lake, "rows", "a")
    assert not waits("vectors", "a", ("rows", "a")), "those from before are there"


def test_a_lenient_table_waits_for_nothing(project: Project):
    one = table("summary", "rows", lenient=True)
    tables = {other.key: other for other in (*TOYS, one)}
    assert not lacks_input(one, None, tables, SOURCES, {(("rows",), "a")}, project.warehouse.lake)


def test_a_table_of_one_source_is_made_from_that_source_and_from_all_for_what_is_shared():
    found = [(one.name, source) for one, source in upstream_of(TOYS[3], "a", TOYS, SOURCES)]
    both = {(name, source) for name in ("rows", "moments") for source in SOURCES}
    assert set(found[:-1]) == both
    assert len(found) == len(both) + 1
    assert found[-1] == ("basis", None)
    assert found.index(("rows", "b")) < found.index(("moments", "b"))


def test_everything_comes_after_what_it_is_made_from(project: Project):
    tables = all_tables(project.warehouse.registry)
    last = next(one for one in tables if one.key == ("catalog",))
    found = list(upstream_of(last, None, tables, SOURCES))
    per_source = {one.key: one.per_source for one in tables}
    done: set[tuple[Key, str | None]] = set()
    for one, source in found:
        for read in one.reads:
            needed = [None] if not per_source[read] else [source] if source else SOURCES
            assert {(read, of) for of in needed} <= done
        done.add((one.key, source))
    assert {one.key for one, _ in found} == {one.key for one in tables} - {last.key}


def names(phases: list[Phase]) -> set[str]:
    return {table.name for phase in phases for table in phase.tables}


def test_of_a_recipe_only_what_it_is_made_from_is_carried_out(project: Project):
    tables = all_tables(Warehouse(project.settings).registry)
    chosen = names(Only(recipes=("random",)).phases(tables))
    assert {"corpus", "duplicates", "selections/random", "catalog"} <= chosen
    assert not any(name.startswith(("embeddings", "selections/spread", "comparison")) for name in chosen)
    assert names(Only().phases(tables)) == {table.name for table in tables if not table.on_demand}


def test_of_a_source_only_its_own_tables_are_carried_out(project: Project):
    tables = all_tables(Warehouse(project.settings).registry)
    only = Only(sources=("sums",))
    assert all(table.per_source or table.comes_last for phase in only.phases(tables) for table in phase.tables)
    assert only.of(["fruit", "sums"]) == ["sums"]
