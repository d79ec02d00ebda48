"""Rows by their positions, over several files and row groups, against plain slicing."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.storage.gather import gather

ROWS = pl.DataFrame({"n": range(40), "text": [f"text {i}" for i in range(40)], "other": [0] * 40})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    bounds = [0, 13, 13, 40]  # the second file is empty
    paths = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        paths.append(tmp_path / f"{number}.parquet")
        ROWS[start:stop].write_parquet(paths[-1], row_group_size=5)
    return paths


@pytest.mark.parametrize("positions", [[], [0], [39, 0, 12, 13], [20, 20, 3, 20], list(range(40))[::-1]])
def test_rows_come_in_the_order_of_their_positions(files: list[Path], positions: list[int]):
    found = gather(files, ["text", "n"], np.array(positions, np.int64))
    assert found.equals(ROWS.select("text", "n")[positions])


@pytest.mark.parametrize("position", [-1, 40])
def test_a_position_beyond_the_rows_is_refused(files: list[Path], position: int):
    with pytest.raises(IndexError, match="a table with 40 rows"):
        gather(files, ["n"], np.array([3, position]))
