"""The fidelity of stored gradients as a table: its figures against gradients held in memory, and a pool too small."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from datasel_assets.diagnostics.gradient_fidelity import FEWEST
from datasel_assets.models.gradient_projections import Whole
from datasel_assets.storage.vectors import vectors_of
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.shown import Link, Picture
from datasel_assets.tables.vectors.curvature import Differentiated, open_model
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

SOURCES = ("code", "fruit", "sums")


def gradient_pool(data: Path, n: int) -> Path:
    small_pool(data, n=n)
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 64, "curvature": {"rows": 20}})
    by_gradient = {"source": {"gradients": "tiny"}, "compress": {"method": "none"}}
    write_yaml(data / "representations" / "slopes.yaml", by_gradient)
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = gradient_pool(tmp_path_factory.mktemp("fidelity") / "data", n=24)
    make(open_warehouse(data, device="cpu"), "gradient_fidelity/tiny", upstream=True)
    return data


def test_stored_vectors_are_compared_with_whole_gradients_of_the_same_rows(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    table = warehouse.lake.scan(("gradient_fidelity", "tiny")).collect()
    stored, messages, lengths = {}, {}, {}
    for source in SOURCES:
        found = warehouse.lake.scan(("gradients", "tiny", source)).collect()
        stored |= dict(zip(found["row_id"], vectors_of(found["gradient"]), strict=True))
        corpus = warehouse.lake.scan(("corpus", source)).collect()
        messages |= dict(corpus.select("row_id", "messages").iter_rows())
        lengths |= dict(corpus.select("row_id", "n_response_tokens").iter_rows())
    ids = sorted(messages)
    with open_model(warehouse, **Differentiated.of(warehouse, "tiny").opening(warehouse)) as model:
        exact = model.read([messages[i] for i in ids], Whole(model.shapes))
        modules = model.modules
    unit = exact.values / np.linalg.norm(exact.values, axis=1, keepdims=True)
    vectors = np.array([stored[i] for i in ids])
    # All rows are in the sample, so its energy and lengths are those of the pool; which are queries is its own affair.
    every = np.mean([spearmanr(a, b)[0] for a, b in zip(vectors @ vectors.T, unit @ unit.T, strict=True)])
    assert table["spearman"][0] == pytest.approx(every, abs=0.05)
    assert table["norm_with_length"][0] == pytest.approx(spearmanr(exact.norm, [lengths[i] for i in ids])[0], abs=1e-6)
    assert table["module"].to_list() == list(modules)
    assert table["energy_share"].sum() == pytest.approx(1)
    size = model.shapes[0][0] * model.shapes[0][1]
    assert table["energy_share"][0] == pytest.approx(float((unit[:, :size] ** 2).sum(axis=1).mean()), rel=1e-3)


def test_the_page_shows_the_figures_the_bytes_and_where_gradients_are_long(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    page = make(warehouse, "gradient_fidelity/tiny").built.metadata
    assert page["bytes_per_row"] == 2 * 64 + 4
    assert page["rows_compared"] + page["queries"] == 3 * 24
    assert 0 <= page["selection_overlap"] <= 1
    assert isinstance(page["plot: energy"], Picture)
    assert "1: nothing is lost" in page["note"]
    assert make(warehouse, "gradients/tiny", "sums").built.metadata["fidelity"] == Link(("gradient_fidelity", "tiny"))


def test_a_pool_that_is_too_small_says_so_and_is_compared_again_when_it_has_grown(tmp_path: Path):
    data = gradient_pool(tmp_path / "data", n=8)
    page = make(open_warehouse(data, device="cpu"), "gradient_fidelity/tiny", upstream=True).built.metadata
    assert "spearman" not in page
    assert f"{FEWEST} are needed" in page["note"]
    assert isinstance(page["plot: energy"], Picture)
    add_source(data, "sums", rows("sums", 60))
    page = make(open_warehouse(data, device="cpu"), "gradient_fidelity/tiny", upstream=True).built.metadata
    assert page["rows_compared"] >= FEWEST
    assert page["spearman"] <= 1


def test_the_sample_depends_on_the_rows_alone_and_not_on_how_they_lie(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    before = warehouse.lake.scan(("gradient_fidelity", "tiny")).collect()
    warehouse.lake.info(("gradient_fidelity", "tiny")).path.unlink()
    make(open_warehouse(data, device="cpu"), "gradient_fidelity/tiny")
    assert isinstance(before, pl.DataFrame)
    assert open_warehouse(data, device="cpu").lake.scan(("gradient_fidelity", "tiny")).collect().equals(before)
