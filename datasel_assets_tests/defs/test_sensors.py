"""The sensor adds and refreshes sources, never takes a failed listing for an empty one; automation carries on."""

import json
from datetime import UTC, datetime

import dagster as dg
import pytest

from datasel_assets.definitions import assemble, build_defs
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets_tests.pools import add_source, rows
from datasel_assets_tests.project import Project


def look(project: Project, cursor: str | None = None, definitions: dg.Definitions | None = None) -> dg.SensorResult:
    """Evaluate the sensor once, as the daemon does every minute."""
    definitions = definitions or build_defs(project.settings)
    sensor = definitions.resolve_sensor_def("sources_sensor")
    context = dg.build_sensor_context(
        instance=project.instance,
        cursor=cursor,
        definitions=definitions,
        resources={"warehouse": WarehouseResource(data=str(project.data), device="cpu")},
    )
    found = sensor(context)
    return dg.SensorResult(skip_reason=found) if isinstance(found, dg.SkipReason) else found


def test_sources_dropped_into_the_folder_get_partitions_and_runs_in_one_tick(project: Project):
    tick = look(project)
    assert [request.partition_key for request in tick.run_requests] == ["code", "fruit", "sums"]
    assert [list(r.partition_keys) for r in tick.dynamic_partitions_requests] == [["code", "fruit", "sums"]]
    project.instance.add_dynamic_partitions("source", ["code", "fruit", "sums"])
    quiet = look(project, tick.cursor)
    assert not quiet.run_requests
    assert "none new or changed" in quiet.skip_reason.skip_message
    add_source(project.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    assert [request.partition_key for request in look(project, tick.cursor).run_requests] == ["fruit"]


def test_what_the_command_line_has_just_made_is_not_requested_again(settled: Project):
    first = look(settled)
    assert not first.run_requests
    assert json.loads(first.cursor).keys() == {"code", "fruit", "sums"}
    add_source(settled.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    assert [request.partition_key for request in look(settled, first.cursor).run_requests] == ["fruit"]
    assert [request.partition_key for request in look(settled).run_requests] == ["fruit"]


def test_a_step_with_nothing_to_do_shows_the_facts_of_the_last_computation(settled: Project):
    job = build_defs(settled.settings).resolve_job_def("refresh_source")
    again = job.execute_in_process(
        instance=settled.instance, partition_key="sums", asset_selection=[dg.AssetKey("corpus")]
    )
    shown = again.asset_materializations_for_node("corpus")[0].metadata
    assert shown["rows_new"].value == 0
    assert "nothing to do" in shown["increment"].value
    assert isinstance(shown["plot: lengths"], dg.MarkdownMetadataValue)
    assert isinstance(shown["sample"], dg.TableMetadataValue)


def test_a_missing_sources_folder_is_a_failed_listing_and_not_an_empty_pool(project: Project):
    loaded = build_defs(project.settings)
    cursor = look(project, None, loaded).cursor
    project.instance.add_dynamic_partitions("source", ["code", "fruit", "sums"])
    (project.data / "sources").rename(project.data / "gone")
    tick = look(project, cursor, loaded)
    assert not tick.run_requests
    assert "cannot be listed" in tick.skip_reason.skip_message


def test_a_source_file_that_cannot_be_read_is_not_retired(project: Project):
    cursor = look(project).cursor
    project.instance.add_dynamic_partitions("source", ["code", "fruit", "sums"])
    path = project.data / "sources" / "fruit.yaml"
    good = path.read_text()
    path.write_text("{{{")
    tick = look(project, cursor)
    assert not tick.run_requests
    path.write_text(good)
    assert not look(project, cursor).run_requests


def test_a_retired_source_asks_for_the_main_job(project: Project):
    cursor = look(project).cursor
    project.instance.add_dynamic_partitions("source", ["code", "fruit", "sums"])
    (project.data / "sources" / "fruit.yaml").unlink()
    requests = look(project, cursor).run_requests
    assert [request.job_name for request in requests] == ["main"]


def test_the_schedule_asks_for_one_main_run_a_day(project: Project):
    schedule = build_defs(project.settings).resolve_schedule_def("daily_refresh")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 2, 3, tzinfo=UTC))
    assert [request.run_key for request in schedule.evaluate_tick(context).run_requests] == ["daily:2026-01-02"]


def test_the_main_job_runs_from_the_launch_button(project: Project):
    result = build_defs(project.settings).resolve_job_def("main").execute_in_process(instance=project.instance)
    assert result.success
    assert project.warehouse.lake.info(("comparison",))
    assert len(project.instance.get_runs()) > 5


def requested(result: dg.EvaluateAutomationConditionsResult, definitions: dg.Definitions) -> set[str]:
    keys = definitions.resolve_asset_graph().materializable_asset_keys
    return {key.to_user_string() for key in keys if result.get_num_requested(key)}


@pytest.fixture
def watched(project: Project):
    """A pool that is up to date and whose automation has been evaluated once."""
    definitions, _ = assemble(project.warehouse)
    first = dg.evaluate_automation_conditions(definitions, project.instance)
    project.run()
    second = dg.evaluate_automation_conditions(definitions, project.instance, cursor=first.cursor)
    third = dg.evaluate_automation_conditions(definitions, project.instance, cursor=second.cursor)
    return project, definitions, third


def test_automation_rests_when_nothing_changed(watched):
    project, definitions, last = watched
    again = dg.evaluate_automation_conditions(definitions, project.instance, cursor=last.cursor)
    assert requested(again, definitions) == set()


def test_automation_carries_a_changed_corpus_to_what_reads_it_and_an_equal_one_nowhere(watched):
    project, definitions, last = watched
    job = definitions.resolve_job_def("refresh_source")
    corpus = [dg.AssetKey("raw_corpus"), dg.AssetKey("corpus")]
    job.execute_in_process(instance=project.instance, partition_key="sums", asset_selection=corpus)
    idle = dg.evaluate_automation_conditions(definitions, project.instance, cursor=last.cursor)
    assert requested(idle, definitions) == set()

    add_source(project.data, "sums", rows("sums", 41), licence="CC0-1.0")
    job.execute_in_process(instance=project.instance, partition_key="sums", asset_selection=corpus)
    moved = dg.evaluate_automation_conditions(definitions, project.instance, cursor=idle.cursor)
    names = requested(moved, definitions)
    assert "duplicates" in names
    assert any(name.startswith("embeddings/") for name in names)
    assert "raw_corpus" not in names


def test_a_new_source_that_cannot_be_read_does_not_stop_the_others(watched):
    project, definitions, last = watched
    project.instance.add_dynamic_partitions("source", ["broken"])
    add_source(project.data, "sums", rows("sums", 42), licence="CC0-1.0")
    corpus = [dg.AssetKey("raw_corpus"), dg.AssetKey("corpus")]
    definitions.resolve_job_def("refresh_source").execute_in_process(
        instance=project.instance, partition_key="sums", asset_selection=corpus
    )
    moved = dg.evaluate_automation_conditions(definitions, project.instance, cursor=last.cursor)
    assert "duplicates" in requested(moved, definitions)
