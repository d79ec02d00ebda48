"""The main job on a real instance: everything once, then nothing; only what changed after that."""

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster import DagsterEventType

from datasel_assets.costs.plan import compare
from datasel_assets.defs.assets import to_asset
from datasel_assets.defs.jobs import asset_jobs
from datasel_assets.defs.main_job import run_main
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.settings import Settings
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.costs.kept import kept_plan
from datasel_assets.tables.selections.comparison import report_path
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import ENCODER, add_source, rows, write_yaml
from datasel_assets_tests.project import FirstRun, Project

ENCODER_SLUG = EncoderSpec.model_validate(ENCODER).slug


def stages(runs: list[dict]) -> set[str]:
    return {run["stage"] for run in runs}


def test_the_main_job_makes_every_table_and_then_finds_nothing_to_do(
    first_run: FirstRun, settled: Project, monkeypatch
):
    assert first_run.outcome.failures == []
    lake = settled.warehouse.lake
    for recipe, size in {"random": 12, "longest": 12, "toward_adding": 12, "spread": 9}.items():
        selected = lake.scan(("selections", recipe)).collect()
        decisions = lake.scan(("decisions", recipe)).collect()
        assert selected.height == size
        assert decisions.height == 120
        assert decisions["kept"].sum() == size
    assert (settled.settings.warehouse / "datasel.duckdb").is_file()
    assert stages(first_run.runs) >= {"corpus", "duplicates", "comparison", "catalog", "clusters/white"}

    # A model that must not be loaded: loading it would fail.
    monkeypatch.setattr(
        "datasel_assets.tables.vectors.embeddings.load_encoder", lambda *a: pytest.fail("a model was loaded")
    )
    outcome, runs = settled.run()
    assert outcome.runs == []
    assert runs == []


def test_what_every_step_took_stands_beside_what_was_expected_of_it(first_run: FirstRun, finished: Path):
    lake = Warehouse(Settings.at(finished, device="cpu")).lake
    (name,) = {run["plan"] for run in first_run.runs}
    plan = kept_plan(lake, name)
    assert plan is not None
    assert {(line.stage, line.source) for line in plan.lines} == {(r["stage"], r["source"]) for r in first_run.runs}
    compared = compare(plan, first_run.runs)
    assert compared[-1].steps == len(first_run.runs)
    made = [event.event_specific_data.materialization for event in first_run.events if event.is_step_materialization]
    shown = {m.asset_key.to_user_string(): m.metadata for m in made}
    planned = next(line for line in plan.lines if (line.stage, line.source) == ("duplicates", None))
    cells = {r.data["figure"]: r.data for r in shown["duplicates"]["expected and taken"].records}
    assert cells["bytes written"]["expected"] == pytest.approx(planned.bytes_written, rel=1e-4)
    assert cells["CPU seconds"]["expected"] == pytest.approx(planned.cpu_seconds, rel=1e-4)
    assert cells["bytes written"]["taken"] > 0


def test_selection_toward_a_target_prefers_its_topic(settled: Project):
    """A third of the pool is about sums; the uniform arm keeps that share, the target-aware one does not."""
    selected = settled.warehouse.lake.scan(("selections", "toward_adding")).collect()
    assert (selected["source"] == "sums").sum() >= 7
    assert selected["selected_for"].null_count() == 0


def test_appended_rows_and_only_they_reach_the_encoder(settled: Project):
    add_source(settled.data, "sums", rows("sums", 47), licence="CC0-1.0")
    outcome, runs = settled.run()
    assert outcome.failures == []
    encoded = [run for run in runs if run["stage"].startswith("embeddings/")]
    assert [(run["source"], run["rows_new"], run["rows_reused"]) for run in encoded] == [("sums", 7, 40)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_of_5500_rows_the_500_appended_ones_are_encoded(project: Project):
    add_source(project.data, "sums", rows("sums", 5000), licence="CC0-1.0")
    project.run()
    add_source(project.data, "sums", rows("sums", 5500), licence="CC0-1.0")
    outcome, runs = project.run()
    assert outcome.failures == []
    encoded = [run for run in runs if run["stage"].startswith("embeddings/")]
    assert [(run["source"], run["rows_new"], run["rows_reused"]) for run in encoded] == [("sums", 500, 5000)]


def test_deleted_rows_leave_every_table(settled: Project):
    add_source(settled.data, "fruit", rows("fruit", 25), licence="CC0-1.0")
    outcome, runs = settled.run()
    assert outcome.failures == []
    removed = {run["stage"]: run["rows_removed"] for run in runs if run["source"] == "fruit"}
    slug = next(stage for stage in removed if stage.startswith("embeddings/"))
    assert removed["corpus"] == removed[slug] == 15
    ids = set(settled.warehouse.lake.scan(("corpus", "fruit")).select("row_id").collect()["row_id"])
    for key in settled.warehouse.lake.tables():
        if key[-1] == "fruit" and key[0] in {"embeddings", "representations", "clusters"}:
            assert set(settled.warehouse.lake.scan(key).select("row_id").collect()["row_id"]) == ids
    decisions = settled.warehouse.lake.scan(("decisions", "random")).collect()
    assert decisions.height == 105


def test_reordered_rows_cost_no_encoding(settled: Project):
    add_source(settled.data, "sums", rows("sums", 40)[::-1], licence="CC0-1.0")
    outcome, runs = settled.run()
    assert outcome.failures == []
    assert {r["stage"] for r in runs} == {"raw_corpus", "corpus", "catalog"}


def test_a_changed_representation_recomputes_itself_and_what_reads_it(settled: Project):
    write_yaml(
        settled.data / "representations" / "white.yaml",
        {"encoder": ENCODER, "compress": {"method": "whiten", "dims": 6}, "clusters": {"k": 4}},
    )
    outcome, runs = settled.run()
    assert outcome.failures == []
    assert stages(runs) == {
        "representation_moments/white",
        "representation_basis/white",
        "representations/white",
        "fidelity/white",
        "redundancy/white",
        "redundancy_comparison",
        "cluster_models/white",
        "clusters/white",
        "semantic_duplicates",
        "scores/neighbours",
        "blend/rich",
        "selections/richest",
        "selections/toward_adding",
        "comparison",
        "catalog",
    }


def test_a_changed_recipe_recomputes_one_selection(settled: Project):
    write_yaml(
        settled.data / "recipes" / "random.yaml",
        {"doc": "random", "paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 7}},
    )
    outcome, runs = settled.run()
    assert outcome.failures == []
    assert stages(runs) == {"selections/random", "comparison", "catalog"}
    assert settled.warehouse.lake.scan(("selections", "random")).collect().height == 7


def test_another_encoder_setting_is_refused_by_readers_and_then_recomputed(settled: Project):
    from datasel_assets.storage.lake import StaleTableError
    from datasel_assets.tables.vectors.embeddings import encoder_fingerprint

    before = settled.warehouse.registry.representations["white"].encoder
    changed = before.model_copy(update={"precision": "bfloat16"})
    key = next(k for k in settled.warehouse.lake.tables("embeddings") if k[-1] == "sums")
    with pytest.raises(StaleTableError, match="materialise"):
        settled.warehouse.lake.scan(key, encoder_fingerprint(settled.warehouse, changed))
    for name in ("white", "rds_plus"):
        path = settled.data / "representations" / f"{name}.yaml"
        path.write_text(path.read_text().replace("float32", "bfloat16"))
    outcome, runs = settled.run()
    assert outcome.failures == []
    encoded = [run for run in runs if run["stage"].startswith("embeddings/")]
    assert sum(run["rows_new"] for run in encoded) == 120


def test_too_many_bad_rows_fail_the_source_replace_nothing_and_spare_the_others(settled: Project):
    old = settled.warehouse.lake.path(("corpus", "sums")).read_bytes()
    add_source(settled.data, "sums", [{"instruction": "no answer", "output": None}] * 30 + rows("sums", 40))
    add_source(settled.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    outcome, runs = settled.run()
    assert [f["source"] for f in outcome.failures] == ["sums"]
    assert "30 of 70 rows (42.9%)" in outcome.failures[0]["error"]
    assert "max_quarantined_share" in outcome.failures[0]["error"]
    assert settled.warehouse.lake.path(("corpus", "sums")).read_bytes() == old
    assert ("corpus", "fruit") in {(r["stage"], r["source"]) for r in runs}
    assert "catalog" in stages(runs)


def test_a_retired_source_leaves_the_pool_and_comes_back_without_work_for_the_model(settled: Project):
    path = settled.data / "sources" / "fruit.yaml"
    text = path.read_text()
    path.unlink()
    outcome, runs = settled.run()
    assert outcome.failures == []
    decisions = settled.warehouse.lake.scan(("decisions", "random")).collect()
    assert set(decisions["source"]) == {"sums", "code"}
    assert settled.warehouse.lake.path(("corpus", "fruit")).is_file()
    path.write_text(text)
    outcome, runs = settled.run()
    assert not any(stage.startswith("embeddings/") for stage in stages(runs))
    assert settled.warehouse.lake.scan(("decisions", "random")).collect().height == 120


def test_a_source_file_with_a_typo_keeps_its_rows_in_the_pool(settled: Project):
    path = settled.data / "sources" / "fruit.yaml"
    path.write_text("urii: files/fruit.jsonl\n")
    outcome, _ = settled.run()
    assert outcome.runs == []
    assert "did you mean" in settled.warehouse.registry.errors["sources/fruit.yaml"]
    assert settled.warehouse.active_sources() == ["code", "fruit", "sums"]


def test_a_recipe_that_cannot_be_met_fails_alone(settled: Project):
    write_yaml(
        settled.data / "recipes" / "greedy.yaml",
        {
            "doc": "impossible",
            "paper": "baseline",
            "select": {"sampler": "random"},
            "budget": {"rows": 10, "per_source": {"sums": {"min_rows": 11}}},
        },
    )
    outcome, _ = settled.run()
    assert ["selections/greedy" in failure["error"] for failure in outcome.failures] == [True]
    write_yaml(
        settled.data / "recipes" / "small.yaml",
        {"doc": "small", "paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 3}},
    )
    _, runs = settled.run()
    assert stages(runs) == {"selections/small", "comparison", "catalog"}


def test_files_that_name_what_is_not_there_stop_only_what_needs_it(settled: Project):
    write_yaml(settled.data / "tags" / "absent.yaml", {"model": {"model": "models/no_such_tagger"}})
    write_yaml(settled.data / "targets" / "gone.yaml", {"uri": "files/no_such_file.jsonl"})
    recipe = {"paper": "baseline", "budget": {"rows": 3}}
    write_yaml(settled.data / "recipes" / "small.yaml", {**recipe, "select": {"sampler": "random"}})
    toward = {"sampler": "round_robin", "representation": "white", "target": "gone"}
    write_yaml(settled.data / "recipes" / "toward_gone.yaml", {**recipe, "select": toward})
    outcome, runs = settled.run()
    failed = {(name, failure["source"]) for failure in outcome.failures for name in failure["assets"]}
    assert failed == {*(("tag_candidates/absent", s) for s in ("code", "fruit", "sums")), ("targets/gone", None)}
    assert any("no_such_tagger" in failure["error"] for failure in outcome.failures)
    assert any("no_such_file.jsonl" in failure["error"] for failure in outcome.failures)
    assert stages(runs) == {"selections/small", "comparison", "catalog"}
    waiting = {asset.name for asset, _ in outcome.waiting}
    assert {"tag_vocabulary/absent", "tags/absent", "selections/toward_gone"} <= waiting
    assert not waiting & {"selections/small", "comparison", "catalog", "duplicates"}
    again, runs = settled.run()
    assert [run["error"] for run in again.runs] == [failure["error"] for failure in outcome.failures]
    assert runs == []


def test_rows_of_an_evaluation_that_was_never_read_may_be_in_the_pool_so_nothing_is_released(settled: Project):
    write_yaml(settled.data / "evaluations" / "exam.yaml", {"uri": "files/no_such_file.jsonl", "embedding": False})
    outcome, runs = settled.run()
    assert [failure["assets"] for failure in outcome.failures] == [["evaluations/exam"]]
    waiting = {asset.name for asset, _ in outcome.waiting}
    assert {"contamination", *(f"selections/{name}" for name in settled.warehouse.registry.recipes)} <= waiting
    assert stages(runs) <= {"comparison", "catalog"}


def test_a_failure_says_what_the_step_raised_and_not_the_cause_behind_it(project: Project):
    def fail(step: Step) -> Built:
        try:
            raise OSError("name or service not known")
        except OSError as error:
            raise ValueError("models/x is not a folder: download it first") from error

    toy = Table(
        kind=Kind("toy"),
        key=("toy",),
        description="",
        group="toys",
        expect=lambda warehouse, source: Expected(("toy",), "1"),
        build=fail,
    )
    partitioned = replace(toy, kind=Kind("other_toy", per="source"), key=("other_toy",))
    assets = [toy, partitioned]
    definitions = dg.Definitions(
        assets=[to_asset(asset) for asset in assets],
        jobs=asset_jobs(assets),
        resources={"warehouse": WarehouseResource(data=str(project.data))},
    )
    outcome = run_main(definitions, assets, lambda: project.warehouse, project.instance)
    (*_, failure) = outcome.failures
    assert "download it first" in failure["error"]
    assert "service not known" not in failure["error"]
    assert len(outcome.failures) == 4, "one for the pool, one for each source"


def test_a_selection_with_rows_that_have_left_the_pool_is_left_out_of_the_comparison(settled: Project):
    lake = settled.warehouse.lake
    info = lake.require(("selections", "spread"))
    rows = lake.scan(info.key).collect().with_columns(pl.col("row_id").replace_strict({}, default="gone"))
    lake.write(Expected(info.key, info.fingerprint, info.inputs), rows, data_version="old", meta=info.meta)
    built = settled.refresh(lambda asset: asset.key == ("comparison",))["comparison", None]
    assert built.metadata["left_out"] == "spread"
    assert set(lake.scan(("comparison",)).collect()["recipe"]) == {"random", "longest", "richest", "toward_adding"}
    assert "left out, not selected from the pool as it is now" in report_path(settled.warehouse).read_text("utf-8")


def test_every_materialisation_shows_its_rows_and_every_check_passes(first_run: FirstRun):
    events = first_run.events
    shown = [e.step_materialization_data.materialization for e in events if e.is_step_materialization]
    assert len(shown) > 30
    for materialization in shown:
        assert {"rows_total", "rows_new", "rows_reused", "rows_removed", "path"} <= set(materialization.metadata)
    checks = [e.event_specific_data for e in events if e.event_type == DagsterEventType.ASSET_CHECK_EVALUATION]
    assert len(checks) > 30
    assert all(check.passed for check in checks)


def test_a_decision_says_why_in_words(settled: Project):
    add_source(settled.data, "fruit", rows("fruit", 40) + rows("fruit", 2), licence="CC0-1.0")
    settled.run()
    decisions = settled.warehouse.lake.scan(("decisions", "toward_adding")).collect()
    dropped = decisions.filter(pl.col("stage") == "duplicate")
    assert dropped.height == 2
    assert dropped["duplicate_of"].null_count() == 0
    assert decisions["reason"].null_count() == 0
    manifest = next((settled.settings.releases / "toward_adding").glob("*/manifest.json"))
    assert json.loads(manifest.read_text())["recipe"]
