import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datasel_assets.clusters.line import split_line


def test_numbers_in_three_heaps_make_three_clusters_from_the_smallest():
    values = np.array([5.0, 0.1, 9.9, 5.1, 0.0, 10.0, 0.2])
    assert split_line(values, 3).tolist() == [1, 0, 2, 1, 0, 2, 0]


def test_fewer_distinct_numbers_than_clusters_make_a_cluster_each():
    assert split_line(np.array([2.0, 1.0, 2.0]), 7).tolist() == [1, 0, 1]
    assert split_line(np.array([]), 7).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 7), st.randoms())
@settings(max_examples=60, deadline=None)
def test_clusters_are_intervals_whatever_the_order_of_the_numbers(values: list[float], k: int, shuffler):
    found = split_line(np.array(values), k)
    assert set(found) == set(range(found.max() + 1))
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()
    order = list(range(len(values)))
    shuffler.shuffle(order)
    assert split_line(np.array(values)[order], k).tolist() == found[order].tolist()
