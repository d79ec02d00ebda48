"""A short training on the model itself: what it leaves behind."""

from pathlib import Path

import polars as pl
import pytest

from datasel_assets.models.fine_tune import FineTuneSpec, ProxyStart
from datasel_assets.models.proxy_lm import train_proxy_lm
from datasel_assets.specs.proxy import ProxySpec
from datasel_assets_tests.models.test_causal_lm import talk
from datasel_assets_tests.pools import TINY


def test_the_trained_model_is_left_where_it_is_wanted_and_has_the_loss_that_was_measured(tmp_path: Path):
    rows = [talk(f"What is {k} plus {k}?", f"{k} plus {k} is {2 * k}.") for k in range(40)]
    train_proxy_lm(rows, ProxySpec(**TINY), tmp_path / "start")
    names = [f"{k:02d}" for k in range(len(rows))]
    pool = pl.DataFrame({"row_id": names, "content_hash": names, "messages": rows})
    start, spec, keep = ProxyStart(tmp_path / "start", "cpu"), FineTuneSpec(batch_tokens=256), tmp_path / "kept"
    keep.mkdir()
    trained = start.measure(pool, 2000, spec, 0, {"sums": rows[:5]}, keep=keep)
    moved = ProxyStart(start.folder, "cpu")
    moved.folder = keep
    again = moved.measure(pool[:0], 0, spec, 0, {"sums": rows[:5]})
    assert again.losses["sums"] == pytest.approx(trained.losses["sums"], rel=1e-5)
    untrained = start.measure(pool[:0], 0, spec, 0, {"sums": rows[:5]})
    assert untrained.losses["sums"] != pytest.approx(trained.losses["sums"], rel=1e-3)
