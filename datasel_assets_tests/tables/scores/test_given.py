"""Scores that users bring, from a field of the records or a table of theirs, as tables and in other scores."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.vectors.representations import target_vectors
from datasel_assets_tests.pools import add_source, small_pool, write_yaml

N = 24


def rated(k: int, quality: object) -> dict:
    turns = [{"role": "user", "content": f"Ask {k}"}, {"role": "assistant", "content": f"Answer {k}"}]
    if k % 2:
        turns += [{"role": "user", "content": "And more?"}, {"role": "assistant", "content": "Yes, more."}]
    return {
        "messages": turns,
        "quality": quality,
        "turns": [{"hard": 1 + t, "good": k} for t in range(len(turns) // 2)],
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    add_source(data, "rated", [rated(k, k / 10) for k in range(N)])
    return data


def declare(data: Path, name: str, **spec: object) -> None:
    write_yaml(data / "scores" / f"{name}.yaml", {"how": "given", "keep": "high", **spec})


def made(data: Path, table: str, source: str | None = "rated"):
    warehouse = open_warehouse(data, device="cpu")
    built = make(warehouse, table, source, upstream=True).built
    return warehouse, built


def by_prompt(warehouse: Warehouse, key: tuple[str, ...]) -> dict[str, float]:
    rows = warehouse.lake.scan(("corpus", "rated")).select("row_id", "position").collect()
    table = warehouse.lake.scan(key).collect().join(rows, on="row_id")
    return dict(table.select("position", "score").iter_rows())


def test_a_field_of_the_records_is_a_score(data: Path):
    declare(data, "mine", field="quality", range=[0, 10])
    warehouse, built = made(data, "given/mine")
    assert by_prompt(warehouse, ("given", "mine", "rated")) == pytest.approx({k: k / 10 for k in range(N)})
    assert built.metadata["rows_without_score"] == 0
    assert warehouse.registry.score_keep()["given.mine"] == "high"


def test_a_value_outside_the_range_fails_its_row_with_the_reason(data: Path):
    add_source(data, "rated", [rated(k, "very good" if k == 3 else 11 if k == 4 else 1) for k in range(2 * N)])
    declare(data, "mine", field="quality", range=[0, 10])
    warehouse, built = made(data, "given/mine")
    failed = warehouse.lake.scan(("given", "mine", "rated")).drop_nulls("failed").collect()["failed"].to_list()
    assert sorted(failed) == [
        "the score is 'very good', which is no number",
        "the score is 11, outside the range 0..10 of its file",
    ]
    assert built.metadata["rows_failed"] == 2
    assert built.metadata["rows_without_score"] == 2


def test_a_field_that_changes_under_the_same_conversation_is_read_again(data: Path):
    declare(data, "mine", field="quality")
    made(data, "given/mine")
    add_source(data, "rated", [rated(k, 7) for k in range(N)])
    warehouse, _ = made(data, "given/mine")
    assert set(by_prompt(warehouse, ("given", "mine", "rated")).values()) == {7.0}


def test_only_what_decides_values_makes_them_anew(data: Path):
    declare(data, "mine", field="quality")
    made(data, "given/mine")
    declare(data, "mine", field="quality", keep="low", doc="another word")
    warehouse = open_warehouse(data, "cpu")
    assert make(warehouse, "given/mine", "rated", upstream=True).built.rows_new == 0
    assert warehouse.registry.score_keep()["given.mine"] == "low"


def test_a_field_that_no_record_has_is_told_with_those_that_there_are(data: Path):
    declare(data, "mine", field="qualty")
    _, built = made(data, "given/mine")
    check = built.checks["values_found"]
    assert not check.passed
    assert check.details["fields"] == "quality, turns"


def test_a_source_without_the_field_is_no_error_where_another_has_it(data: Path):
    add_source(data, "plain", [{"instruction": "Say a.", "output": "a"}])
    declare(data, "mine", field="quality")
    made(data, "given/mine")
    _, built = made(data, "given/mine", "plain")
    assert built.checks["values_found"].passed
    assert built.metadata["rows_without_score"] == 1


@pytest.mark.parametrize("match", ["row_id", "content_hash", "prompt"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_the_user_is_matched_by_its_keys(data: Path, match: str, kind: str):
    warehouse, _ = made(data, "corpus")
    rows = warehouse.lake.scan(("corpus", "rated")).collect()
    table = rows.select(id=match, points=pl.col("position") * 2)[2:]
    table = pl.concat([table, pl.DataFrame({"id": ["nobody"], "points": [1]}, schema=table.schema)])
    if match == "prompt":
        table = table.with_columns(id=pl.format("  {} \n", pl.col("id").str.replace_all(" ", "  ")))
    if kind == "csv":
        table.write_csv(data / "mine.csv")
    else:
        table.write_parquet(data / "mine.parquet")
    declare(data, "mine", table=f"mine.{kind}", column="points", key="id", match=match, range=[0, None])
    warehouse, built = made(data, "given/mine")
    known = set(rows["position"][2:])
    expected = {k: 2.0 if k in known else np.nan for k in range(N)}
    found = by_prompt(warehouse, ("given", "mine", "rated"))
    np.testing.assert_array_equal(
        [found[k] for k in range(N)], [2.0 * k if expected[k] == 2.0 else np.nan for k in range(N)]
    )
    assert built.metadata["rows_without_a_key_in_the_table"] == 2
    assert built.metadata["keys_without_a_row"] == 1
    assert built.metadata["keys"].cells[0][0].strip() == "nobody"
    assert built.checks["values_found"].passed


def test_keys_of_another_kind_are_shown_beside_those_of_rows(data: Path):
    pl.DataFrame({"row_id": ["0", "1"], "score": [1, 2]}).write_csv(data / "mine.csv")
    declare(data, "mine", table="mine.csv")
    warehouse, built = made(data, "given/mine")
    assert not built.checks["values_found"].passed
    ids = warehouse.lake.scan(("corpus", "rated")).collect()["row_id"]
    assert built.metadata["keys"].cells[0] == ["0", ids[0]]


def test_a_changed_table_is_read_again_and_a_missing_one_is_named(data: Path):
    declare(data, "mine", table="mine.csv", match="prompt", key="prompt")
    with pytest.raises(ValueError, match=r"mine\.csv does not exist"):
        made(data, "given/mine")
    for points in (1, 2):
        pl.DataFrame({"prompt": ["Ask 0"], "score": [points]}).write_csv(data / "mine.csv")
        warehouse, _ = made(data, "given/mine")
        assert by_prompt(warehouse, ("given", "mine", "rated"))[0] == points


def test_turns_are_multiplied_and_added_up_as_deita_does(data: Path):
    declare(data, "hard", field="turns.hard", turns="mean")
    declare(data, "good", field="turns.good", turns="max")
    write_yaml(data / "scores" / "both.yaml", {"how": "turns", "inputs": ["given.hard", "given.good"]})
    made(data, "duplicates", None)
    warehouse, _ = made(data, "turns/both", None)
    found = by_prompt(warehouse, ("turns", "both"))
    assert found == pytest.approx({k: k * (1 if k % 2 == 0 else 1 + 2) for k in range(N)})
    assert by_prompt(warehouse, ("given", "hard", "rated")) == pytest.approx({k: 1 + k % 2 / 2 for k in range(N)})


def test_text_indicators_of_turns_can_be_multiplied_too(data: Path):
    inputs = ["text.prompt_characters", "text.response_words"]
    write_yaml(data / "scores" / "both.yaml", {"how": "turns", "inputs": inputs})
    warehouse, _ = made(data, "turns/both", None)
    expected = {k: float(len(f"Ask {k}") * 2 + (len("And more?") * 2 if k % 2 else 0)) for k in range(N)}
    assert by_prompt(warehouse, ("turns", "both")) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["text.prompt_jaccard", "given.mine"])
def test_a_score_without_turns_cannot_be_multiplied_by_turn(data: Path, name: str):
    declare(data, "mine", field="quality")
    write_yaml(data / "scores" / "both.yaml", {"how": "turns", "inputs": [name]})
    assert f"{name!r} has no values of single turns" in load_registry(data).errors["scores/both.yaml"]


def test_likeness_to_a_target_is_by_the_vectors_of_a_representation(tmp_path: Path):
    data = small_pool(tmp_path / "data", n=6)
    write_yaml(data / "scores" / "adds.yaml", {"how": "similarity", "representation": "rds_plus", "target": "adding"})
    warehouse, built = made(data, "similarity/adds", None)
    pool = read_pool(warehouse, scores=["similarity.adds"])
    vectors = read_vectors(warehouse, "rds_plus", pool).vectors.take(np.arange(pool.height)).astype(np.float64)
    _, aims = target_vectors(warehouse, "rds_plus", warehouse.registry.representations["rds_plus"], "adding")
    cosines = vectors @ aims.T.astype(np.float64)
    cosines /= np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(aims, axis=1)
    np.testing.assert_allclose(pool["similarity.adds"].to_numpy(), cosines.max(axis=1), atol=1e-6)
    assert built.metadata["examples"] == 3
    assert set(pool.sort("similarity.adds")["source"][-3:]) == {"sums"}
    write_yaml(
        data / "targets" / "adding.yaml",
        {"doc": "code", "examples": [{"prompt": "Write Python.", "response": "print(1)"}]},
    )
    changed = open_warehouse(data, "cpu")
    assert make(changed, "similarity/adds", None, upstream=True).built.rows_new == 18
