"""What is said of a pass before it starts: from a few rows, from earlier runs, and where it is too short to say."""

import logging
from pathlib import Path

import pytest

from datasel_assets.storage.lake import Lake
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.forecast import TRIAL_ROWS, WORTH_IT, Forecast, from_costs
from datasel_assets_tests.pools import CAUSAL, TINY, add_source, rows, small_pool, write_yaml

GOOD = {"stage": "gradients/a", "rows_new": WORTH_IT, "seconds": 32.0, "peak_rss_mb": 2048}


def test_the_last_run_that_computed_many_rows_is_what_the_next_is_told_from(tmp_path: Path):
    lake = Lake(tmp_path)
    assert from_costs(lake, "gradients/a", 1000, 5) is None
    for record in (GOOD, {**GOOD, "seconds": 64.0}, {**GOOD, "rows_new": 3}, {**GOOD, "stage": "gradients/b"}):
        lake.log_run(source="x", run_id="", **record)
    found = from_costs(lake, "gradients/a", 10 * WORTH_IT, 5)
    assert found is not None
    assert (found.seconds, found.memory_gb, found.size) == (640, 2, 5)
    assert "64 s" in found.basis


def test_a_forecast_reads_as_a_sentence():
    said = Forecast(52_000, 3723.4, 1.26, 107_000_000, "16 rows were measured").words()
    assert said == "52,000 rows, about 1:02:03 h, 1.3 GB of memory and 107.0 MB to write (16 rows were measured)"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A pool of one source that is long enough to be forecast, and two that are not."""
    data = small_pool(tmp_path_factory.mktemp("forecast") / "data", n=12)
    add_source(data, "sums", rows("sums", 400))
    write_yaml(data / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY, "retrain": {"drift": 0.9}})
    write_yaml(data / "gradients" / "tiny.yaml", {"model": "tiny", "dims": 32, "curvature": {"rows": WORTH_IT + 22}})
    write_yaml(
        data / "representations" / "slopes.yaml", {"source": {"gradients": "tiny"}, "compress": {"method": "none"}}
    )
    write_yaml(data / "scores" / "bent.yaml", {"how": "influence", "gradients": "tiny", "target": "adding"})
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "influence.bent"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "bent.yaml", recipe)
    return data


def made(data: Path, table: str, source: str | None, caplog: pytest.LogCaptureFixture) -> tuple[dict, list[str]]:
    """Make a table; return its page and what was said of it before."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        page = make(open_warehouse(data, device="cpu"), table, source, upstream=True).built.metadata
    return dict(page), [line for line in caplog.messages if line.startswith(table) and "GB of memory" in line]


@pytest.mark.parametrize(
    ("table", "source", "size"),
    [
        ("curvature/tiny", None, None),  # first, because the others are made from it
        ("gradients/tiny", "sums", 400 * (2 * 32 + 4)),
        ("influence/bent", "sums", 400 * 4),
    ],
)
def test_a_long_pass_says_what_it_will_cost_in_the_log_and_on_its_page(data, table, source, size, caplog):
    page, said = made(data, table, source, caplog)
    assert len(said) == 1
    assert page["forecast_from"] == f"{TRIAL_ROWS} rows were measured"
    assert page["forecast_seconds"] > 0
    assert page["forecast_memory_gb"] > 0.05
    assert size is None or page["forecast_bytes"] == size


def test_a_pass_over_few_rows_is_not_measured_first(data: Path, caplog):
    page, said = made(data, "gradients/tiny", "fruit", caplog)
    assert said == []
    assert not [name for name in page if name.startswith("forecast")]


def test_the_next_pass_is_told_from_what_the_last_one_cost(data: Path, caplog):
    made(data, "gradients/tiny", "sums", caplog)
    add_source(data, "code", rows("code", 200))
    page, said = made(data, "gradients/tiny", "code", caplog)
    assert len(said) == 1
    assert page["forecast_from"].startswith("the last run of gradients/tiny took ")
    add_source(data, "code", rows("code", 12))
