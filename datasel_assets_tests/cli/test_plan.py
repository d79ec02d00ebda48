"""Plans as a user sees them."""

import json
from pathlib import Path

from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.costs.kept import keep_plan
from datasel_assets.tables.costs.planned import plan_run
from datasel_assets.tables.graph import all_tables
from datasel_assets_tests.pools import add_source, rows, write_yaml


def small(data: Path) -> Path:
    add_source(data, "sums", rows("sums", 12))
    return data


def test_a_plan_names_each_table_with_its_cost_and_the_whole(datasel, tmp_path: Path):
    answer = datasel(small(tmp_path), "plan")
    assert answer.status == 0
    lines = answer.out.splitlines()
    heads = ["rows", "tokens", "read", "written", "memory", "CPU", "time"]
    assert lines[0].split() == ["table", *heads, "known", "from", "why"]
    (corpus,) = [line.split() for line in lines if line.startswith("corpus ")]
    assert corpus[1] == "12"
    assert corpus[-2:] == ["reference", "missing"]
    assert lines[-1].startswith("expected: ")
    assert not (tmp_path / "warehouse" / "corpus").exists()


def test_a_plan_in_json_has_every_step_and_the_totals(datasel, tmp_path: Path):
    plan = json.loads(datasel(small(tmp_path), "plan", "--json").out)
    assert plan["totals"]["steps"] == len(plan["lines"])
    assert {"stage": "corpus", "source": "sums", "rows": 12}.items() <= plan["lines"][1].items()
    assert plan["above_limits"] == []


def test_a_plan_above_a_limit_says_which_and_ends_with_2(datasel, tmp_path: Path):
    write_yaml(small(tmp_path) / "compute.yaml", {"limits": {"memory_gb": 0.01}})
    answer = datasel(tmp_path, "plan")
    assert answer.status == 2
    assert "above a limit: memory_gb: " in answer.out


def test_a_run_above_a_limit_is_not_started(datasel_process, tmp_path: Path):
    write_yaml(small(tmp_path) / "compute.yaml", {"limits": {"written_gb": 1e-9}})
    answer = datasel_process(tmp_path, "run")
    assert answer.status == 1
    assert "the run is not started, because it is above the limits of compute.yaml: written_gb: " in answer.out
    assert not (tmp_path / "warehouse" / "corpus").exists()


def test_after_a_run_the_forecast_stands_beside_what_it_took(datasel, tmp_path: Path):
    assert datasel(small(tmp_path), "plan", "--last").status == 2
    warehouse = open_warehouse(tmp_path, "cpu")
    name = keep_plan(warehouse.lake, plan_run(warehouse, all_tables(warehouse.registry)))
    make(warehouse, "corpus", "sums", upstream=True, plan=name)
    said = datasel(tmp_path, "plan", "--last").out.splitlines()
    assert [line.split()[0] for line in said] == ["table", "raw_corpus", "corpus", "in", said[-1].split()[0]]
    assert "planned steps were not made" in said[-1]
    stages = json.loads(datasel(tmp_path, "plan", "--last", "--json").out)["stages"]
    made = [record for record in warehouse.lake.runs() if record["stage"] == "corpus"]
    assert stages[1]["actual"]["seconds"] == made[0]["seconds"]
