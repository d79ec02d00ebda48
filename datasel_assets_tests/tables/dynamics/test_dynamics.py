"""Trainings that are watched, from their files to scores in recipes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.dynamics import DYNAMICS
from datasel_assets.registry.load import load_registry
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.dynamics.records import history_of
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, small_pool, write_yaml

SOURCES = ("code", "fruit", "sums")
N = 12
HOW = {"batch_tokens": 128, "learning_rate": 0.01, "precision": "float32"}


def watched_pool(folder: Path, **more) -> Path:
    data = small_pool(folder / "data", n=N)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "dynamics" / "watched.yaml", {"model": "tiny", "epochs": 3, "training": HOW, **more})
    return data


def read_by_a_recipe(data: Path, score: str) -> None:
    """Scores are made where something reads them."""
    recipe = {"select": {"sampler": "topk", "by": score}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "reads.yaml", {"doc": "x", "paper": "y", **recipe})


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = watched_pool(tmp_path_factory.mktemp("dynamics"), rows=30)
    read_by_a_recipe(data, "watched.mean_loss")
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "scores/watched", source, upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


def scores(warehouse: Warehouse, name: str = "watched") -> pl.DataFrame:
    return pl.concat(warehouse.lake.scan(("scores", name, source)) for source in SOURCES).collect()


def test_every_row_of_the_sample_has_a_record_of_each_presentation(warehouse: Warehouse):
    records = warehouse.lake.scan(("dynamics", "watched")).collect()
    assert records.height == 30
    assert records["losses"].list.len().to_list() == [3] * 30
    assert records["exposures"].to_list() == [3] * 30
    losses = np.array(records["losses"].to_list())
    assert losses[:, -1].mean() < losses[:, 0].mean()
    assert records["later"].null_count() == 30
    assert records["label"].null_count() == 30


def test_rows_outside_the_sample_have_no_scores_and_the_others_those_of_their_records(warehouse: Warehouse):
    records, found = warehouse.lake.scan(("dynamics", "watched")).collect(), scores(warehouse)
    assert found.height == 3 * N
    inside = found.filter(pl.col("row_id").is_in(records["row_id"].implode()))
    outside = found.filter(~pl.col("row_id").is_in(records["row_id"].implode()))
    assert outside.height == 6
    assert outside["mean_loss"].is_nan().all()
    both = records.join(inside, on="row_id", maintain_order="left")
    history = history_of(records, plentiful=False)
    for column in ("mean_loss", "wrong_events", "el2n_early", "p_clean", "worth_by_size"):
        np.testing.assert_allclose(both[column], DYNAMICS[column](history), rtol=1e-5)


def test_the_page_refuses_a_cut_where_planted_faults_are_not_found(warehouse: Warehouse):
    shown = make(warehouse, "dynamics/watched").built.metadata
    figures = warehouse.lake.require(("dynamics", "watched")).meta["planted"]
    best = max(line["auc"] for line in figures if line["auc"] is not None)
    assert 0 <= best <= 1
    refused = "No cut is suggested" in shown["verdict"]
    assert refused == (best < 0.6)
    by_events = max(line["auc"] for line in figures if line["column"] in ("p_clean", "wrong_events"))
    assert isinstance(shown["rows that look wrong"], str) == (by_events < 0.6)
    assert {"plot: presentations", "rows at the ends", "planted faults found (AUC)"} <= shown.keys()


def test_nothing_is_trained_again_while_nothing_changes(warehouse: Warehouse):
    made = make(warehouse, "dynamics/watched").built
    assert made.rows_new == 0
    assert not (warehouse.settings.warehouse / "_training" / "watched").exists()


def test_a_training_is_made_on_request_until_a_recipe_reads_it(tmp_path: Path):
    data = watched_pool(tmp_path)

    def on_demand() -> dict[str, bool]:
        registry = load_registry(data)
        assert registry.errors == {}
        return {table.name: table.on_demand for table in all_tables(registry) if "watched" in table.name}

    assert on_demand() == {"dynamics/watched": True}
    read_by_a_recipe(data, "watched.forgetting_events")
    assert on_demand() == {"dynamics/watched": False, "scores/watched": False}


def test_a_rule_by_clean_probability_makes_the_training_and_the_score_file_alone_does_not(tmp_path: Path):
    data = watched_pool(tmp_path)
    write_yaml(data / "scores" / "clean.yaml", {"how": "clean_probability", "events": "watched.wrong_events"})

    def names() -> set[str]:
        registry = load_registry(data)
        assert registry.errors == {}
        return {table.name for table in all_tables(registry) if not table.on_demand}

    assert not names() & {"dynamics/watched", "clean_probability/clean"}
    recipe = {"drop": [{"score": "clean_probability.clean", "below": 0.5}], "select": {"sampler": "random"}}
    write_yaml(data / "recipes" / "reads.yaml", {"doc": "x", "paper": "y", **recipe, "budget": {"rows": 4}})
    assert {"dynamics/watched", "scores/watched", "clean_probability/clean"} <= names()


def test_a_blend_that_reads_a_training_makes_it_too(tmp_path: Path):
    data = watched_pool(tmp_path)
    inputs = [{"score": "watched.mean_loss"}, {"score": "text.response_words"}]
    write_yaml(data / "scores" / "both.yaml", {"how": "rank_mean", "inputs": inputs})
    tables = {table.name: table.on_demand for table in all_tables(load_registry(data))}
    assert tables["dynamics/watched"] is False


def test_a_recipe_keeps_and_drops_by_a_training(data: Path):
    select = {"sampler": "topk", "by": "watched.confidence_variability"}
    drop = [{"score": "watched.mean_loss", "above_quantile": 0.9}]
    drop.append({"score": "clean_probability.clean", "below": 0.0})
    write_yaml(data / "scores" / "clean.yaml", {"how": "clean_probability", "events": "watched.wrong_events"})
    recipe = {"doc": "x", "paper": "y", "drop": drop, "select": select, "budget": {"rows": 5}}
    write_yaml(data / "recipes" / "ambiguous.yaml", recipe)
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "selections/ambiguous", upstream=True)
    chosen = warehouse.lake.scan(("selections", "ambiguous")).collect()["row_id"]
    found = scores(warehouse).filter(pl.col("mean_loss").is_not_nan())
    clean = warehouse.lake.scan(("clean_probability", "clean")).collect().drop_nulls("score")
    both = clean.filter(pl.col("score").is_not_nan()).join(found, on="row_id")
    assert both.height == 30
    np.testing.assert_allclose(both["score"], both["p_clean"], atol=1e-5)
    (data / "recipes" / "ambiguous.yaml").unlink()
    (data / "scores" / "clean.yaml").unlink()
    assert set(chosen) <= set(found["row_id"])
    least = found.filter(pl.col("row_id").is_in(chosen.implode()))["confidence_variability"].min()
    left = found.filter(pl.col("mean_loss") < found["mean_loss"].quantile(0.9))
    assert (left["confidence_variability"] > least).sum() <= 5


def test_halves_say_which_rows_are_forgotten_and_the_second_half_says_nothing(tmp_path: Path):
    data = watched_pool(tmp_path, second_split=True, planted=None)
    read_by_a_recipe(data, "watched.second_split_forgotten")
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "scores/watched", source, upstream=True)
    records = warehouse.lake.scan(("dynamics", "watched")).collect()
    first = records.filter(pl.col("exposures") == 3)
    assert 9 < first.height < 27
    assert set(records["exposures"]) == {0, 3}
    assert np.isfinite(np.array(first["later"].to_list(), float)).all()
    found = scores(warehouse)
    assert found["mean_loss"].is_not_nan().sum() == first.height
    known = found["second_split_forgotten"].to_numpy()
    known = known[np.isfinite(known)]
    assert ((known >= 1) & (known <= 4)).all()


def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_table(data: Path, tmp_path: Path, monkeypatch):
    from datasel_assets.models.train import training

    class KilledError(Exception):
        pass

    other = watched_pool(tmp_path, rows=30)
    warehouse = open_warehouse(other, device="cpu")
    for source in SOURCES:
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "proxy_lm/tiny", upstream=True)
    step, done = training.RowTraining.step, []

    def killed(self: training.RowTraining) -> float:
        if len(done) == 30:
            raise KilledError
        done.append(self.done)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(training.RowTraining, "step", killed)
        with pytest.raises(KilledError):
            make(warehouse, "dynamics/watched")
    assert warehouse.lake.info(("dynamics", "watched")) is None
    steps: list[int] = []

    def counted(self: training.RowTraining) -> float:
        steps.append(self.done)
        return step(self)

    monkeypatch.setattr(training.RowTraining, "step", counted)
    make(warehouse, "dynamics/watched")
    whole = open_warehouse(data, device="cpu").lake.scan(("dynamics", "watched")).collect()
    # The trainings of both folders start from the same proxy over the same rows.
    assert warehouse.lake.scan(("dynamics", "watched")).collect().equals(whole)
    assert len(steps) < len(done) + 30


LABELS = {"apples": "Which of the apples", "sums": "What is the sum", "code": "Write a program"}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """Rows of three kinds with a field that names the kind, one in eight of them wrong."""
    data = small_pool(tmp_path_factory.mktemp("labelled") / "data", n=4)
    kinds = list(LABELS)
    records = [
        {"instruction": f"{LABELS[kinds[i % 3]]} number {i}?", "output": "yes", "kind": kinds[(i + (i % 8 == 0)) % 3]}
        for i in range(120)
    ]
    add_source(data, "kinds", records)
    spec = {
        "representation": "rds_plus",
        "label": "kind",
        "classifier": {"hidden": [32], "epochs": 6, "batch_rows": 16},
    }
    write_yaml(data / "dynamics" / "noise.yaml", spec)
    read_by_a_recipe(data, "noise.p_clean")
    warehouse = open_warehouse(data, device="cpu")
    for source in (*SOURCES, "kinds"):
        make(warehouse, "scores/noise", source, upstream=True)
    return data


def test_wrong_labels_are_found_and_shown_with_what_the_classifier_says(labelled: Path):
    warehouse = open_warehouse(labelled, device="cpu")
    records = warehouse.lake.scan(("dynamics", "noise")).collect()
    assert records.height == 120
    texts = warehouse.lake.scan(("corpus", "kinds")).select("row_id", "prompt").collect()
    both = records.join(texts, on="row_id").with_columns(
        wrong=pl.col("prompt").str.extract(r"number (\d+)").cast(pl.Int64) % 8 == 0
    )
    wrong, right = both.filter("wrong"), both.filter(~pl.col("wrong"))
    assert wrong["p_clean"].mean() < 0.3 < 0.7 < right["p_clean"].mean()
    truth = wrong["prompt"].map_elements(lambda text: next(k for k, v in LABELS.items() if v in text), pl.String)
    assert (wrong["told"] == truth).mean() > 0.8
    shown = make(warehouse, "dynamics/noise").built.metadata
    suspects = shown["rows that look wrong"]
    assert {"prompt", "label", "told", "label_margin"} <= suspects.columns.keys()
    assert "under `drop`" in shown["verdict"]
    assert "kinds" in shown["share of wrong rows, estimated"].cells[0]


def test_rows_without_the_label_are_left_out(labelled: Path):
    warehouse = open_warehouse(labelled, device="cpu")
    assert scores(warehouse, "noise")["p_clean"].is_nan().all()


def test_a_label_that_no_record_has_is_refused_with_the_key(labelled: Path):
    write_yaml(labelled / "dynamics" / "absent.yaml", {"representation": "rds_plus", "label": "colour"})
    warehouse = open_warehouse(labelled, device="cpu")
    with pytest.raises(ValueError, match=r"dynamics/absent.yaml: label 'colour'"):
        make(warehouse, "dynamics/absent", upstream=True)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"model": "none"}, "none"),
        ({"representation": "none", "label": "source"}, "none"),
        ({"model": "tiny", "label": "source"}, "go with 'representation'"),
        ({"representation": "rds_plus"}, "needs 'label'"),
        ({"epochs": 3}, "give one of"),
    ],
)
def test_a_file_that_cannot_be_carried_out_is_left_out_with_the_reason(tmp_path: Path, spec, said):
    data = watched_pool(tmp_path)
    write_yaml(data / "dynamics" / "watched.yaml", spec)
    registry = load_registry(data)
    assert said in registry.errors["dynamics/watched.yaml"]
    assert not registry.dynamics


def test_a_training_may_not_be_called_like_another_family(tmp_path: Path):
    data = watched_pool(tmp_path)
    write_yaml(data / "dynamics" / "tiny.yaml", {"model": "tiny"})
    assert "belongs to another family" in load_registry(data).errors["dynamics/tiny.yaml"]
