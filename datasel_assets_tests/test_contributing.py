"""What CONTRIBUTING.md says of adding things is carried out on a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasel_assets_tests.conftest import REPOSITORY

BLOCK = re.compile(r"^```(python|yaml|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("benchmarks", "data", "datasel_assets", "datasel_assets_tests", "docs", "pyproject.toml", "README.md")
GENERAL = (
    "datasel_assets_tests/test_architecture.py",
    "datasel_assets_tests/samplers/test_contract.py",
    "datasel_assets_tests/indicators/test_docs.py",
    "datasel_assets_tests/recipes/test_gallery_page.py",
    "datasel_assets_tests/recipes/test_shipped_recipes.py",
)
"""Tests of all things of a kind, which cover a new one by themselves."""


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield kind, path and text of the blocks of CONTRIBUTING.md that name a file."""
    for kind, text in BLOCK.findall((REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")):
        first, _, rest = text.partition("\n")
        if named := re.fullmatch(r"(?:# |--- )(\S+\.\w+)", first):
            yield kind, named[1], rest


def changed(text: str, changes: str) -> str:
    """Apply hunks without line numbers: their kept and removed lines must stand in the text, once and in a row."""
    for hunk in changes.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(before) == 1, before
        text = text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
    return text


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project in which every example has been carried out."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        place = REPOSITORY / name
        if place.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "warehouse", "releases")
            shutil.copytree(place, folder / name, ignore=ignored)
        else:
            shutil.copy(place, folder / name)
    for kind, path, text in blocks():
        if kind == "diff":
            (folder / path).write_text(changed((folder / path).read_text("utf-8"), text), encoding="utf-8")
        else:
            assert not (folder / path).exists(), path
            (folder / path).write_text(text, encoding="utf-8")
    return folder


def in_copy(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_examples_add_passes_its_own_tests_and_those_of_its_kind(copy: Path):
    in_copy(copy, "docs/indicators.py")
    in_copy(copy, "docs/gallery.py")
    own = [path for _, path, _ in blocks() if Path(path).name.startswith("test_")]
    in_copy(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *dict.fromkeys([*own, *GENERAL]))


def test_each_kind_of_thing_takes_one_file_one_registration_and_one_test():
    found = [(kind, path.startswith("datasel_assets_tests/")) for kind, path, _ in blocks()]
    assert found == [
        *(("python", False), ("diff", False), ("python", True)),  # an indicator
        *(("python", False), ("diff", False), ("diff", True)),  # a sampler
        ("yaml", False),  # a recipe: its tests are those of all recipes
        *(("python", False), ("diff", False), ("python", True)),  # a schema of rows
        *(("python", False), ("diff", False), ("python", True)),  # a kind of table
    ]


def test_the_examples_are_formatted_as_the_project_is(copy: Path):
    files = [path for kind, path, _ in blocks() if kind == "python"]
    in_copy(copy, "-m", "ruff", "check", "--no-cache", *files)
    in_copy(copy, "-m", "ruff", "format", "--check", "--no-cache", *files)
