"""New data folders."""

import os
from pathlib import Path

import pytest
import yaml

from datasel_assets.cli.editor_schemas import FOLDER, header
from datasel_assets.cli.init import SAMPLES, TEMPLATES
from datasel_assets.registry.load import CONTROL_ARMS, FILES, FOLDERS, load_registry
from datasel_assets.settings import DEFAULT_DATA
from datasel_assets.storage.readers import read_rows, snapshot
from datasel_assets_tests.pools import rows, write_jsonl


def written(folder: Path) -> set[str]:
    """Files of a data folder, but for the schemas that editors read."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(f"{FOLDER}/")}


def test_a_new_folder_has_the_shipped_samples_and_a_registry_without_mistakes(datasel, tmp_path: Path):
    folder = tmp_path / "deep" / "my [red] data"
    answer = datasel(tmp_path / "ignored", "init", str(folder))
    assert (answer.status, answer.err) == (0, "")
    assert written(folder) == {*TEMPLATES, *SAMPLES}
    assert all((folder / name).read_bytes() == (DEFAULT_DATA / name).read_bytes() for name in written(folder))
    registry = load_registry(folder)
    assert registry.errors == {}
    assert len(registry.sources) == 3
    assert set(registry.recipes) > set(CONTROL_ARMS)
    assert answer.out.endswith(f"next: datasel --data '{folder}' run\n")
    for name, spec in registry.sources.items():
        assert list(read_rows(snapshot(spec, name, folder, tmp_path / "cache"), spec))


def test_a_source_of_the_user_is_named_by_its_place_wherever_the_command_was_typed(datasel, tmp_path, monkeypatch):
    write_jsonl(tmp_path / "here" / "My rows.v2.jsonl", rows("sums", 3))
    monkeypatch.chdir(tmp_path / "here")
    answer = datasel(tmp_path, "init", "../data", "--source", "My rows.v2.jsonl")
    assert answer.status == 0
    assert written(tmp_path / "data") == {*TEMPLATES, "sources/my_rows.yaml"}
    registry = load_registry(tmp_path / "data")
    assert registry.errors == {}
    spec = registry.sources["my_rows"]
    assert spec.uris == (str(tmp_path / "here" / "My rows.v2.jsonl"),)
    assert len(list(read_rows(snapshot(spec, "my_rows", tmp_path / "data", tmp_path / "cache"), spec))) == 3


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("hf://datasets/owner/My-Set/train-*.parquet", "train"),
        ("https://host/some/Alpaca%20data.json.gz?token=1", "alpaca_20data"),
        ("s3://bucket/rows/*.jsonl", "rows"),
        ("arithmetic:?rows=20&seed=1", "arithmetic"),
        ("docstrings:?packages=json, asyncio # stdlib", "docstrings"),
    ],
)
def test_an_address_stands_in_the_file_as_it_was_typed_and_nothing_is_fetched(datasel, tmp_path, source, name):
    assert datasel(tmp_path, "init", str(tmp_path / "data"), "--source", source).status == 0
    (file,) = (tmp_path / "data" / "sources").iterdir()
    assert file.name == f"{name}.yaml"
    assert yaml.safe_load(file.read_text("utf-8")) == {"uri": source}
    assert load_registry(tmp_path / "data").errors == {}


def test_a_folder_with_anything_in_it_is_left_as_it_is(datasel, tmp_path: Path):
    (tmp_path / "data").mkdir()
    assert datasel(tmp_path, "init", str(tmp_path / "data")).status == 0
    before = written(tmp_path / "data")
    for path in (tmp_path / "data", tmp_path / "data" / "recipes" / "random.yaml"):
        answer = datasel(tmp_path, "init", str(path), "--source", "arithmetic:?rows=20")
        assert answer.status == 2
        assert f"{path} is not an empty folder, so nothing was written" in answer.err
    assert written(tmp_path / "data") == before


@pytest.mark.parametrize(("source", "message"), [("absent.jsonl", "there is no such file"), (".", "is a folder")])
def test_a_source_that_is_not_there_is_refused_before_anything_is_written(
    datasel, tmp_path, monkeypatch, source, message
):
    monkeypatch.chdir(tmp_path)
    answer = datasel(tmp_path, "init", "data", "--source", source)
    assert answer.status == 2
    assert message in answer.err
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_files_are_looked_at_and_the_rows_that_were_named_become_a_target(datasel, tmp_path: Path):
    good = rows("fruit", 4)
    write_jsonl(tmp_path / "my.jsonl", [*good, good[0], *[{"instruction": "x", "output": None}] * 2])
    write_jsonl(tmp_path / "other" / "my.jsonl", [{"question": "What is 1 plus 1?", "answer": "2", "rating": 3}])
    (tmp_path / "LICENSE.txt").write_text("CC0")
    files = [str(tmp_path / "my.jsonl"), str(tmp_path / "other" / "my.jsonl")]
    named = ["--like", "HOLDS 2  apples", "--like", "1 plus 1"]
    answer = datasel(tmp_path, "init", str(tmp_path / "data"), *files, *named)
    assert (answer.status, answer.err) == (0, "")
    first, second = answer.out.splitlines()[:2]
    assert first.startswith("my: 5 rows in 0.0 MB; alpaca: instruction = 'instruction'")
    assert "2 records cannot be used: missing response (2); more of them than max_quarantined_share" in first
    assert "1 of the rows are exact copies" in first
    assert second.startswith("my_2: 1 rows in 0.0 MB; qa: ")
    registry = load_registry(tmp_path / "data")
    assert registry.errors == {}
    assert registry.sources["my_2"].uris == (files[1],)
    prompts = [example.prompt for example in registry.targets["like_these"].examples]
    assert prompts == ["Which basket holds 2 apples?", "What is 1 plus 1?"]
    assert registry.recipes["toward_these"].requires().targets == {("spectral", "like_these")}
    costs = [line.split()[0] for line in answer.out.partition("what each recipe needs\n")[2].splitlines()]
    assert costs == ["random", "longest", "cluster_balanced", "toward_these", "next:"]
    assert str(tmp_path / "LICENSE.txt") in (tmp_path / "data" / "sources" / "my.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--like", "nobody wrote this"], "no row of the files that were given holds 'nobody wrote this'")],
)
def test_a_row_that_is_in_no_file_is_refused_before_anything_is_written(datasel, tmp_path, arguments, message):
    write_jsonl(tmp_path / "my.jsonl", rows("fruit", 4))
    answer = datasel(tmp_path, "init", str(tmp_path / "data"), str(tmp_path / "my.jsonl"), *arguments)
    assert (answer.status, message in answer.err) == (2, True)
    assert not (tmp_path / "data").exists()


def test_every_shipped_file_names_its_schema_at_its_top():
    lacking = []
    for path in sorted(DEFAULT_DATA.rglob("*.yaml")):
        file = path.relative_to(DEFAULT_DATA).as_posix().removeprefix("gallery/")
        in_gallery = path.relative_to(DEFAULT_DATA).parts[0] == "gallery"
        if in_gallery and "/" not in file:
            file = f"recipes/{file}"
        if file.partition("/")[0] not in {*FOLDERS, *FILES}:
            continue
        first, second = (path.read_text("utf-8") + "\n\n").splitlines(keepends=True)[:2]
        if header(file) not in (first, second):
            lacking.append(path.name)
        assert (path.parent / header(file).partition("$schema=")[2].strip()).is_file()
    assert lacking == []


def test_a_new_folder_has_every_schema_that_its_files_name(datasel, tmp_path: Path):
    assert datasel(tmp_path, "init", str(tmp_path / "data"), "--source", "arithmetic:?rows=20").status == 0
    for path in (tmp_path / "data").rglob("*.yaml"):
        first = path.read_text("utf-8").splitlines()[0]
        assert (path.parent / first.partition("$schema=")[2]).is_file()
