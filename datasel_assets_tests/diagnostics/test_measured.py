"""Many subsets of one pool: each is measured once, and what is known is not measured again."""

import numpy as np
import pytest

from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.diagnostics.measured import Measured, PoolFacts, measured
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.subset import subset_diagnostics

IDS = np.array(["a", "b", "c", "d"])
CHOSEN = {"one": np.array(["d", "a"]), "two": np.array(["c"]), "same": np.array(["a", "d"])}
VALUE = np.array([1.0, 2.0, 4.0, 8.0])


class Meter:
    """Measures the sum of values, and remembers which rows it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, rows: np.ndarray) -> dict[str, float]:
        self.asked.append(rows.tolist())
        return {"sum": float(VALUE[rows].sum())}


def run(meter: Meter, **options) -> Measured:
    return measured(IDS, CHOSEN, meter, ["sum", "other"], **options)


def test_every_subset_is_measured_at_its_positions_in_the_order_of_the_pool():
    meter = Meter()
    found = run(meter)
    assert sorted(meter.asked) == [[0, 3], [0, 3], [2]]
    assert found.table.select("recipe", "sum", "basis").rows() == [
        ("one", 9.0, "one"),
        ("two", 4.0, "two"),
        ("same", 9.0, "same"),
    ]
    assert found.computed == ("one", "two", "same")
    assert found.table["other"].null_count() == 3


def test_what_is_made_from_the_same_is_measured_once():
    meter = Meter()
    steps: list[tuple[int, int]] = []
    basis = {"one": "x", "two": "y", "same": "x"}
    found = run(meter, basis=basis, progress=lambda done, total: steps.append((done, total)))
    assert sorted(meter.asked) == [[0, 3], [2]]
    assert steps == [(1, 2), (2, 2)]
    assert found.table["sum"].to_list() == [9.0, 4.0, 9.0]
    assert found.table["basis"].to_list() == ["x", "y", "x"]


def test_what_is_known_is_taken_as_it_is():
    meter = Meter()
    basis = {"one": "x", "two": "y", "same": "x"}
    known = {"x": {"sum": -1.0, "other": 3.0}, "old": {"sum": 0.0, "other": 0.0}}
    found = run(meter, basis=basis, known=known)
    assert meter.asked == [[2]]
    assert found.computed == ("two",)
    assert found.table["sum"].to_list() == [-1.0, 4.0, -1.0]


def test_where_all_is_known_nothing_is_asked_for():
    def refuse(rows: np.ndarray) -> dict[str, float]:
        raise AssertionError("everything is known")

    known = {"x": {"sum": 1.0, "other": None}}
    found = measured(IDS, {"one": CHOSEN["one"]}, refuse, ["sum", "other"], basis={"one": "x"}, known=known)
    assert found.computed == ()
    assert found.table["sum"].to_list() == [1.0]


def test_a_figure_that_is_not_a_number_is_not_known():
    found = measured(IDS, {"one": IDS}, lambda rows: {"sum": float("nan")}, ["sum"])
    assert found.table["sum"].to_list() == [None]


def facts(**more) -> PoolFacts:
    texts = np.array([f"text {i}" for i in range(4)])
    return PoolFacts(IDS, np.array(["x", "x", "y", "y"]), texts, **more)


def test_without_vectors_there_is_only_what_was_given():
    given = facts(quality=np.array([0.1, np.nan, 0.5, 0.9]), near={"near_t": VALUE})
    rows = np.array([0, 1, 3])
    assert given.figures(rows) == {"quality": pytest.approx(0.5), "near_t": pytest.approx(11 / 3)}
    assert facts().figures(rows) == {}


def test_with_vectors_the_figures_are_those_of_a_subset():
    vectors = ArrayVectors(np.eye(4, dtype=np.float32))
    given = facts(vectors=vectors, clusters=np.array([0, 0, 1, -1]))
    rows = np.array([1, 2])
    found = given.figures(rows)
    alone = subset_diagnostics(
        IDS, vectors, rows, clusters=given.clusters, sources=given.sources, texts=given.texts[rows]
    )
    assert list(found) == list(MEASURES)
    assert found == pytest.approx(alone, nan_ok=True)
