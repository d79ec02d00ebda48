"""The database of one sitting, held against the same questions asked of the frame itself."""

import base64

import numpy as np
import polars as pl
import pytest

from datasel_assets.storage.exploration.database import PoolDatabase, packed
from datasel_assets.storage.exploration.filters import Columns, Filter, NoSuchColumn, filter_of

N = 300
RNG = np.random.default_rng(5)
ROWS = pl.DataFrame(
    {
        "row_id": [f"r{i:03}" for i in range(N)],
        "source": RNG.choice(["a", "b", "c"], N),
        "position": range(N),
        "n_turns": [2] * N,
        "n_tokens": RNG.integers(1, 50, N),
        "prompt": [f"Prompt {i}" for i in range(N)],
        "response": [f"Response 100% {i}" for i in range(N)],
        "text": [f"prompt {i} response 100% {i}" for i in range(N)],
        "text.mtld": pl.Series(np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)))
        .fill_nan(None)
        .cast(pl.Float32),
        "cluster": RNG.integers(0, 4, N),
        "category.laser": RNG.choice(["Math", "Coding"], N),
        "tags.phrases": [[t for t in ("x", "y") if RNG.random() < 0.5] for _ in range(N)],
        "kept.random": RNG.random(N) < 0.3,
        "kept.longest": RNG.random(N) < 0.3,
        "map.x": RNG.normal(size=N).astype(np.float32),
        "map.y": RNG.normal(size=N).astype(np.float32),
    }
).with_columns(
    pl.when(f"kept.{recipe}").then(pl.lit("kept")).otherwise(pl.lit("budget")).alias(f"stage.{recipe}")
    for recipe in ("random", "longest")
)
COLUMNS = Columns(
    numbers=("n_tokens", "text.mtld"),
    sources=("a", "b", "c"),
    categories={"category.laser": ("Coding", "Math")},
    tags=("tags.phrases",),
    recipes={"random": ("budget", "kept"), "longest": ("budget", "kept")},
    clusters=("one", "two", "three", "four"),
    has_map=True,
)


@pytest.fixture(scope="module")
def database():
    database = PoolDatabase(ROWS, COLUMNS)
    yield database
    database.close()


FILTERS = {
    "nothing": ({}, pl.lit(True)),
    "text": ({"text": " RESPONSE   100% 1"}, pl.col("text").str.contains("response 100% 1", literal=True)),
    "a pattern is no pattern": ({"text": "prompt %"}, pl.lit(False)),
    "sources": ({"sources": ["a", "c"]}, pl.col("source").is_in(["a", "c"])),
    "bounds": (
        {"bounds": {"n_tokens": {"low": 10, "high": 20}, "text.mtld": {"low": 0}}},
        pl.col("n_tokens").is_between(10, 20) & (pl.col("text.mtld") >= 0),
    ),
    "clusters": ({"clusters": [1, 3]}, pl.col("cluster").is_in([1, 3])),
    "category": ({"categories": {"category.laser": ["Math"]}}, pl.col("category.laser") == "Math"),
    "all tags": (
        {"tags": {"tags.phrases": ["x", "y"]}},
        pl.col("tags.phrases").list.contains("x") & pl.col("tags.phrases").list.contains("y"),
    ),
    "only one recipe": (
        {"decisions": {"random": "kept", "longest": "dropped"}},
        pl.col("kept.random") & ~pl.col("kept.longest"),
    ),
    "a stage": ({"decisions": {"random": "budget"}}, ~pl.col("kept.random")),
    "a part of the map": (
        {"box": {"x": [1, -1], "y": [0, 9]}},
        pl.col("map.x").is_between(-1, 1) & pl.col("map.y").is_between(0, 9),
    ),
    "all at once": (
        {"text": "prompt", "sources": ["b"], "bounds": {"n_tokens": {"high": 25}}, "decisions": {"random": "kept"}},
        (pl.col("source") == "b") & (pl.col("n_tokens") <= 25) & pl.col("kept.random"),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_the_rows_that_fit_all_it_says(database: PoolDatabase, name: str):
    asked, expected = FILTERS[name]
    assert database.matching(filter_of(asked)).tolist() == _fits(expected)


def _fits(expected: pl.Expr) -> list[bool]:
    return ROWS.with_columns(fits=expected.fill_null(False))["fits"].to_list()


@pytest.mark.parametrize("descending", [True, False])
def test_rows_without_a_value_come_last_whichever_way_they_are_sorted(database: PoolDatabase, descending: bool):
    rows = database.matching(Filter(sources=("a",)))
    page = database.page(rows, sort="text.mtld", descending=descending, start=0, count=200)
    expected = ROWS.filter(pl.col("source") == "a").sort("text.mtld", descending=descending, nulls_last=True)
    known = expected["text.mtld"].drop_nulls().to_list()
    assert [row["value"] for row in page] == pytest.approx(known + [None] * (len(page) - len(known)))
    second = database.page(rows, sort="text.mtld", descending=descending, start=7, count=3)
    assert [row["row_id"] for row in second] == [row["row_id"] for row in page[7:10]]


def test_a_histogram_counts_the_rows_of_the_filter_and_those_beside_them(database: PoolDatabase):
    rows = database.matching(Filter(sources=("a",)))
    for beside, others in (("pool", ROWS), ("longest", ROWS.filter("kept.longest"))):
        found = database.histogram("text.mtld", rows, beside)
        own = ROWS.filter(pl.col("source") == "a")["text.mtld"]
        assert sum(found["here"]["counts"]) == found["here"]["known"] == own.count()
        assert found["here"]["unknown"] == own.null_count()
        assert found["here"]["mean"] == pytest.approx(own.mean())
        assert found["here"]["quantiles"][2] == pytest.approx(own.median())
        assert found["beside"]["known"] == others["text.mtld"].count()
    random = database.histogram("n_tokens", rows, "random")
    assert random["beside"]["known"] == rows.sum()
    assert random == database.histogram("n_tokens", rows, "random")


def test_two_recipes_share_the_rows_of_a_filter_out_among_four_cases(database: PoolDatabase):
    wanted = Filter(sources=("b",), decisions={"random": "kept"})
    frame = ROWS.filter(pl.col("source") == "b")
    a, b = frame["kept.random"], frame["kept.longest"]
    expected = {"both": (a & b).sum(), "one": (a & ~b).sum(), "other": (b & ~a).sum(), "neither": (~(a | b)).sum()}
    assert database.compared(wanted, "random", "longest") == expected


def test_shares_count_sources_and_what_each_recipe_keeps(database: PoolDatabase):
    rows = database.matching(Filter(bounds={"n_tokens": {"low": 25}}))
    frame = ROWS.filter(pl.col("n_tokens") >= 25)
    told = database.shares(rows)
    assert told["sources"] == {name: (frame["source"] == name).sum() for name in "abc"}
    assert told["kept"] == {name: frame[f"kept.{name}"].sum() for name in ("random", "longest")}


def test_a_mask_is_sent_eight_rows_a_byte(database: PoolDatabase):
    mask = RNG.random(N) < 0.5
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed(mask)), np.uint8), bitorder="little")[:N]
    np.testing.assert_array_equal(bits.astype(bool), mask)


def test_the_map_is_three_columns_of_four_bytes(database: PoolDatabase):
    columns = np.frombuffer(database.map_bytes(), "<f4").reshape(3, N)
    np.testing.assert_array_equal(columns[:2], ROWS.select("map.x", "map.y").to_numpy().T)
    np.testing.assert_array_equal(columns[2].view("<i4"), ROWS["cluster"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bounds": {"n_token": {"low": 1}}}, "no 'n_token'; did you mean 'n_tokens'"),
        ({"bounds": {'n_tokens" >= 0 OR true --': {"low": 1}}}, "numbers has no"),
        ({"tags": {"text": ["x"]}}, "tags has no 'text'"),
        ({"decisions": {"nobody": "kept"}}, "recipes has no 'nobody'"),
        ({"categories": {"source": ["a"]}}, "categories has no 'source'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_whatever_its_name(database: PoolDatabase, asked: dict, message: str):
    with pytest.raises(NoSuchColumn, match=message):
        database.matching(filter_of(asked))


def test_values_with_quotes_are_values(database: PoolDatabase):
    for text in ("' OR true --", '"; DROP TABLE pool; --', "%", "_"):
        wanted = Filter(text=text, sources=("a' OR 'a' = 'a",), decisions={"random": "kept' OR true"})
        assert not database.matching(wanted).any()
    assert database.matching(Filter()).all()


@pytest.mark.parametrize(
    "asked", [None, [], {"text": 3}, {"boxes": 1}, {"bounds": {"n_tokens": {"low": float("nan")}}}]
)
def test_what_is_no_filter_is_refused(asked: object):
    with pytest.raises(ValueError, match="filter: "):
        filter_of(asked)


def test_the_database_reaches_no_file(database: PoolDatabase):
    for statement in ("SELECT * FROM read_text('/etc/hostname')", "SET enable_external_access = true"):
        with pytest.raises(Exception, match=r"(?i)disabled|locked|cannot"):
            database._lines(statement, [])
