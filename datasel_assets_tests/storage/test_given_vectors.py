"""Vectors that users bring, by key: Parquet, NumPy and Lance read alike, and what is wrong is named."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasel_assets.raw_rows import SourceError
from datasel_assets.storage.given_vectors import files_of, identity, read_vectors
from datasel_assets.storage.readers import digests

KEYS = ["c", "a", "b"]
VECTORS = np.array([[3.0, 30.0], [1.0, 10.0], [2.0, 20.0]], np.float32)


def parquet(folder: Path, keys=KEYS, vectors=None, kind=None, name: str = "v.parquet", **columns) -> str:
    kind, vectors = kind or pa.list_(pa.float64()), VECTORS.tolist() if vectors is None else vectors
    table = pa.table({"key": pa.array(keys), "vector": pa.array(vectors, kind), **columns})
    pq.write_table(table, folder / name)
    return name


def read(folder: Path, table: str, key: str = "key"):
    return read_vectors(table, "vector", key, folder, folder / "scratch")


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 2)])
def test_any_lists_of_one_length_are_vectors(tmp_path: Path, kind):
    given = read(tmp_path, parquet(tmp_path, kind=kind))
    vectors, missing = given.of(pl.Series(["b", "x", "a", None]))
    assert vectors.tolist() == [[2, 20], [0, 0], [1, 10], [0, 0]]
    assert missing.tolist() == [False, True, False, True]


def test_a_matrix_of_numpy_has_its_keys_beside_it(tmp_path: Path):
    np.save(tmp_path / "v.npy", VECTORS)
    (tmp_path / "keys.txt").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    vectors, missing = read(tmp_path, "v.npy", "keys.txt").of(pl.Series(["c", "a"]))
    assert vectors.tolist() == [[3, 30], [1, 10]]
    assert not missing.any()


def test_lance_is_read_where_its_package_is_there(tmp_path: Path):
    lance = pytest.importorskip("lance", reason="pylance is not installed: pip install 'datasel_assets[lance]'")
    lance.write_dataset(
        pa.table({"key": KEYS, "vector": pa.array(VECTORS.tolist(), pa.list_(pa.float32(), 2))}),
        str(tmp_path / "v.lance"),
    )
    assert read(tmp_path, "v.lance").of(pl.Series(["b"]))[0].tolist() == [[2, 20]]


def test_lance_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lance", None)
    (tmp_path / "v.lance").mkdir()
    (tmp_path / "v.lance" / "data").touch()
    with pytest.raises(SourceError, match="pip install 'datasel_assets"):
        read(tmp_path, "v.lance")


def test_a_pattern_of_files_is_one_table(tmp_path: Path):
    parquet(tmp_path, KEYS[:1], VECTORS[:1].tolist(), name="v-0.parquet")
    parquet(tmp_path, KEYS[1:], VECTORS[1:].tolist(), name="v-1.parquet")
    assert len(read(tmp_path, "v-*.parquet").keys) == 3


def test_a_table_that_was_not_touched_is_not_read_again_to_tell_whether_it_changed(tmp_path: Path, monkeypatch):
    def told() -> str:
        return identity(files_of(name, "key", tmp_path), tmp_path / "memory.json")

    name = parquet(tmp_path)
    path = tmp_path / name
    os.utime(path, (0, 0))
    first = told()
    with monkeypatch.context() as patch:
        patch.setattr(digests, "_hash", lambda file: pytest.fail("it was read again"))
        assert told() == first
    parquet(tmp_path, vectors=(VECTORS + 1).tolist())
    assert told() != first


def test_one_power_of_two_scales_all_vectors(tmp_path: Path):
    tiny = (VECTORS * 1e-6).tolist()
    scale = read(tmp_path, parquet(tmp_path, vectors=tiny)).scale
    assert 512 < 30e-6 * scale <= 1024
    assert np.log2(scale).is_integer()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"keys": ["a", "b", "a"]}, "the key 'a' occurs more than once"),
        ({"keys": ["a", "b", None]}, "line 2 has no key"),
        ({"vectors": [[1.0], [1.0, 2.0], [1.0]]}, "differ in length: 1, 2"),
        ({"vectors": [[1.0], None, [1.0]]}, "lines without a vector"),
        ({"vectors": [1.0, 2.0, 3.0], "kind": pa.float32()}, "holds float, not lists of numbers"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(tmp_path: Path, options, complaint):
    with pytest.raises(SourceError, match=complaint):
        read(tmp_path, parquet(tmp_path, **options))


@pytest.mark.parametrize(
    ("table", "key", "complaint"),
    [
        ("nowhere.parquet", "key", "nowhere.parquet does not exist"),
        ("v.csv", "key", "vectors are read from .parquet, .lance or .npy"),
        ("v.parquet", "id", "there is no column 'id'; it has key, vector"),
    ],
)
def test_a_table_that_is_not_there_is_named(tmp_path: Path, table: str, key: str, complaint: str):
    parquet(tmp_path)
    with pytest.raises(SourceError, match=complaint):
        read(tmp_path, table, key)
