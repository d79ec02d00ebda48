"""Killed runs, two runs at once, readers during a publish: nothing is lost and the bytes are the same."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasel_assets_tests.e2e.conftest import Product
from datasel_assets_tests.pools import add_source, rows, small_pool

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

ROWS = 5000
"""Enough for several shards, so that a kill lands between them."""


def big_pool(folder: Path) -> Product:
    data = small_pool(folder, n=20)
    add_source(data, "sums", rows("sums", ROWS), licence="CC0-1.0")
    return Product(data)


def tables(product: Product, *families: str) -> dict[str, bytes]:
    root = product.data / "warehouse"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for family in families
        for path in sorted((root / family).rglob("*.parquet"))
    }


def test_a_run_killed_while_embedding_resumes_from_its_shards_and_ends_with_the_same_bytes(tmp_path: Path):
    quiet = big_pool(tmp_path / "quiet")
    quiet.run()
    killed = big_pool(tmp_path / "killed")
    process = killed.start("run")
    shards = killed.data / "warehouse" / "_shards"

    def done() -> list[Path]:
        return list(shards.glob("embeddings/*/sums/**/[!.]*.arrow"))

    killed.wait_for("a finished shard", done, seconds=200)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert done()
    assert not list((killed.data / "warehouse" / "embeddings").rglob("sums.parquet"))

    again = killed.run()
    assert again.returncode == 0, again.stdout
    assert not list(shards.rglob("*.arrow"))
    families = ("corpus", "embeddings", "representations", "clusters", "selections", "decisions")
    expected, found = tables(quiet, *families), tables(killed, *families)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def test_an_interrupted_run_stops_says_so_and_the_next_one_goes_on(tmp_path: Path):
    product = big_pool(tmp_path / "data")
    process = product.start("run")
    shards = product.data / "warehouse" / "_shards"
    product.wait_for("a finished shard", lambda: list(shards.glob("embeddings/*/sums/**/[!.]*.arrow")), seconds=200)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    said = product.log.read_text()
    assert "stopped; finished work is kept" in said
    assert "Traceback" not in said
    assert not (product.data / "warehouse" / "comparison.parquet").exists()
    assert product.run().returncode == 0


def test_two_runs_at_once_on_different_sources_both_finish(tmp_path: Path):
    product = Product(small_pool(tmp_path / "data", n=200))
    script = """
import sys
import dagster as dg
from datasel_assets.definitions import build_defs
definitions, source = build_defs(), sys.argv[1]
instance = dg.DagsterInstance.get()
if source == "setup":  # as the sensor does it: one process adds partitions, others run them
    instance.add_dynamic_partitions("source", ["sums", "fruit", "code"])
    sys.exit(0)
first = ("raw_corpus", "corpus", "embeddings")
keys = [k for k in definitions.resolve_asset_graph().materializable_asset_keys if k.path[0] in first]
job = definitions.resolve_job_def("refresh_source")
sys.exit(0 if job.execute_in_process(instance=instance, partition_key=source, asset_selection=keys).success else 1)
"""

    def start(source: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, source]
        environment = product.environment
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert start("setup").communicate(timeout=100)[0] is not None
    started = [start(source) for source in ("sums", "fruit")]
    printed = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(printed)[-4000:]
    assert {Path(name).stem for name in tables(product, "embeddings")} == {"sums", "fruit"}
    done = product.run()
    assert done.returncode == 0, done.stdout


def test_the_second_make_run_says_that_there_is_nothing_to_do(finished: Product):
    first = finished.log.read_text()
    assert "what was done" in first
    assert "datasel.duckdb" in first
    started = time.monotonic()
    second = finished.run()
    assert "nothing to do" in second.stdout
    assert "no model was loaded" in second.stdout
    assert time.monotonic() - started < 30


def test_a_failing_source_is_named_and_the_exit_status_says_so(settled: Product):
    add_source(settled.data, "sums", [{"instruction": "why", "output": None}] * 9 + rows("sums", 5))
    (settled.data / "recipes" / "typo.yaml").write_text("budgett: 3\n")
    before = tables(settled, "corpus")
    done = settled.run(check=False)
    assert done.returncode == 1
    assert "recipes/typo.yaml" in done.stdout
    assert "budget" in done.stdout
    assert "sources/sums.yaml" in done.stdout
    assert "nothing was replaced" in done.stdout
    assert tables(settled, "corpus") == before


def test_a_moved_data_folder_needs_only_a_new_catalog(settled: Product):
    moved = settled.run()
    assert "catalog" in moved.stdout
    assert "selections/" not in moved.stdout
    assert "nothing to do" in settled.run().stdout
