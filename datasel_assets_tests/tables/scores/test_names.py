"""From the name of a score to the tables that hold it."""

import polars as pl
import pytest

from datasel_assets.settings import Settings
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.score_names import score_column, score_deps, score_inputs, score_key, score_tables
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import write_yaml


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    warehouse = Warehouse(Settings.at(tmp_path, device="cpu"))
    for source in ("a", "b"):
        write_yaml(tmp_path / "sources" / f"{source}.yaml", {"uri": "x.jsonl"})
        warehouse.lake.write(Expected(("corpus", source), "f"), pl.DataFrame({"row_id": ["1"]}))
        warehouse.lake.write(Expected(("scores", "text", source), f"f{source}"), pl.DataFrame({"row_id": ["1"]}))
    return warehouse


@pytest.mark.parametrize(
    ("score", "key", "column", "tables"),
    [
        ("text.prompt_words", ("scores", "text"), "prompt_words", [("scores", "text", "a"), ("scores", "text", "b")]),
        ("proxy_lm.nll", ("scores", "proxy_lm"), "nll", [("scores", "proxy_lm", "a"), ("scores", "proxy_lm", "b")]),
        ("neighbours.knn_distance", ("scores", "neighbours"), "knn_distance", [("neighbours",)]),
        ("blend.quality", ("blend", "quality"), "score", [("blend", "quality")]),
        ("sensitivity.felt", ("sensitivity", "felt"), "score", [("sensitivity", "felt")]),
        ("predictability.told", ("predictability", "told"), "score", [("predictability", "told")]),
        ("dsir.near", ("dsir", "near"), "score", [("dsir", "near", "a"), ("dsir", "near", "b")]),
    ],
)
def test_a_score_has_a_table_of_the_pool_or_one_of_each_source(warehouse: Warehouse, score, key, column, tables):
    assert score_key(score) == key
    assert score_column(score) == column
    assert score_tables(warehouse, key) == tables


def test_scores_of_one_table_name_it_once_and_columns_of_the_pool_name_none():
    names = ["text.prompt_words", "n_chars", "text.response_words", "blend.quality"]
    assert score_deps(names) == [("blend", "quality"), ("scores", "text")]


def test_the_version_of_a_table_that_is_not_there_is_missing(warehouse: Warehouse):
    found = score_inputs(warehouse, ["text.prompt_words", "neighbours.knn_distance"])
    assert found == {
        "neighbours": "missing",
        "scores/text/a": warehouse.lake.version(("scores", "text", "a")),
        "scores/text/b": warehouse.lake.version(("scores", "text", "b")),
    }
    assert len(set(found.values())) == 3
