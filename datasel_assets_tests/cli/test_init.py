"""New data folders."""

import os
from pathlib import Path

import pytest
import yaml

from datasel_assets.cli.init import SAMPLES, TEMPLATES
from datasel_assets.registry.load import CONTROL_ARMS, load_registry
from datasel_assets.settings import DEFAULT_DATA
from datasel_assets.storage.readers import read_rows, snapshot
from datasel_assets_tests.pools import rows, write_jsonl


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


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
