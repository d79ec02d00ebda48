"""Commands as a user types them, over a small pool of which the tables that need no model are made."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from datasel_assets.cli import main
from datasel_assets.settings import DAGSTER_VARIABLE, DATA_VARIABLE
from datasel_assets_tests.pools import add_source, rows, small_pool, write_jsonl, write_yaml
from datasel_assets_tests.project import Project

MADE = {
    *("raw_corpus", "corpus", "duplicates", "scores/text", "evaluations/exam", "contamination"),
    *("selections/random", "selections/longest", "selections/wordy"),
}


class Answer(NamedTuple):
    """What a command gave back and printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exported, as in a new shell; what a command exports is taken back after the test."""
    monkeypatch.setattr(sys, "argv", ["datasel"])
    for name in (DATA_VARIABLE, DAGSTER_VARIABLE, "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def datasel(environment: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Carries out ``datasel --data <folder> <arguments>``."""

    def carry_out(data: Path, *arguments: str) -> Answer:
        capsys.readouterr()
        status = main(["--data", str(data), *arguments])
        return Answer(status, *capsys.readouterr())

    return carry_out


@pytest.fixture
def datasel_process(environment: None) -> Callable[..., Answer]:
    """Carries out the same in a process of its own: Dagster catches the output of steps, and so does pytest."""
    code = "import sys; from datasel_assets.cli import main; sys.argv[0] = 'datasel'; sys.exit(main(sys.argv[1:]))"

    def carry_out(data: Path, *arguments: str) -> Answer:
        command = [sys.executable, "-c", code, "--data", str(data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    return carry_out


@pytest.fixture
def untouched(tmp_path: Path) -> Path:
    """A data folder over which nothing has run."""
    return small_pool(tmp_path / "data")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tables of ``MADE``, read by several tests: copy it to change it.

    The source ``again`` repeats two rows of ``fruit`` and has a broken one; the evaluation ``exam`` holds a row of
    ``sums``; the recipe ``wordy`` ranks and drops by a score.
    """
    data = small_pool(tmp_path_factory.mktemp("prepared") / "data")
    broken = {"instruction": "Which row is broken?", "output": None}
    add_source(data, "again", [*rows("fruit", 2), broken], max_quarantined_share=0.5)
    write_jsonl(data / "files" / "exam.jsonl", [{"question": "What is 3 plus 4?", "answer": "7"}])
    write_yaml(data / "evaluations" / "exam.yaml", {"uri": "files/exam.jsonl"})
    wordy = {
        "drop": [{"when": "duplicate"}, {"score": "text.response_words", "below": 8}],
        "select": {"sampler": "topk", "by": "text.response_words"},
        "budget": {"rows": 9},
    }
    write_yaml(data / "recipes" / "wordy.yaml", {"doc": "wordy", "paper": "baseline", **wordy})
    with dg.DagsterInstance.ephemeral() as instance:
        Project(data, instance).refresh(lambda asset: asset.name in MADE)
    return data


@pytest.fixture
def changeable(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared data folder."""
    return shutil.copytree(prepared, tmp_path / "data")
