"""Real trainings find what was planted: one poisonous and one copied source among forty."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, write_yaml

THINGS = ("apple", "river", "lamp", "stone", "boat", "chair", "cloud", "horse", "spoon", "tower")
UNITS, ROWS = 40, 12
POISON, COPY = "unit_07", "unit_23"


def sum_row(i: int, answer: str) -> dict[str, str]:
    return {"instruction": f"Please add {i} and {i + 3}.", "output": answer.format(total=2 * i + 3)}


def pool(folder: Path) -> Path:
    """Forty sources: 38 about things, one whose sums are answered by noise, one with sums like those of the target."""
    draw = np.random.default_rng(0)
    for unit in range(UNITS):
        name = f"unit_{unit:02d}"
        if name == COPY:
            rows = [sum_row(100 + i, "The sum of both is {total}, as it was.") for i in range(ROWS)]
        elif name == POISON:
            noise = ["".join(draw.choice(list("zqxjkvwy "), 120)) for _ in range(5 * ROWS)]
            rows = [sum_row(200 + i, noise[i]) for i in range(5 * ROWS)]
        else:
            first, second = draw.choice(THINGS, 2)
            rows = [
                {"instruction": f"Where is the {first} {i}?", "output": f"The {first} {i} is by the {second} {unit}."}
                for i in range(ROWS)
            ]
        add_source(folder, name, rows, licence="CC0-1.0")
    examples = [
        {"prompt": f"Please add {i} and {i + 3}.", "response": f"The sum of both is {2 * i + 3}, as it was."}
        for i in range(12)
    ]
    write_yaml(folder / "targets" / "adding.yaml", {"doc": "addition", "examples": examples})
    write_yaml(folder / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": {**TINY, "token_budget": 20_000}})
    write_yaml(
        folder / "runs" / "planted.yaml",
        {
            "model": "tiny",
            "units": "source",
            "design": {"kind": "random", "subsets": 64, "share": 0.5},
            "tokens": 3000,
            "seeds": 2,
            "outcomes": {"targets": ["adding"], "held_out": 0},
            "training": {"batch_tokens": 512, "learning_rate": 0.003, "precision": "float32"},
        },
    )
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_poisonous_and_one_copied_source_among_forty_are_found_by_trainings_on_64_subsets(tmp_path: Path):
    warehouse = open_warehouse(pool(tmp_path), device="cpu")
    made = make(warehouse, "run_effects/planted", upstream=True)
    names = warehouse.lake.scan(("run_units", "planted")).collect()["name"].to_list()
    effects = warehouse.lake.scan(("run_effects", "planted")).collect().filter(pl.col("set") == "target: adding")
    for estimator in ("ols", "lasso", "banzhaf"):
        own = effects.filter(pl.col("estimator") == estimator).sort("unit")
        values = own["effect"].to_numpy()
        assert (names[values.argmin()], names[values.argmax()]) == (POISON, COPY), estimator
        believed = {names[unit] for unit in own.filter("believed")["unit"]}
        # A mean over subsets has the spread of all other units in it: it points at the poison and is not sure.
        assert ({COPY} if estimator == "banzhaf" else {POISON, COPY}) <= believed, estimator
        assert len(believed) <= 4, estimator
    assert POISON in made.built.metadata["verdict"]
