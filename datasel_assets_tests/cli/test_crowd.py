import re
from pathlib import Path

import pytest

from datasel_assets.cli import main
from datasel_assets_tests.pools import write_yaml


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    spec = {"question": "Good?", "answers": ["a", "b", "c"], "price": 0.5, "per_row": 3, "ask": {"rows": 20}}
    write_yaml(tmp_path / "labels" / "quality.yaml", spec)
    return tmp_path


def simulated(data: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[float]]:
    assert main(["--data", str(data), "crowd", "simulate", *arguments, "--seeds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[:34].strip(): [float(x) for x in re.findall(r"[\d.]+(?= )|[\d.]+$", line[34:])] for line in lines[4:]}


def test_a_policy_is_shown_beside_one_answer_and_a_plain_vote(data: Path, capsys: pytest.CaptureFixture[str]):
    found = simulated(data, capsys, "quality", "--stop", "0.9")
    assert list(found) == ["one answer a row", "3 answers a row, majority", "this policy"]
    assert found["one answer a row"][:2] == [20, 10]
    assert found["3 answers a row, majority"][:2] == [60, 30]
    assert found["this policy"][0] <= 60


def test_rows_and_classes_are_those_of_the_file_unless_said_otherwise(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--data", str(data), "crowd", "simulate", "quality", "--seeds", "1"]) == 0
    assert "20 rows, 3 answers to choose from" in capsys.readouterr().out
    assert main(["--data", str(data), "crowd", "simulate", "--rows", "8", "--seeds", "1"]) == 0
    assert "8 rows, 2 answers to choose from" in capsys.readouterr().out


def test_what_cannot_be_simulated_is_refused(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--data", str(data), "crowd", "simulate", "nothing"]) == 2
    assert "there are: quality" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--data", str(data), "crowd", "simulate", "--stop", "2"])
    assert "above 0 and at most 1" in capsys.readouterr().err
