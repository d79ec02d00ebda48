"""Tables whose units a real cluster of two nodes carries out hold the bytes that they hold without one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from datasel_assets.compute import RayMapper, Unit
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.compute.ray_cluster import ENVIRONMENT, RayCluster
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.pools import CAUSAL, TINY, small_pool, write_yaml

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

ENCODER = "embeddings/all_minilm_l6_v2_t24_weighted_mean_float32"
WANTED = [(ENCODER, "sums"), ("tokens/tiny", "sums"), ("scores/text", "sums"), ("scores/neighbours", None)]
UNITS = {
    "datasel_assets.tables.vectors.embeddings.UNIT_ROWS": 8,
    "datasel_assets.tables.language_models.token_statistics.UNIT_ROWS": 8,
    "datasel_assets.tables.scores.text.UNIT_ROWS": 8,
    "datasel_assets.tables.scores.neighbour_units.UNIT_QUERIES": 8,
}
"""Small units, so that a small pool has several."""


@pytest.fixture(autouse=True)
def _small_units(monkeypatch):
    for name, rows in UNITS.items():
        monkeypatch.setattr(name, rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A pool with a corpus and nothing else."""
    folder = small_pool(tmp_path / "data", n=24)
    write_yaml(folder / "language_models" / "tiny.yaml", {"causal": CAUSAL, "proxy": TINY})
    for source in ("code", "fruit", "sums"):
        make(open_warehouse(folder, "cpu"), "corpus", source, upstream=True)
    return folder


def tables(data: Path) -> dict[str, bytes]:
    """Every file of every table but for those that name files by their place."""
    root = data / "warehouse"
    files = [path.relative_to(root) for path in root.rglob("*") if path.suffix in (".parquet", ".safetensors")]
    return {str(path): (root / path).read_bytes() for path in files if path.parts[0] not in ("raw_corpus", "_shards")}


def test_tables_of_a_cluster_hold_the_bytes_of_tables_of_this_process(
    cluster: RayCluster, data: Path, tmp_path: Path, monkeypatch
):
    shutil.copytree(data, tmp_path / "local")
    monkeypatch.setenv("DATASEL_COMPUTE", "local")
    for name, source in WANTED:
        make(open_warehouse(tmp_path / "local", "cpu"), name, source, upstream=True)

    sent: list[str] = []
    run = RayMapper.run

    def watched(self, units: Sequence[Unit], *rest):
        sent.extend(unit.name.split()[0] for unit in units)
        return run(self, units, *rest)

    monkeypatch.setattr(RayMapper, "run", watched)
    monkeypatch.setenv("DATASEL_COMPUTE", f"ray:{cluster.address}")
    for name, source in WANTED:
        make(open_warehouse(data, "cpu"), name, source, upstream=True)
    assert {name: sent.count(f"{name}/{source}" if source else "neighbours") for name, source in WANTED} == {
        **{name: 3 for name, source in WANTED if source},
        "scores/neighbours": 9,
    }
    expected, found = tables(tmp_path / "local"), tables(data)
    assert {path.partition("/")[0] for path in expected} >= {"embeddings", "tokens", "scores", "models"}
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_driver_that_is_killed_and_started_again_goes_on_from_its_shards(
    cluster: RayCluster, data: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("datasel_assets.tables.vectors.embeddings.UNIT_ROWS", 1)
    shutil.copytree(data, tmp_path / "local")
    monkeypatch.setenv("DATASEL_COMPUTE", "local")
    make(open_warehouse(tmp_path / "local", "cpu"), ENCODER, "sums")

    monkeypatch.setenv("DATASEL_COMPUTE", f"ray:{cluster.address}")
    code = (
        "import datasel_assets.tables.vectors.embeddings as e; e.UNIT_ROWS = 1\n"
        "from datasel_assets.tables import make, open_warehouse\n"
        f"make(open_warehouse({str(data)!r}, 'cpu'), {ENCODER!r}, 'sums')"
    )
    environment = {**os.environ, **ENVIRONMENT}
    driver = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, start_new_session=True)

    def shards() -> set[str]:
        return {path.name for path in (data / "warehouse" / "_shards").rglob("[!.]*.arrow")}

    end = time.monotonic() + 300
    while not shards() and driver.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left = shards()
    assert 0 < len(left) < 24, "killed in the middle"

    made = make(open_warehouse(data, "cpu"), ENCODER, "sums")
    assert made.built.metadata["shards_resumed"] >= len(left)
    assert tables(data) == tables(tmp_path / "local")
    assert not list((data / "warehouse").rglob("*.tmp"))
