"""Search among sorted ids against a dictionary."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.storage.sorted_ids import among, positions

IDS = st.lists(st.text(alphabet="ab0é词", max_size=3), unique=True)


@given(IDS, IDS)
def test_every_id_is_found_where_it_stands_and_no_other(there: list[str], wanted: list[str]):
    ids = pl.Series("id", there, dtype=pl.String).sort()
    place = {row: k for k, row in enumerate(ids)}
    asked = pl.Series("id", wanted, dtype=pl.String)
    found = positions(asked, ids)
    assert found.dtype == np.int64
    assert found.tolist() == [place.get(row, -1) for row in wanted]
    for order in (asked, asked.sort()):
        assert among(order, ids).to_list() == [row in place for row in order]


@pytest.mark.parametrize("wanted", [[], ["a"], ["a", "0"]])
def test_nothing_is_among_no_ids(wanted: list[str]):
    asked, none = pl.Series("id", wanted, dtype=pl.String), pl.Series("id", [], dtype=pl.String)
    assert positions(asked, none).tolist() == [-1] * len(wanted)
    assert among(asked, none).to_list() == [False] * len(wanted)


def test_a_missing_id_stands_nowhere():
    assert positions(pl.Series(["a", None]), pl.Series(["a", "b"])).tolist() == [0, -1]
