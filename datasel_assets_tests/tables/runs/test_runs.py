"""Series of trainings, from their files to effects and to scores in recipes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.diagnostics.lds import spearman
from datasel_assets.models.proxy_rows import draw_rows, split_rows
from datasel_assets.models.run_trainings import Trainings
from datasel_assets.registry.load import load_registry
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.language_models.conversations import pool_conversations
from datasel_assets.tables.runs.carry_out import TooLongError
from datasel_assets.tables.runs.series import read_observed
from datasel_assets_tests.pools import CAUSAL, TINY, small_pool, write_yaml

N = 12
SOURCES = ("code", "fruit", "sums")
LENGTH = "n_response_tokens"
HOW = {"batch_tokens": 128, "learning_rate": 0.01, "precision": "float32"}
FILE = {
    "model": "tiny",
    "units": "source",
    "design": {"kind": "leave_one_out"},
    "tokens": 500,
    "seeds": 2,
    "outcomes": {"targets": ["adding"], "held_out": 5, "own": 3},
    "training": HOW,
}


def pool_with_runs(folder: Path, **more) -> Path:
    data = small_pool(folder / "data", n=N)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "runs" / "mine.yaml", {**FILE, **more})
    return data


def read_by_a_recipe(data: Path, **score) -> None:
    write_yaml(data / "scores" / "helps.yaml", {"how": "run_effect", "runs": "mine", **score})
    recipe = {"select": {"sampler": "topk", "by": "run_effect.helps"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "reads.yaml", {"doc": "x", "paper": "y", **recipe})


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = pool_with_runs(tmp_path_factory.mktemp("runs"))
    make(open_warehouse(data, device="cpu"), "run_effects/mine", upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


def test_every_training_has_its_shares_its_tokens_and_an_outcome_of_each_set(warehouse: Warehouse):
    runs = warehouse.lake.scan(("runs", "mine")).collect()
    assert runs.height == 1 + 4 * 2
    assert runs["subset"].to_list() == [-1, 0, 1, 2, 3, 0, 1, 2, 3]
    assert runs["seed"].to_list() == [0] * 5 + [1] * 4
    assert runs["tokens"][0] == runs["steps"][0] == 0
    np.testing.assert_allclose(runs["tokens"][1:], 500, atol=60)
    np.testing.assert_allclose([sum(shares) for shares in runs["shares"]][1:], 1)
    assert [shares.to_list().count(0) for shares in runs["shares"][1:5]] == [0, 1, 1, 1]
    outcomes = warehouse.lake.scan(("run_outcomes", "mine")).collect()
    sets = set(outcomes["set"])
    assert {"target: adding", "unit: code", "unit: fruit", "unit: sums"} <= sets
    assert outcomes.height == 9 * len(sets)
    assert outcomes["loss"].is_not_nan().all()
    costs = warehouse.lake.scan(("run_costs", "mine")).collect()
    assert (costs["seconds"] > 0).all()


def test_units_are_the_rows_that_the_proxy_may_train_on_and_no_others(warehouse: Warehouse):
    units = warehouse.lake.scan(("run_units", "mine")).collect()
    assert units["name"].to_list() == list(SOURCES)
    pool = pool_conversations(warehouse)
    training, held_out = split_rows(draw_rows(pool.names, ProxySpec(**TINY)), ProxySpec(**TINY))
    trained = warehouse.lake.scan(("run_rows", "mine")).collect()
    assert set(trained["row_id"]) == set(pool.names["row_id"].gather(training["place"]))
    assert units["rows"].sum() == trained.height == 3 * N - held_out.height < 3 * N


def test_training_lowers_the_loss_and_one_seed_gives_the_same_again(warehouse: Warehouse):
    observed = read_observed(warehouse, "mine", ["target: adding", "unit: sums"])
    assert (observed.outcomes.mean(axis=0) > observed.start).all()
    losses = warehouse.lake.scan(("run_outcomes", "mine")).collect()
    again = pool_again(warehouse)
    assert losses.equals(again)


def pool_again(warehouse: Warehouse) -> pl.DataFrame:
    """The losses of the same file, made anew."""
    for kind in ("run_units", "run_rows", "run_outcomes", "run_costs", "runs"):
        warehouse.lake.delete((kind, "mine"))
    make(warehouse, "runs/mine")
    return warehouse.lake.scan(("run_outcomes", "mine")).collect()


def test_a_source_that_is_left_out_is_known_worse_and_the_effects_say_so(warehouse: Warehouse):
    effects = warehouse.lake.scan(("run_effects", "mine")).collect()
    own = effects.filter(pl.col("estimator") == "ols")
    assert own.height == 3 * own["set"].n_unique()
    assert (own["low"] <= own["effect"]).all()
    assert (own["effect"] <= own["high"]).all()
    observed = read_observed(warehouse, "mine", ["target: adding"])
    expected = observed.outcomes[0, 0] - observed.outcomes[1:, 0]
    np.testing.assert_allclose(own.filter(pl.col("set") == "target: adding").sort("unit")["effect"], expected)
    shown = make(warehouse, "run_effects/mine").built.metadata
    assert shown["verdict"]
    assert {
        "plot: effects",
        "most helpful",
        "shares to try",
        "how well effects foretell subsets left out",
    } <= shown.keys()
    assert sum(cells[2] for cells in shown["shares to try"].cells) == pytest.approx(1, abs=0.01)
    # Each source is out of one subset only: too few for a difference of means.
    assert "memorisation: a difference of means needs two subsets" in shown["not worked out"]


def test_a_recipe_ranks_rows_by_the_effect_of_their_source(data: Path):
    read_by_a_recipe(data, toward="adding")
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "selections/reads", upstream=True)
    scores = warehouse.lake.scan(("run_effect", "helps")).collect()
    effects = warehouse.lake.scan(("run_effects", "mine")).collect()
    wanted = effects.filter((pl.col("set") == "target: adding") & (pl.col("estimator") == "ols")).sort("unit")["effect"]
    for unit, source in enumerate(SOURCES):
        values = scores.filter(pl.col("source") == source)["score"]
        known = values.filter(values.is_not_nan())
        assert known.len() > 0
        np.testing.assert_allclose(known, wanted[unit], rtol=1e-5)
    best = SOURCES[int(np.argmax(wanted))]
    chosen = warehouse.lake.scan(("selections", "reads")).collect()["row_id"]
    assert set(scores.filter(pl.col("row_id").is_in(chosen.implode()))["source"]) == {best}
    (data / "recipes" / "reads.yaml").unlink()
    (data / "scores" / "helps.yaml").unlink()


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ({"toward": "substracting"}, "toward: 'substracting' is no outcome of runs/mine"),
        ({"estimator": "banzhaf"}, "estimator: runs/mine has no effects by 'banzhaf', but by ols"),
    ],
)
def test_a_score_of_what_was_not_measured_says_what_there_is(data: Path, score, said):
    read_by_a_recipe(data, **score)
    with pytest.raises(ValueError, match=said):
        make(open_warehouse(data, device="cpu"), "run_effect/helps")
    (data / "recipes" / "reads.yaml").unlink()
    (data / "scores" / "helps.yaml").unlink()


def test_trainings_are_made_on_request_until_a_recipe_reads_their_effects(tmp_path: Path):
    data = pool_with_runs(tmp_path)

    def on_demand() -> dict[str, bool]:
        registry = load_registry(data)
        assert registry.errors == {}
        return {table.name: table.on_demand for table in all_tables(registry) if table.key[0].startswith("run")}

    asked = {"runs/mine": True, "run_effects/mine": True, "run_scores/mine": True}
    assert on_demand() == asked
    write_yaml(data / "scores" / "helps.yaml", {"how": "run_effect", "runs": "mine"})
    assert on_demand() == asked
    read_by_a_recipe(data)
    made = {"runs/mine": False, "run_effects/mine": False, "run_effect/helps": False}
    assert on_demand() == {**made, "run_scores/mine": True}


def test_scores_are_held_against_outcomes_and_their_means_are_what_a_blend_is_fitted_on(data: Path):
    design = {"kind": "dirichlet", "subsets": 12}
    write_yaml(
        data / "runs" / "mixed.yaml", {**FILE, "design": design, "seeds": 1, "estimators": ["ols"], "tokens": 300}
    )
    inputs = [{"score": LENGTH}]
    uri = {"uri": "warehouse/run_scores/mixed.parquet"}
    write_yaml(data / "scores" / "fitted.yaml", {"how": "ols", "inputs": inputs, "outcomes": uri})
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, "run_scores/mixed", upstream=True).built
    table = warehouse.lake.scan(("run_scores", "mixed")).collect()
    runs = warehouse.lake.scan(("runs", "mixed")).collect().filter(pl.col("subset") >= 0)
    rows = warehouse.lake.scan(("run_rows", "mixed")).collect()
    lengths = (
        pl.concat(warehouse.lake.scan(("corpus", source)) for source in SOURCES).select("row_id", LENGTH).collect()
    )
    means = rows.join(lengths, on="row_id").group_by("unit").agg(pl.col(LENGTH).mean()).sort("unit")
    expected = np.array(runs["shares"].to_list()) @ means[LENGTH].to_numpy()
    np.testing.assert_allclose(table[LENGTH], expected)
    losses = warehouse.lake.scan(("run_outcomes", "mixed")).collect().filter(pl.col("set") == "target: adding")
    np.testing.assert_allclose(table["outcome"], losses.filter(pl.col("run") > 0).sort("run")["loss"])
    lds = warehouse.lake.scan(("run_lds", "mixed")).collect().filter(pl.col("set") == "all")
    one = lds.row(by_predicate=pl.col("score") == LENGTH, named=True)
    assert one["correlation"] == pytest.approx(spearman(expected, -table["outcome"].to_numpy()))
    assert one["low"] < one["correlation"] < one["high"]
    assert "how well scores foretell outcomes" in made.metadata
    make(warehouse, "blend/fitted", upstream=True)
    blend = warehouse.lake.scan(("blend", "fitted")).collect().join(lengths, on="row_id")
    slope = np.polyfit(expected, -table["outcome"].to_numpy(), 1)[0]
    fitted = np.polyfit(blend[LENGTH].to_numpy(), blend["score"].to_numpy(), 1)[0]
    assert fitted == pytest.approx(slope, rel=1e-3)
    (data / "runs" / "mixed.yaml").unlink()
    (data / "scores" / "fitted.yaml").unlink()


def test_another_estimator_or_limit_trains_nothing_again(data: Path):
    write_yaml(data / "runs" / "mine.yaml", {**FILE, "max_minutes": 1, "estimators": ["ols"]})
    warehouse = open_warehouse(data, device="cpu")
    assert make(warehouse, "runs/mine").built.rows_new == 0
    write_yaml(data / "runs" / "mine.yaml", FILE)


def test_a_series_that_was_stopped_goes_on_with_the_next_training_and_ends_the_same(data: Path, monkeypatch):
    class KilledError(Exception):
        pass

    warehouse = open_warehouse(data, device="cpu")
    whole = warehouse.lake.scan(("run_outcomes", "mine")).collect()
    for kind in ("run_units", "run_rows", "run_outcomes", "run_costs", "runs"):
        warehouse.lake.delete((kind, "mine"))
    train, made = Trainings.train, []

    def killed(self, *arguments):
        if len(made) == 4:
            raise KilledError
        made.append(1)
        return train(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainings, "train", killed)
        with pytest.raises(KilledError):
            make(warehouse, "runs/mine")
    assert warehouse.lake.info(("runs", "mine")) is None
    after: list[int] = []
    monkeypatch.setattr(Trainings, "train", lambda self, *arguments: after.append(1) or train(self, *arguments))
    make(warehouse, "runs/mine")
    assert len(after) == 9 - 4
    assert warehouse.lake.scan(("run_outcomes", "mine")).collect().equals(whole)


def test_a_series_that_would_take_longer_than_allowed_stops_after_its_first_training_and_keeps_it(
    data: Path, monkeypatch
):
    write_yaml(data / "runs" / "mine.yaml", {**FILE, "seed": 1, "max_minutes": 1e-5})
    warehouse = open_warehouse(data, device="cpu")
    with pytest.raises(TooLongError, match=r"runs/mine.yaml: 9 trainings take about .* max_minutes is 1e-05: raise it"):
        make(warehouse, "runs/mine")
    write_yaml(data / "runs" / "mine.yaml", {**FILE, "seed": 1})
    train, after = Trainings.train, []
    monkeypatch.setattr(Trainings, "train", lambda self, *arguments: after.append(1) or train(self, *arguments))
    make(open_warehouse(data, device="cpu"), "runs/mine")
    assert len(after) == 9 - 2
    write_yaml(data / "runs" / "mine.yaml", FILE)


@pytest.mark.slow
def test_clusters_are_units_with_titles_and_shares_are_drawn_at_random(data: Path):
    design = {"kind": "dirichlet", "subsets": 8}
    outcomes = {"held_out": 5, "targets": []}
    file = {**FILE, "units": "cluster", "design": design, "outcomes": outcomes, "tokens": 200, "estimators": ["ols"]}
    write_yaml(data / "runs" / "clusters.yaml", file)
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "run_effects/clusters", upstream=True)
    units = warehouse.lake.scan(("run_units", "clusters")).collect()
    titles = warehouse.lake.require(("cluster_models", "white")).meta["titles"]
    assert units["title"].to_list() == [titles[int(name)] for name in units["name"]]
    shares = np.array(warehouse.lake.scan(("runs", "clusters")).collect()["shares"].to_list())[1:]
    assert (shares > 0).all()
    assert shares.std() > 0.05
    (data / "runs" / "clusters.yaml").unlink()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": "none"}, "none"),
        ({"outcomes": {"targets": ["none"]}}, "outcomes.targets"),
        ({"outcomes": {"targets": [], "held_out": 0}}, "nothing is measured"),
        ({"units": "category"}, "goes with 'units: category', and that needs it"),
        ({"units": "category", "categories": "none"}, "categories"),
        ({"estimators": ["shapley"]}, "shapley does not suit design 'leave_one_out'; these do: ols"),
        ({"design": {"kind": "leave_one_out", "subsets": 5}}, "'subsets' goes with 'kind: random'"),
        ({"design": {"share": 1.0}}, "design.share"),
    ],
)
def test_a_file_that_cannot_be_carried_out_is_left_out_with_the_reason(tmp_path: Path, more, said):
    data = pool_with_runs(tmp_path, **more)
    registry = load_registry(data)
    assert said in registry.errors["runs/mine.yaml"]
    assert not registry.runs


def test_one_unit_is_refused_with_the_file_and_the_reason(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    ids = warehouse.lake.scan(("run_rows", "mine")).collect()
    units = dict(ids.select("row_id", "unit").iter_rows())
    names = [name for name in pool_conversations(warehouse).names["row_id"] if name in units]
    alike = (seed for seed in range(99) if len({units[names[i]] for i in hash_sample(names, 2, seed)}) == 1)
    write_yaml(data / "runs" / "single.yaml", {**FILE, "rows": 2, "seed": next(alike)})
    warehouse = open_warehouse(data, device="cpu")
    with pytest.raises(ValueError, match=r"runs/single.yaml: the 2 rows that may be trained on are in 1 units"):
        make(warehouse, "runs/single")
    (data / "runs" / "single.yaml").unlink()
