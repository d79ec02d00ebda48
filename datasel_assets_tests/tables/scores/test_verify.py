"""The table of the verifiers: what it holds, what its page shows, what is made again."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.indicators.verify import VERIFY
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.pools import add_source

ROWS = [
    {"instruction": "What is 2 + 3?", "output": "2 + 3 = 6"},
    {"instruction": "What is 2 + 4?", "output": "2 + 4 = 6"},
    {"instruction": "Summarize the following article.", "output": "It is about the moon."},
    {"instruction": "How tall is he?", "output": "I'm sorry, but I cannot provide that information."},
    {"instruction": "Name a colour.", "output": "Red."},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    add_source(tmp_path / "data", "mixed", ROWS)
    return tmp_path / "data"


def made(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    return warehouse, make(warehouse, "scores/verify", "mixed", upstream=True).built


def test_every_row_has_the_verdict_of_every_verifier(data: Path):
    warehouse, built = made(data)
    corpus = warehouse.lake.scan(("corpus", "mixed")).select("row_id", "position")
    table = warehouse.lake.scan(("scores", "verify", "mixed")).join(corpus, on="row_id").sort("position").collect()
    assert set(VERIFY) <= set(table.columns)
    verdicts = table.with_columns(pl.col(pl.Float32).fill_nan(None))
    assert verdicts["arithmetic_wrong"].to_list() == [1, 0, None, None, None]
    assert verdicts["text_missing"].to_list() == [None, None, 1, None, None]
    assert verdicts["refusal"].to_list() == [0, 0, 0, 1, 0]
    assert all(check.passed for check in built.checks.values())
    assert warehouse.registry.score_keep()["verify.refusal"] == "low"


def test_the_page_counts_verdicts_and_shows_the_worst_rows(data: Path):
    _, built = made(data)
    counts = {cells[0]: cells[1:] for cells in built.metadata["verdicts"].cells}
    assert counts["arithmetic_wrong"] == [2, 1, 0.5]
    assert counts["choice_missed"][:2] == [0, 0]
    worst = built.metadata["worst_rows"].cells
    assert [cells[0] for cells in worst] == ["arithmetic_wrong", "refusal", "text_missing"]
    assert "2 + 3 = 6" in worst[0]


def test_only_new_rows_are_verified(data: Path):
    made(data)
    add_source(data, "mixed", [*ROWS, {"instruction": "And now?", "output": "Yes."}])
    _, built = made(data)
    assert (built.rows_new, built.rows_reused) == (1, 5)
