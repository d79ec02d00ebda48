"""A representation of vectors that the user brings: everything made from vectors works on it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.row_units import WholeTableError
from datasel_assets.tables.selections.comparison_figures import comparison_pool, pool_facts
from datasel_assets.tables.vectors.representations import layers_of, target_vectors
from datasel_assets_tests.pools import small_pool, write_yaml

SOURCES = ("code", "fruit", "sums")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = small_pool(tmp_path / "data", n=12)
    brought = {"table": "mine.parquet", "column": "embedding", "key": "id", "match": "content_hash"}
    spec = {"source": brought, "compress": {"method": "none"}, "clusters": {"k": 3}}
    write_yaml(data / "representations" / "mine.yaml", spec)
    write_yaml(data / "defaults.yaml", {"clusters": "mine"})
    recipe = {"select": {"sampler": "round_robin", "representation": "mine", "target": "adding"}, "budget": {"rows": 5}}
    write_yaml(data / "recipes" / "mine.yaml", {"doc": "by my vectors", "paper": "mine", **recipe})
    return data


def ingested(data: Path) -> Warehouse:
    warehouse = open_warehouse(data, device="cpu")
    for source in SOURCES:
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "targets/adding", upstream=True)
    return warehouse


def bring(warehouse: Warehouse, left_out: int = 0, **changed: list[float]) -> pl.DataFrame:
    """Write vectors of every content of the pool and of the target; one axis for each source."""
    frames = [warehouse.lake.scan(("corpus", source)).select("content_hash", "source").collect() for source in SOURCES]
    frames.append(warehouse.lake.scan(("targets", "adding")).select("content_hash", source=pl.lit("sums")).collect())
    rows = pl.concat(frames).unique("content_hash", maintain_order=True)
    axes = {source: [float(source == other) for other in SOURCES] for source in SOURCES} | changed
    table = rows.with_columns(embedding=pl.col("source").replace_strict(axes, return_dtype=pl.List(pl.Float64)))
    table.rename({"content_hash": "id"})[left_out:].write_parquet(warehouse.settings.data / "mine.parquet")
    return table


def test_vectors_are_looked_up_by_key_and_make_clusters_and_selections(data: Path):
    warehouse = ingested(data)
    bring(warehouse)
    made = make(warehouse, "selections/mine", upstream=True)
    assert all(check.passed for check in made.built.checks.values())
    chosen = warehouse.lake.scan(("selections", "mine")).collect()
    assert set(chosen["source"]) == {"sums"}, "the rows nearest to the target"
    for source in SOURCES:
        make(warehouse, "clusters/mine", source, upstream=True)
    clusters = pl.concat(warehouse.lake.scan(("clusters", "mine", s)) for s in SOURCES).collect()
    corpus = pl.concat(warehouse.lake.scan(("corpus", s)).select("row_id", "source") for s in SOURCES).collect()
    assert clusters.join(corpus, on="row_id").group_by("source").agg(pl.col("cluster").n_unique())[
        "cluster"
    ].to_list() == [1, 1, 1]
    assert warehouse.lake.tables("embeddings") == [], "no model was run"


def test_the_vectors_of_a_target_come_from_the_same_table(data: Path):
    warehouse = ingested(data)
    bring(warehouse)
    spec = warehouse.registry.representations["mine"]
    make(warehouse, "/".join(layers_of(spec).target_key("adding")))
    make(warehouse, "representation_basis/mine", upstream=True)
    _, vectors = target_vectors(warehouse, "mine", spec, "adding")
    np.testing.assert_allclose(vectors, [[0, 0, 1]] * 3)


def test_a_row_without_a_vector_has_no_direction(data: Path):
    warehouse = ingested(data)
    table = bring(warehouse, left_out=2)
    for source in SOURCES:
        make(warehouse, "representations/mine", source, upstream=True)
    found = warehouse.lake.scan(("representations", "mine", table["source"][0])).collect()
    assert int(found["is_zero"].sum()) == 2


def test_a_target_without_vectors_stops_the_recipe_that_selects_toward_it_and_nothing_else(data: Path):
    warehouse = ingested(data)
    table = bring(warehouse)
    known = pl.concat(warehouse.lake.scan(("corpus", s)).select("content_hash") for s in SOURCES).collect()
    pool_only = table.rename({"content_hash": "id"}).join(known.rename({"content_hash": "id"}), on="id", how="semi")
    pool_only.write_parquet(data / "mine.parquet")
    key = layers_of(warehouse.registry.representations["mine"]).target_key("adding")
    assert all(check.passed for check in make(warehouse, "/".join(key)).built.checks.values())
    with pytest.raises(ValueError, match=r"3 of the 3 examples of target 'adding' have no vector in mine\.parquet"):
        make(warehouse, "selections/mine", upstream=True)
    for source in SOURCES:
        make(warehouse, "clusters/mine", source, upstream=True)
    assert pool_facts(warehouse, comparison_pool(warehouse)).near == {}, "no figure of that target, and no error"


def test_a_vector_that_is_not_finite_fails_its_row_alone(data: Path):
    warehouse = ingested(data)
    path = warehouse.settings.data / "mine.parquet"
    bring(warehouse)
    table = pl.read_parquet(path)
    odd = pl.Series([[float("nan"), 0.0, 0.0]], dtype=pl.List(pl.Float64))
    pl.concat([table[:1].with_columns(embedding=odd), table[1:]]).write_parquet(path)
    source = table["source"][0]
    made = make(warehouse, "representations/mine", source, upstream=True)
    assert made.built.metadata["rows_failed"] == 1
    failed = warehouse.lake.scan(("representations", "mine", source)).drop_nulls("failed").collect()
    assert failed["failed"].to_list() == ["upstream: the vector holds NaN or infinity"]


def test_a_changed_table_makes_everything_made_from_it_anew(data: Path):
    warehouse = ingested(data)
    bring(warehouse)
    make(warehouse, "representations/mine", "sums", upstream=True)
    bring(warehouse, sums=[0.0, 1.0, 1.0])
    made = make(open_warehouse(data, "cpu"), "representations/mine", "sums", upstream=True)
    assert made.built.rows_new == 12


def test_keys_that_match_nothing_are_an_error_that_shows_both(data: Path):
    warehouse = ingested(data)
    bring(warehouse)
    path = warehouse.settings.data / "mine.parquet"
    pl.read_parquet(path).with_columns(id="x" + pl.col("id")).write_parquet(path)
    with pytest.raises(WholeTableError, match="a vector for none of the 12 rows of corpus/sums"):
        make(warehouse, "representations/mine", "sums", upstream=True)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({}, "give one of 'encoder', 'gradients' and 'table'"),
        ({"table": "a.parquet", "encoder": {}}, "give one of 'encoder', 'gradients' and 'table'"),
        ({"encoder": {}, "key": "id"}, "key belong to 'table'"),
    ],
)
def test_a_source_of_vectors_is_one_producer(tmp_path: Path, source: dict, complaint: str):
    (tmp_path / "sources").mkdir()
    write_yaml(tmp_path / "representations" / "r.yaml", {"source": source})
    assert complaint in load_registry(tmp_path).errors["representations/r.yaml"]


def test_an_encoder_under_source_is_the_same_as_one_without(tmp_path: Path):
    (tmp_path / "sources").mkdir()
    encoder = {"max_tokens": 24}
    write_yaml(tmp_path / "representations" / "a.yaml", {"source": {"encoder": encoder}})
    write_yaml(tmp_path / "representations" / "b.yaml", {"encoder": encoder})
    specs = load_registry(tmp_path).representations
    assert specs["a"] == specs["b"]


def test_an_evaluation_cannot_be_compared_by_vectors_that_nobody_brought(data: Path):
    write_yaml(data / "evaluations" / "exam.yaml", {"uri": "files/sums.jsonl", "embedding": {"representation": "mine"}})
    assert "brings its own vectors and has none of the items" in load_registry(data).errors["evaluations/exam.yaml"]
