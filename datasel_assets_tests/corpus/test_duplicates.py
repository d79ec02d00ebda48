"""Exact duplicates against a plain loop."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from datasel_assets.corpus import DUPLICATES_SCHEMA, exact_duplicates
from datasel_assets.corpus.duplicates import pairs_of_sources


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=12), st.randoms())
def test_every_row_but_the_smallest_of_its_content_points_to_it(rows: list[tuple[str, str]], random):
    table = [(f"{i * 7 % 13:02}", source, content) for i, (source, content) in enumerate(rows)]
    expected = {}
    for name, source, content in table:
        first = min((s, n) for n, s, c in table if c == content)
        if first != (source, name):
            expected[name] = first[1]
    random.shuffle(table)
    frame = pl.DataFrame(
        table, schema={"row_id": pl.String, "source": pl.String, "content_hash": pl.String}, orient="row"
    )
    found = exact_duplicates(frame)
    assert dict(found.select("row_id", "duplicate_of").iter_rows()) == expected
    assert found["row_id"].is_sorted()
    assert dict(found.schema) == DUPLICATES_SCHEMA
    assert found.equals(exact_duplicates(frame.lazy()))


def test_kind_and_similarity_are_those_of_an_exact_duplicate():
    frame = pl.DataFrame({"row_id": ["2", "1"], "source": ["a", "b"], "content_hash": ["h", "h"]})
    assert exact_duplicates(frame).rows() == [("1", "2", "exact", 1.0)]


def test_duplicates_are_counted_by_their_source_and_that_of_the_row_that_stays():
    pool = pl.DataFrame({"row_id": ["a1", "a2", "b1", "b2", "c1"], "source": ["a", "a", "b", "b", "c"]})
    found = pl.DataFrame({"row_id": ["b1", "b2", "a2"], "duplicate_of": ["a1", "a1", "a1"]})
    assert pairs_of_sources(found, pool).rows() == [("b", "a", 2), ("a", "a", 1)]
