"""Addresses to files; fingerprints of content."""

import os
from pathlib import Path

import pytest

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import Snapshot, SourceError, digests, locate, snapshot


def snap(folder: Path, uri: str | list[str], name: str = "s") -> Snapshot:
    return snapshot(SourceSpec(uri=uri), name, folder, folder / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.jsonl", "c.csv", "deep/d.jsonl", "odd[1].jsonl", "with space.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(content: Snapshot) -> list[str]:
    return [file.path.name for file in content.files]


def test_a_relative_path_starts_from_the_data_folder_and_an_absolute_one_does_not(folder: Path):
    assert snap(folder, "a.jsonl").files == snap(folder, str(folder / "a.jsonl")).files
    assert snap(folder, "deep/../a.jsonl").fingerprint == snap(folder, "a.jsonl").fingerprint
    assert names(snap(folder, f"file://{folder}/with%20space.jsonl")) == ["with space.jsonl"]


def test_a_glob_is_sorted_and_a_list_keeps_its_order(folder: Path):
    assert names(snap(folder, "?.jsonl")) == ["a.jsonl", "b.jsonl"]
    assert "d.jsonl" in names(snap(folder, "**/*.jsonl"))
    assert names(snap(folder, ["c.csv", "a.jsonl"])) == ["c.csv", "a.jsonl"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path):
    assert names(snap(folder, "odd[1].jsonl")) == ["odd[1].jsonl"]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("absent.jsonl", r"absent.jsonl: no such file \(relative paths start from"),
        ("absent/*.jsonl", r"absent/\*.jsonl: the pattern matches no file"),
        ("deep", r"deep: this is a folder; name the files, for example deep/\*.jsonl"),
        (
            "ftp://host/x.jsonl",
            "unknown scheme 'ftp'; use a path, a glob, or one of arithmetic, docstrings, extraction, hf",
        ),
        ("arithmetic:?rows=many", "'many'"),
    ],
)
def test_an_address_that_leads_nowhere_says_so(folder: Path, uri: str, words: str):
    for look in (snapshot, locate):
        with pytest.raises(ValueError, match=words):
            look(SourceSpec(uri=uri), "s", folder, folder / "cache")


def test_what_is_located_is_what_a_snapshot_holds_and_nothing_is_written(folder: Path):
    spec = SourceSpec(uri=["?.jsonl", "arithmetic:?rows=5", f"file://{folder}/with%20space.jsonl"])
    before = sorted(folder.rglob("*"))
    found = locate(spec, "s", folder, folder / "cache")
    assert sorted(folder.rglob("*")) == before
    held = [file.uri for file in snapshot(spec, "s", folder, folder / "cache").files]
    assert found == [*held[:2], "arithmetic:?rows=5", held[2]]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", "x'; drop table rows; --", "<b>"])
def test_a_name_that_is_not_a_slug_never_becomes_a_folder(folder: Path, name: str):
    with pytest.raises(ValueError, match="is not a valid name"):
        snap(folder, "a.jsonl", name)


def test_the_fingerprint_is_content_not_time_or_place(folder: Path):
    before = snap(folder, "a.jsonl").fingerprint
    os.utime(folder / "a.jsonl", (1, 1))
    (folder / "copy.jsonl").write_text("a.jsonl")
    assert snap(folder, "a.jsonl").fingerprint == before
    assert snap(folder, "copy.jsonl").fingerprint == before
    (folder / "a.jsonl").write_text("b.jsonl")
    assert snap(folder, "a.jsonl").fingerprint != before


def test_the_fingerprint_knows_order_reader_and_parameters(folder: Path):
    (folder / "a.csv").write_text("a.jsonl")
    uris = ["a.jsonl", "a.csv", ["a.jsonl", "b.jsonl"], ["b.jsonl", "a.jsonl"]]
    uris += ["arithmetic:?rows=5", "arithmetic:?rows=6", "arithmetic:?rows=5&seed=1"]
    assert len({snap(folder, uri).fingerprint for uri in uris}) == len(uris)


def test_an_unchanged_file_is_hashed_only_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    os.utime(folder / "a.jsonl", (1, 1))
    before = snap(folder, "a.jsonl")

    def fail(file: Path) -> str:
        raise AssertionError(f"{file} was hashed again")

    monkeypatch.setattr(digests, "_hash", fail)
    assert snap(folder, "a.jsonl") == before


def test_a_file_of_the_same_size_and_another_time_is_hashed_again(folder: Path):
    os.utime(folder / "a.jsonl", (1, 1))
    before = snap(folder, "a.jsonl").fingerprint
    (folder / "a.jsonl").write_text("A.JSONL")
    os.utime(folder / "a.jsonl", (2, 2))
    assert snap(folder, "a.jsonl").fingerprint != before


def test_a_file_just_written_is_not_trusted_to_stay(folder: Path):
    before = snap(folder, "a.jsonl").fingerprint
    stat = (folder / "a.jsonl").stat()
    (folder / "a.jsonl").write_text("A.JSONL")
    os.utime(folder / "a.jsonl", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as within one tick of a coarse clock
    assert snap(folder, "a.jsonl").fingerprint != before


@pytest.mark.parametrize("damage", ["{", "[]", '{"FILE": 3}', '{"FILE": [1]}', '{"FILE": []}', "\xff"])
def test_a_damaged_memory_of_hashes_only_costs_time(folder: Path, damage: str):
    os.utime(folder / "a.jsonl", (1, 1))
    before = snap(folder, "a.jsonl")
    memory = folder / "cache" / "s" / "digests.json"
    memory.write_text(damage.replace("FILE", str(folder / "a.jsonl")), "latin-1")
    assert snap(folder, "a.jsonl") == before


def test_an_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(file: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(digests, "_hash", refuse)
    with pytest.raises(SourceError, match=r"a.jsonl: cannot be read \(Permission denied\)"):
        snap(folder, "a.jsonl")
