"""Two versions of one recipe side by side: in the comparison, on its page, in the lake, on the command line."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from datasel_assets.cli import main
from datasel_assets.definitions import assemble
from datasel_assets.diagnostics.overlap import jaccard
from datasel_assets.diagnostics.profile import profile
from datasel_assets.storage.release import list_releases
from datasel_assets.tables.pruning import prune
from datasel_assets.tables.selections.comparison import OBSERVED, report_path
from datasel_assets.tables.selections.release_versions import compare_versions, two_versions
from datasel_assets_tests.pools import add_source, rows, write_yaml
from datasel_assets_tests.project import Project, changed_copy, copy_of


def edit(data: Path, recipe: str, **changes) -> None:
    path = data / "recipes" / f"{recipe}.yaml"
    write_yaml(path, yaml.safe_load(path.read_text("utf-8")) | changes)


@pytest.fixture(scope="module")
def twice(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool over which the recipe `longest` has been released with a budget of 12 and then of 20 rows."""
    return changed_copy(
        finished, tmp_path_factory.mktemp("twice"), lambda data: edit(data, "longest", budget={"rows": 20})
    )


@pytest.fixture
def again(twice: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    return copy_of(twice, tmp_path, instance)


def versions(project: Project) -> pl.DataFrame:
    return project.warehouse.lake.scan(("versions",)).collect()


def test_before_anything_has_changed_there_is_nothing_to_hold_side_by_side(settled: Project):
    assert versions(settled).is_empty()
    with pytest.raises(ValueError, match="longest has one version only"):
        two_versions(settled.warehouse, "longest")


def test_the_earlier_and_the_present_version_stand_side_by_side(again: Project):
    old, new = list_releases(again.settings.releases, "longest")
    table = versions(again)
    assert table.select("recipe", "version").rows() == [("longest", old.version), ("longest", new.version)]
    ids = [pl.read_parquet(release.path / "train.parquet")["row_id"].to_list() for release in (old, new)]
    before, now = table.to_dicts()
    assert (before["rows"], now["rows"], now["entered"], now["left"]) == (12, 20, 8, 0)
    assert now["overlap"] == pytest.approx(jaccard(*ids)) == pytest.approx(12 / 20)
    assert now["differs"] == "recipe: budget"
    # Longer responses were taken first, so eight more rows lower the mean.
    lengths = [profile(pl.read_parquet(r.path / "train.parquet")["n_response_tokens"].to_numpy()) for r in (old, new)]
    assert [row["mean_response_tokens"] for row in (before, now)] == pytest.approx([found.mean for found in lengths])
    assert before["mean_response_tokens"] > now["mean_response_tokens"]
    # Rows added to a subset can only bring the pool nearer.
    assert before["facility_location"] < now["facility_location"]
    assert before["cover_gap"] > now["cover_gap"]


def test_the_figures_of_the_present_version_are_those_of_the_comparison(again: Project):
    recipe = again.warehouse.lake.scan(("comparison",)).filter(pl.col("recipe") == "longest").collect()
    now = versions(again).tail(1)
    shared = [name for name in now.columns if name in recipe.columns]
    assert {"vendi", "mean_nearest", "top_sources", "basis"} <= set(shared)
    assert recipe.select(shared).equals(now.select(shared))


def test_an_earlier_version_over_an_unchanged_pool_is_not_measured_again(finished: Path, twice: Path):
    basis = pl.read_parquet(finished / "warehouse" / "comparison.parquet").filter(pl.col("recipe") == "longest")
    table = pl.read_parquet(twice / "warehouse" / "versions.parquet")
    assert table["basis"][0] == basis["basis"][0]


def test_the_page_and_the_asset_show_both(again: Project, instance: dg.DagsterInstance):
    old, new = list_releases(again.settings.releases, "longest")
    text = report_path(again.warehouse).read_text("utf-8")
    for shown in ("What changed since the last version", old.version, new.version, "recipe: budget", "rows gone"):
        assert shown in text
    edit(again.data, "longest", budget={"rows": 21})
    again.run()
    event = instance.get_latest_materialization_event(dg.AssetKey("comparison"))
    assert event
    assert event.asset_materialization
    shown = event.asset_materialization.metadata["versions"].records
    assert [record.data["rows"] for record in shown] == [20, 21]
    assert shown[0].data["version"] == new.version


def test_going_back_to_an_earlier_version_compares_with_the_one_in_between(again: Project):
    old, new = list_releases(again.settings.releases, "longest")
    edit(again.data, "longest", budget={"fraction": 0.1})
    again.update()
    assert versions(again)["version"].to_list() == [new.version, old.version]


def test_rows_that_have_left_the_pool_are_counted_and_in_no_figure(again: Project):
    before = versions(again).head(1).to_dicts()[0]
    old = list_releases(again.settings.releases, "longest")[0]
    sources = pl.read_parquet(old.path / "train.parquet")["source"].to_list()
    gone = max(set(sources), key=sources.count)
    (again.data / "sources" / f"{gone}.yaml").unlink()
    again.update()
    found = compare_versions(again.warehouse, "longest", old.version).to_dicts()[0]
    assert (found["rows"], found["rows_gone"]) == (12, sources.count(gone))
    assert found["mean_score"] == before["mean_score"]
    assert gone not in (found["top_sources"] or "")


def test_a_version_of_which_no_row_is_left_is_shown_without_figures(again: Project):
    for name in ("sums", "fruit", "code"):
        (again.data / "sources" / f"{name}.yaml").unlink()
    add_source(again.data, "later", rows("sums", 40, start=700))
    again.update()
    before, now = versions(again).filter(pl.col("recipe") == "longest").to_dicts()
    assert (before["rows"], before["rows_gone"], before["vendi"], before["tokens"]) == (20, 20, None, None)
    assert now["rows_gone"] == 0
    assert now["overlap"] == 0
    assert now["vendi"] > 1


def test_a_release_that_was_deleted_or_damaged_does_not_stop_the_comparison(again: Project):
    old = list_releases(again.settings.releases, "longest")[0]
    (old.path / "train.parquet").write_bytes(b"")
    edit(again.data, "random", budget={"rows": 13})
    again.update()
    assert set(versions(again)["recipe"]) == {"random"}
    (old.path / "manifest.json").write_text("{")
    again.update()
    shutil.rmtree(old.path)
    again.update()
    assert set(versions(again)["recipe"]) == {"random"}
    assert again.update() == []


def test_the_measures_of_a_selection_are_observed_on_its_page_when_they_are_made(
    again: Project, instance: dg.DagsterInstance
):
    def observed(recipe: str) -> list[dict[str, float]]:
        records = instance.fetch_observations(dg.AssetKey(["selections", recipe]), limit=10).records
        return [
            {name: value.value for name, value in record.asset_observation.metadata.items()}
            for record in records
            if record.asset_observation
        ]

    assert observed("random") == []
    edit(again.data, "random", budget={"rows": 13})
    again.run()
    (figures,) = observed("random")
    table = again.warehouse.lake.scan(("comparison",)).filter(pl.col("recipe") == "random").collect()
    assert figures == {
        name: pytest.approx(table[name][0], rel=1e-4)
        for name in (*OBSERVED, "near_adding")
        if table[name][0] is not None
    }
    assert {"vendi", "mean_nearest", "facility_location", "cluster_js", "self_bleu"} <= set(figures)
    # What is unchanged is not measured, so it is not observed; and observing does not make anything run again.
    assert observed("spread") == []
    assert again.update() == []


def test_the_command_prints_both_versions(again: Project, capsys):
    data = ["--data", str(again.data)]
    old, new = list_releases(again.settings.releases, "longest")
    assert main([*data, "compare", "longest"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"longest {old.version} -> {new.version}: 8 rows enter, 0 leave, overlap 0.600\n")
    assert "differs in recipe: budget" in said
    lines = {line[2:29].strip(): line[29:].split() for line in said.splitlines()[2:]}
    assert lines["rows"] == ["12", "20"]
    assert {"Vendi", "coverage", "spread", "eff. clusters", "top sources", "near adding"} <= set(lines)
    assert main([*data, "compare", "longest", new.version, old.version]) == 0
    assert "0 rows enter, 8 leave" in capsys.readouterr().out


def test_the_table_is_not_pruned(again: Project, instance: dg.DagsterInstance):
    assert prune(again.warehouse, assemble(again.warehouse)[1], dry_run=True) == []
