"""Signatures of a pool beside its rows; rows that could not be signed, and corpora that are ahead of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.corpus.minhash import signatures
from datasel_assets.specs.minhash import MinHashSpec
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.duplicates import minhash
from datasel_assets.tables.row_units import Context
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import add_source, rows, small_pool, write_yaml

SPEC = MinHashSpec()
SOURCES = ("code", "fruit", "sums")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = small_pool(tmp_path / "data", n=12)
    write_yaml(folder / "duplicates.yaml", {"near": {"threshold": 0.7}})
    return folder


def made(data: Path, *tables: str) -> Warehouse:
    warehouse = open_warehouse(data, "cpu")
    for table in tables:
        for source in SOURCES:
            make(warehouse, table, source)
    return warehouse


def texts(warehouse: Warehouse) -> pl.Series:
    rows = pl.concat(warehouse.lake.scan(("corpus", source)) for source in SOURCES).collect()
    return rows["prompt"] + "\n" + rows["response"]


sign = minhash.sign


def sign_all_but_one(found: pl.DataFrame, context: Context) -> pl.DataFrame:
    if found["prompt"].str.contains("holds 7 apples").any():
        raise ValueError("unsignable")
    return sign(found, context)


def test_signatures_of_the_pool_lie_as_its_rows_do(data: Path):
    warehouse = made(data, "raw_corpus", "corpus", "minhash")
    found, expected = minhash.pool_signatures(warehouse, SPEC), signatures(texts(warehouse), SPEC)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.sizes, expected.sizes)
    np.testing.assert_array_equal(found.digests, expected.digests)


def test_a_row_that_could_not_be_signed_has_no_shingle_and_is_nobodys_duplicate(data: Path, monkeypatch):
    twice = rows("fruit", 12)
    add_source(data, "fruit", [*twice, {**twice[7], "output": twice[7]["output"] + " "}])
    monkeypatch.setattr(minhash, "sign", sign_all_but_one)
    warehouse = made(data, "raw_corpus", "corpus")
    with pytest.raises(ValueError, match=r"2 of 13 rows .* could not be computed"):
        make(warehouse, "minhash", "fruit")
    add_source(data, "fruit", twice)
    warehouse = made(data, "raw_corpus", "corpus", "minhash")
    sizes = minhash.pool_signatures(warehouse, SPEC).sizes
    unsigned = texts(warehouse).str.contains("holds 7 apples").to_numpy()
    np.testing.assert_array_equal(sizes == 0, unsigned)
    assert unsigned.sum() == 1
    built = make(warehouse, "near_duplicates").built
    assert built.metadata["pool_rows"] == 36


def test_a_corpus_that_is_ahead_of_its_signatures_is_named(data: Path):
    made(data, "raw_corpus", "corpus", "minhash")
    add_source(data, "sums", rows("sums", 15))
    warehouse = made(data, "raw_corpus", "corpus")
    with pytest.raises(ValueError, match="3 rows of corpus/sums have no signature"):
        minhash.pool_signatures(warehouse, SPEC)
