"""What the comparison's advice is made from: further random draws, and trainings of the selections as they are."""

import polars as pl

from datasel_assets.storage.lake import Expected
from datasel_assets.tables.selections.comparison import report_path
from datasel_assets.tables.selections.comparison_advice import further_draws, trained_keys
from datasel_assets_tests.project import Project


def losses(recipe: str, better_by: float) -> pl.DataFrame:
    lines = [
        ("target: adding", arm, seed, loss + 0.001 * seed, 100)
        for seed in range(3)
        for arm, loss in ((recipe, 2.0 - better_by), ("random", 2.0))
    ]
    schema = {"set": pl.String, "arm": pl.String, "seed": pl.Int64, "loss": pl.Float64, "tokens": pl.Int64}
    return pl.DataFrame(lines, schema=schema, orient="row")


def try_out(project: Project, recipe: str, version: str) -> None:
    """Publish a training as ``make evidence`` would."""
    made_from = Expected(("proxy_eval", recipe), "1", {f"selections/{recipe}": version})
    project.warehouse.lake.write(made_from, losses(recipe, 0.5))


def test_ten_draws_of_rows_that_random_could_have_taken_are_measured_like_a_recipe(settled: Project):
    lake = settled.warehouse.lake
    table, drawn = lake.scan(("comparison",)).collect(), lake.scan(("random_draws",)).collect()
    assert drawn["draw"].to_list() == [f"random {seed}" for seed in range(1, 11)]
    assert {"vendi", "quality", "near_adding", "basis"} <= set(drawn.columns) & set(table.columns)
    taken = lake.scan(("selections", "random")).collect()["row_id"].to_numpy()
    draws = further_draws(settled.warehouse, {"random": taken})
    decisions = lake.scan(("decisions", "random")).collect()
    could = set(decisions.filter(pl.col("stage").is_in(["kept", "budget"]))["row_id"])
    assert all(len(ids) == len(taken) and set(ids) <= could for ids in draws.values())
    assert len({frozenset(ids) for ids in draws.values()}) == 10


def test_a_training_of_the_selection_as_it_is_stands_in_the_advice_and_an_older_one_does_not(settled: Project):
    warehouse = settled.warehouse
    try_out(settled, "spread", warehouse.lake.version(("selections", "spread")))
    try_out(settled, "longest", "an earlier selection")
    assert trained_keys(warehouse, ["longest", "spread", "random"]) == [("proxy_eval", "spread")]
    assert {run["stage"] for run in settled.update()} == {"comparison", "catalog"}
    said = report_path(settled.warehouse).read_text("utf-8")
    assert "a model trained on it is -0.500 nats per token against random rows on target: adding" in said
