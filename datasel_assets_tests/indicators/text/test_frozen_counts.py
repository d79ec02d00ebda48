"""When words are counted anew: pools of single words, whose counts and divergences are plain to see."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from datasel_assets.indicators.text import frequency as maths
from datasel_assets.indicators.text.frozen_counts import FrozenCounts, Refreshed, refreshed

ALLOWED = 0.1


def counts(text: str) -> pl.DataFrame:
    """Count words, and the text as one prompt of so many words."""
    words = Counter(text.split())
    rows = [("word", word, n) for word, n in words.items()]
    rows += [("prompt_length", str(len(text.split())), 1)] if words else []
    return maths.sum_counts([pl.DataFrame(rows, schema=maths.COUNTED, orient="row")])


def half_the_l1(before: np.ndarray, today: np.ndarray) -> float:
    """Total variation distance: 0 for equal shares, 1 for disjoint ones."""
    return float(np.abs(before / before.sum() - today / today.sum()).sum() / 2)


class Pool:
    """Sources that are one text each; remembers which were read, and how."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.read: list[tuple[str, str]] = []

    @property
    def now(self) -> dict[str, str]:
        return dict(sorted(self.texts.items()))

    def count(self, source: str) -> pl.DataFrame:
        self.read.append(("all", source))
        return counts(self.texts[source])

    def sample(self, source: str) -> tuple[pl.DataFrame, float]:
        """The first half of the words."""
        self.read.append(("sample", source))
        words = self.texts[source].split()
        return counts(" ".join(words[: len(words) // 2])), 0.5

    def refresh(self, stand: FrozenCounts | None = None) -> Refreshed:
        self.read = []
        return refreshed(stand or FrozenCounts(), self.now, self.count, self.sample, half_the_l1, ALLOWED)


def words(counted: pl.DataFrame) -> dict[str, int]:
    return dict(maths.words_of(counted).table.iter_rows())


def test_the_first_count_is_of_everything():
    made = Pool(x="a a b", y="b c").refresh()
    assert words(made.counts.whole) == {"a": 2, "b": 2, "c": 1}
    assert words(made.counts.sources["y"]) == {"b": 1, "c": 1}
    assert made.recounted == ["x", "y"]
    assert made.drifts == {}
    assert made.counts.pool == made.counts.counted == {"x": "a a b", "y": "b c"}


def test_nothing_is_read_where_nothing_changed():
    pool = Pool(x="a a b", y="b c")
    first = pool.refresh()
    again = pool.refresh(first.counts)
    assert pool.read == []
    assert (again.recounted, again.drifts) == ([], {})
    assert again.counts.whole.equals(first.counts.whole)


def test_a_source_that_hardly_changed_is_sampled_and_keeps_its_counts():
    pool = Pool(x="a b " * 20, y="c " * 40)
    first = pool.refresh().counts
    pool.texts["x"] = "a b " * 21
    made = pool.refresh(first)
    assert pool.read == [("sample", "x")]
    assert made.recounted == []
    assert made.drifts["x"] == pytest.approx(abs(11 / 21 - 1 / 2), abs=1e-9)
    # 42 words of x by its sample and 40 of y, before: 40 and 40.
    assert made.drifts[""] == pytest.approx(40 / 80 - 40 / 82, abs=1e-2)
    assert made.counts.counted["x"] == "a b " * 20, "the counts are still of the rows they were taken over"
    assert made.counts.whole.equals(first.whole)


def test_a_source_that_drifted_is_counted_anew_and_the_pool_stands_until_it_drifts_itself():
    pool = Pool(x="a b " * 10, y="c " * 400)
    first = pool.refresh().counts
    pool.texts["x"] = "d " * 20
    made = pool.refresh(first)
    assert pool.read == [("sample", "x"), ("all", "x")]
    assert made.recounted == ["x"]
    assert made.drifts["x"] == 1.0
    assert words(made.counts.sources["x"]) == {"d": 20}
    assert made.drifts[""] == pytest.approx(20 / 420)
    assert words(made.counts.whole) == {"a": 10, "b": 10, "c": 400}


def test_a_pool_that_drifted_is_the_sum_of_its_sources_as_they_are_now():
    pool = Pool(x="a b " * 50, y="c " * 100)
    first = pool.refresh().counts
    pool.texts["x"] = "a b " * 51
    pool.texts["z"] = "d " * 100
    made = pool.refresh(first)
    assert ("all", "x") in pool.read, "a source that had not drifted by itself is counted with the pool"
    assert sorted(made.recounted) == ["x", "z"]
    assert made.drifts[""] > ALLOWED
    assert words(made.counts.whole) == {"a": 51, "b": 51, "c": 100, "d": 100}
    assert made.counts.pool == pool.now


def test_a_source_that_left_takes_its_own_counts_along():
    pool = Pool(x="a " * 100, y="a " * 10)
    first = pool.refresh().counts
    del pool.texts["y"]
    made = pool.refresh(first)
    assert list(made.counts.sources) == list(made.counts.counted) == ["x"]
    assert words(made.counts.whole) == {"a": 110}, "the pool is as it was at the last count"


@pytest.mark.parametrize(("before", "after", "bits"), [("", "", 0.0), ("", "a", 1.0), ("a", "", 1.0)])
def test_a_source_without_words_drifts_by_nothing_or_by_all(before: str, after: str, bits: float):
    pool = Pool(x=before, y="b " * 100)
    first = pool.refresh().counts
    pool.texts["x"] = f"{after} {after}  "
    assert pool.refresh(first).drifts["x"] == bits


def test_a_table_of_counts_names_the_source_and_says_nothing_for_the_pool():
    table = Pool(x="a b", y="b").refresh().counts.table()
    assert table.columns == ["source", *maths.COUNTED]
    found = table.filter(pl.col("unit") == "word").select("source", "value", "count").sort("source", "value")
    assert found.rows() == [(None, "a", 1), (None, "b", 2), ("x", "a", 1), ("x", "b", 1), ("y", "b", 1)]


def test_bands_are_those_of_the_pool_and_of_each_source():
    found = Pool(x="a a a b", y="b b").refresh().counts
    assert found.bands()["prompt_length"] == (2.0, 4.0)
    assert found.bands()["frequency"] == (0.5, 0.5)
    assert found.source_bands() == {"x": (0.25, 0.75), "y": (1.0, 1.0)}
