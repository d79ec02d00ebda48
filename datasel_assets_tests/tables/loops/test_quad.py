"""Quad as a table and as a recipe: a proxy that was trained on a small pool, and its gradients of few rows."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.registry.needed import files_needed
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.loops import quad
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

LOOP = {"kind": "quad", "influence": "bent", "arms": 2, "probe": 3, "accept": 4, "rounds": 4, "tau": 0.0}
RECIPE = {"paper": "x", "select": {"sampler": "topk", "by": "loops.tried"}, "budget": {"rows": 12}}


def lay(data: Path, **loop) -> Path:
    """Write a pool of 90 rows with a proxy, a score of influence, a loop that measures it, and a recipe."""
    small_pool(data, n=30)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 32, "curvature": {"rows": 20}})
    write_yaml(data / "scores" / "bent.yaml", {"how": "influence", "gradients": "tiny", "target": "adding"})
    write_yaml(data / "loops" / "tried.yaml", {**LOOP, **loop})
    write_yaml(data / "recipes" / "tried.yaml", RECIPE)
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = lay(tmp_path_factory.mktemp("quad") / "data")
    make(open_warehouse(data, device="cpu"), "selections/tried", upstream=True)
    return data


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """The same folder with everything that was made, to be changed."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def again(data: Path, **loop) -> Path:
    """Change the loop."""
    write_yaml(data / "loops" / "tried.yaml", {**LOOP, **loop})
    return data


@pytest.fixture
def loop(data: Path) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(("loops", "tried")).collect()


@pytest.fixture
def rounds_made(data: Path) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(("loop_rounds", "tried")).collect()


def test_gradients_are_taken_of_the_rows_that_were_looked_at_alone(data, loop, rounds_made):
    assert loop.height == 90
    assert loop["influence"].count() == rounds_made["looked_at"].sum() <= 2 * 3 * 4
    lake = open_warehouse(data, device="cpu").lake
    assert lake.info(("influence", "bent", "sums")) is None
    assert lake.info(("influence_targets", "bent")) is not None


def test_a_try_accepts_the_next_rows_of_its_cluster_where_the_mean_influence_is_above_the_threshold(loop, rounds_made):
    assert rounds_made["accepted"].sum() == loop["score"].count() > 0
    for number, cluster, looked, accepted, reward in rounds_made.select(
        "round", "cluster", "looked_at", "accepted", "reward"
    ).rows():
        own = loop.filter((pl.col("round") == number) & (pl.col("cluster") == cluster))
        assert own.height == max(looked, accepted)
        assert own["influence"].drop_nulls().mean() == pytest.approx(reward, abs=1e-6)
        assert (reward > 0) == (accepted > 0) == (own["score"].count() > 0)


def test_what_is_measured_is_what_the_score_of_influence_says_of_the_same_rows(data: Path, loop: pl.DataFrame):
    write_yaml(data / "recipes" / "whole.yaml", {**RECIPE, "select": {"sampler": "topk", "by": "influence.bent"}})
    warehouse = open_warehouse(data, device="cpu")
    for source in ("sums", "fruit", "code"):
        make(warehouse, "influence/bent", source, upstream=True)
        exact = warehouse.lake.scan(("influence", "bent", source)).collect()
        both = loop.drop_nulls("influence").join(exact, on="row_id", suffix="_exact")
        np.testing.assert_allclose(both["influence"], both["score_exact"], rtol=1e-3, atol=1e-5)
    (data / "recipes" / "whole.yaml").unlink()


def test_the_ledger_says_in_which_round_and_cluster_a_row_was_chosen_or_not(data: Path):
    decisions = open_warehouse(data, device="cpu").lake.scan(("decisions", "tried")).collect()
    kept = decisions.filter("kept")["reason"]
    assert kept.str.contains(r"by loops\.tried \(-?[\d.e-]+\): round \d+, cluster '.+', influence -?\.\d+").all()
    reasons = decisions.filter(pl.col("stage") == "ineligible")["reason"]
    assert len(reasons) > 0
    assert reasons.str.starts_with("loops.tried: ").all()
    assert reasons.str.contains("not above 0|was never tried|did not reach it").all()


def test_the_page_says_how_many_gradients_were_taken_and_shows_the_way(data: Path, rounds_made: pl.DataFrame):
    (data / "warehouse" / "loops" / "tried.parquet").unlink()
    built = make(open_warehouse(data, device="cpu"), "loops/tried").built
    assert built.metadata["gradients_taken"] == rounds_made["looked_at"].sum()
    assert built.metadata["share_of_the_pool"] == round(rounds_made["looked_at"].sum() / 90, 4)
    assert built.metadata["clusters"] == 4
    assert built.metadata["share_of_tries_for_a_first_sweep"] == 0
    assert built.metadata["plot: path"].png.startswith(b"\x89PNG")
    assert built.checks["some_rows_were_accepted"].passed


def test_a_step_that_was_killed_between_rounds_ends_with_the_same_rows_and_takes_no_gradient_twice(
    copied: Path, monkeypatch: pytest.MonkeyPatch
):
    warehouse = open_warehouse(copied, device="cpu")
    whole = warehouse.lake.scan(("loops", "tried")).collect()
    path = copied / "warehouse" / "loops" / "tried.parquet"
    before = path.read_bytes()
    path.unlink()

    plain, calls = quad.compare, []

    def dies_in_round_three(rows, context):
        calls.append(rows.height)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(rows, context)

    monkeypatch.setattr(quad, "compare", dies_in_round_three)
    with pytest.raises(KeyboardInterrupt):
        make(warehouse, "loops/tried")
    make(warehouse, "loops/tried")
    assert path.read_bytes() == before
    # Of the round that was cut off the gradients are taken again.
    assert sum(calls) - calls[2] == whole["influence"].count()


def test_what_a_killed_step_has_left_is_not_gone_on_from_when_the_pool_has_changed(
    copied: Path, monkeypatch: pytest.MonkeyPatch
):
    plain, calls = quad.compare, []

    def dies_in_round_two(rows, context):
        calls.append(rows.height)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(rows, context)

    (copied / "warehouse" / "loops" / "tried.parquet").unlink()
    monkeypatch.setattr(quad, "compare", dies_in_round_two)
    with pytest.raises(KeyboardInterrupt):
        make(open_warehouse(copied, device="cpu"), "loops/tried")
    add_source(copied, "fruit", rows("fruit", 28))
    warehouse = open_warehouse(copied, device="cpu")
    make(warehouse, "loops/tried", upstream=True)
    assert warehouse.lake.scan(("loops", "tried")).collect().height == 88
    looked = warehouse.lake.scan(("loop_rounds", "tried")).collect()["looked_at"].sum()
    assert sum(calls[2:]) == looked


def test_an_unreachable_threshold_accepts_nothing_and_the_check_says_so(copied: Path):
    warehouse = open_warehouse(again(copied, tau=1.5), device="cpu")
    built = make(warehouse, "loops/tried").built
    assert built.metadata["rows_accepted"] == 0
    assert not built.checks["some_rows_were_accepted"].passed
    with pytest.raises(ValueError, match=r"loops.tried is not known for any row"):
        make(warehouse, "selections/tried")


def test_without_a_prior_fewer_tries_than_clusters_are_refused(copied: Path):
    data = again(copied, rounds=1, arms=3, bandit={"prior": "none"})
    with pytest.raises(ValueError, match="3 tries do not reach 4 arms once"):
        make(open_warehouse(data, device="cpu"), "loops/tried")
    again(data, bandit={"prior": "none"})
    built = make(open_warehouse(data, device="cpu"), "loops/tried").built
    assert built.metadata["share_of_tries_for_a_first_sweep"] == 4 / 8


@pytest.mark.parametrize(
    ("toward", "gradients_taken"),
    [({"toward": "pool"}, None), ({"toward": "held_out"}, None), ({"target": "adding", "precondition": "gram"}, 90)],
    ids=["pool", "held out", "gram"],
)
def test_rows_are_tried_toward_what_the_score_says_whatever_it_is(copied: Path, toward: dict, gradients_taken):
    write_yaml(copied / "scores" / "bent.yaml", {"how": "influence", "gradients": "tiny", **toward})
    warehouse = open_warehouse(again(copied, bandit={"prior": "none"}), device="cpu")
    page = make(warehouse, "loops/tried", upstream=True).built.metadata
    assert page["gradients_taken"] == (gradients_taken or page["rows_looked_at"])
    assert page["rows_looked_at"] < 90
    assert ("note" in page) == bool(gradients_taken)
    looked = warehouse.lake.scan(("loops", "tried")).collect().drop_nulls("influence")
    # The score of the whole pool says the same of them.
    write_yaml(copied / "recipes" / "whole.yaml", {**RECIPE, "select": {"sampler": "topk", "by": "influence.bent"}})
    warehouse = open_warehouse(copied, device="cpu")
    for source in ("sums", "fruit", "code"):
        make(warehouse, "influence/bent", source, upstream=True)
    exact = pl.concat(warehouse.lake.scan(("influence", "bent", s)).collect() for s in ("sums", "fruit", "code"))
    both = looked.join(exact, on="row_id", suffix="_exact")
    assert both.height == looked.height > 0
    np.testing.assert_allclose(both["influence"], both["score_exact"], rtol=1e-3, atol=1e-5)
    # Rows that judge the others have no influence of their own.
    judges = exact.filter(pl.col("score").is_nan()).height
    assert (judges > 0) == ("held_out" in toward.values())
    assert page["without_influence"] + looked.height == page["rows_looked_at"]


# ----------------------------------------------------------------------------------------------------------- registry
def test_a_loop_is_carried_out_where_a_recipe_reads_it_alone(tmp_path: Path):
    data = lay(tmp_path / "data")
    names = {table.name for table in all_tables(load_registry(data))}
    assert {"loops/tried", "influence_targets/bent", "curvature/tiny"} <= names
    assert "influence/bent" not in names
    (data / "recipes" / "tried.yaml").unlink()
    assert not {t.kind.name for t in all_tables(load_registry(data))} & {"loops", "influence_targets", "curvature"}


def test_a_recipe_brings_the_files_that_its_loop_is_made_with(tmp_path: Path):
    registry = load_registry(lay(tmp_path / "data"))
    assert {
        "loops/tried.yaml",
        "scores/bent.yaml",
        "gradients/tiny.yaml",
        "language_models/tiny.yaml",
        "targets/adding.yaml",
        "representations/white.yaml",
    } <= set(files_needed(registry.recipes["tried"], registry))


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ({"influence": "rich"}, "influence: scores/rich.yaml is absent"),
        ({"kind": "quda"}, "did you mean 'quad'?"),
        ({"kind": None}, "kind: None is not allowed"),
        ({"influence": "of_pool"}, "bandit.prior: clusters are likened to the examples of a target"),
        ({"influence": "in_turns"}, "influence: scores/in_turns.yaml"),
        ({"rounds": 0}, "rounds"),
        ({"bandit": {"alpha": 1}}, "alpha"),
    ],
)
def test_a_wrong_loop_is_said_with_file_and_key_and_so_is_the_recipe_that_reads_it(tmp_path, loop, message):
    data = lay(tmp_path / "data", **loop)
    write_yaml(data / "scores" / "of_pool.yaml", {"how": "influence", "gradients": "tiny", "toward": "pool"})
    turns = {"how": "influence", "gradients": "tiny", "target": "adding", "reduce": "round_robin"}
    write_yaml(data / "scores" / "in_turns.yaml", turns)
    registry = load_registry(data)
    assert registry.loops == {}
    assert message in registry.errors["loops/tried.yaml"]
    assert "loops.tried" in registry.errors["recipes/tried.yaml"]
