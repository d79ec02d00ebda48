"""Documents and the rows drawn out of them, as tables: small files of every kind, and a target that some are like."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.registry.load import load_registry
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.documents import extractions
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.planning import regular_phases
from datasel_assets_tests.pools import small_pool, write_jsonl, write_yaml

ENCODER = {"max_tokens": 32, "layers": "last", "precision": "float32"}
EXTRACTION = {
    "documents": ["books", "pages"],
    "target": "adding",
    "encoder": ENCODER,
    "warm_up": False,
    "clusters": 6,
    "arms": 1,
    "probe": 2,
    "at": 4,
    "budget": 0.4,
}


def sums(i: int) -> str:
    return f"# Adding {i}\n\nWhat is {i} plus {i + 2}?\n\n{i} plus {i + 2} is {2 * i + 2}.\n"


def trees(i: int) -> str:
    return f"# Trees {i}\n\nA maple is a tree of the woods whose {i} leaves turn red in autumn before they fall.\n"


def lay(data: Path, **spec) -> Path:
    """Write 12 documents with sums and 28 about trees, in files and in records."""
    small_pool(data, n=4)
    books = data / "files" / "books"
    books.mkdir(parents=True)
    for i in range(12):
        (books / f"sums{i}.{('md', 'txt', 'rst')[i % 3]}").write_text(sums(i), "utf-8")
    for i in range(8):
        page = f"<title>Trees {i}</title><h2>Maples</h2><p>{trees(i).splitlines()[2]}</p><script>x</script>"
        (books / f"trees{i}.html").write_text(page, "utf-8")
    (books / "latin.txt").write_bytes("Bäume".encode("latin-1"))
    records = [{"text": trees(i), "title": f"T{i}", "path": f"p{i}"} for i in range(8, 28)]
    write_jsonl(data / "files" / "pages.jsonl", [*records, {"text": " "}, {"title": "no text"}, records[0]])
    write_yaml(data / "documents" / "books.yaml", {"uri": "files/books/*", "doc": "books", "licence": "CC0-1.0"})
    write_yaml(data / "documents" / "pages.yaml", {"uri": "files/pages.jsonl"})
    write_yaml(data / "extractions" / "some.yaml", {**EXTRACTION, **spec})
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = lay(tmp_path_factory.mktemp("extractions") / "data")
    make(open_warehouse(data, device="cpu"), "extractions/some", upstream=True)
    return data


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """The same folder with everything that was made, to be changed."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def rows(data: Path) -> pl.DataFrame:
    return open_warehouse(data, device="cpu").lake.scan(("extractions", "some")).collect()


def test_every_kind_of_file_gives_documents_and_what_is_none_is_counted_with_its_reason(data: Path):
    lake = open_warehouse(data, device="cpu").lake
    books, pages = (lake.scan(("documents", name)).collect() for name in ("books", "pages"))
    assert (books.height, pages.height) == (20, 20)
    assert set(books["title"]) == {*(f"Adding {i}" for i in range(12)), *(f"Trees {i}" for i in range(8))}
    assert not books["text"].str.contains("script|<p>").any()
    assert set(pages["path"]) == {f"p{i}" for i in range(8, 28)}
    (data / "warehouse" / "documents" / "pages.parquet").unlink()
    page = make(open_warehouse(data, device="cpu"), "documents/pages").built.metadata
    reasons = dict(page["reasons"].cells)
    assert reasons["it is empty"] == 1
    assert reasons["it repeats another"] == 1
    assert reasons["the record has no text in the field 'text'"] == 1


def test_rows_come_from_clusters_like_the_target_and_say_where_they_stand(data: Path):
    found = rows(data)
    # All 12 documents with sums are among the 16 that were read; of 16 random ones it would be five.
    assert found["prompt"].str.contains("plus").sum() == 12
    lake = open_warehouse(data, device="cpu").lake
    documents = pl.concat(lake.scan(("documents", name)).collect() for name in ("books", "pages"))
    for row in found.join(documents, left_on="document", right_on="row_id", suffix="_of").rows(named=True):
        assert row["response"] in row["text"][row["start"] : row["stop"]]
        assert row["path"] == row["path_of"]
    assert found.select("cluster", "round", "rule").null_count().sum_horizontal().item() == 0


def test_no_more_documents_are_read_than_the_budget_allows_and_the_page_says_how_many(copied: Path):
    (copied / "warehouse" / "extractions" / "some.parquet").unlink()
    built = make(open_warehouse(copied, device="cpu"), "extractions/some").built
    assert built.metadata["documents_read"] == 16 == int(0.4 * 40)
    lake = open_warehouse(copied, device="cpu").lake
    assert lake.scan(("extraction_rounds", "some")).collect()["looked_at"].sum() == 16
    assert built.checks["spans_hold_the_rows"].passed
    assert built.metadata["plot: path"].png.startswith(b"\x89PNG")


def test_a_step_that_was_killed_between_rounds_ends_with_the_same_rows(copied: Path, monkeypatch: pytest.MonkeyPatch):
    path = copied / "warehouse" / "extractions" / "some.parquet"
    before = path.read_bytes()
    path.unlink()
    plain, calls = extractions.write_json, []

    def dies_after_round_three(*arguments):
        plain(*arguments)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(extractions, "write_json", dies_after_round_three)
    with pytest.raises(KeyboardInterrupt):
        make(open_warehouse(copied, device="cpu"), "extractions/some")
    (state,) = (copied / "warehouse" / "_shards" / "extractions" / "some").rglob("*.json")
    assert len(json.loads(state.read_text())["rounds"]["tries"]) == 3
    make(open_warehouse(copied, device="cpu"), "extractions/some")
    assert path.read_bytes() == before
    assert not state.exists()


def test_the_documents_of_the_warm_up_count_as_read(copied: Path):
    write_yaml(copied / "extractions" / "some.yaml", {**EXTRACTION, "warm_up": {"share": 0.2, "dims": 16, "steps": 40}})
    built = make(open_warehouse(copied, device="cpu"), "extractions/some").built
    assert built.metadata["read_for_the_warm_up"] == 8
    assert built.metadata["documents_read"] == 16
    write_yaml(copied / "extractions" / "some.yaml", {**EXTRACTION, "budget": 0.05, "warm_up": {"share": 0.05}})
    with pytest.raises(ValueError, match="used up by the 2 of the warm-up"):
        make(open_warehouse(copied, device="cpu"), "extractions/some")


def test_what_was_drawn_is_a_source_of_the_pool_with_its_provenance(copied: Path):
    write_yaml(copied / "sources" / "drawn.yaml", {"uri": "extraction:some", "licence": "CC0-1.0"})
    warehouse = open_warehouse(copied, device="cpu")
    make(warehouse, "corpus", "drawn", upstream=True)
    corpus = warehouse.lake.scan(("corpus", "drawn")).collect()
    drawn = rows(copied)
    assert sorted(corpus["prompt"]) == sorted(drawn["prompt"])
    assert {"document", "path", "start", "stop", "rule", "cluster", "round"} <= set(json.loads(corpus["extra"][0]))
    write_yaml(copied / "sources" / "undrawn.yaml", {"uri": "extraction:other"})
    with pytest.raises(ValueError, match="materialise extractions/other first"):
        make(open_warehouse(copied, device="cpu"), "raw_corpus", "undrawn")


def test_documents_are_read_only_when_somebody_asks(data: Path):
    made = {table.name: table for table in all_tables(load_registry(data))}
    names = ["documents/books", "documents/pages", "extractions/some"]
    names += [name for name in made if name.startswith("document_embeddings/")]
    assert len(names) == 5
    assert all(made[name].on_demand for name in names)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"documents": ["boks"]}, "documents"),
        ({"target": "nothing"}, "target"),
        ({"rules": ["heading"]}, "did you mean 'headings'?"),
        ({"rules": ["code", "code"]}, "each once"),
        ({"budget": 1.5}, "budget"),
        ({"warm_up": {"shar": 1}}, "shar"),
    ],
)
def test_a_wrong_file_is_said_with_its_key(tmp_path: Path, spec: dict, message: str):
    registry = load_registry(lay(tmp_path / "data", **spec))
    assert registry.extractions == {}
    assert message in registry.errors["extractions/some.yaml"]


def test_a_source_of_drawn_rows_has_the_extraction_above_it_and_runs_by_default_all_the_same(
    data: Path, tmp_path: Path
):
    copied = shutil.copytree(data, tmp_path / "data")
    write_yaml(copied / "sources" / "drawn.yaml", {"uri": "extraction:some", "licence": "CC0-1.0"})
    definitions, tables = assemble(open_warehouse(copied, device="cpu"))
    by_name = {table.name: table for table in tables}
    assert by_name["raw_corpus"].reads == [("extractions", "some")]
    assert by_name["extractions/some"].on_demand
    regular = {table.name for phase in regular_phases(tables) for table in phase.tables}
    assert "raw_corpus" in regular
    assert "extractions/some" not in regular
    keys = definitions.resolve_job_def("refresh_source").asset_layer.executable_asset_keys
    assert "raw_corpus" in {key.to_user_string() for key in keys}
