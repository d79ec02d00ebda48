"""Two versions of one recipe, held side by side over a pool."""

import polars as pl
import pytest

from datasel_assets.diagnostics.versions import HELD, Version, VersionPairs, differences

POOL = pl.DataFrame(
    {
        "row_id": ["a", "b", "c", "d"],
        "source": ["x", "x", "y", "y"],
        "n_tokens": [10, 20, 30, 40],
        "n_response_tokens": [1, 2, 3, 4],
        "cluster": [0, 0, 1, 1],
        "duplicate_of": [None, "a", None, None],
    },
    schema_overrides={"duplicate_of": pl.String},
)


def version(name: str, scores: dict[str, float], **manifest) -> Version:
    rows = pl.DataFrame({"row_id": list(scores), "score": list(scores.values())})
    return Version("longest", name, rows, manifest)


OLD = version("1", {"a": 1.0, "b": 2.0, "gone": 6.0}, spec={"budget": 3})
NEW = version("2", {"b": 4.0, "d": float("nan")}, spec={"budget": 2})


def both(pairs: VersionPairs) -> list[dict]:
    names = list(pairs.chosen)
    measured = pl.DataFrame({"recipe": names, "vendi": [1.5, 2.0], "basis": ["p", "q"]})
    return pairs.table(POOL, measured).to_dicts()


def test_figures_are_over_the_rows_that_are_left_and_the_mean_score_over_all():
    before, now = both(VersionPairs({"longest": (OLD, NEW)}, POOL))
    assert (before["rows"], before["rows_gone"], now["rows"], now["rows_gone"]) == (3, 1, 2, 0)
    assert (before["tokens"], now["tokens"]) == (30, 60)
    assert (before["mean_response_tokens"], now["mean_response_tokens"]) == (1.5, 3.0)
    assert (before["duplicates_left"], now["duplicates_left"]) == (1, 0)
    assert (before["mean_score"], now["mean_score"]) == (3.0, 4.0)
    assert [side["vendi"] for side in (before, now)] == [1.5, 2.0]
    assert {"recipe", "version", *HELD} <= set(before)


def test_what_entered_and_left_stands_on_the_later_line():
    before, now = both(VersionPairs({"longest": (OLD, NEW)}, POOL))
    assert (now["entered"], now["left"], now["overlap"], now["differs"]) == (1, 2, 1 / 4, "recipe: budget")
    assert [before[name] for name in ("entered", "left", "overlap", "differs")] == [None] * 4
    assert [(side["recipe"], side["version"]) for side in (before, now)] == [("longest", "1"), ("longest", "2")]


def test_only_rows_of_the_pool_are_measured():
    pairs = VersionPairs({"longest": (OLD, NEW)}, POOL)
    assert {name: ids.tolist() for name, ids in pairs.chosen.items()} == {
        "longest@1": ["a", "b"],
        "longest@2": ["b", "d"],
    }
    assert pairs.churns["longest"].left.tolist() == ["a", "gone"]


def test_without_pairs_the_table_is_empty_and_has_its_columns():
    measured = pl.DataFrame(schema={"recipe": pl.String, "vendi": pl.Float64, "basis": pl.String})
    table = VersionPairs({}, POOL).table(POOL, measured)
    assert table.is_empty()
    assert {"recipe", "version", "differs", "mean_score", "vendi", *HELD} <= set(table.columns)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"spec": {"seed": 1}}, {"spec": {"seed": 2}}, "recipe: seed"),
        ({"inputs": {"a": "1"}}, {"inputs": {"a": "1", "b": "2"}, "spec": {"x": 1}}, "recipe: x; tables: b"),
        ({"versions": {"numpy": "1"}}, {"versions": {"numpy": "2"}}, "packages: numpy"),
        ({"inputs": {}}, {"inputs": dict.fromkeys("abcdefgh", "1")}, "tables: a, b, c, d, e, f ..."),
        (
            {"sources": {"a": {"licence": "MIT"}, "b": {"licence": "CC0"}}},
            {"sources": {"a": {"licence": "MIT"}, "b": {"licence": "GPL"}}},
            "licences: b",
        ),
        (
            {"spec": {"seed": 1}, "sources": {"a": {"licence": "MIT"}}},
            {"spec": {"seed": 1}, "sources": {"a": {"licence": "MIT"}}},
            "nothing that it is made from: the computation itself (other code, processor or number of threads)",
        ),
        ({}, {}, "licences or code"),
    ],
)
def test_what_two_versions_were_made_from_differently_is_named(old, new, words):
    assert differences(old, new) == words
