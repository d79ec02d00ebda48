"""Loops that train a model besides LEAD: warm-up, DiverseEvol, MATES, each on a small pool with a proxy of its own."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.train.round_training import RoundTraining
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.needed import files_needed
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.loops.trained import PIECE, whole_training
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

TRAINING = {"batch_tokens": 200, "learning_rate": 5e-3}
LOOPS = {
    "warm": {"kind": "warm_up", "after": "first", "epochs": 2, "up_to": 1.5, "keep_model": True, "held_out": 6},
    "evolved": {"kind": "diverse_evol", "first": 5, "per_round": 4, "rounds": 2, "epochs": 2, "candidates": 40},
    "helped": {"kind": "mates", "target": "adding", "representation": "white", "probes": 24, "rounds": 2}
    | {"budget": {"rows": 9}, "held_out": 6, "tau": 0.0},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool of 62 rows in which every loop was carried out."""
    data = small_pool(tmp_path_factory.mktemp("trained") / "data", n=20)
    add_source(data, "again", rows("fruit", 2))
    for recipe in (data / "recipes").glob("*.yaml"):
        recipe.unlink()
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    first = {"drop": [{"when": "duplicate"}], "select": {"sampler": "random"}, "budget": {"rows": 12}}
    write_yaml(data / "recipes" / "first.yaml", {"paper": "x", **first})
    for name, loop in LOOPS.items():
        write_yaml(data / "loops" / f"{name}.yaml", {"model": "tiny", "training": TRAINING, **loop})
        read = {"paper": "x", "select": {"sampler": "topk", "by": f"loops.{name}"}, "budget": {"rows": 8}}
        write_yaml(data / "recipes" / f"{name}.yaml", read)
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    for name in LOOPS:
        make(warehouse, f"selections/{name}", upstream=True)
    return data


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "data"))


def table(data: Path, *key: str) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(key).collect()


def test_pieces_of_a_training_hold_every_row_once_an_epoch_and_say_how_much_lies_behind():
    found = whole_training(np.arange(PIECE + 1), 2, 0)
    assert [len(part) for part, _ in found] == [129, 128, 129, 128]
    assert [done for _, done in found] == [0, 0.25, 0.5, 0.75]
    first, second = np.concatenate([p for p, _ in found[:2]]), np.concatenate([p for p, _ in found[2:]])
    assert sorted(first) == sorted(second) == list(range(PIECE + 1))
    assert first.tolist() != second.tolist()


# ------------------------------------------------------------------------------------------------------------ warm-up
def test_after_a_warm_up_every_other_row_has_its_ifd_under_the_trained_model(data: Path):
    warm, selected = table(data, "loops", "warm"), table(data, "selections", "first")["row_id"]
    trained_on = warm.filter(pl.col("row_id").is_in(selected.implode()))
    assert trained_on.height == 12
    assert trained_on["score"].count() == 0
    assert (trained_on["told"] == "the model was trained on it, by first").all()
    assert warm["score"].count() > 40
    rounds = table(data, "loop_rounds", "warm")
    assert rounds["rows"].to_list() == [12, 12]
    assert trained_on["nll"].mean() < rounds["loss"][1] < rounds["loss"][0]
    decisions = table(data, "decisions", "warm")
    assert decisions.filter("kept")["reason"].str.contains("under the model trained on first").all()


def test_the_model_that_is_kept_is_one_that_a_file_of_language_models_can_name(copied: Path):
    folder = copied / "warehouse" / "loop_models" / "warm"
    write_yaml(copied / "language_models" / "warmed.yaml", {"causal": {**CAUSAL, "model": str(folder)}})
    write_yaml(
        copied / "recipes" / "again.yaml",
        {"paper": "x", "select": {"sampler": "topk", "by": "warmed.ifd_loss_ratio"}, "budget": {"rows": 3}},
    )
    warehouse = open_warehouse(copied, device="cpu")
    make(warehouse, "scores/warmed", "sums", upstream=True)
    named = warehouse.lake.scan(("scores", "warmed", "sums")).select("row_id", "ifd_loss_ratio").collect()
    both = table(copied, "loops", "warm").drop_nulls("score").join(named, on="row_id")
    np.testing.assert_allclose(both["score"], both["ifd_loss_ratio"], rtol=2e-3)


def test_a_recipe_brings_the_recipe_that_its_warm_up_is_trained_on(data: Path):
    registry = load_registry(data)
    needed = files_needed(registry.recipes["warm"], registry)
    assert {"loops/warm.yaml", "recipes/first.yaml", "language_models/tiny.yaml"} <= set(needed)


# -------------------------------------------------------------------------------------------------------- DiverseEvol
def test_each_round_adds_rows_and_each_training_has_seen_those_chosen_before_it(data: Path):
    evolved, rounds = table(data, "loops", "evolved"), table(data, "loop_rounds", "evolved")
    assert evolved["score"].count() == 5 + 2 * 4
    assert evolved["distance"].count() == 2 * 4
    assert rounds["rows"].to_list() == [2 * 5, 2 * 9]
    assert rounds["forward_passes"].to_list() == [10, 10 + 40 + 18]
    told = evolved.drop_nulls("score").sort("score", descending=True)["told"]
    assert (told[:5] == "among the first").all()
    assert told[5:9].str.contains(r"^round 1, .* away from the chosen rows$").all()
    assert told[9:].str.starts_with("round 2, ").all()


# -------------------------------------------------------------------------------------------------------------- MATES
def test_rows_are_chosen_by_an_estimate_of_what_a_step_on_them_does_to_the_target(data: Path):
    helped, rounds = table(data, "loops", "helped"), table(data, "loop_rounds", "helped")
    assert helped["score"].count() == 9 == rounds["rows"].sum()
    assert rounds["rows"].to_list() == [4, 5]
    assert 24 <= helped["worth"].count() <= 2 * 24
    assert helped["worth"].abs().max() > 0
    chosen = helped.drop_nulls("score").sort("score", descending=True)
    for part in (chosen["estimate"][:4], chosen["estimate"][4:]):  # without a temperature the best come, in order
        assert part.to_list() == part.sort(descending=True).to_list()
    assert rounds["forward_passes"][0] == 24 * (1 + 3) + 4
    assert rounds["r2"].count() == 2


def test_the_worth_of_a_row_is_what_training_on_it_alone_does_and_leaves_the_model_as_it_was(tiny_causal):
    model, conversations = tiny_causal
    training = RoundTraining(model)
    reference = model.texts(conversations[3:])
    weights = {name: p.clone() for name, p in model.trained_state().items()}
    before = training.held_out_loss(reference)
    worth = training.worth(conversations[:3], reference, 1e-3)
    assert all(bool((p == weights[name]).all()) for name, p in model.trained_state().items())
    assert training.steps == 0
    training.train(conversations[1:2], 0.0)
    assert worth[1] == pytest.approx(before - training.held_out_loss(reference), rel=1e-3)
    assert len(set(worth.tolist())) == 3


@pytest.fixture
def tiny_causal(data: Path):
    from datasel_assets.models.train.row_model import RowModel
    from datasel_assets.specs.causal import CausalSpec
    from datasel_assets.specs.training import TrainingSpec

    spec = CausalSpec(**{**CAUSAL, "model": str(data / "warehouse" / "models" / "tiny")})
    how = {"learning_rate": 1e-3, "schedule": "constant", "warmup": 0.0, "precision": "float32"}
    talks = table(data, "corpus", "sums").head(6)["messages"].to_list()
    return RowModel(spec, TrainingSpec(**how), "cpu"), talks


# --------------------------------------------------------------------------------------------------------------- kill
@pytest.mark.parametrize("name", ["evolved", "helped"])
def test_a_loop_that_was_killed_ends_with_the_same_rows(copied: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    path = copied / "warehouse" / "loops" / f"{name}.parquet"
    expected = path.read_bytes()
    path.unlink()
    plain, calls = RoundTraining.train, []

    def dies_in_the_second_round(self, conversations, done):
        calls.append(done)
        if len(calls) == (3 if name == "evolved" else 2):
            raise KeyboardInterrupt
        return plain(self, conversations, done)

    monkeypatch.setattr(RoundTraining, "train", dies_in_the_second_round)
    with pytest.raises(KeyboardInterrupt):
        make(open_warehouse(copied, device="cpu"), f"loops/{name}")
    make(open_warehouse(copied, device="cpu"), f"loops/{name}")
    assert path.read_bytes() == expected


def test_a_missing_recipe_or_representation_is_said(copied: Path):
    write_yaml(copied / "loops" / "warm.yaml", {"model": "tiny", **LOOPS["warm"], "after": "fist"})
    write_yaml(copied / "loops" / "helped.yaml", {"model": "tiny", **LOOPS["helped"], "representation": "whit"})
    errors = load_registry(copied).errors
    assert "after: recipes/fist.yaml is absent" in errors["loops/warm.yaml"]
    assert "representation: representations/whit.yaml is absent" in errors["loops/helped.yaml"]
