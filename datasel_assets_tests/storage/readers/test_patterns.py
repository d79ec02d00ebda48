"""What is literal in a path and what is a pattern."""

from pathlib import Path

import pytest

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import SourceError, snapshot
from datasel_assets.storage.readers.patterns import local_files


@pytest.fixture(params=["plain", "data-[v2]", "what?*[a-z]", "a:b"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with files, under a name that may look like a pattern."""
    root = tmp_path / request.param
    files = ("pool[v2]/a.jsonl", "pool[v2]/b.jsonl", "poolv/c.jsonl", "pool2/d.jsonl", "x[1]-0.jsonl", "x[1]-1.jsonl")
    for name in (*files, "x1-2.jsonl", "my:set/e.jsonl", "deep/pool[v2]/f.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("pool[v2]/*.jsonl", ["pool[v2]/a.jsonl", "pool[v2]/b.jsonl"]),
        ("pool[v2]/[a].jsonl", ["pool[v2]/a.jsonl"]),
        ("pool[v2]/a.jsonl", ["pool[v2]/a.jsonl"]),
        ("pool[v2x]/*.jsonl", ["pool2/d.jsonl", "poolv/c.jsonl"]),
        ("x[1]-*.jsonl", ["x[1]-0.jsonl", "x[1]-1.jsonl"]),
        ("x[1]-2.jsonl", ["x1-2.jsonl"]),
        ("*/pool[v2]/*.jsonl", ["deep/pool[v2]/f.jsonl"]),
        ("**/pool[v2]/f.jsonl", ["deep/pool[v2]/f.jsonl"]),
        ("my:set/*.jsonl", ["my:set/e.jsonl"]),
        ("absent[1]/*.jsonl", []),
    ],
)
def test_a_part_is_literal_where_something_of_that_name_is_there(root: Path, pattern: str, names: list[str]):
    expected = [root / name for name in names]
    assert local_files(pattern, root) == expected
    if names:
        for uri in (pattern, str(root / pattern)):
            content = snapshot(SourceSpec(uri=uri), "s", root, root / "cache")
            assert [file.path for file in content.files] == expected


def test_brackets_in_a_file_address_are_literal_too(root: Path):
    content = snapshot(SourceSpec(uri=f"file://{root}/pool%5Bv2%5D/*.jsonl".replace("?", "%3F")), "s", root, root / "c")
    assert [file.path.name for file in content.files] == ["a.jsonl", "b.jsonl"]


def test_a_colon_in_a_name_that_is_not_there_is_a_scheme(root: Path):
    with pytest.raises(SourceError, match="unknown scheme 'your'"):
        snapshot(SourceSpec(uri="your:set/*.jsonl"), "s", root, root / "cache")
