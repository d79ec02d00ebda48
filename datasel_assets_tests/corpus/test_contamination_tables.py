"""Tables of hits: what all tiers say together, the nearest item of each row, and the list for a person."""

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination import (
    CONTAMINATION_SCHEMA,
    EvaluationIndex,
    EvaluationItem,
    find_overlaps,
    row_texts,
)
from datasel_assets.corpus.contamination.nearest_table import NEAREST_SCHEMA, nearest_of_each, nearest_table
from datasel_assets.corpus.contamination.review import LABELS_SCHEMA, list_for_review
from datasel_assets.corpus.contamination.verdict import blocking_hits, hits_of_all_tiers


def hits(*lines: tuple[str, str, str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(*line, "some words") for line in lines], schema=CONTAMINATION_SCHEMA, orient="row", strict=False
    )


def test_the_text_of_a_row_is_all_its_messages():
    kind = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    messages = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], []]
    assert row_texts(pl.Series(messages, dtype=kind)).to_list() == ["a\n\nb", ""]


def test_rows_scanned_in_blocks_have_the_hits_of_rows_scanned_at_once():
    question = "how many of the forty passengers are still on board of the train after its last stop"
    index = EvaluationIndex.build([EvaluationItem("exam", "q1", question)])
    texts = [f"{i}: {question}" if i % 3 == 0 else f"row {i}" for i in range(20)]
    ids = [f"r{i:02}" for i in range(20)]
    blocks = [find_overlaps(ids[start : start + 6], texts[start : start + 6], index) for start in range(0, 20, 6)]
    together = find_overlaps(ids, texts, index)
    assert together.height == 7
    assert pl.concat(blocks).sort("row_id", "evaluation", "item").equals(together)


def test_a_vector_says_nothing_about_an_evaluation_whose_words_a_row_holds():
    words = hits(("b", "exam", "q1", "ngram", 0.6))
    vectors = hits(("b", "exam", "q2", "embedding", 0.9), ("a", "exam", "q2", "embedding", 0.8))
    other = hits(("b", "quiz", "q3", "embedding", 0.7))
    found = hits_of_all_tiers(words, [vectors, other])
    assert found.select("row_id", "evaluation", "tier").rows() == [
        ("a", "exam", "embedding"),
        ("b", "exam", "ngram"),
        ("b", "quiz", "embedding"),
    ]


def test_the_strongest_hit_of_a_blocking_tier_is_put_in_words():
    found = hits(
        ("a", "exam", "q1", "embedding", 0.98765),
        ("a", "exam", "q2", "ngram", 0.5),
        ("a", "exam", "q3", "ngram", 0.75),
        ("b", "exam", "q4", "embedding", 0.98765),
        ("c", "quiz", "q5", "exact", 1.0),
        ("d", "exam", "q6", "exact", 1.0),
    )
    said = blocking_hits(found, {"exam": ["ngram", "embedding"], "quiz": ["exact"]}).sort("row_id")
    assert said.rows() == [
        ("a", "holds item q3 of evaluation exam (ngram, 75 % of its words)"),
        ("b", "may reword item q4 of evaluation exam (embedding, cosine 0.988)"),
        ("c", "holds item q5 of evaluation quiz (exact, 100 % of its words)"),
    ]
    assert blocking_hits(found, {"exam": []}).is_empty()


ITEMS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)


def test_each_row_has_its_nearest_item_and_a_row_without_direction_has_none():
    vectors = np.array([[2.0, 0.1], [0.0, 0.0], [0.3, 0.4]], np.float32)
    found = nearest_table(pl.Series(["x", "y", "z"]), vectors, np.array(["i", "j"]), ITEMS).sort("row_id")
    assert found.schema == NEAREST_SCHEMA
    assert found.select("row_id", "item_id").rows() == [("x", "i"), ("y", None), ("z", "j")]
    np.testing.assert_allclose(found["cosine"].drop_nulls(), [2 / np.hypot(2, 0.1), 0.8], rtol=1e-6)


def test_comparing_with_old_and_new_items_apart_is_comparing_with_all_of_them():
    generator = np.random.default_rng(0)
    rows, items = generator.normal(size=(50, 5)), generator.normal(size=(9, 5))
    rows[7] = 0
    ids, names = pl.Series([f"r{i:02}" for i in range(50)]), np.array([f"i{i}" for i in range(9)])
    parts = [nearest_table(ids, rows, names[part], items[part]) for part in (slice(0, 4), slice(4, 9))]
    assert nearest_of_each(pl.concat(parts)).equals(nearest_of_each(nearest_table(ids, rows, names, items)))


def test_of_equally_near_items_the_first_by_id_counts():
    lines = pl.DataFrame(
        [("a", "j", 0.5), ("a", "i", 0.5), ("a", None, None), ("b", None, None)], schema=NEAREST_SCHEMA, orient="row"
    )
    assert nearest_of_each(lines).rows() == [("a", "i", 0.5), ("b", None, None)]


def test_hits_that_keep_no_row_out_come_first_and_the_nearest_of_them_at_the_top():
    found = hits(
        ("a", "exam", "q1", "exact", 1.0), ("b", "exam", "q1", "embedding", 0.8), ("c", "exam", "q1", "embedding", 0.9)
    )
    texts = pl.DataFrame({"row_id": ["a", "b", "c"], "prompt": ["A", "B", "C"]})
    labels = pl.DataFrame([("b", "exam", "q1", False)], schema=LABELS_SCHEMA, orient="row")
    listed = list_for_review(found, texts, labels, {"exam": ["exact"]})
    assert listed.select("row_id", "blocks", "prompt", "is_contaminated").rows() == [
        ("c", False, "C", None),
        ("b", False, "B", False),
        ("a", True, "A", None),
    ]
