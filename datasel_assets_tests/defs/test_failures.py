"""A failure says once what is wrong: one red step for each cause, in one sentence; the others are skipped with it."""

from dataclasses import replace

import dagster as dg
import pytest

from datasel_assets.defs.assets import to_asset
from datasel_assets.defs.failures import SKIPPED
from datasel_assets.defs.jobs import asset_jobs
from datasel_assets.defs.main_job import run_main
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.storage.lake import Expected, MissingTableError
from datasel_assets.tables.making import in_one_sentence
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.project import Project

ABSENT = "the table answers was never made: make it first, with `datasel ask`"


def _absent(step: Step) -> Built:
    raise MissingTableError(ABSENT)


def _own(step: Step) -> Built:
    raise ValueError(f"{step.stage} cannot be met")


def _made(step: Step) -> Built:
    import polars as pl

    return Built(step.warehouse.lake.write(step.expected, pl.DataFrame({"n": [1]})), 1)


def table(name: str, build, *reads: str) -> Table:
    return Table(
        kind=Kind(name),
        key=(name,),
        description="",
        group="toys",
        reads=[(read,) for read in reads],
        expect=lambda warehouse, source: Expected((name,), "1"),
        build=build,
        checks={"fine": "it is"},
    )


TOYS = [
    *(table(name, _absent) for name in ("one", "three", "two")),
    table("other", _own),
    table("reader", _made, "two"),
    replace(table("good", _made), checks={}),
]


def definitions_of(project: Project) -> dg.Definitions:
    return dg.Definitions(
        assets=[to_asset(toy) for toy in TOYS],
        jobs=asset_jobs(TOYS),
        resources={"warehouse": WarehouseResource(data=str(project.data))},
    )


@pytest.fixture
def events(project: Project) -> list[dg.DagsterEvent]:
    job = definitions_of(project).resolve_job_def("refresh_pool")
    return job.execute_in_process(instance=project.instance, raise_on_error=False).all_events


def test_the_first_step_fails_in_one_sentence_and_those_that_would_fail_alike_are_skipped(events):
    failed = {e.step_key: e.step_failure_data.error.message for e in events if e.is_step_failure}
    assert len(failed) == 2, "one for each cause"
    first = next(iter(set(failed) & {"one", "two", "three"}))
    assert failed[first].strip().endswith(f"{first}: {ABSENT}")
    assert "other: other cannot be met" in failed["other"]
    seen = [e.asset_observation_data.asset_observation for e in events if e.event_type_value == "ASSET_OBSERVATION"]
    assert {one.asset_key.to_user_string() for one in seen} == {"one", "two", "three"} - {first}
    assert all(ABSENT in str(one.metadata[SKIPPED].value) and first in one.description for one in seen)


def test_what_reads_a_skipped_table_is_not_made_and_what_does_not_is(events):
    made = {e.asset_key.to_user_string() for e in events if e.is_step_materialization}
    assert made == {"good"}
    assert "reader" in {e.step_key for e in events if e.is_step_skipped} or any(
        "Dependencies for step reader" in (e.message or "") for e in events
    )


def test_the_main_job_counts_the_skipped_as_failed_and_says_the_cause_once(project: Project):
    outcome = run_main(definitions_of(project), TOYS, lambda: Warehouse(project.settings), project.instance)
    (failure,) = outcome.failures
    assert failure["error"].count("was never made") == 1
    assert all(name in failure["error"] for name in ("one", "two", "three"))
    assert [asset.name for asset, _ in outcome.waiting] == ["reader"]
    assert len(outcome.causes) == 1


def test_a_sentence_names_the_source_and_never_ends_in_nothing():
    assert in_one_sentence(ValueError("torn"), "corpus", "sums") == "corpus of sums: torn"
    assert in_one_sentence(MemoryError(), "corpus", None) == "corpus: MemoryError"
