import numpy as np
import pytest
from scipy.sparse import csr_array

from datasel_assets.samplers import SAMPLERS, ArrayVectors, Candidates, SamplerModule, SubsetVectors, Tags, Vectors
from datasel_assets.samplers.base import usable_rows
from datasel_assets.schema import StrictModel


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_blocks_give_every_row_once_as_float32(dtype, block):
    array = np.random.default_rng(0).standard_normal((7, 4)).astype(dtype)
    vectors = ArrayVectors(array)
    assert isinstance(vectors, Vectors)
    copies = [(rows, part.copy()) for rows, part in vectors.blocks(block)]
    assert max(len(rows) for rows, _ in copies) <= block
    assert {part.dtype for _, part in copies} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in copies]), np.arange(7))
    np.testing.assert_array_equal(np.concatenate([part for _, part in copies]), array.astype(np.float32))
    np.testing.assert_array_equal(vectors.take(np.array([6, 0, 6])), array.astype(np.float32)[[6, 0, 6]])


def test_a_subset_renumbers_rows():
    array = np.arange(20, dtype=np.float32).reshape(10, 2)
    subset = SubsetVectors(ArrayVectors(array), np.array([7, 1, 4]))
    assert (subset.n, subset.dim) == (3, 2)
    np.testing.assert_array_equal(np.concatenate([part for _, part in subset.blocks(2)]), array[[7, 1, 4]])
    np.testing.assert_array_equal(subset.take(np.array([2])), array[[4]])


def test_a_float64_beyond_float32_becomes_a_row_that_is_not_usable():
    pool = Candidates(np.array(["a", "b"]), vectors=ArrayVectors(np.array([[1e300, 0.0], [1.0, 0.0]])))
    assert usable_rows(pool, frozenset({"vectors"})).tolist() == [False, True]


@pytest.mark.parametrize(("array", "message"), [(np.ones(3), "two-dimensional"), (np.ones((2, 2), int), "float16")])
def test_arrays_that_are_no_vectors_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        ArrayVectors(array)


def test_ties_are_places_in_the_order_of_row_ids():
    assert Candidates(np.array(["b", "c", "a"])).ties.tolist() == [1, 2, 0]
    assert Candidates(np.array(["a", "b", "c"])).ties.tolist() == [0, 1, 2]
    assert Candidates(np.array(["x"])).ties.tolist() == [0]


def test_a_repeated_row_id_is_refused_by_name():
    with pytest.raises(ValueError, match="'b' occurs more than once"):
        _ = Candidates(np.array(["b", "a", "b"])).ties


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"scores": np.ones(3)}, "scores has shape"),
        ({"eligible": np.ones(1, bool)}, "eligible has shape"),
        ({"vectors": ArrayVectors(np.ones((3, 2)))}, "vectors has 3 rows, expected 2"),
        ({"queries": np.ones((0, 2))}, "t >= 1"),
        ({"queries": np.ones((1, 3)), "vectors": ArrayVectors(np.ones((2, 2)))}, "same representation"),
        ({"queries": np.ones((2, 2)), "query_tasks": np.array([1])}, "1 labels for 2 queries"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Candidates(np.array(["a", "b"]), **parts)


PARTS = {
    "scores": np.ones(1),
    "groups": np.array(["g"]),
    "vectors": ArrayVectors(np.ones((1, 2), np.float32)),
    "tags": Tags(np.array([0, 1]), np.array([0], np.int32), 1),
    "label_graph": csr_array((1, 1)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_names_the_part_that_it_misses(name):
    module = SAMPLERS[name]
    needed = {"topk": {"by": "x"}, "band": {"by": "x", "low": 0}, "best_of_clusters": {"by": "x"}}
    needed["rounds"] = {"inner": {"sampler": "kcenter"}}
    params = module.Params.model_validate(needed.get(name, {}))
    assert isinstance(params, StrictModel)
    for part in module.REQUIRES - {"queries"}:
        parts = {other: value for other, value in PARTS.items() if other != part}
        with pytest.raises(ValueError, match=f"candidates.{part}"):
            module.sample(Candidates(np.array(["a"]), **parts), 1, params, 0)


def test_the_registry_holds_what_the_protocol_asks_for():
    wanted = [name for name in vars(SamplerModule) if not name.startswith("_")]
    assert set(wanted) == {"Params", "REQUIRES", "RANKS_ALL", "sample"}
    assert all(hasattr(module, name) for module in SAMPLERS.values() for name in wanted)
