"""``datasel ask``: the plan before anything is sent, then the answers and what the scores are like."""

from pathlib import Path

import pytest

from datasel_assets.cli import main
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.answers.server import judge, said
from datasel_assets_tests.pools import TOPICS, small_pool, write_yaml


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = small_pool(tmp_path / "data", n=4)
    warehouse = open_warehouse(made, device="cpu")
    for source in TOPICS:
        make(warehouse, "corpus", source, upstream=True)
    make(warehouse, "duplicates")
    return made


def write(data: Path, url: str, **more: object) -> None:
    spec = {"ask": "alpagasus", "provider": {"endpoint": url, "model": "judge"}, "price": {"tokens_in": 100}}
    write_yaml(data / "answers" / "quality.yaml", {**spec, **more})


def test_the_plan_is_told_and_nothing_is_sent(data: Path, capsys: pytest.CaptureFixture[str]):
    with judge(lambda body, number: said("4")) as there:
        write(data, there.url)
        assert main(["--data", str(data), "ask", "quality", "--plan"]) == 0
        assert there.requests == []
    told = capsys.readouterr().out
    assert "quality: 12 rows, 12 requests, 0 of them answered already" in told
    assert "to send   12 requests" in told
    assert "at most 192 out" in told
    assert "cost      at most 0." in told


def test_asking_tells_the_plan_the_progress_and_the_scores(data: Path, capsys: pytest.CaptureFixture[str]):
    with judge(lambda body, number: said(str(number % 5))) as there:
        write(data, there.url)
        assert main(["--data", str(data), "ask", "quality"]) == 0
        assert len(there.requests) == 12
        told = capsys.readouterr().out
        assert "12 rows have a score; 0.0% of the replies could not be read" in told
        assert "score, rows 12" in told
        assert "answers/quality sums: 4 of 4; 624 tokens, 0.06 spent in all" in told
        assert main(["--data", str(data), "ask", "quality"]) == 0
        assert len(there.requests) == 12
    assert "to send   0 requests" in capsys.readouterr().out


def test_above_a_limit_nothing_is_sent_and_the_limit_is_named(data: Path, capsys: pytest.CaptureFixture[str]):
    with judge(lambda body, number: said("4")) as there:
        write(data, there.url, limits={"rows": 5})
        assert main(["--data", str(data), "ask", "quality"]) == 2
        assert there.requests == []
    assert "above a limit: 12 rows, and limits.rows is 5" in capsys.readouterr().out


def test_a_file_that_is_not_there_or_wrong_is_said(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--data", str(data), "ask", "quality"]) == 2
    assert "there is no file answers/quality.yaml; there are: none" in capsys.readouterr().err
    write(data, "http://127.0.0.1:9/v1", ask="nobody")
    assert main(["--data", str(data), "ask", "quality"]) == 2
    assert "no shipped prompt 'nobody'" in capsys.readouterr().err


def test_a_judge_that_is_down_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]):
    with judge(lambda body, number: (401, {}, b"no key")) as there:
        write(data, there.url)
        assert main(["--data", str(data), "ask", "quality"]) == 1
    assert "answers 401: it does not accept the key (no key)" in capsys.readouterr().err
