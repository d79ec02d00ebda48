"""Digests of sets of row ids that can be merged."""

from hashlib import blake2b

import polars as pl
import pytest

from datasel_assets.storage import fingerprint
from datasel_assets.storage.fingerprint import ids_sum, merged_sums


def of_name(name: str) -> str:
    return blake2b(name.encode(), digest_size=16).hexdigest()


HASHES = [of_name(str(k)) for k in range(50)]


def by_hand(ids: list[str]) -> str:
    """Add up ids as Python numbers, those that are no hashes by their hash."""
    numbers = [int(row if row in HASHES else of_name(row), 16) for row in ids]
    return f"{sum(numbers) % 2**128:032x}"


@pytest.mark.parametrize(
    "ids",
    [
        [],
        HASHES,
        ["a", "词"],
        [*HASHES, "plain"],
        [HASHES[0].upper()],
        ["g" * 32, HASHES[3]],
        ["ä" * 16],
        ["f" * 31 + "é", *HASHES],
    ],
)
def test_a_set_is_the_sum_of_its_ids_however_it_is_cut(ids: list[str], monkeypatch: pytest.MonkeyPatch):
    series = pl.Series("row_id", ids, dtype=pl.String)
    assert ids_sum(series) == by_hand(ids)
    monkeypatch.setattr(fingerprint, "HASHED_ROWS", 7)
    assert ids_sum(series) == by_hand(ids)


def test_a_name_counts_alike_in_a_set_of_its_own_and_among_hashes():
    hashes, names = pl.Series(HASHES), pl.Series(["a", "b"])
    assert ids_sum(pl.concat([hashes, names])) == merged_sums([ids_sum(hashes), ids_sum(names)])


def test_a_slice_of_a_series_has_its_own_sum():
    series = pl.Series(HASHES)
    assert ids_sum(series[10:30]) == by_hand(HASHES[10:30])
