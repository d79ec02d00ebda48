"""The sensor asks for the main job once for all that has changed, and takes no failed listing for an empty one."""

import json
from collections import Counter
from datetime import UTC, datetime

import dagster as dg
import pytest

from datasel_assets.definitions import build_defs
from datasel_assets.defs.main_job import failed_steps
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.launching.dead_runs import PROCESS_TAG
from datasel_assets.launching.launch import carry_out, code_location
from datasel_assets.storage.processes import this_process
from datasel_assets_tests.pools import add_source, rows, write_yaml
from datasel_assets_tests.project import Project, undrawn_pictures


def look(
    project: Project,
    cursor: str | None = None,
    definitions: dg.Definitions | None = None,
    name: str = "sources_sensor",
) -> dg.SensorResult:
    """Evaluate the sensor once, as the daemon does every minute."""
    definitions = definitions or build_defs(project.settings)
    sensor = definitions.resolve_sensor_def(name)
    context = dg.build_sensor_context(
        instance=project.instance,
        cursor=cursor,
        definitions=definitions,
        resources={"warehouse": WarehouseResource(data=str(project.data), device="cpu")},
    )
    found = sensor(context)
    return dg.SensorResult(skip_reason=found) if isinstance(found, dg.SkipReason) else found


def run_main_job(project: Project) -> list[dg.DagsterRun]:
    """Carry out the main job as a run worker does; return the runs that this added, the main one first."""
    before = {run.run_id for run in project.instance.get_runs()}
    job = build_defs(project.settings).resolve_job_def("main")
    with undrawn_pictures():
        carry_out(job, project.instance, code_location())
    return [run for run in project.instance.get_runs()[::-1] if run.run_id not in before]


def made_by(project: Project, runs: list[dg.DagsterRun]) -> Counter[tuple[str, str | None]]:
    """Count how often each table of each source was materialised by some runs."""
    events = (e.dagster_event for run in runs for e in project.instance.all_logs(run.run_id) if e.dagster_event)
    return Counter((e.asset_key.to_user_string(), e.partition) for e in events if e.is_step_materialization)


def test_sources_dropped_into_the_folder_get_partitions_and_one_run_of_the_main_job_in_one_tick(project: Project):
    tick = look(project)
    assert [request.job_name for request in tick.run_requests] in ([None], ["main"])
    assert tick.run_requests[0].tags["datasel/because"].startswith("new: code, fruit, sums")
    assert [list(r.partition_keys) for r in tick.dynamic_partitions_requests] == [["code", "fruit", "sums"]]
    project.instance.add_dynamic_partitions("source", ["code", "fruit", "sums"])
    quiet = look(project, tick.cursor)
    assert not quiet.run_requests
    assert "none new or changed" in quiet.skip_reason.skip_message
    add_source(project.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    (request,) = look(project, tick.cursor).run_requests
    assert request.tags["datasel/because"] == "changed: fruit"
    assert request.partition_key is None


def test_what_the_command_line_has_just_made_is_not_requested_again(settled: Project):
    first = look(settled)
    assert not first.run_requests
    assert "every table is current" in first.skip_reason.skip_message
    assert json.loads(first.cursor)["sources"].keys() == {"code", "fruit", "sums"}
    add_source(settled.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    settled.run()
    second = look(settled, first.cursor)
    assert not second.run_requests
    assert not look(settled, second.cursor).run_requests


def test_two_new_sources_cost_one_request_and_no_table_is_made_twice(settled: Project):
    new = ["later", "sooner"]
    cursor = look(settled).cursor
    for number, name in enumerate(new):
        add_source(settled.data, name, rows("sums", 20, start=500 + 100 * number))
    tick = look(settled, cursor)
    assert len(tick.run_requests) == 1
    runs = run_main_job(settled)
    assert [run.job_name for run in runs].count("main") == 1
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    made = made_by(settled, runs)
    assert set(made.values()) == {1}
    corpora = {source for table, source in made if table == "corpus"}
    assert corpora == set(new), "what a new source does not touch is left alone"
    decided = settled.warehouse.lake.scan(("decisions", "random")).collect()
    assert set(new) <= set(decided["source"])
    assert not look(settled, tick.cursor).run_requests


def test_a_deleted_source_costs_one_request_and_its_partition_goes_with_it(settled: Project):
    cursor = look(settled).cursor
    (settled.data / "sources" / "fruit.yaml").unlink()
    tick = look(settled, cursor)
    assert [request.tags["datasel/because"] for request in tick.run_requests] == ["gone: fruit"]
    runs = run_main_job(settled)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    made = made_by(settled, runs)
    assert set(made.values()) == {1}
    assert "fruit" not in {source for _, source in made}
    assert set(settled.instance.get_dynamic_partitions("source")) == {"code", "sums"}
    assert not look(settled, tick.cursor).run_requests


def test_a_source_that_comes_back_is_asked_for_again(settled: Project):
    path = settled.data / "sources" / "fruit.yaml"
    text = path.read_text()
    cursor = look(settled).cursor
    path.unlink()
    gone = look(settled, cursor)
    settled.run()
    path.write_text(text)
    back = look(settled, gone.cursor)
    assert [len(tick.run_requests) for tick in (gone, back)] == [1, 1]
    # Dagster never launches a run key twice, and a source may come and go any number of times.
    assert all(request.run_key is None for tick in (gone, back) for request in tick.run_requests)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_a_change_waits_for_the_end_of_a_run_that_is_queued_or_under_way_and_is_not_forgotten(
    project: Project, status: dg.DagsterRunStatus
):
    job = build_defs(project.settings).resolve_job_def("main")
    run = project.instance.create_run_for_job(
        job, status=status, remote_job_origin=code_location().get_job_origin("main"), tags={PROCESS_TAG: this_process()}
    )
    waiting = look(project, cursor := None)
    assert not waiting.run_requests
    assert "is queued or under way" in waiting.skip_reason.skip_message
    assert waiting.cursor == cursor
    project.instance.report_run_failed(run)
    assert len(look(project, waiting.cursor).run_requests) == 1


def test_a_run_whose_process_is_gone_keeps_nobody_waiting(project: Project):
    job = build_defs(project.settings).resolve_job_def("main")
    gone = f"{this_process().split('/')[0]}/999999999/1"
    run = project.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=code_location().get_job_origin("main"),
        tags={PROCESS_TAG: gone},
    )
    assert len(look(project).run_requests) == 1
    assert project.instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_launched_step_of_a_source_whose_file_is_gone_says_so(settled: Project):
    (settled.data / "sources" / "fruit.yaml").unlink()
    definitions = build_defs(settled.settings)
    job = definitions.resolve_job_def("refresh_source")
    corpus = [dg.AssetKey("corpus")]
    _, events = carry_out(job, settled.instance, code_location(), source="fruit", keys=corpus)
    assert "fruit.yaml is not there any more" in failed_steps(events)["corpus"]


def test_a_reloaded_recipe_is_run_and_one_that_is_only_written_is_not(settled: Project):
    loaded = build_defs(settled.settings)
    cursor = look(settled, None, loaded).cursor
    recipe = {"select": {"sampler": "random"}, "budget": {"rows": 3}, "paper": "baseline"}
    write_yaml(settled.data / "recipes" / "small.yaml", recipe)
    written = look(settled, cursor, loaded)
    assert not written.run_requests
    reloaded = look(settled, written.cursor)
    assert [r.tags["datasel/because"] for r in reloaded.run_requests] == ["other registry files were loaded"]


def test_an_equal_file_asks_for_nothing_downstream_and_a_broken_new_source_does_not_stop_the_others(settled: Project):
    cursor = look(settled).cursor
    add_source(settled.data, "fruit", rows("fruit", 40)[::-1], licence="CC0-1.0")
    assert len(look(settled, cursor).run_requests) == 1
    before = len(settled.warehouse.lake.runs())
    run_main_job(settled)
    assert {run["stage"] for run in settled.warehouse.lake.runs()[before:]} == {"raw_corpus", "corpus", "catalog"}

    add_source(settled.data, "broken", [{"instruction": "no answer", "output": None}] * 9)
    add_source(settled.data, "fruit", rows("fruit", 42), licence="CC0-1.0")
    runs = run_main_job(settled)
    made = made_by(settled, runs)
    assert ("duplicates", None) in made
    assert any(name.startswith("embeddings/") for name, source in made if source == "fruit")
    failed = [run for run in runs if run.status == dg.DagsterRunStatus.FAILURE]
    assert {(run.job_name, run.tags.get("dagster/partition")) for run in failed} == {
        ("main", None),
        ("refresh_source", "broken"),
    }


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


def test_the_schedule_asks_for_one_main_run_a_day(project: Project):
    schedule = build_defs(project.settings).resolve_schedule_def("daily_refresh")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 2, 3, tzinfo=UTC))
    assert [request.run_key for request in schedule.evaluate_tick(context).run_requests] == ["daily:2026-01-02"]


def test_the_main_job_runs_from_the_launch_button(project: Project):
    result = build_defs(project.settings).resolve_job_def("main").execute_in_process(instance=project.instance)
    assert result.success
    assert project.warehouse.lake.info(("comparison",))
    assert len(project.instance.get_runs()) > 5


def test_a_table_that_somebody_makes_by_hand_is_in_the_catalog_a_minute_later(settled: Project):
    definitions = build_defs(settled.settings)
    recipe = {"select": {"sampler": "random"}, "budget": {"rows": 7}, "paper": "baseline"}
    write_yaml(settled.data / "recipes" / "random.yaml", recipe)
    assert "no run has ended" in look(settled, None, definitions, "catalog_sensor").skip_reason.skip_message
    by_hand = build_defs(settled.settings).resolve_job_def("refresh_pool")
    with undrawn_pictures():
        carry_out(by_hand, settled.instance, code_location(), keys=[dg.AssetKey(["selections", "random"])])
    tick = look(settled, None, definitions, "catalog_sensor")
    (request,) = tick.run_requests
    assert request.tags["datasel/because"].endswith("of refresh_pool")
    assert not look(settled, tick.cursor, definitions, "catalog_sensor").run_requests, "asked for once"
    succeeded, _ = carry_out(definitions.resolve_job_def("refresh_catalog"), settled.instance, code_location())
    assert succeeded
    after = look(settled, tick.cursor, definitions, "catalog_sensor")
    assert "is current" in after.skip_reason.skip_message
    assert not look(settled, after.cursor, definitions, "catalog_sensor").run_requests


def test_a_catalog_that_cannot_be_made_is_not_asked_for_for_ever(settled: Project):
    definitions = build_defs(settled.settings)
    (settled.settings.warehouse / "datasel.duckdb").unlink()
    job = definitions.resolve_job_def("refresh_catalog")
    run = settled.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    settled.instance.report_run_failed(run)
    tick = look(settled, None, definitions, "catalog_sensor")
    assert not tick.run_requests
    assert "failed" in tick.skip_reason.skip_message


def test_the_catalog_waits_for_a_main_job_which_makes_it_itself(settled: Project):
    definitions = build_defs(settled.settings)
    (settled.settings.warehouse / "datasel.duckdb").unlink()
    for name, status in (("refresh_pool", dg.DagsterRunStatus.SUCCESS), ("main", dg.DagsterRunStatus.STARTED)):
        settled.instance.create_run_for_job(
            definitions.resolve_job_def(name), status=status, tags={PROCESS_TAG: this_process()}
        )
    tick = look(settled, "before", definitions, "catalog_sensor")
    assert not tick.run_requests
    assert tick.cursor in (None, "before"), "it is looked at again when that is over"
