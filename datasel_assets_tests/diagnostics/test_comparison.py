import math

import polars as pl
import pytest

from datasel_assets.diagnostics.comparison import COMPARISON_SCHEMA, compare

POOL = pl.DataFrame(
    {
        "row_id": ["a", "b", "c", "d", "e", "f"],
        "source": ["x", "x", "x", "y", "y", "z"],
        "n_tokens": [10, 20, 30, 40, 50, None],
        "n_response_tokens": [1, 2, 3, 4, 50, None],
        "cluster": [0, 0, 7, 7, 3, None],
        "duplicate_of": [None, "a", None, None, "d", None],
    }
)


def test_a_row_of_the_comparison_says_what_a_selection_holds():
    found = compare(
        POOL,
        {"mine": ["a", "b", "d"], "random": ["a", "f"], "longest": ["d", "e"]},
        seconds={"mine": 1.5},
    )
    assert found.schema == COMPARISON_SCHEMA
    assert found["recipe"].to_list() == ["mine", "random", "longest"]
    mine = found.row(0, named=True)
    spread = math.exp(-(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)))
    assert mine.pop("effective_sources") == pytest.approx(spread)
    assert mine.pop("effective_clusters") == pytest.approx(spread)
    assert mine.pop("mean_response_tokens") == pytest.approx(7 / 3)
    assert mine.pop("source_share") == pytest.approx(2 / 3)
    assert mine.pop("cluster_share") == pytest.approx(2 / 3)
    assert mine == {
        "recipe": "mine",
        "rows": 3,
        "tokens": 70,
        "response_tokens": 7,
        "median_response_tokens": 2.0,
        "sources_covered": 2,
        "clusters_covered": 2,
        "duplicates_left": 1,
        "overlap_with_random": 0.25,
        "overlap_with_longest": 0.25,
        "seconds": 1.5,
        "top_sources": "x 67 %, y 33 %",
    }
    random, longest = found.row(1, named=True), found.row(2, named=True)
    assert (random["overlap_with_random"], random["overlap_with_longest"]) == (1, 0)
    assert (random["tokens"], random["clusters_covered"], random["seconds"]) == (10, 1, None)
    assert longest["duplicates_left"] == 1


def test_what_is_not_known_is_null_and_not_zero():
    pool = POOL.with_columns(n_tokens=None, n_response_tokens=None, cluster=None)
    row = compare(pool, {"mine": ["a", "c"]}).row(0, named=True)
    unknown = {name for name, value in row.items() if value is None}
    assert unknown == {
        "tokens",
        "response_tokens",
        "mean_response_tokens",
        "median_response_tokens",
        "clusters_covered",
        "cluster_share",
        "effective_clusters",
        "overlap_with_random",
        "overlap_with_longest",
        "seconds",
    }


def test_an_empty_selection_has_a_row_too():
    row = compare(POOL, {"nothing": []}).row(0, named=True)
    assert (row["rows"], row["sources_covered"], row["duplicates_left"], row["top_sources"]) == (0, 0, 0, "")
    assert row["effective_clusters"] == 0


def test_no_selection_gives_an_empty_table():
    assert compare(POOL, {}).shape == (0, len(COMPARISON_SCHEMA))


@pytest.mark.parametrize(
    ("selection", "message"),
    [(["a", "a"], "holds an id twice"), (["a", "gone"], r"1 ids that the pool lacks \(first: gone\)")],
)
def test_a_selection_that_is_not_of_the_pool_is_refused(selection, message):
    with pytest.raises(ValueError, match=message):
        compare(POOL, {"mine": selection})


def test_a_pool_without_a_needed_column_is_refused():
    with pytest.raises(ValueError, match=r"lacks the columns \['cluster'\]"):
        compare(POOL.drop("cluster"), {})
