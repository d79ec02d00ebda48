"""The pool as samplers see it: what is aligned with what."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from datasel_assets.settings import Settings
from datasel_assets.storage import scratch
from datasel_assets.storage.lake import Expected, MissingTableError
from datasel_assets.storage.vectors import vector_type
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import write_yaml

# Ids need not be hashes, nor of one length.
IDS = {"one": ["a", "ab", "b", "zz"], "two": ["A", "aa", "ä"]}
NOWHERE = "0"


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    """Two sources with a corpus; their vectors hold the place of the row in its source and the length of the id."""
    warehouse = Warehouse(Settings.at(tmp_path, device="cpu"))
    for source, ids in IDS.items():
        write_yaml(tmp_path / "sources" / f"{source}.yaml", {"uri": "x.jsonl"})
        n = len(ids)
        corpus = {
            "row_id": ids,
            "source": [source] * n,
            "prompt": ["?" * k for k in range(n)],
            "response": ["!" * (2 * k) for k in range(n)],
            **{name: [1] * n for name in ("n_turns", "n_chars", "n_tokens", "n_response_tokens")},
        }
        warehouse.lake.write(Expected(("corpus", source), "f"), pl.DataFrame(corpus))
    duplicates = {"row_id": ["a"], "duplicate_of": ["b"]}
    warehouse.lake.write(Expected(("duplicates",), "f"), pl.DataFrame(duplicates))
    return warehouse


def write_vectors(warehouse: Warehouse, source: str, rows: dict[str, list[float] | None], zero: dict[str, bool | None]):
    table = pa.table(
        {
            "row_id": pa.array(list(rows)),
            "vector": pa.array(list(rows.values()), vector_type(2)),
            "is_zero": pa.array([zero.get(row, False) for row in rows], pa.bool_()),
        }
    )
    warehouse.lake.write(Expected(("representations", "r", source), "f"), table, meta={"dim": 2})


def vector(row: str) -> list[float]:
    return [float(len(row)), float(ord(row[0]) % 97)]


@pytest.fixture
def vectors(warehouse: Warehouse) -> Warehouse:
    write_vectors(warehouse, "one", {row: vector(row) for row in (NOWHERE, *IDS["one"])}, {"ab": True})
    write_vectors(warehouse, "two", {"aa": vector("aa"), "A": None, "ä": vector("ä")}, {"A": None})
    return warehouse


def test_the_pool_is_by_row_id_with_the_sizes_of_its_texts(warehouse: Warehouse):
    pool = read_pool(warehouse)
    assert pool["row_id"].to_list() == ["A", "a", "aa", "ab", "b", "zz", "ä"]
    assert dict(pool.select("row_id", "response_chars").iter_rows())["zz"] == 6
    assert dict(pool.select("row_id", "duplicate_of").drop_nulls().iter_rows()) == {"a": "b"}


@pytest.mark.parametrize("order", ["sorted", "as_they_come", "backwards"])
def test_vectors_stand_beside_their_rows_in_whatever_order_these_are(vectors: Warehouse, order: str):
    pool = read_pool(vectors).select("row_id", "source")
    pool = {
        "sorted": pool,
        "as_they_come": pool.sample(fraction=1, shuffle=True, seed=3),
        "backwards": pool.reverse(),
    }[order]
    found = read_vectors(vectors, "r", pool)
    missing = [row in ("ab", "A") for row in pool["row_id"]]
    wanted = [[0.0, 0.0] if gone else vector(row) for row, gone in zip(pool["row_id"], missing, strict=True)]
    assert found.missing.tolist() == missing, "a row that failed and one without a direction have no vector"
    np.testing.assert_array_equal(found.vectors.take(np.arange(pool.height)), wanted)


def test_a_part_of_the_pool_gets_its_own_vectors_only(vectors: Warehouse):
    pool = pl.DataFrame({"row_id": ["b", "ä"], "source": ["one", "two"]})
    found = read_vectors(vectors, "r", pool)
    np.testing.assert_array_equal(found.vectors.take(np.arange(2)), [vector("b"), vector("ä")])
    assert not found.missing.any()


def test_a_row_of_a_source_without_vectors_is_missing(warehouse: Warehouse):
    write_vectors(warehouse, "one", {row: vector(row) for row in IDS["one"]}, {})
    pool = read_pool(warehouse)
    assert read_vectors(warehouse, "r", pool).missing.tolist() == [row in IDS["two"] for row in pool["row_id"]]


def test_vectors_that_do_not_fit_into_memory_lie_in_a_file(vectors: Warehouse, monkeypatch: pytest.MonkeyPatch):
    pool = read_pool(vectors)
    in_memory = read_vectors(vectors, "r", pool)
    monkeypatch.setattr(scratch, "MAPPED_BYTES", 0)
    on_disk = read_vectors(vectors, "r", pool)
    rows = np.arange(pool.height)
    np.testing.assert_array_equal(on_disk.vectors.take(rows), in_memory.vectors.take(rows))
    assert on_disk.missing.tolist() == in_memory.missing.tolist()


def test_vectors_of_a_representation_that_nobody_has_are_an_error(warehouse: Warehouse):
    with pytest.raises(MissingTableError, match="no source has vectors of r"):
        read_vectors(warehouse, "r", read_pool(warehouse))


def test_a_score_that_failed_or_is_not_defined_is_null_in_the_pool(warehouse: Warehouse):
    table = {"row_id": IDS["one"], "words": [1.0, None, float("nan"), 4.0], "failed": [None, "odd", None, None]}
    warehouse.lake.write(Expected(("scores", "text", "one"), "f"), pl.DataFrame(table))
    table = {"row_id": IDS["two"], "words": [5.0, 6.0, 7.0]}
    warehouse.lake.write(Expected(("scores", "text", "two"), "f"), pl.DataFrame(table))
    pool = read_pool(warehouse, scores=["text.words", "n_chars"])
    assert dict(pool.select("row_id", "text.words").iter_rows()) == {
        **{"a": 1.0, "ab": None, "b": None, "zz": 4.0},
        **{"A": 5.0, "aa": 6.0, "ä": 7.0},
    }
    assert "failed" not in pool.columns
