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
    # More numbers than the model has weights: nothing is left out of a step.
    steps = {"model": "tiny", "optimiser": "adam", "loss": "response_mean", "checkpoints": "all", "dims": 4096}
    write_yaml(data / "gradients" / "steps.yaml", {**steps, "curvature": {"rows": 20}})
    by_step = {"source": {"gradients": "steps"}, "compress": {"method": "none", "layer_norm": "l2"}}
    write_yaml(data / "representations" / "strides.yaml", by_step)
    for name in ("tiny", "steps"):
        make(open_warehouse(data, device="cpu"), f"gradient_fidelity/{name}", upstream=True)
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


def test_steps_of_adam_are_compared_with_whole_steps_and_checkpoints_by_the_mean_of_their_cosines(data: Path):
    warehouse = open_warehouse(data, device="cpu")
    table = warehouse.lake.scan(("gradient_fidelity", "steps")).collect()
    assert table["spearman"][0] > 0.999
    assert table["spearman_of_mean"][0] > 0.999
    rows = pl.concat(warehouse.lake.scan(("corpus", s)).collect() for s in SOURCES).sort("row_id")["messages"].to_list()
    cosines, shares = {False: [], True: []}, []
    for opening in Differentiated.of(warehouse, "steps").openings(warehouse, moments=True):
        with open_model(warehouse, **opening) as model:
            size = model.shapes[0][0] * model.shapes[0][1]
            for stepped, found in cosines.items():
                whole = model.read(rows, Whole(model.shapes), steps=stepped).values
                unit = whole / np.linalg.norm(whole, axis=1, keepdims=True)
                found.append(unit @ unit.T)
            shares.append((unit[:, :size] ** 2).sum(axis=1).mean())
    steps, plain = (np.mean(found, axis=0) for found in (cosines[True], cosines[False]))
    # Neither plain gradients nor one checkpoint alone would agree so well with what is stored.
    assert spearmanr(steps.ravel(), plain.ravel())[0] < 0.99
    assert spearmanr(steps.ravel(), cosines[True][0].ravel())[0] < 0.999
    assert table["energy_share"][0] == pytest.approx(float(np.mean(shares)), rel=1e-3)


def test_the_page_of_several_checkpoints_shows_what_is_kept_at_each(data: Path):
    page = make(open_warehouse(data, device="cpu"), "gradient_fidelity/steps").built.metadata
    assert page["compared"] == "cosines of each step of Adam, the mean over 2 checkpoints"
    assert [row[0] for row in page["of_each_checkpoint"].cells] == [0, 1]
    assert all(row[1] > 0.999 for row in page["of_each_checkpoint"].cells)
    assert page["bytes_per_row"] == 2 * (2 * 2304 + 4)
