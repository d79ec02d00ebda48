"""The main job on a real instance: everything once, then nothing; only what changed after that."""

import json
import shutil

import polars as pl
import pytest
from dagster import DagsterEventType

from datasel_assets.defs.main_job import phases, stale
from datasel_assets.definitions import assemble
from datasel_assets.defs.prune import prune
from datasel_assets_tests.defs.conftest import Project
from datasel_assets_tests.pools import ENCODER, add_source, rows, write_yaml


def stages(runs: list[dict]) -> set[str]:
    return {run["stage"] for run in runs}


def test_the_main_job_makes_every_table_and_then_finds_nothing_to_do(project: Project, monkeypatch):
    outcome, runs = project.run()
    assert outcome.failures == []
    lake = project.warehouse.lake
    for recipe, size in {"random": 12, "longest": 12, "toward_adding": 12, "spread": 9}.items():
        selected = lake.scan(("selections", recipe)).collect()
        decisions = lake.scan(("decisions", recipe)).collect()
        assert selected.height == size
        assert decisions.height == 120
        assert decisions["kept"].sum() == size
    assert (project.settings.warehouse / "datasel.duckdb").is_file()
    assert {r["stage"] for r in runs} >= {"corpus", "duplicates", "comparison", "catalog", "clusters/white"}

    # A model that must not be loaded: loading it would fail.
    monkeypatch.setattr("datasel_assets.defs.embeddings.load_encoder", lambda *a: pytest.fail("a model was loaded"))
    outcome, runs = project.run()
    assert outcome.runs == []
    assert runs == []


def test_selection_toward_a_target_finds_its_topic(project: Project):
    project.run()
    selected = project.warehouse.lake.scan(("selections", "toward_adding")).collect()
    share = (selected["source"] == "sums").mean()
    assert share == 1.0


def test_appended_rows_and_only_they_reach_the_encoder(project: Project):
    add_source(project.data, "sums", rows("sums", 5000), licence="CC0-1.0")
    project.run()
    add_source(project.data, "sums", rows("sums", 5500), licence="CC0-1.0")
    outcome, runs = project.run()
    assert outcome.failures == []
    encoded = [run for run in runs if run["stage"].startswith("embeddings/")]
    assert [(run["source"], run["rows_new"], run["rows_reused"]) for run in encoded] == [("sums", 500, 5000)]


def test_deleted_rows_leave_every_table(project: Project):
    project.run()
    add_source(project.data, "fruit", rows("fruit", 25), licence="CC0-1.0")
    outcome, runs = project.run()
    assert outcome.failures == []
    removed = {run["stage"]: run["rows_removed"] for run in runs if run["source"] == "fruit"}
    slug = next(stage for stage in removed if stage.startswith("embeddings/"))
    assert removed["corpus"] == removed[slug] == 15
    ids = set(project.warehouse.lake.scan(("corpus", "fruit")).select("row_id").collect()["row_id"])
    for key in project.warehouse.lake.tables():
        if key[-1] == "fruit" and key[0] in {"embeddings", "representations", "clusters"}:
            assert set(project.warehouse.lake.scan(key).select("row_id").collect()["row_id"]) == ids
    decisions = project.warehouse.lake.scan(("decisions", "random")).collect()
    assert decisions.height == 105


def test_reordered_rows_cost_no_encoding(project: Project):
    project.run()
    add_source(project.data, "sums", rows("sums", 40)[::-1], licence="CC0-1.0")
    outcome, runs = project.run()
    assert outcome.failures == []
    assert {r["stage"] for r in runs} == {"raw_corpus", "corpus"}


def test_a_changed_representation_recomputes_itself_and_what_reads_it(project: Project):
    project.run()
    write_yaml(
        project.data / "representations" / "white.yaml",
        {"encoder": ENCODER, "compress": {"method": "whiten", "dims": 6}, "clusters": {"k": 4}},
    )
    outcome, runs = project.run()
    assert outcome.failures == []
    assert stages(runs) == {
        "representation_moments/white",
        "representation_basis/white",
        "representations/white",
        "fidelity/white",
        "cluster_models/white",
        "clusters/white",
        "selections/toward_adding",
        "comparison",
        "catalog",
    }


def test_a_changed_recipe_recomputes_one_selection(project: Project):
    project.run()
    write_yaml(
        project.data / "recipes" / "random.yaml",
        {"doc": "random", "paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 7}},
    )
    outcome, runs = project.run()
    assert outcome.failures == []
    assert stages(runs) == {"selections/random", "comparison", "catalog"}
    assert project.warehouse.lake.scan(("selections", "random")).collect().height == 7


def test_another_encoder_setting_is_refused_by_readers_and_then_recomputed(project: Project):
    from datasel_assets.defs.embeddings import encoder_fingerprint
    from datasel_assets.storage.lake import StaleTableError

    project.run()
    before = project.warehouse.registry.representations["white"].encoder
    changed = before.model_copy(update={"precision": "bfloat16"})
    key = next(k for k in project.warehouse.lake.tables("embeddings") if k[-1] == "sums")
    with pytest.raises(StaleTableError, match="materialise"):
        project.warehouse.lake.scan(key, encoder_fingerprint(changed))
    for name in ("white", "rds_plus"):
        path = project.data / "representations" / f"{name}.yaml"
        path.write_text(path.read_text().replace("float32", "bfloat16"))
    outcome, runs = project.run()
    assert outcome.failures == []
    encoded = [run for run in runs if run["stage"].startswith("embeddings/")]
    assert sum(run["rows_new"] for run in encoded) == 120


def test_too_many_bad_rows_fail_the_source_replace_nothing_and_spare_the_others(project: Project):
    project.run()
    old = project.warehouse.lake.path(("corpus", "sums")).read_bytes()
    add_source(project.data, "sums", [{"instruction": "no answer", "output": None}] * 30 + rows("sums", 40))
    add_source(project.data, "fruit", rows("fruit", 41), licence="CC0-1.0")
    outcome, runs = project.run()
    assert [f["source"] for f in outcome.failures] == ["sums"]
    assert "30 of 70 rows (42.9%)" in outcome.failures[0]["error"]
    assert "max_quarantined_share" in outcome.failures[0]["error"]
    assert project.warehouse.lake.path(("corpus", "sums")).read_bytes() == old
    assert ("corpus", "fruit") in {(r["stage"], r["source"]) for r in runs}
    assert "catalog" in stages(runs)


def test_a_retired_source_leaves_the_pool_and_comes_back_without_work_for_the_model(project: Project):
    project.run()
    path = project.data / "sources" / "fruit.yaml"
    text = path.read_text()
    path.unlink()
    outcome, runs = project.run()
    assert outcome.failures == []
    decisions = project.warehouse.lake.scan(("decisions", "random")).collect()
    assert set(decisions["source"]) == {"sums", "code"}
    assert project.warehouse.lake.path(("corpus", "fruit")).is_file()
    path.write_text(text)
    outcome, runs = project.run()
    assert not any(stage.startswith("embeddings/") for stage in stages(runs))
    assert project.warehouse.lake.scan(("decisions", "random")).collect().height == 120


def test_prune_deletes_retired_tables_and_nothing_else(project: Project):
    project.run()
    (project.data / "sources" / "fruit.yaml").unlink()
    (project.data / "recipes" / "spread.yaml").unlink()
    project.run()
    _, assets = assemble(project.warehouse)
    planned = prune(project.settings, assets, project.instance, dry_run=True)
    before = set(project.warehouse.lake.tables())
    assert prune(project.settings, assets, project.instance, dry_run=False) == planned
    after = set(project.warehouse.lake.tables())
    assert {"/".join(key) for key in before - after} == set(planned)
    assert all(key[-1] in {"fruit", "spread"} for key in before - after)
    assert ("quarantine", "fruit") in before - after
    assert ("decisions", "spread") in before - after
    assert project.instance.get_dynamic_partitions("source") == ["code", "sums"]
    assert project.run()[0].runs == []
    assert list((project.settings.releases / "spread").iterdir())


def test_a_source_file_with_a_typo_keeps_its_rows_in_the_pool(project: Project):
    project.run()
    path = project.data / "sources" / "fruit.yaml"
    path.write_text("urii: files/fruit.jsonl\n")
    outcome, runs = project.run()
    assert outcome.runs == []
    assert "did you mean" in project.warehouse.registry.errors["sources/fruit.yaml"]
    assert project.warehouse.active_sources() == ["code", "fruit", "sums"]


def test_a_recipe_that_cannot_be_met_fails_alone(project: Project):
    write_yaml(
        project.data / "recipes" / "greedy.yaml",
        {
            "doc": "impossible",
            "paper": "baseline",
            "select": {"sampler": "random"},
            "budget": {"rows": 10, "per_source": {"sums": {"min_rows": 11}}},
        },
    )
    outcome, runs = project.run()
    assert [f["assets"] for f in outcome.failures if "selections/greedy" in f["error"]]
    assert {"selections/random", "comparison", "catalog"} <= stages(runs)


def test_phases_alternate_and_respect_every_dependency(project: Project):
    _, assets = assemble(project.warehouse)
    done: set = set()
    found = phases(assets)
    assert [phase.partitioned for phase in found] == [i % 2 == 0 for i in range(len(found))]
    for phase in found:
        for asset in phase.assets:
            assert set(asset.deps) <= done
            done.add(asset.key)
    assert len(done) == len(assets)


def test_what_reads_a_stale_table_is_stale_too(project: Project):
    project.run()
    _, assets = assemble(project.warehouse)
    project.warehouse.lake.delete(("corpus", "sums"))
    names = {asset.name for asset in stale(phases(assets)[0], project.warehouse, "sums")}
    assert {"corpus", "representation_moments/white"} <= names


def test_every_materialisation_shows_its_rows_and_every_check_passes(project: Project):
    project.run()
    records = project.instance.get_event_records(
        __import__("dagster").EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION)
    )
    shown = [record.asset_materialization for record in records]
    assert len(shown) > 30
    for materialization in shown:
        assert {"rows_total", "rows_new", "rows_reused", "rows_removed", "path"} <= set(materialization.metadata)
    checks = [
        event.event_specific_data
        for run in project.instance.get_runs()
        for event in (e.dagster_event for e in project.instance.all_logs(run.run_id))
        if event and event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert len(checks) > 30
    assert all(check.passed for check in checks)


def test_the_same_inputs_give_the_same_bytes_in_another_folder(project: Project, tmp_path, instance):
    project.run()
    shutil.copytree(project.data, tmp_path / "again", ignore=shutil.ignore_patterns("warehouse", "releases"))
    other = Project(tmp_path / "again", instance)
    other.run()
    keys = [k for k in project.warehouse.lake.tables() if k[0] not in {"raw_corpus", "catalog"}]
    for key in keys:
        one, two = project.warehouse.lake.info(key), other.warehouse.lake.info(key)
        assert one is not None
        assert two is not None
        assert one.path.read_bytes() == two.path.read_bytes(), key
    released = sorted(p.relative_to(project.settings.releases) for p in project.settings.releases.rglob("train.*"))
    assert len(released) >= 8
    for path in released:
        assert (project.settings.releases / path).read_bytes() == (other.settings.releases / path).read_bytes()


def test_a_decision_says_why_in_words(project: Project):
    add_source(project.data, "fruit", rows("fruit", 40) + rows("fruit", 2), licence="CC0-1.0")
    project.run()
    decisions = project.warehouse.lake.scan(("decisions", "toward_adding")).collect()
    dropped = decisions.filter(pl.col("stage") == "duplicate")
    assert dropped.height == 2
    assert dropped["duplicate_of"].null_count() == 0
    assert decisions["reason"].null_count() == 0
    manifest = next((project.settings.releases / "toward_adding").glob("*/manifest.json"))
    assert json.loads(manifest.read_text())["recipe"]
