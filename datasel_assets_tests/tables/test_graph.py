"""Every table is of a kind that is registered, and what goes by kind follows from it."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from datasel_assets.registry.load import load_registry
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.lake import Key
from datasel_assets.tables.graph import GRAPH, GROUPS, KINDS, all_tables, kind_of
from datasel_assets.tables.inputs import input_versions
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The default folder with the gallery's recipes, an evaluation by vectors, gradients, and what a user brings."""
    data = tmp_path_factory.mktemp("everything") / "data"
    shutil.copytree(DATA, data, ignore=shutil.ignore_patterns("warehouse", "releases"))
    for file in (data / "gallery").glob("*.yaml"):
        file.rename(data / "recipes" / file.name)
    for file in (data / "gallery").glob("*/*.yaml"):
        (data / file.parent.name).mkdir(exist_ok=True)
        file.rename(data / file.parent.name / file.name)
    write_yaml(data / "evaluations" / "exam.yaml", {"uri": "x.jsonl", "embedding": {"representation": "rds_plus"}})
    write_yaml(data / "representations" / "brought.yaml", {"source": {"table": "vectors.parquet"}})
    given = {"how": "given", "field": "quality", "turns": "mean", "keep": "high"}
    alike = {"how": "similarity", "representation": "rds_plus", "target": "arithmetic"}
    by_turn = {"how": "turns", "inputs": ["given.mine", "text.response_words"]}
    write_yaml(data / "scores" / "apt.yaml", {"how": "pair_similarity"})
    in_turn = {"how": "influence", "gradients": "proxy", "target": "code", "reduce": "round_robin"}
    by_influence = {"paper": "x", "select": {"sampler": "topk", "by": "influence.in_turn"}, "budget": {"rows": 4}}
    write_yaml(data / "recipes" / "in_turn.yaml", by_influence)
    for name, spec in {"mine": given, "alike": alike, "by_turn": by_turn, "in_turn": in_turn}.items():
        write_yaml(data / "scores" / f"{name}.yaml", spec)
    write_yaml(data / "representations" / "slopes.yaml", {"source": {"gradients": "proxy"}})
    probed = {
        "how": "influence",
        "gradients": "proxy",
        "target": "arithmetic",
        "probes": {"representation": "rds_plus"},
    }
    write_yaml(data / "scores" / "probed.yaml", probed)
    recipe = {"paper": "x", "select": {"sampler": "topk", "by": "influence.probed"}, "budget": {"rows": 2}}
    write_yaml(data / "recipes" / "probed.yaml", recipe)
    judge = {"provider": {"endpoint": "http://127.0.0.1:8000/v1", "model": "judge"}}
    write_yaml(data / "answers" / "same.yaml", {"ask": "same_row", "pairs": {"of": "near_duplicates"}, **judge})
    write_yaml(data / "duplicates.yaml", {"near": {"adjudicate": {"answers": "same"}}})
    return load_registry(data)


def test_every_table_is_of_a_registered_kind(everything: Registry):
    assert everything.errors == {}
    for table in all_tables(everything):
        assert KINDS[table.table_key(None)[0]] == table.kind
        assert kind_of(table.table_key("sums")) == table.kind


def test_tables_come_after_all_that_they_read(everything: Registry):
    done: set[Key] = set()
    for table in all_tables(everything):
        assert set(table.reads) <= done
        done.add(table.key)


def test_every_kind_has_a_table_in_some_folder(everything: Registry):
    made = {table.kind.name for table in all_tables(everything)}
    assert set(KINDS) - made == set()


def test_a_group_makes_tables_of_its_own_kinds_only(everything: Registry):
    for group, kinds in GROUPS:
        names = {table.table_key(None)[0] for table in group(everything)}
        assert names <= {kind.name for kind in kinds}


def test_no_key_in_the_lake_can_be_of_two_kinds():
    names = Counter(name for kind in KINDS.values() for name in (kind.name, *kind.companions))
    assert max(names.values()) == 1


def test_no_two_tables_have_one_key(everything: Registry):
    keys = Counter(table.table_key(None) for table in all_tables(everything))
    assert max(keys.values()) == 1


def test_tables_of_sources_and_of_the_pool_are_read_in_their_versions(settled: Project):
    warehouse = settled.warehouse
    found = input_versions(
        warehouse, [("corpus",), ("representations", "white"), ("duplicates",), ("tags", "x")], GRAPH
    )
    version = warehouse.lake.version
    assert found == {
        **{f"corpus/{source}": version(("corpus", source)) for source in ("code", "fruit", "sums")},
        **{
            f"representations/white/{source}": version(("representations", "white", source))
            for source in ("code", "fruit", "sums")
        },
        "duplicates": version(("duplicates",)),
    }
    assert input_versions(warehouse, [("cluster_models", "none")], GRAPH) == {"cluster_models/none": "missing"}
