"""The pool as samplers see it."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from datasel_assets.storage.lake import Expected, MissingTableError
from datasel_assets.tables.pool import read_vectors, vector_array
from datasel_assets_tests.project import Project


def publish(project: Project, source: str, ids: list[str], vectors: list[list[float] | None], **more: list) -> None:
    known = vector_array(np.array([vector or [0, 0] for vector in vectors], dtype=np.float32))
    column = pa.array([None if v is None else k for v, k in zip(vectors, known.to_pylist(), strict=True)], known.type)
    zero = [None if vector is None else not any(vector) for vector in vectors]
    table = pa.table({"row_id": ids, "vector": column, "is_zero": pa.array(zero, pa.bool_()), **more})
    project.warehouse.lake.write(Expected(("representations", "white", source), "1"), table, meta={"dim": 2})


def test_vectors_stand_in_the_order_of_the_pool_and_what_has_none_is_missing(project: Project):
    publish(project, "sums", ["c", "a"], [[0.5, 1.0], [0.0, 0.0]])
    failed = [None, "ValueError: too long", None]
    publish(project, "code", ["d", "b", "left"], [[1.0, 0.0], None, [0.0, 1.0]], failed=failed)
    pool = pl.DataFrame({"row_id": ["a", "b", "c", "d"], "source": ["sums", "code", "sums", "code"]})
    found = read_vectors(project.warehouse, "white", pool)
    assert found.missing.tolist() == [True, True, False, False]
    assert found.vectors.take(np.arange(4)).tolist() == [[0, 0], [0, 0], [0.5, 1], [1, 0]]


def test_a_source_without_vectors_is_missing_and_without_any_there_is_nothing_to_read(project: Project):
    pool = pl.DataFrame({"row_id": ["a", "z"], "source": ["sums", "fruit"]})
    with pytest.raises(MissingTableError, match="no source has vectors of white"):
        read_vectors(project.warehouse, "white", pool)
    publish(project, "sums", ["a"], [[1.0, 0.0]])
    assert read_vectors(project.warehouse, "white", pool).missing.tolist() == [False, True]
