"""Sources that are larger than one file: corpora in parts, and every table with a line per row cut where they are."""

import shutil
from graphlib import TopologicalSorter
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.storage.fingerprint import ids_digest, merged_sums
from datasel_assets.storage.lake import Key, Lake
from datasel_assets.storage.readers import SourceError
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.table import Built
from datasel_assets_tests.pools import ENCODER, add_source, rows, small_pool, write_jsonl, write_yaml
from datasel_assets_tests.project import undrawn_pictures

SLUG = EncoderSpec.model_validate(ENCODER).slug
UPSTREAM: dict[Key, Key] = {
    ("minhash",): ("corpus",),
    ("scores", "text"): ("corpus",),
    ("embeddings", SLUG): ("corpus",),
    ("representations", "white"): ("embeddings", SLUG),
    ("clusters", "white"): ("representations", "white"),
}
"""Table with a line per row -> the table whose rows it has."""
CHEAP = ("raw_corpus", "corpus", "duplicates", "minhash", "near_duplicates", "scores/text", "turn_scores")
MADE = (*CHEAP, "semantic_duplicates", "embeddings", "representation", "cluster", "evaluation", "contamination")


STORY = (
    "A farmer near the river planted thirty apple trees in the spring and after three long years she picked the "
    "first red apples, filled seven wooden baskets and carried them to the market in the old town where all praised her"
)


def sized(patch: pytest.MonkeyPatch) -> None:
    """Let parts hold 16 rows in two row groups."""
    patch.setattr(Lake, "part_rows", 16)
    patch.setattr(Lake, "group_rows", 8)


def refreshed(data: Path, names: tuple[str, ...] = MADE) -> dict[tuple[str, str | None], Built]:
    """Make what is not current of the tables that are called so, upstream first; return what was made."""
    warehouse = open_warehouse(data, "cpu")
    tables = {table.key: table for table in all_tables(warehouse.registry) if table.name.startswith(names)}
    order = TopologicalSorter({key: set(table.reads) & set(tables) for key, table in tables.items()}).static_order()
    made = {}
    for table in (tables[key] for key in order):
        for source in sorted(warehouse.registry.sources) if table.per_source else [None]:
            if not table.is_current(warehouse, source):
                with undrawn_pictures():
                    built = made[table.name, source] = make(warehouse, table, source).built
                assert all(check.passed for check in built.checks.values())
    return made


def pool(data: Path) -> Path:
    small_pool(data, n=40)
    add_source(data, "fruit", [*rows("fruit", 39), {"instruction": "Tell a story.", "output": STORY}])
    copies = [STORY, STORY.replace("thirty", "forty")]
    add_source(data, "code", [*rows("code", 5), *({"instruction": "Tell a story.", "output": copy} for copy in copies)])
    write_jsonl(data / "files" / "exam.jsonl", [{"question": "What is 7 plus 8?", "answer": "15", "id": "q1"}])
    spec = {"uri": "files/exam.jsonl", "item_column": "id", "embedding": {"representation": "white"}}
    write_yaml(data / "evaluations" / "exam.yaml", spec)
    return data


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool whose sources sums and fruit are three parts each, and code is one file; never change it, copy it."""
    data = pool(tmp_path_factory.mktemp("large") / "data")
    with pytest.MonkeyPatch.context() as patch:
        sized(patch)
        refreshed(data)
    return data


@pytest.fixture
def grown(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the large pool that a test may change."""
    sized(monkeypatch)
    return Path(shutil.copytree(large, tmp_path / "data"))


def lake_of(data: Path) -> Lake:
    return open_warehouse(data).lake


def places(lake: Lake, key: Key) -> list[tuple[str, int]]:
    """Return name and inode of each part."""
    return [(path.name, path.stat().st_ino) for path in lake.require(key).files]


def texts(topic: str, n: int) -> list[str]:
    return [row["output"] for row in rows(topic, n)]


def test_a_corpus_in_parts_reads_as_one_table_in_the_order_of_its_source(large: Path):
    lake = lake_of(large)
    info = lake.require(("corpus", "sums"))
    assert [part.rows for part in info.parts] == [16, 16, 8]
    assert info.rows == 40
    assert lake.scan(("corpus", "sums")).collect()["response"].to_list() == texts("sums", 40)
    batches = list(lake.read_batches(("corpus", "sums"), ["response"], rows=7))
    assert [text for batch in batches for text in batch.column(0).to_pylist()] == texts("sums", 40)
    assert info.meta["ids"] == merged_sums(part.ids for part in info.parts)
    assert lake.require(("corpus", "code")).path.suffix == ".parquet"


@pytest.mark.parametrize("key", UPSTREAM, ids="/".join)
def test_every_table_with_a_line_per_row_is_cut_where_its_upstream_table_is(large: Path, key: Key):
    lake = lake_of(large)
    for source in ("sums", "fruit"):
        own, upstream = lake.require((*key, source)), lake.require((*UPSTREAM[key], source))
        assert len(own.parts) == 3
        assert [part.made_of for part in own.parts] == [part.path.name for part in upstream.parts]
        for mine, other in zip(own.parts, upstream.parts, strict=True):
            ids = pl.read_parquet(mine.path)["row_id"]
            assert ids.is_sorted()
            assert ids.to_list() == sorted(pl.read_parquet(other.path)["row_id"])
        assert own.meta["ids"] == upstream.meta["ids"]
    assert lake.require((*key, "code")).path.suffix == ".parquet"


def test_tables_in_parts_hold_what_tables_in_one_file_hold(large: Path, tmp_path: Path):
    whole = pool(tmp_path / "data")
    refreshed(whole, CHEAP)
    here, there = lake_of(large), lake_of(whole)
    per_source: list[Key] = [("corpus",), ("minhash",), ("scores", "text"), ("turn_scores", "text")]
    keys = [(*key, source) for key in per_source for source in ("code", "fruit", "sums")]
    for key in [*keys, ("duplicates",), ("near_duplicates",)]:
        left, right = (lake.scan(key).sort(pl.selectors.by_dtype(pl.String)).collect() for lake in (here, there))
        assert left.equals(right)
    assert here.scan(("near_duplicates",)).sort("kind").collect()["kind"].to_list() == ["exact", "near"]
    assert here.scan(("contamination", "sums")).collect().height > 0


def test_appended_rows_rewrite_only_the_last_part(grown: Path):
    lake = lake_of(grown)
    keys = [("corpus",), *UPSTREAM]
    before = {key: places(lake, (*key, "sums")) for key in keys}
    frozen = pl.concat(lake.scan((*key, "sums")).select("row_id") for key in keys).collect()
    add_source(grown, "sums", rows("sums", 43))
    made = refreshed(grown)
    for key in keys:
        after = places(lake, (*key, "sums"))
        if key[0] not in ("representations", "clusters"):  # their basis was fitted anew
            assert after[:2] == before[key][:2]
            assert after[2] != before[key][2]
            built = made["/".join(key), "sums"]
            assert (built.rows_new, built.rows_reused, built.rows_removed) == (3, 40, 0)
        assert [part.rows for part in lake.require((*key, "sums")).parts] == [16, 16, 11]
    assert lake.scan(("corpus", "sums")).collect()["response"].to_list() == texts("sums", 43)
    assert set(frozen["row_id"]) < set(lake.scan(("minhash", "sums")).collect()["row_id"])
    assert refreshed(grown) == {}


def test_rows_put_in_front_are_the_only_ones_that_are_computed(grown: Path):
    lake = lake_of(grown)
    add_source(grown, "sums", [*rows("sums", 5, start=900), *rows("sums", 38)])
    made = refreshed(grown)
    for key in (("corpus",), ("minhash",), ("scores", "text"), ("embeddings", SLUG)):
        built = made["/".join(key), "sums"]
        assert (built.rows_new, built.rows_reused, built.rows_removed) == (5, 38, 2)
    whole = lake.scan(("corpus", "sums")).select("row_id").collect()
    assert lake.scan(("minhash", "sums")).select("row_id").collect().sort("row_id").equals(whole.sort("row_id"))


def test_a_source_that_shrinks_to_one_part_is_one_file_again(grown: Path):
    lake = lake_of(grown)
    folders = [lake.require((*key, "sums")).path for key in (("corpus",), *UPSTREAM)]
    add_source(grown, "sums", rows("sums", 10))
    made = refreshed(grown)
    assert (made["corpus", "sums"].rows_reused, made["corpus", "sums"].rows_removed) == (10, 30)
    for key, folder in zip((("corpus",), *UPSTREAM), folders, strict=True):
        info = lake.require((*key, "sums"))
        assert (info.path.suffix, info.rows, folder.exists()) == (".parquet", 10, False)
        assert info.meta["ids"] == ids_digest(lake.scan((*key, "sums")).collect()["row_id"])
    assert ("corpus", "sums") in lake.tables("corpus")


def test_too_many_bad_rows_after_whole_parts_replace_nothing(grown: Path):
    lake = lake_of(grown)
    before = {key: lake.require((key, "sums")) for key in ("corpus", "quarantine")}
    bad = [{"instruction": f"Say {i}.", "output": ""} for i in range(60)]
    add_source(grown, "sums", [*rows("sums", 37, start=500), *bad])
    add_source(grown, "fresh", [*rows("sums", 37, start=700), *bad])
    warehouse = open_warehouse(grown)
    for source in ("sums", "fresh"):
        make(warehouse, "raw_corpus", source)
        with pytest.raises(SourceError, match=r"60 of 97 rows .* nothing was replaced"):
            make(warehouse, "corpus", source)
    assert {key: lake.require((key, "sums")) for key in ("corpus", "quarantine")} == before
    assert lake.scan(("corpus", "sums")).collect()["response"].to_list() == texts("sums", 40)
    assert warehouse.active_sources() == ["code", "fruit", "sums"]


def test_a_quarantine_of_many_rows_is_written_in_parts_and_in_order(grown: Path):
    mixed = [row for i in range(20) for row in ({"instruction": f"Say {i}.", "output": ""}, *rows("sums", 1, start=i))]
    add_source(grown, "mixed", mixed, max_quarantined_share=0.6)
    warehouse = open_warehouse(grown)
    make(warehouse, "raw_corpus", "mixed")
    built = make(warehouse, "corpus", "mixed").built
    assert all(check.passed for check in built.checks.values())
    assert built.metadata["rows_quarantined"] == 20
    refused = warehouse.lake.scan(("quarantine", "mixed")).collect()
    assert refused["position"].to_list() == list(range(0, 40, 2))
    assert [part.rows for part in warehouse.lake.require(("quarantine", "mixed")).parts] == [16, 4]
