"""A step asks for what it needs: a GPU in vain is waited for without end."""

from itertools import product

import pytest

from datasel_assets.defs.assets import to_asset
from datasel_assets.settings import Settings
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import small_pool

MODEL = "all_minilm_l6_v2_t24_weighted_mean_float32"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict:
    warehouse = Warehouse(Settings.at(small_pool(tmp_path_factory.mktemp("pool") / "data", n=4)))
    return {table.name: table for table in all_tables(warehouse.registry)}


def test_only_a_step_that_runs_a_model_over_the_pool_asks_for_a_gpu(tables: dict):
    asking = {name for name, table in tables.items() if table.needs_gpu("auto", "local")}
    assert asking == {f"embeddings/{MODEL}"}


def test_no_step_asks_for_a_gpu_where_models_run_on_the_cpu(tables: dict):
    assert not any(table.needs_gpu("cpu", "local") for table in tables.values())


def test_a_step_whose_units_go_to_a_cluster_leaves_the_gpus_to_them(tables: dict):
    assert not any(table.needs_gpu(device, "ray") for table, device in product(tables.values(), ("auto", "cuda")))


def test_what_is_asked_for_is_understood_by_both_executors(tables: dict):
    table = tables[f"embeddings/{MODEL}"]
    with_gpu, without = (to_asset(table, device=device).op.tags for device in ("auto", "cpu"))
    assert '"nvidia.com/gpu": "1"' in with_gpu["dagster-k8s/config"]
    assert '"num_gpus": 1' in with_gpu["dagster-ray/config"]
    assert "gpu" not in without["dagster-k8s/config"] + without["dagster-ray/config"]
    assert '"backoff_limit": 0' in without["dagster-k8s/config"]
