import csv
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


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, str]], str]:
    code = main(["crowd", *map(str, arguments)])
    told = capsys.readouterr()
    return code, list(csv.DictReader(told.out.splitlines())), told.err


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text("task,worker,answer\na,x,no\na,x,yes\na,y,yes\nb,x,no\nb,y,no\nc,x,yes\n", "utf-8")
    return path


def test_answers_are_classified_filtered_and_counted(answers: Path, capsys: pytest.CaptureFixture[str]):
    code, lines, told = run(capsys, "classify", answers)
    assert (code, [(line["task"], line["answer"], line["n"]) for line in lines]) == (
        0,
        [("a", "yes", "2"), ("b", "no", "2"), ("c", "yes", "1")],
    )
    assert "5 answers of 2 workers, alpha 1.00" in told
    code, lines, _ = run(capsys, "filter", answers, "--keep", "yes", "--truth", "zencrowd")
    assert [line["task"] for line in lines] == ["a", "c"]
    _, lines, _ = run(capsys, "count", answers, "--of", 3)
    assert [(line["answer"], line["share"], line["low"]) for line in lines] == [
        ("no", "0.3333", "0.3333"),
        ("yes", "0.6667", "0.6667"),
    ]


def test_pairs_are_matched_in_rounds_of_files_and_make_clusters(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pairs, given, ask = tmp_path / "pairs.csv", tmp_path / "given.csv", tmp_path / "next.csv"
    pairs.write_text("left,right,likelihood\na,b,0.9\nb,c,0.8\na,c,0.7\n", "utf-8")
    given.write_text("left,right,worker,answer\n", "utf-8")
    code, lines, told = run(capsys, "match", given, "--pairs", pairs, "--next", ask)
    assert (code, [line["how"] for line in lines]) == (0, ["open"] * 3)
    assert "3 pairs: 3 open; 2 to ask now" in told
    with given.open("a") as out:
        out.writelines(f"{line},w,same\n" for line in ask.read_text("utf-8").splitlines()[1:])
    _, lines, told = run(capsys, "match", given, "--pairs", pairs, "--next", ask)
    assert [(line["is_same"], line["how"]) for line in lines] == [
        ("yes", "asked"),
        ("yes", "asked"),
        ("yes", "deduced"),
    ]
    assert ask.read_text("utf-8") == "left,right\n"
    _, lines, _ = run(capsys, "cluster", given, "--pairs", pairs)
    assert [(line["item"], line["cluster"]) for line in lines] == [("a", "0"), ("b", "0"), ("c", "0")]


def test_items_are_sorted_by_whom_they_are_preferred_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, out = tmp_path / "better.csv", tmp_path / "sorted.csv"
    path.write_text("left,right,worker,answer\nb,a,x,right\nb,c,x,left\na,c,x,left\nb,c,y,tie\n", "utf-8")
    code, lines, _ = run(capsys, "sort", path, "--out", out)
    assert (code, lines) == (0, [])
    assert [line.split(",")[0] for line in out.read_text("utf-8").splitlines()] == ["item", "a", "b", "c"]


def test_pairs_that_a_labelled_sample_leaves_no_doubt_about_need_not_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "sample.csv"
    lines = [f"{i / 1000},{'same' if i >= 400 else 'different'}\n" for i in range(1000)]
    path.write_text("likelihood,answer\n" + "".join(lines), "utf-8")
    code, (line,), _ = run(capsys, "prune", path, "--recall", 0.95, "--precision", 0.95)
    assert code == 0
    assert 0.36 <= float(line["low"]) <= float(line["high"]) <= 0.43
    assert float(line["share_to_ask"]) < 0.05


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("task,answer\na,b\n", ["classify"], "there is no column 'worker'"),
        ("task,worker,answer\n,x,b\n", ["classify"], "line 2: it names no task"),
        ("task,worker,answer\na,x,\n", ["classify"], "line 2: answer is empty"),
        ("task,worker,answer\na,x,b\n", ["count"], "1 different answers"),
        ("task,worker,answer\na,x,b\nb,x,c\n", ["filter", "--keep", "d"], "nobody answered 'd'"),
        ("left,right,worker,answer\na,b,x,better\n", ["sort"], "it must be left, right or tie"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_place(
    text: str, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "given.csv"
    path.write_text(text, "utf-8")
    code, _, told = run(capsys, arguments[0], path, *arguments[1:])
    assert code == 2
    assert message in told
