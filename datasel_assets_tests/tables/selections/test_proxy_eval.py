"""Selections tried out by training a small model on them, as tables made on request."""

import runpy

import polars as pl
import pytest

from benchmarks import harness
from benchmarks.evidence import evidence_rows
from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import run_on_demand
from datasel_assets.tables.refresh import Outcome
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import CAUSAL, TINY, write_yaml
from datasel_assets_tests.project import Project


@pytest.fixture
def read(settled: Project) -> Project:
    """The small pool with a tiny proxy of its own."""
    spec = {"causal": CAUSAL, "contexts": ["unconditioned_bare"], "proxy": {**TINY, "held_out": 0.3}}
    write_yaml(settled.data / "language_models" / "tiny.yaml", spec)
    write_yaml(settled.data / "proxy_eval.yaml", {"seeds": 2, "epochs": 4, "batch_tokens": 256, "learning_rate": 0.01})
    settled.update()
    return settled


def try_out(project: Project, *recipes: str) -> Outcome:
    definitions, assets = assemble(project.warehouse)
    wanted = [asset for asset in assets if asset.on_demand and asset.key[-1] in recipes]
    return run_on_demand(definitions, wanted, project.warehouse, project.instance)


def test_every_arm_is_measured_on_rows_and_targets_that_none_has_seen(read: Project):
    assert try_out(read, "longest").failures == []
    losses = read.warehouse.lake.scan(("proxy_eval", "longest")).collect()
    assert set(losses["arm"]) == {"start", "random", "longest", "full pool"}
    assert set(losses["set"]) == {"source: code", "source: fruit", "source: sums", "target: adding"}
    assert losses["loss"].is_finite().all()
    assert losses.group_by("set", "arm").len()["len"].to_list() == [2] * 16
    mean = losses.group_by("arm").agg(pl.col("loss").mean()).rows_by_key("arm", unique=True)
    # Four epochs over rows of one kind teach a model that has seen little more than nothing.
    assert mean["random"] < mean["start"]


def test_the_same_selection_is_not_tried_out_twice_and_the_main_job_leaves_it_alone(read: Project):
    assert len(try_out(read, "random").runs) == 1
    assert try_out(read, "random").runs == []
    runs = read.update()
    assert {run["stage"] for run in runs} <= {"comparison", "catalog"}, "which tell of the training"
    assert read.warehouse.lake.info(("proxy_eval", "longest")) is None


@pytest.mark.slow
def test_trying_out_twice_gives_the_same_losses(read: Project):
    try_out(read, "random")
    first = read.warehouse.lake.scan(("proxy_eval", "random")).collect()
    read.warehouse.lake.delete(("proxy_eval", "random"))
    try_out(read, "random")
    assert read.warehouse.lake.scan(("proxy_eval", "random")).collect().equals(first)


def test_a_model_that_is_no_proxy_is_named(read: Project):
    write_yaml(read.data / "proxy_eval.yaml", {"model": "nothing"})
    assert read.warehouse.registry.errors["proxy_eval.yaml"] == (
        "proxy_eval.yaml: model: 'nothing' is not a proxy; there are: tiny"
    )
    assert [asset for asset in assemble(read.warehouse)[1] if asset.on_demand] == []


@pytest.mark.slow
def test_what_came_of_it_is_recorded_for_the_gallery_and_only_for_the_recipe_as_it_is(
    read: Project, tmp_path, monkeypatch
):
    assert evidence_rows(read.warehouse, "longest") == []
    try_out(read, "longest")
    losses = read.warehouse.lake.scan(("proxy_eval", "longest")).collect()
    means = {key: part["loss"].mean() for key, part in losses.group_by("set", "arm")}
    rows = evidence_rows(read.warehouse, "longest")
    assert {row.extra["set"]: row.objective for row in rows} == pytest.approx(
        {name: means[name, "longest"] - means[name, "random"] for name in losses["set"].unique()}
    )
    assert all(row.extra["low"] <= row.objective <= row.extra["high"] for row in rows)
    assert rows[0].n == 12
    assert rows[0].measured.cpu_s > 0
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    harness.report("evidence", rows)
    gallery = runpy.run_path(str(REPOSITORY / "docs" / "gallery.py"))
    lines = gallery["recorded"](tmp_path, "evidence")
    assert {line["implementation"] for line in lines} == {"longest"}
    assert lines[0]["method"] == read.warehouse.registry.recipes["longest"].method()
    assert (
        gallery["evidence"](lines).count(" ± ") + sum(row.extra["verdict"] == "no difference shown" for row in rows)
        == 4
    )
    write_yaml(
        read.data / "recipes" / "longest.yaml",
        {"paper": "baseline", "select": {"sampler": "longest"}, "budget": {"rows": 20}},
    )
    read.update()
    assert evidence_rows(read.warehouse, "longest") == []
