"""Selections as tables: what changes from one to the next, and other bounds without running anything again."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from datasel_assets.arrays.weights import effective_rows
from datasel_assets.settings import DEFAULT_DATA, Settings
from datasel_assets.storage.release import list_releases, read_manifest
from datasel_assets.tables.rethreshold import rethreshold
from datasel_assets.tables.selections.selections import command_again
from datasel_assets_tests.pools import add_source, rows, write_yaml
from datasel_assets_tests.project import Project


def recipe(project: Project, name: str, **changes) -> None:
    path = project.data / "recipes" / f"{name}.yaml"
    write_yaml(path, yaml.safe_load(path.read_text("utf-8")) | changes)


def chosen(project: Project, name: str) -> set[str]:
    return set(project.warehouse.lake.scan(("selections", name)).collect()["row_id"])


def test_a_card_names_the_data_folder_to_type_and_no_home_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ann"))
    assert command_again(Settings.at(DEFAULT_DATA)) == "make run"
    assert command_again(Settings.at(tmp_path / "my pool")) == f"datasel --data '{tmp_path}/my pool' run"
    assert command_again(Settings.at(tmp_path / "home" / "ann" / "pool")) == "datasel --data ~/pool run"


def test_weights_of_a_selection_reach_the_release_and_its_pages(settled: Project):
    drawn = {"sampler": "topk", "by": "n_response_tokens", "tau": 4, "weights": "normalised"}
    write_yaml(settled.data / "recipes" / "drawn.yaml", {"select": drawn, "budget": {"rows": 30}})
    made = settled.refresh(lambda asset: asset.key == ("selections", "drawn"))
    (built,) = made.values()
    (release,) = list_releases(settled.settings.releases, "drawn")
    stored = settled.warehouse.lake.scan(("selections", "drawn")).collect().sort("rank")
    weights = pl.read_parquet(release.path / "train.parquet")["weight"]
    assert weights.mean() == pytest.approx(1)
    assert weights.to_numpy() == pytest.approx((stored["weight"] / stored["weight"].mean()).to_numpy())
    size = effective_rows(stored["weight"].to_numpy())
    assert 1 < size < 30
    assert built.metadata["effective_sample_size"] == pytest.approx(size, abs=0.1)
    assert read_manifest(release.path)["weights"]["effective_rows"] == pytest.approx(size, abs=0.1)
    assert "effective sample size" in (release.path / "report.html").read_text("utf-8")
    # A recipe without weights has no such column.
    plain = list_releases(settled.settings.releases, "longest")[-1]
    assert "weight" not in pl.read_parquet_schema(plain.path / "train.parquet")
    recipe(settled, "drawn", release={"weights": "repeat"})
    assert settled.refresh(lambda asset: asset.key == ("selections", "drawn"))
    assert read_manifest(list_releases(settled.settings.releases, "drawn")[-1].path)["weights"]["carried"] == "repeat"


def test_tools_and_marks_of_a_source_reach_the_release(settled: Project):
    turns = [("user", "a?"), ("assistant", "WRONG"), ("user", "no"), ("assistant", "right")]
    messages = [{"role": role, "content": content} for role, content in turns]
    messages[1]["weight"] = 0  # pyright: ignore[reportArgumentType]
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    add_source(settled.data, "calls", [{"messages": messages, "tools": tools}])
    others = sorted(settled.warehouse.registry.source_names - {"calls"})
    given = {"drop": [{"source": others}], "select": {"sampler": "random"}, "budget": {"rows": 1}}
    write_yaml(settled.data / "recipes" / "called.yaml", given)
    settled.refresh(lambda asset: asset.name in {"raw_corpus", "corpus", "duplicates", "selections/called"})
    (release,) = list_releases(settled.settings.releases, "called")
    (line,) = (json.loads(line) for line in (release.path / "train.jsonl").read_text("utf-8").splitlines())
    assert json.loads(line["tools"]) == tools
    assert [message["train"] for message in line["messages"]] == [False, False, False, True]
    assert read_manifest(release.path)["rows_with"] == {"tools": 1, "untrained": 1}


def test_rows_that_enter_and_leave_are_listed_and_a_bound_on_churn_limits_them(settled: Project):
    before = chosen(settled, "longest")
    longer = [{"instruction": f"Explain {i}.", "output": "word " * (90 + i)} for i in range(60)]
    add_source(settled.data, "sums", rows("sums", 40) + longer)
    recipe(settled, "longest", churn=0.2)
    settled.update()
    now = chosen(settled, "longest")
    changes = settled.warehouse.lake.scan(("changes", "longest")).collect()
    entered, left = (set(changes.filter(pl.col("change") == kind)["row_id"]) for kind in ("entered", "left"))
    assert (entered, left) == (now - before, before - now)
    assert 0 < len(now - before) <= 0.2 * len(now) + max(0, len(now) - len(before))
    stage = changes.filter(pl.col("change") == "left")["stage_now"]
    assert set(stage) <= {"budget"}


def test_another_budget_needs_no_run_and_publishes_nothing(settled: Project):
    warehouse = settled.warehouse
    versions = {key: warehouse.lake.version(key) for key in warehouse.lake.tables()}
    found = rethreshold(warehouse, "longest", {"rows": 5}, [{"score": "text.response_words", "above_quantile": 0.5}])
    assert found.selection.selected.height == 5
    assert found.selection.decisions.filter(pl.col("stage") == "rule:1").height == 60
    entered = found.changes.filter(pl.col("change") == "entered")
    assert set(entered["row_id"]) == set(found.selection.selected["row_id"]) - chosen(settled, "longest")
    assert {key: warehouse.lake.version(key) for key in warehouse.lake.tables()} == versions


def test_another_budget_holds_on_to_the_rows_that_bounded_churn_will_hold_on_to(settled: Project):
    longer = [{"instruction": f"Explain {i}.", "output": "word " * (90 + i)} for i in range(60)]
    add_source(settled.data, "sums", rows("sums", 40) + longer)
    recipe(settled, "longest", churn=0.2, budget={"rows": 20})
    settled.refresh(lambda asset: asset.key[0] in {"raw_corpus", "corpus", "duplicates"})
    foretold = rethreshold(settled.warehouse, "longest", {"rows": 24}).selection.selected["row_id"]
    recipe(settled, "longest", churn=0.2, budget={"rows": 24})
    settled.refresh(lambda asset: asset.key == ("selections", "longest"))
    assert set(foretold) == chosen(settled, "longest")


def test_a_task_that_is_named_anew_is_selected_for_anew(settled: Project):
    path = settled.data / "recipes" / "by_task.yaml"
    target = next((settled.data / "targets").glob("*.yaml"))
    named = yaml.safe_load(target.read_text("utf-8"))
    select = {"sampler": "round_robin", "rule": "task_round_robin", "representation": "rds_plus", "target": target.stem}
    write_yaml(path, {"doc": "x", "paper": "baseline", "select": select, "budget": {"rows": 8}})

    def made() -> set[str]:
        wanted = {("targets", target.stem), ("selections", "by_task")}
        return {key for key, _ in settled.refresh(lambda asset: asset.key in wanted)}

    assert made() == {"selections/by_task"}
    assert made() == set()
    for i, example in enumerate(named["examples"]):
        example["task"] = f"task {i % 2}"
    write_yaml(target, named)
    assert made() == {f"targets/{target.stem}", "selections/by_task"}


def test_another_licence_of_a_source_is_in_the_next_release_and_a_typo_in_its_file_is_not(settled: Project):
    def licences() -> dict[str, str]:
        manifest = read_manifest(list_releases(settled.settings.releases, "longest")[-1].path)
        return {name: share["licence"] for name, share in manifest["sources"].items()}

    def made(*stages: str) -> set[str]:
        return {name for name, _ in settled.refresh(lambda asset: asset.name in stages)}

    path = settled.data / "sources" / "fruit.yaml"
    told = path.read_text("utf-8")
    assert licences()["fruit"] == "CC0-1.0"
    path.write_text("nonsense: 1\n")
    assert made("selections/longest") == set()
    path.write_text(told.replace("CC0-1.0", "CC-BY-NC-4.0"))
    assert made("raw_corpus", "corpus", "selections/longest") == {"raw_corpus", "selections/longest"}
    assert licences()["fruit"] == "CC-BY-NC-4.0"
