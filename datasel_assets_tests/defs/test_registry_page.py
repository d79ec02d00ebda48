"""The page of the registry: every file, what is wrong with it, red where one cannot be used."""

from pathlib import Path

import dagster as dg
import pytest

from datasel_assets.definitions import build_defs
from datasel_assets.defs.registry_page import CHECK, REGISTRY, is_shown, registry_events
from datasel_assets.launching.launch import carry_out, code_location
from datasel_assets.settings import Settings
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import small_pool, write_yaml
from datasel_assets_tests.project import Project


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.at(small_pool(tmp_path / "data"), device="cpu")


def break_files(data: Path) -> set[str]:
    """Break one file of each kind, and one only by what another one says."""
    (data / "representations" / "broken.yaml").write_text("compress: {method: [}")
    (data / "targets" / "adding.yaml").write_text("examplez: []\n")
    (data / "recipes" / "typo.yaml").write_text("doc: '<script>alert(1)</script> *x*'\nbudgett: 3\n")
    (data / "duplicates.yaml").write_text("- a list\n")
    files = ("representations/broken", "targets/adding", "recipes/typo", "duplicates")
    return {f"{name}.yaml" for name in files} | {"recipes/toward_adding.yaml"}


def test_every_file_is_listed_and_those_that_cannot_be_used_come_first_with_what_is_wrong(settings: Settings):
    wrong = break_files(settings.data)
    shown, check = registry_events(Warehouse(settings))
    rows = [(record.data["file"], record.data["state"]) for record in shown.metadata["files"].records]
    assert {file for file, _ in rows[: len(wrong)]} == wrong
    assert all(state == "can be used" for _, state in rows[len(wrong) :])
    assert {"sources/sums.yaml", "recipes/random.yaml", "defaults.yaml"} <= {file for file, _ in rows}
    assert "budgett" in dict(rows)["recipes/typo.yaml"]
    assert not check.passed
    assert {record.data["file"] for record in check.metadata["files"].records} == wrong


def test_the_code_location_loads_all_the_same_and_its_page_names_the_files_as_text(settings: Settings):
    wrong = break_files(settings.data)
    definitions = build_defs(settings)
    dg.Definitions.validate_loadable(definitions)
    spec = definitions.resolve_asset_graph().get(REGISTRY)
    text = spec.description.replace("&#95;", "_")
    assert all(file in text for file in wrong)
    assert "5 files cannot be used" in text
    assert "<script>" not in text


def test_a_registry_without_faults_says_so(settings: Settings):
    shown, check = registry_events(Warehouse(settings))
    assert check.passed
    assert shown.metadata["files that cannot be used"].value == 0
    spec = build_defs(settings).resolve_asset_graph().get(REGISTRY)
    assert spec.description.endswith("every file could be used.")


def test_the_button_records_the_same_and_a_failed_check_is_no_failed_run(settings: Settings, instance):
    break_files(settings.data)
    assert not is_shown(instance, Warehouse(settings).registry)
    job = build_defs(settings).resolve_implicit_global_asset_job_def()
    succeeded, events = carry_out(job, instance, code_location(), keys=[REGISTRY])
    assert succeeded
    (evaluated,) = (e.asset_check_evaluation_data for e in events if e.event_type_value == "ASSET_CHECK_EVALUATION")
    assert (evaluated.check_name, evaluated.passed) == (CHECK, False)
    assert is_shown(instance, Warehouse(settings).registry)
    write_yaml(settings.data / "targets" / "more.yaml", {"examples": [{"prompt": "a", "response": "b"}]})
    assert not is_shown(instance, Warehouse(settings).registry)


def test_the_sensor_records_what_another_one_recorded_otherwise(project: Project):
    from datasel_assets_tests.defs.test_sensors import look

    first = look(project)
    assert [type(event).__name__ for event in first.asset_events] == ["AssetMaterialization", "AssetCheckEvaluation"]
    for event in first.asset_events:
        project.instance.report_runless_asset_event(event)
    assert look(project, first.cursor).asset_events == []
    broken = project.data / "recipes" / "typo.yaml"
    broken.write_text("budgett: 3\n")
    for event in registry_events(project.warehouse):  # as a run of the main job does
        project.instance.report_runless_asset_event(event)
    broken.unlink()
    assert [event.passed for event in look(project, first.cursor).asset_events[1:]] == [True]
