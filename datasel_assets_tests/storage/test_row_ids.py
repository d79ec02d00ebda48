"""Counts over ids in eight bytes each, against Python sets."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.storage.lake import Expected, Lake
from datasel_assets.storage.row_ids import id_keys, repeated_ids, shared

KEY = ("corpus", "a")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def write(lake: Lake, ids: list[str]) -> None:
    lake.write(Expected(KEY, "f"), pl.DataFrame({"row_id": ids}, schema={"row_id": pl.String}))


def drawn(n: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [f"{generator.randrange(500):032x}"[::-1] for _ in range(n)]


def test_keys_are_the_first_halves_of_the_ids_in_order(lake: Lake):
    ids = [f"{number:032x}" for number in (5 << 64, 3 << 64, (1 << 128) - 1, 0)]
    write(lake, ids)
    assert id_keys(lake, KEY).tolist() == [0, 3, 5, 2**64 - 1]
    assert id_keys(lake, ("corpus", "none")).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_two_tables_share_are_counted_as_sets_do(lake: Lake, seed: int):
    left, right = sorted(set(drawn(200, seed))), sorted(set(drawn(300, seed + 50)))
    write(lake, left)
    before = id_keys(lake, KEY)
    write(lake, right)
    now = id_keys(lake, KEY)
    assert shared(before, now) == shared(now, before) == len(set(left) & set(right))
    assert shared(before, np.empty(0, np.uint64)) == shared(np.empty(0, np.uint64), now) == 0


def test_ids_that_begin_alike_are_not_taken_for_repeated_ones(lake: Lake):
    start = "00112233445566778899"
    ids = [start + "a" * 12, start + "b" * 12, "f" * 32]
    write(lake, ids)
    assert repeated_ids(lake, KEY, id_keys(lake, KEY)) == 0
    write(lake, [*ids, ids[1], ids[1], ids[2]])
    assert repeated_ids(lake, KEY, id_keys(lake, KEY)) == 3
