"""Weights from a sampler to the file that a trainer reads."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.release import Release, read_manifest, release_rows, write_release
from datasel_assets.storage.release.data_files import carried_by, write_data
from datasel_assets.storage.release.weights import MOST_COPIES, carry_weights

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
N = 400
"""Rows of the pool; row i has the loss (i mod 17) and is drawn the more often the higher that is."""

LOSS = {f"row {i:03d}": float(i % 17) for i in range(N)}
POOL = pl.DataFrame(
    {
        "row_id": list(LOSS),
        "source": ["a"] * N,
        "log.loss": np.log1p(np.array(list(LOSS.values()))),
    }
)


def recipe(select: dict, weights: str, seed: int = 0) -> RecipeSpec:
    given = {"select": select, "budget": {"rows": 60}, "seed": seed, "release": {"weights": weights}}
    return RecipeSpec.model_validate(given)


def selected(spec: RecipeSpec) -> pl.DataFrame:
    """Select from the pool; each conversation says what loss it has."""
    chosen = run_recipe(spec, POOL).selected
    said = [
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": str(LOSS[i])}] for i in chosen["row_id"]
    ]
    rows = chosen.select("row_id", "source", "rank", "score", "weight", "n_tokens", "n_response_tokens")
    return rows.with_columns(pl.Series("messages", said, dtype=MESSAGES), extra=pl.lit("{}"))


def released(root: Path, spec: RecipeSpec) -> Release:
    rows = selected(spec)
    return write_release(
        root,
        "weighted",
        rows,
        spec=spec.model_dump(mode="json"),
        weights=spec.release.weights,
        seed=spec.seed,
        inputs={},
        sources={},
        versions={},
        reproduce="",
    )


def mean_loss(folder: Path, spec: RecipeSpec) -> float:
    """Return the (weighted) mean loss of the rows, from the file that trainers read and from nothing else."""
    folder.mkdir()
    rows, facts = carry_weights(selected(spec), spec.release.weights, spec.seed)
    carried = carried_by(rows, weighted=facts is not None and spec.release.weights == "column")
    write_data(folder, rows, ("messages",), carried)
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]
    losses = [float(line["messages"][-1]["content"]) for line in lines]
    return float(np.average(losses, weights=[line.get("weight", 1.0) for line in lines]))


DRAWN = {"sampler": "topk", "by": "log.loss", "tau": 1.0}


@pytest.mark.parametrize(
    ("kind", "weights"), [("unbiased", "column"), ("normalised", "column"), ("unbiased", "repeat")]
)
def test_the_released_file_alone_gives_the_mean_loss_of_the_pool_without_bias(tmp_path, kind, weights):
    truth = float(np.mean(list(LOSS.values())))
    found = [mean_loss(tmp_path / str(s), recipe(DRAWN | {"weights": kind}, weights, s)) for s in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4 * error
    # Without the weights, the mean is that of the rows that are drawn: far off.
    plain = mean_loss(tmp_path / "plain", recipe(DRAWN | {"weights": kind}, "drop"))
    assert plain - truth > 10 * error


def test_a_cluster_too_small_for_its_share_stands_in_the_file_with_whole_copies():
    pool = pl.DataFrame({"row_id": list("abcdefghij"), "source": ["x"] * 10, "cluster": [0] * 2 + [1] * 8})
    select = {"sampler": "stratify", "groups": "cluster", "quota": "equal", "repeat": 5.0}
    spec = RecipeSpec.model_validate({"select": select, "budget": {"rows": 8}, "release": {"weights": "repeat"}})
    rows, facts = carry_weights(run_recipe(spec, pool).selected, "repeat", spec.seed)
    # Four of eight draws fall on the two rows of the small cluster, the other four on six rows of the large one.
    assert sorted(rows.filter(pl.col("row_id").is_in(["a", "b"]))["row_id"]) == ["a", "a", "b", "b"]
    assert facts is not None
    assert facts["effective_rows"] == pytest.approx(64 / (2 * 4 + 6 * 4 / 9), abs=0.05)
    assert facts["rows_without_copy"] == 6 - (rows.height - 4)


def frame(*weights: float | None) -> pl.DataFrame:
    return pl.DataFrame({"row_id": [f"r{i}" for i in range(len(weights))], "weight": weights})


def test_the_column_has_mean_one_and_the_facts_tell_what_the_weights_cost():
    rows, facts = carry_weights(frame(1.0, 1.0, 6.0), "column", 0)
    assert rows["weight"].to_list() == [0.375, 0.375, 2.25]
    assert facts == {
        "carried": "column",
        "effective_rows": 1.7,  # 8^2 / 38
        "selected_rows": 3,
        "rows_without_copy": 0,
        "rows_cut": 0,
    }


def test_copies_stand_side_by_side_without_the_column_and_what_is_cut_is_counted():
    rows, facts = carry_weights(frame(*[1e-9] * 9, 1.0), "repeat", 0)
    assert rows.columns == ["row_id"]
    assert rows["row_id"].to_list() == ["r9"] * MOST_COPIES
    assert facts is not None
    assert (facts["rows_without_copy"], facts["rows_cut"]) == (9, 1)


@pytest.mark.parametrize("how", ["column", "repeat", "drop"])
def test_equal_weights_leave_the_rows_as_they_are_and_say_nothing(how):
    rows, facts = carry_weights(frame(2.0, 2.0), how, 0)
    assert rows["row_id"].to_list() == ["r0", "r1"]
    assert facts is None


@pytest.mark.parametrize("weight", [None, float("nan"), float("inf"), -1.0])
def test_a_weight_that_is_none_is_refused_with_the_row(weight):
    with pytest.raises(ValueError, match=r"rows without a usable weight: 1, r1 among them"):
        carry_weights(frame(1.0, weight), "column", 0)


def test_the_card_says_how_a_trainer_gets_the_weights_and_how_much_they_cost(tmp_path):
    select = DRAWN | {"weights": "normalised"}
    told = {}
    for how in ("column", "repeat", "drop"):
        release = released(tmp_path / how, recipe(select, how))
        told[how] = (release.path / "README.md").read_text("utf-8")
        facts = read_manifest(release.path)["weights"]
        assert f"{facts['effective_rows']:,.1f} rows of equal weight" in told[how]
        assert 1 < facts["effective_rows"] < 60
    assert "`release: {weights: repeat}`" in told["column"]
    assert "at most 5" in told["repeat"]
    assert "left out on request" in told["drop"]


def test_a_conversation_that_stands_several_times_is_one_row_of_the_release(tmp_path):
    release = released(tmp_path, recipe(DRAWN | {"weights": "normalised"}, "repeat"))
    lines = pl.read_parquet(release.path / "train.parquet")
    assert release_rows(release)["row_id"].to_list() == lines["row_id"].unique(maintain_order=True).to_list()
    assert lines["row_id"].n_unique() < lines.height


def test_a_recipe_without_weights_has_the_version_that_it_had_before_there_was_a_choice():
    plain = RecipeSpec.model_validate({"select": {"sampler": "random"}, "budget": {"rows": 3}})
    assert plain.model_dump(mode="json")["release"] == {"formats": ["messages"]}
    assert plain.weights is None
    chosen = recipe(DRAWN | {"weights": "normalised"}, "drop")
    assert chosen.model_dump(mode="json")["release"]["weights"] == "drop"
    assert chosen.weights == "drop"
