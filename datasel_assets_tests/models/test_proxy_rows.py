"""The rows of a proxy model: drawn by name, read as far as somebody goes."""

import numpy as np
import polars as pl
import pytest

from datasel_assets.models import proxy_rows
from datasel_assets.models.proxy_rows import (
    MESSAGES,
    DrawnRows,
    Pool,
    ReadAhead,
    contents,
    data_digest,
    draw_rows,
    pool_of,
)
from datasel_assets.specs.proxy import ProxySpec

N = 100
ROWS = pool_of(f"row number {i}" for i in range(N))


@pytest.fixture
def steps(monkeypatch) -> list[int]:
    """How many rows each reading of the pool asked for, when it begins with four."""
    monkeypatch.setattr(proxy_rows, "READ_ROWS", 4)
    return []


def counted(steps: list[int]) -> Pool:
    whole = Pool.of(ROWS)

    def read(places: np.ndarray) -> pl.Series:
        steps.append(len(places))
        return whole.read(places)

    return Pool(whole.names, read)


def test_rows_are_read_in_steps_that_grow_and_each_once(steps: list[int]):
    order = np.random.default_rng(0).permutation(N)
    ahead = ReadAhead(counted(steps), order)
    assert len(ahead) == N
    assert steps == []
    assert ahead[:3].to_list() == ROWS["messages"].gather(order[:3]).to_list()
    assert steps == [4]
    assert ahead[:4].len() == 4
    assert steps == [4]
    assert ahead[3:30].to_list() == ROWS["messages"].gather(order[3:30]).to_list()
    assert steps == [4, 12, 48]
    assert ahead[:].to_list() == ROWS["messages"].gather(order).to_list()
    assert steps == [4, 12, 48, N - 64]
    assert ahead[0:0].dtype == MESSAGES


def test_contents_are_read_until_there_are_enough_characters(steps: list[int]):
    drawn = draw_rows(ROWS, ProxySpec())
    texts = [row[0]["content"] for row in ROWS["messages"].gather(drawn["place"]).to_list()]
    rows = DrawnRows(counted(steps), drawn)
    assert list(contents(rows, 10**6)) == texts
    assert list(contents(rows, len(texts[0]) + 1)) == texts[:2]
    assert list(contents(rows, len(texts[0]))) == texts[:1]
    assert list(contents(rows, 0)) == []
    assert list(contents(rows, 10**6, 7)) == texts[:7]
    assert sum(steps) == N


def test_a_draw_and_its_digest_follow_from_the_names_whatever_their_order():
    spec = ProxySpec(seed=3)
    drawn, other = draw_rows(ROWS, spec), draw_rows(ROWS[::-1], spec)
    assert ROWS["row_id"].gather(drawn["place"]).to_list() == ROWS[::-1]["row_id"].gather(other["place"]).to_list()
    assert drawn.select("side", "form").equals(other.select("side", "form"))
    assert data_digest(ROWS.select("row_id", "content_hash")) == data_digest(ROWS[::-1])


def test_rows_of_a_pool_are_those_that_it_was_made_of():
    places = np.array([5, 3, 5])
    assert Pool.of(ROWS).rows(places).equals(ROWS[places])
