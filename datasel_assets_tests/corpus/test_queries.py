"""Examples of a query set: the sample that is drawn, and the tasks that they name."""

import polars as pl

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.corpus.queries import drawn, with_task

ROWS = pl.DataFrame(
    {"row_id": [f"r{i}" for i in range(9)], "extra": ['{"task": "sum"}', '{"task": 3}', '{"other": "x"}', *["{}"] * 6]}
)


def test_a_drawn_sample_is_that_of_the_hash_in_the_order_of_the_rows():
    wanted = sorted(hash_sample(ROWS["row_id"].to_list(), 4, 7).tolist())
    assert drawn(ROWS, 4, 7).equals(ROWS[wanted])
    assert drawn(ROWS, None, 7).equals(ROWS)
    assert drawn(ROWS, 50, 7).equals(ROWS)


def test_a_task_is_the_field_as_text_or_the_row_itself():
    assert with_task(ROWS, "task")["task"].to_list() == ["sum", "3", *(f"r{i}" for i in range(2, 9))]
    assert with_task(ROWS[:0], "task").schema["task"] == pl.String
