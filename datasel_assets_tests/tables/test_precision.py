"""Rows that a model computed in one number format are never put beside rows in another."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datasel_assets.storage.lake import Lake
from datasel_assets.tables.precision import MixedPrecisionError
from datasel_assets.tables.row_units import Context
from datasel_assets_tests.tables import toy as toys
from datasel_assets_tests.tables.toy import KEY, Producer, Toy

V1 = {"x": "1", "y": "1"}
V2 = {"x": "2", "y": "2"}
CHOSEN: dict[str, str | None] = {"dtype": None}


def compute(rows: pl.DataFrame, context: Context) -> Any:
    """Compute as a model would whose device has chosen a number format."""
    if CHOSEN["dtype"]:
        context.note(dtype=CHOSEN["dtype"])
    return toys.compute(rows, context)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch) -> Toy:
    monkeypatch.setattr(toys, "producer", Producer())
    return Toy(tmp_path)


def update(toy: Toy, ids: str, dtype: str | None, versions: dict[str, str] | None = None, **options: Any):
    CHOSEN["dtype"] = dtype
    return toy.update(list(ids), versions or V1, compute=compute, **options)


def noted(toy: Toy) -> str | None:
    return toy.lake.require(KEY).meta.get("dtype")


def test_a_table_says_in_which_number_format_its_rows_were_computed(toy: Toy):
    update(toy, "ab", "bfloat16")
    assert noted(toy) == "bfloat16"
    update(toy, "abc", "bfloat16")
    update(toy, "ac", "float32")
    assert noted(toy) == "bfloat16", "nothing was computed the last time"


def test_a_table_that_no_model_made_says_nothing(toy: Toy):
    update(toy, "ab", None)
    assert noted(toy) is None


def test_new_rows_in_another_format_are_refused_and_the_setting_is_named(toy: Toy):
    update(toy, "ab", "float32")
    before = toy.bytes()
    with pytest.raises(MixedPrecisionError, match=r"toys/dolly were computed in bfloat16 and float32.*'precision'"):
        update(toy, "abc", "bfloat16")
    assert toy.bytes() == before


def test_shards_of_two_kinds_of_devices_are_refused(toy: Toy, monkeypatch):
    toys.producer.killed_after = 1
    with pytest.raises(KeyboardInterrupt):
        update(toy, "abcd", "float32", unit_rows=2)
    toys.producer.killed_after = None
    with pytest.raises(MixedPrecisionError, match=r"not published yet lie in .*_shards/toys/dolly"):
        update(toy, "abcd", "bfloat16", unit_rows=2)
    assert toy.lake.info(KEY) is None


def test_rows_that_are_all_computed_anew_may_be_in_another_format(toy: Toy):
    update(toy, "ab", "float32")
    update(toy, "ab", "bfloat16", V2)
    assert noted(toy) == "bfloat16"


def test_of_rows_that_were_stored_before_formats_were_noted_none_is_claimed(toy: Toy):
    update(toy, "ab", None)
    update(toy, "abc", "float32")
    assert noted(toy) is None


def test_parts_of_a_large_table_agree_too(toy: Toy, monkeypatch):
    monkeypatch.setattr(Lake, "part_rows", 4)
    monkeypatch.setattr(Lake, "group_rows", 2)
    update(toy, "abcdef", "float32")
    assert noted(toy) == "float32"
    with pytest.raises(MixedPrecisionError):
        update(toy, "abcdefg", "bfloat16")
