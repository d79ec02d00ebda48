"""The tables of redundancy: each layer and what compression makes of it, and all representations side by side."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics.redundancy import redundancy
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.shown import Picture
from datasel_assets_tests.pools import ENCODER, small_pool, write_yaml


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    data: Path = small_pool(tmp_path_factory.mktemp("redundancy") / "data", n=12)
    signs = {"encoder": {**ENCODER, "layers": [2, 5, 6]}, "compress": {"method": "rademacher"}}
    write_yaml(data / "representations" / "signs.yaml", signs)
    return open_warehouse(data, device="cpu")


@pytest.fixture(scope="module")
def made(warehouse: Warehouse) -> dict:
    def all_sources(name: str) -> None:
        for source in ("sums", "fruit", "code"):
            make(warehouse, f"representations/{name}", source, upstream=True)

    for name in ("signs", "white", "rds_plus"):
        all_sources(name)
    return {name: make(warehouse, f"redundancy/{name}") for name in ("signs", "white")}


def figures(warehouse: Warehouse, name: str) -> pl.DataFrame:
    return warehouse.lake.scan(("redundancy", name)).collect()


def test_there_is_a_line_for_each_layer_and_one_for_the_compressed_vector(warehouse, made):
    found = figures(warehouse, "signs")
    assert found["layer"].to_list() == [2, 5, 6, None]
    assert found["dims"].to_list() == [384, 384, 384, 3 * 128]
    assert found["rows"].to_list() == [36] * 4


def test_the_figures_of_the_vector_are_those_of_the_vectors_that_are_stored(warehouse, made):
    stored = pl.concat(
        warehouse.lake.scan(("representations", "white", s)).select("vector").collect()
        for s in ("sums", "fruit", "code")
    )
    expected = redundancy(vectors_of(stored["vector"]))
    (line,) = figures(warehouse, "white").filter(pl.col("layer").is_null()).iter_rows(named=True)
    # Stored vectors are rounded to float16.
    assert line["effective_rank"] == pytest.approx(expected.effective_rank, rel=1e-2)
    assert line["mean_cosine"] == pytest.approx(expected.mean_cosine, abs=1e-3)
    np.testing.assert_allclose(line["shares"], expected.shares, atol=1e-3)


def test_whitening_makes_fewer_directions_more_even_and_takes_out_what_all_rows_share(warehouse, made):
    before, after = figures(warehouse, "white").iter_rows(named=True)
    assert before["mean_cosine"] > 0.3 > abs(after["mean_cosine"])
    assert after["effective_rank"] / after["dims"] > before["effective_rank"] / before["dims"]


def test_the_page_says_it_in_words_and_shows_a_picture(made):
    shown = made["white"].built.metadata
    assert shown["in_words"] == f"white of this pool behaves like {shown['effective_rank']:.0f} of 8 directions"
    assert isinstance(shown["plot: variance by axis"], Picture)


def test_the_comparison_has_those_that_are_made_and_follows_them(warehouse, made):
    make(warehouse, "redundancy_comparison")
    table = warehouse.lake.scan(("redundancy_comparison",)).collect()
    assert table["representation"].to_list() == ["signs", "white"]
    own = figures(warehouse, "white").filter(pl.col("layer").is_null())
    assert table.filter(representation="white").select(own.drop("layer").columns).equals(own.drop("layer"))
    assert make(warehouse, "redundancy_comparison").cost == {}
    make(warehouse, "redundancy/rds_plus")
    make(warehouse, "redundancy_comparison")
    assert warehouse.lake.scan(("redundancy_comparison",)).collect().height == 3
