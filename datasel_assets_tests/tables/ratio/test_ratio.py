"""How much of a recipe is enough, from its file to the budget that uses the answer."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.run_trainings import Trainings
from datasel_assets.registry.load import load_registry
from datasel_assets.storage.lake import MissingTableError
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, small_pool, write_yaml

N = 20
FILE = {
    "model": "tiny",
    "fractions": [0.1, 0.4, 1.0],
    "seeds": 2,
    "targets": ["adding"],
    "held_out": 5,
    "training": {"batch_tokens": 128, "learning_rate": 0.01, "precision": "float32"},
}
RECIPE = {"doc": "x", "paper": "y", "select": {"sampler": "longest"}}


def pool_with_ratio(folder: Path, **more) -> Path:
    data = small_pool(folder / "data", n=N)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "recipes" / "long.yaml", {**RECIPE, "budget": {"fraction": "from_ratio"}})
    write_yaml(data / "ratio" / "long.yaml", {**FILE, **more})
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = pool_with_ratio(tmp_path_factory.mktemp("ratio"))
    warehouse = open_warehouse(data, device="cpu")
    for source in warehouse.registry.sources:
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "duplicates", upstream=True)
    with pytest.raises(
        MissingTableError, match=r"recipes/long.yaml: budget.fraction is from_ratio, but ratio/long was"
    ):
        make(warehouse, "selections/long")
    make(warehouse, "ratio/long", upstream=True)
    return data


@pytest.fixture
def warehouse(data: Path) -> Warehouse:
    return open_warehouse(data, device="cpu")


def test_every_fraction_is_trained_on_with_each_seed_beside_random_rows_of_as_many_tokens(warehouse: Warehouse):
    losses = warehouse.lake.scan(("ratio_losses", "long")).collect()
    own = losses.filter(pl.col("set") == "target: adding")
    assert own.height == 3 * 2 * 2
    for _, part in own.group_by("fraction", "seed"):
        tokens = part.sort("arm")["tokens"].to_list()
        assert tokens[0] == pytest.approx(tokens[1], abs=40)
    selected = own.filter((pl.col("arm") == "selected") & (pl.col("seed") == 0)).sort("fraction")
    assert selected["tokens"].is_sorted()
    every = losses.filter(pl.col("set") == "all").sort("fraction", "arm", "seed")["loss"]
    np.testing.assert_allclose(every, own.sort("fraction", "arm", "seed")["loss"])
    costs = warehouse.lake.scan(("ratio_costs", "long")).collect()
    assert costs.height == 12
    assert (costs["seconds"] > 0).all()


def test_the_page_answers_in_words_with_a_picture_and_the_table_has_intervals(warehouse: Warehouse):
    shown = make(warehouse, "ratio/long").built.metadata
    info = warehouse.lake.require(("ratio", "long"))
    assert info.meta["fraction"] == shown["fraction"] in FILE["fractions"]
    assert "% of the pool is" in shown["answer"]
    assert "a larger model may need more or less" in shown["answer"]
    assert {"plot: losses", "answers", "losses"} <= shown.keys()
    table = warehouse.lake.scan(("ratio", "long")).collect()
    assert ((table["low"] <= table["loss"]) & (table["loss"] <= table["high"])).all()


def test_a_recipe_takes_the_fraction_that_was_found(warehouse: Warehouse):
    make(warehouse, "selections/long")
    fraction = warehouse.lake.require(("ratio", "long")).meta["fraction"]
    assert warehouse.lake.require(("selections", "long")).rows == round(fraction * 3 * N)


def test_another_tolerance_is_another_answer_and_trains_nothing(data: Path, monkeypatch):
    monkeypatch.setattr(Trainings, "train", lambda *_: pytest.fail("nothing is to be trained"))
    write_yaml(data / "ratio" / "long.yaml", {**FILE, "tolerance": 100.0})
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "ratio/long")
    assert warehouse.lake.require(("ratio", "long")).meta["fraction"] == 0.1
    make(warehouse, "selections/long")
    assert warehouse.lake.require(("selections", "long")).rows == 6
    write_yaml(data / "ratio" / "long.yaml", {**FILE, "toward": "substracting"})
    with pytest.raises(ValueError, match=r"ratio/long.yaml: toward: 'substracting' is no outcome"):
        make(open_warehouse(data, device="cpu"), "ratio/long")
    write_yaml(data / "ratio" / "long.yaml", FILE)


def test_equal_tokens_give_every_fraction_as_many(data: Path):
    write_yaml(data / "ratio" / "long.yaml", {**FILE, "equal": "tokens", "tokens": 400, "fractions": [0.1, 1.0]})
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "ratio/long")
    tokens = warehouse.lake.scan(("ratio_losses", "long")).collect()["tokens"]
    np.testing.assert_allclose(tokens, 400, atol=40)
    write_yaml(data / "ratio" / "long.yaml", FILE)


def test_trainings_are_made_on_request_even_where_a_recipe_uses_their_answer(tmp_path: Path):
    registry = load_registry(pool_with_ratio(tmp_path))
    assert registry.errors == {}
    tables = {table.name: table for table in all_tables(registry)}
    assert tables["ratio/long"].on_demand
    assert not tables["selections/long"].on_demand
    assert ("ratio", "long") in tables["selections/long"].reads


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": "none"}, "none"),
        ({"targets": ["none"]}, "targets"),
        ({"fractions": [0.3, 0.1]}, "fractions must rise"),
        ({"fractions": [0.3, 1.2]}, "fractions"),
        ({"targets": [], "held_out": 0}, "nothing is measured"),
        ({"tokens": 400}, "'tokens' goes with 'equal: tokens'"),
    ],
)
def test_a_file_that_cannot_be_carried_out_is_left_out_and_so_is_the_recipe_that_needs_it(tmp_path: Path, more, said):
    registry = load_registry(pool_with_ratio(tmp_path, **more))
    assert said in registry.errors["ratio/long.yaml"]
    assert "from_ratio needs ratio/long.yaml" in registry.errors["recipes/long.yaml"]


def test_a_file_about_no_recipe_says_which_there_are(tmp_path: Path):
    data = pool_with_ratio(tmp_path)
    write_yaml(data / "ratio" / "absent.yaml", FILE)
    error = load_registry(data).errors["ratio/absent.yaml"]
    assert "recipes/ has no usable file absent.yaml" in error
    assert "long" in error


# ---------------------------------------------------------------------------------------------- planted, with trainings
def planted(folder: Path, rows: list[dict], fractions: list[float], recipe: dict, epochs: int = 3) -> float:
    """Return the fraction that is found for a pool of one source whose rows are sums."""
    data = folder / "data"
    add_source(data, "sums", rows, licence="CC0-1.0")
    proxy = {**TINY, "token_budget": 2000}
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": proxy})
    write_yaml(data / "recipes" / "mine.yaml", {"doc": "x", "paper": "y", **recipe, "budget": {"rows": 5}})
    file = {**FILE, "fractions": fractions, "seeds": 2, "held_out": 0, "targets": ["sums"]}
    write_yaml(data / "ratio" / "mine.yaml", {**file, "tolerance": 0.02, "epochs": epochs})
    examples = [{"prompt": f"Add {i} and {i + 5}.", "response": response(i)} for i in range(1000, 1030)]
    write_yaml(data / "targets" / "sums.yaml", {"doc": "sums", "examples": examples})
    warehouse = open_warehouse(data, device="cpu")
    make(warehouse, "ratio/mine", upstream=True)
    return warehouse.lake.require(("ratio", "mine")).meta["fraction"]


def response(i: int) -> str:
    return f"Both together are {2 * i + 5}, and no more than that."


def row(i: int, said: str | None = None, **more) -> dict:
    return {"instruction": f"Add {i} and {i + 5}.", "output": said or response(i), **more}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_pool_repeated_tenfold_needs_a_tenth(tmp_path: Path):
    rows = [row(i) for i in range(60)] * 10
    recipe = {"drop": [{"when": "duplicate"}], "select": {"sampler": "random"}}
    assert planted(tmp_path, rows, [0.01, 0.03, 0.1, 0.3], recipe) == 0.1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_shuffled_rows_lower_how_much_is_enough(tmp_path: Path):
    """The same pool, ranked by how good its rows are said to be: of the others the answers are noise."""
    draw = np.random.default_rng(0)
    noise = ["".join(draw.choice(list("zqxjkvwy "), 30)) for _ in range(60)]
    recipe = {"select": {"sampler": "topk", "by": "given.quality"}}
    found = []
    for name, spoilt in (("clean", 0), ("shuffled", 36)):
        rows = [row(i, noise[i] if i >= 60 - spoilt else None, quality=1.0 - i / 60) for i in range(60)]
        data = tmp_path / name / "data"
        write_yaml(data / "scores" / "quality.yaml", {"how": "given", "field": "quality", "keep": "high"})
        found.append(planted(tmp_path / name, rows, [0.2, 0.4, 1.0], recipe, epochs=14))
    assert found == [1.0, 0.4]
