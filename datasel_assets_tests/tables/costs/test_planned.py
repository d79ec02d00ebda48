"""The plan of a run, against what is in the files and what is then made."""

import gzip
import json
from pathlib import Path

import pytest

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import snapshot
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.costs import sources
from datasel_assets.tables.costs.kept import FORECAST, keep_plan, last_plan, records_of
from datasel_assets.tables.costs.planned import CODE, MISSING, plan_run
from datasel_assets.tables.costs.sources import ingested_size, sampled_size
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.pools import add_source, rows, small_pool, write_jsonl, write_yaml


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(small_pool(tmp_path / "data", n=12), "cpu")


def planned(warehouse: Warehouse):
    fresh = open_warehouse(warehouse.settings.data, "cpu")
    return plan_run(fresh, all_tables(fresh.registry))


def test_before_the_first_run_everything_is_missing_and_rows_are_known_from_the_files(warehouse: Warehouse):
    plan = planned(warehouse)
    assert {line.why for line in plan.lines} == {MISSING}
    assert {(line.source, line.rows) for line in plan.lines if line.stage == "corpus"} == {
        (name, 12) for name in ("sums", "fruit", "code")
    }
    assert {line.rows for line in plan.lines if line.stage == "selections/random"} == {36}
    regular = [table for table in all_tables(warehouse.registry) if not table.on_demand]
    assert len(plan.lines) == sum(3 if table.per_source else 1 for table in regular)
    assert warehouse.lake.tables() == []


def test_only_what_a_model_reads_has_tokens(warehouse: Warehouse):
    models = {table.name for table in all_tables(warehouse.registry) if table.runs_model}
    told = {line.stage for line in planned(warehouse).lines if line.tokens}
    assert told
    assert told <= models


def test_what_is_current_is_not_planned_and_what_reads_a_new_table_is(warehouse: Warehouse):
    make(warehouse, "scores/text", "sums", upstream=True)
    before = {(line.stage, line.source) for line in planned(warehouse).lines}
    assert not {("raw_corpus", "sums"), ("corpus", "sums"), ("scores/text", "sums")} & before
    add_source(warehouse.settings.data, "sums", rows("sums", 15), licence="CC0-1.0")
    why = {line.stage: line for line in planned(warehouse).lines if line.source == "sums"}
    assert why["raw_corpus"].why == "content changed"
    assert why["corpus"].why == "reads raw_corpus"
    assert (why["corpus"].rows, why["scores/text"].rows) == (15, 3), "rows that are there are not computed again"


def test_other_parameters_make_a_table_again(warehouse: Warehouse):
    make(warehouse, "scores/text", "sums", upstream=True)
    add_source(warehouse.settings.data, "sums", rows("sums", 12), licence="CC0-1.0", strip_suffix="Indeed.")
    why = {line.stage: line.why for line in planned(warehouse).lines if line.source == "sums"}
    assert (why["corpus"], why["scores/text"]) == (CODE, "reads corpus")
    assert "raw_corpus" not in why


def test_a_source_on_another_host_is_not_asked_and_its_tables_are_left_out(warehouse: Warehouse, monkeypatch):
    data = warehouse.settings.data
    write_yaml(data / "sources" / "far.yaml", {"uri": "https://example.org/rows.jsonl"})
    monkeypatch.setattr(
        "datasel_assets.storage.readers.resolve.fetch", lambda *a: pytest.fail("another host was asked")
    )
    plan = planned(warehouse)
    assert {line.source for line in plan.lines} == {"sums", "fruit", "code", None}
    assert [said.split(":")[0] for said in plan.untold] == ["raw_corpus of far"]


def test_a_file_that_cannot_be_read_is_told_and_leaves_the_others(warehouse: Warehouse):
    write_yaml(warehouse.settings.data / "sources" / "gone.yaml", {"uri": "files/gone.jsonl"})
    plan = planned(warehouse)
    assert "raw_corpus of gone" in plan.untold[0]
    assert "gone.jsonl" in plan.untold[0]
    assert {line.source for line in plan.lines if line.stage == "corpus"} == {"sums", "fruit", "code"}


def test_what_was_made_by_a_plan_stands_beside_it(warehouse: Warehouse):
    plan = planned(warehouse)
    name = keep_plan(warehouse.lake, plan)
    assert last_plan(warehouse.lake) == (name, plan)
    made = make(warehouse, "corpus", "sums", upstream=True, plan=name)
    assert {record["stage"] for record in records_of(warehouse.lake, name)} == {"raw_corpus", "corpus"}
    line = plan.line("corpus", "sums")
    assert line is not None
    cells = {figure: expected for figure, expected, _ in made.built.metadata[FORECAST].cells}
    assert cells["seconds"] == pytest.approx(line.seconds, rel=1e-4)
    assert cells["bytes written"] == pytest.approx(line.bytes_written, rel=1e-4)
    again = make(warehouse, "corpus", "fruit", upstream=True)
    assert FORECAST not in again.built.metadata, "made by no plan"


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_large_file_is_told_from_its_first_rows(tmp_path: Path, monkeypatch, suffix: str):
    monkeypatch.setattr(sources, "READ_ROWS", 200)
    path = tmp_path / f"many{suffix}"
    text = "".join(json.dumps(record) + "\n" for record in rows("fruit", 2000)).encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    spec = SourceSpec(uri=str(path))
    size = sampled_size("many", spec, snapshot(spec, "many", tmp_path, tmp_path / "cache"))
    assert 1600 < size.rows < 2400


def test_a_sample_of_all_rows_gives_the_tokens_of_the_corpus(warehouse: Warehouse):
    data = warehouse.settings.data
    write_jsonl(data / "files" / "sums.jsonl", [*rows("sums", 12), {"instruction": "broken", "output": None}])
    spec = SourceSpec(uri="files/sums.jsonl", max_quarantined_share=0.5)
    write_yaml(data / "sources" / "sums.yaml", spec.model_dump(mode="json", exclude_defaults=True))
    size = sampled_size("sums", spec, snapshot(spec, "sums", data, data / "cache"))
    make(open_warehouse(data, "cpu"), "corpus", "sums", upstream=True)
    assert size == ingested_size(warehouse, "sums")
    assert size.rows == 12
