"""LEAD as a table and as a recipe: a proxy that was trained on a small pool is trained further in rounds."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.models.train.round_training import RoundTraining
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.needed import files_needed
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

LOOP = {
    "kind": "lead",
    "model": "tiny",
    "groups": {"k": 3, "up_to": 1.0003},
    "budget": {"rows": 20},
    "rounds": 12,
    "pick": {"rate": 0.1, "most_uses": 2, "order": "highest"},
    "training": {"batch_tokens": 200},
    "held_out": 9,
}
RECIPE = {"paper": "x", "select": {"sampler": "topk", "by": "loops.led"}, "budget": {"rows": 12}}


def lay(data: Path, **loop) -> Path:
    """Write a pool of 90 rows with a proxy, a loop, and a recipe that reads it."""
    small_pool(data, n=30)
    add_source(data, "again", rows("fruit", 2))
    for recipe in (data / "recipes").glob("*.yaml"):
        recipe.unlink()
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "loops" / "led.yaml", {**LOOP, **loop})
    write_yaml(data / "recipes" / "led.yaml", RECIPE)
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = lay(tmp_path_factory.mktemp("lead") / "data")
    make(open_warehouse(data, device="cpu"), "selections/led", upstream=True)
    return data


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """The same folder with everything that was made, to be changed."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def again(data: Path, **loop) -> Path:
    """Change the loop."""
    write_yaml(data / "loops" / "led.yaml", {**LOOP, **loop})
    return data


@pytest.fixture
def led(data: Path) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(("loops", "led")).collect()


@pytest.fixture
def rounds_made(data: Path) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(("loop_rounds", "led")).collect()


def test_as_many_rows_as_the_budget_are_chosen_and_their_uses_are_the_rows_of_the_rounds(led, rounds_made):
    chosen = led.drop_nulls("score")
    assert chosen.height == (led["uses"] > 0).sum() == rounds_made["new"].sum() <= 20
    assert led["uses"].sum() == rounds_made["rows"].sum()
    assert led["uses"].max() <= 2
    by_round = chosen.sort("score", descending=True)["round"].to_list()
    assert by_round == sorted(by_round)


def test_rows_that_repeat_others_are_held_out_or_have_no_valid_ifd_are_never_trained_on(data, led):
    scores = [
        open_warehouse(data, device="cpu").lake.scan(("scores", "tiny", source)).select("row_id", "ifd_loss_ratio")
        for source in ("sums", "fruit", "code", "again")
    ]
    both = led.join(pl.concat(scores).collect(), on="row_id")
    invalid = both.filter(~pl.col("ifd_loss_ratio").is_between(0, 1.0003))
    assert invalid.height > 0
    assert invalid["uses"].sum() == 0
    told = led.filter(pl.col("group").is_null())["told"]
    assert led.filter(pl.col("group").is_null())["uses"].sum() == 0
    assert (told == "it is held out to measure the loss").sum() == 9
    assert (told == "it repeats another row").sum() == 2
    assert told.str.contains(r"^tiny.ifd_loss_ratio is 1\.00\d+, out of bounds$").sum() > 0


def test_groups_are_intervals_of_ifd_and_rounds_choose_inside_one(led, rounds_made):
    assert led["group"].drop_nulls().unique().sort().to_list() == [0, 1, 2]
    for number, arm, new in rounds_made.select("round", "arm", "new").rows():
        own = led.filter(pl.col("round") == number)
        assert own.height == new
        assert (own["group"] == arm).all()


def test_each_round_says_its_chance_what_it_has_earned_and_what_was_read_so_far(data, rounds_made):
    offline = 2 * 92  # IFD reads every row twice
    assert rounds_made["forward_passes"].to_list() == (offline + rounds_made["rows"].cum_sum()).to_list()
    for arm, chance, chances in rounds_made.select("arm", "probability", "probabilities").rows():
        assert sum(chances) == pytest.approx(1)
        assert chances[arm] == chance >= 0.1 / 3 - 1e-12
    assert rounds_made["reward"].is_between(-1, 1).all()
    assert rounds_made["removed"].n_unique() > 1
    assert rounds_made["seconds"].min() > 0
    info = open_warehouse(data, device="cpu").lake.info(("loops", "led"))
    assert info is not None
    assert info.meta["held_out_before"] > rounds_made["held_out_loss"].drop_nulls()[-1] > 0


def test_the_utility_of_a_row_that_was_trained_on_is_not_the_loss_that_was_read_but_near_it(led):
    used = led.filter((pl.col("uses") == 1) & (pl.col("utility") > 0))
    apart = (used["utility"] - used["last"]).abs()
    assert apart.max() < 0.5
    assert apart.min() > 0


def test_the_ledger_says_in_which_round_and_group_a_row_was_chosen_or_not(data: Path):
    decisions = open_warehouse(data, device="cpu").lake.scan(("decisions", "led")).collect()
    kept = decisions.filter("kept")["reason"]
    assert kept.str.contains(
        r"by loops\.led \([\d.]+\): round \d+, group ifd_loss_ratio [\d.]+ to [\d.]+, utility [\d.]+"
    ).all()
    reasons = decisions.filter(pl.col("stage") == "ineligible")["reason"]
    assert reasons.str.contains("never drawn|came first|out of bounds|held out|repeats").all()


def test_a_loop_that_was_killed_between_rounds_ends_with_the_same_rows(copied: Path, monkeypatch: pytest.MonkeyPatch):
    data = again(copied, utility={"delta": "minnorm"})
    make(open_warehouse(data, device="cpu"), "loops/led")
    path = data / "warehouse" / "loops" / "led.parquet"
    expected, plain, calls = path.read_bytes(), RoundTraining.train, []
    path.unlink()

    def dies_in_round_three(self, conversations, done):
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, conversations, done)

    monkeypatch.setattr(RoundTraining, "train", dies_in_round_three)
    with pytest.raises(KeyboardInterrupt):
        make(open_warehouse(data, device="cpu"), "loops/led")
    assert list((data / "warehouse" / "_loops" / "led").glob("step-*"))
    built = make(open_warehouse(data, device="cpu"), "loops/led").built
    assert path.read_bytes() == expected
    assert len(calls) == built.metadata["rounds"] + 1  # of the round that was cut off alone a pass is made again
    assert not (data / "warehouse" / "_loops" / "led").exists()


def test_what_it_costs_is_said_before_and_one_that_may_not_take_so_long_does_not_begin(copied: Path, caplog):
    path = copied / "warehouse" / "loops" / "led.parquet"
    path.unlink()
    with pytest.raises(ValueError, match=r"would take about .* hours .* allows 1e-09: raise hours"):
        make(open_warehouse(again(copied, hours=1e-9), device="cpu"), "loops/led")
    caplog.set_level("INFO")
    built = make(open_warehouse(again(copied), device="cpu"), "loops/led").built
    assert "loops/led : 40 rows, about 0:00:0" in caplog.text
    assert built.metadata["forecast_seconds"] >= 0
    assert built.metadata["plot: rounds"].png.startswith(b"\x89PNG")
    assert built.metadata["rows_read_before"] == 2 * 92
    assert built.checks["some_rows_were_chosen"].passed


def test_a_loop_that_took_too_long_stops_and_goes_on_when_it_may_take_longer(
    copied: Path, monkeypatch: pytest.MonkeyPatch
):
    path = copied / "warehouse" / "loops" / "led.parquet"
    expected = path.read_bytes()
    path.unlink()
    from datasel_assets.tables.loops import trained

    with monkeypatch.context() as patch:
        patch.setattr(trained, "timed", lambda work: 0.0)
        with pytest.raises(TimeoutError, match="What it has done is kept"):
            make(open_warehouse(again(copied, hours=1e-9), device="cpu"), "loops/led")
    make(open_warehouse(again(copied), device="cpu"), "loops/led")
    assert path.read_bytes() == expected


# ----------------------------------------------------------------------------------------------------------- registry
def test_a_loop_is_carried_out_where_a_recipe_reads_it_alone_and_brings_its_files(tmp_path: Path):
    data = lay(tmp_path / "data")
    registry = load_registry(data)
    assert "loops/led" in {table.name for table in all_tables(registry)}
    assert files_needed(registry.recipes["led"], registry) == ["language_models/tiny.yaml", "loops/led.yaml"]
    (data / "recipes" / "led.yaml").unlink()
    assert "loops/led" not in {table.name for table in all_tables(load_registry(data))}


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ({"model": "tony"}, "model: language_models/tony.yaml is absent"),
        ({"groups": {"by": "tiny.ifd"}}, "there is no score 'tiny.ifd'"),
        ({"groups": {"by": "loops.led"}}, "made only where a recipe reads it"),
        ({"groups": {"above": 2, "up_to": 1}}, "must be below"),
        ({"budget": {"rows": 3, "fraction": 0.1}}, "give one of 'rows' and 'fraction'"),
        ({"utility": {"delta": "guess"}}, "delta"),
    ],
)
def test_a_wrong_loop_is_said_with_file_and_key(tmp_path, loop, message):
    registry = load_registry(lay(tmp_path / "data", **loop))
    assert registry.loops == {}
    assert message in registry.errors["loops/led.yaml"]


def test_bounds_that_no_row_is_in_are_said(copied: Path):
    with pytest.raises(ValueError, match=r"no row has tiny.ifd_loss_ratio within its bounds"):
        make(open_warehouse(again(copied, groups={"above": 5.0, "up_to": 6.0}), device="cpu"), "loops/led")
