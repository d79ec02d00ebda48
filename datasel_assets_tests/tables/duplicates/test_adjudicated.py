"""Near duplicates between two thresholds: somebody is asked, and what follows from the answers is not."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datasel_assets.cli import main
from datasel_assets.tables import make, open_warehouse
from datasel_assets_tests.answers.server import judge, said
from datasel_assets_tests.pools import add_source, write_yaml

# Half of the words of two tales of one family differ, and all of tales of different families.
FAMILIES = {"sea": 4, "sky": 2}
PAIRS = sum(n * (n - 1) // 2 for n in FAMILIES.values())


def tale(family: str, number: int) -> dict[str, str]:
    shared = " ".join(f"{family}{word}" for word in range(40))
    own = " ".join(f"{family}{number}own{word}" for word in range(12))
    return {"instruction": f"Tell me about the {family}.", "output": f"{shared} {own}"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    tales = [tale(family, number) for family, n in FAMILIES.items() for number in range(n)]
    add_source(folder, "a_tales", tales[::2])
    add_source(folder, "b_tales", tales[1::2])
    return folder


def same_family(body: dict[str, Any], number: int):
    prompt = body["messages"][-1]["content"]
    tasks = re.split(r"^Task \d+:\n", prompt, flags=re.MULTILINE)[1:] or [prompt]
    words = ["YES" if "sea0 " in task else "NO" for task in tasks]
    return said(words[0] if len(words) == 1 else "\n".join(f"#{at}: {word}" for at, word in enumerate(words, 1)))


def write(folder: Path, url: str, **more: Any) -> None:
    provider = {"endpoint": url, "model": "judge", "concurrency": 1}
    spec = {"ask": "same_row", "provider": provider, "pairs": {"of": "near_duplicates", "swap": False}, **more}
    write_yaml(folder / "answers" / "same.yaml", spec)
    near = {"threshold": 0.9, "adjudicate": {"answers": "same", "above": 0.3}}
    write_yaml(folder / "duplicates.yaml", {"near": near})


def made(folder: Path):
    warehouse = open_warehouse(folder, device="cpu")
    assert warehouse.registry.errors == {}
    for source in ("a_tales", "b_tales"):
        make(warehouse, "minhash", source, upstream=True)
    make(warehouse, "duplicates")
    make(warehouse, "near_pairs")
    return warehouse, make(warehouse, "near_duplicates").built


def test_pairs_in_between_are_asked_about_and_those_that_follow_are_not(data: Path, capsys: pytest.CaptureFixture[str]):
    with judge(same_family) as there:
        write(data, there.url)
        warehouse, built = made(data)
        assert warehouse.lake.scan(("near_pairs",)).collect()["is_asked"].sum() == PAIRS
        assert warehouse.lake.scan(("near_duplicates",)).collect().is_empty()
        assert not built.checks["pairs_adjudicated"].passed
        assert built.checks["pairs_adjudicated"].details["to do"] == "datasel ask same"
        assert main(["--data", str(data), "ask", "same"]) == 0
        # Four equal tales take three questions and two that differ take one; three more pairs follow.
        asked = len(there.requests)
        assert asked == 3 + 1
    assert f"6 of {PAIRS} pairs are the same; 3 near duplicates in all" in capsys.readouterr().out
    lake = open_warehouse(data).lake
    told = pl.concat([lake.scan(("adjudications", "same", source)).collect() for source in ("a_tales", "b_tales")])
    assert (told.height, told["was_asked"].sum(), told["is_same"].sum()) == (PAIRS, asked, 6)
    table = lake.scan(("near_duplicates",)).collect()
    assert (table.height, table["duplicate_of"].n_unique()) == (3, 1)
    answers = pl.concat([lake.scan(("answers", "same", source)).collect() for source in ("a_tales", "b_tales")])
    assert answers.height == asked


def test_pairs_can_be_asked_about_in_batches_and_nothing_is_asked_twice(data: Path):
    with judge(same_family) as there:
        write(data, there.url, batch={"size": 4, "by": "random"})
        made(data)
        assert main(["--data", str(data), "ask", "same"]) == 0
        sent = len(there.requests)
        assert sent < 3
        assert main(["--data", str(data), "ask", "same"]) == 0
        assert len(there.requests) == sent
    assert open_warehouse(data).lake.scan(("near_duplicates",)).collect().height == 3


def test_a_judge_whose_answer_hangs_on_the_order_decides_nothing(data: Path):
    def first_longer(body: dict[str, Any], number: int):
        one, two = re.findall(r"(?:sea|sky)(\d)own0", body["messages"][-1]["content"])
        return said("YES" if one > two else "NO")

    with judge(first_longer) as there:
        write(data, there.url, pairs={"of": "near_duplicates"})
        made(data)
        assert main(["--data", str(data), "ask", "same"]) == 0
        assert len(there.requests) == 2 * PAIRS
    assert open_warehouse(data).lake.scan(("near_duplicates",)).collect().is_empty()


@pytest.mark.parametrize(
    ("more", "file", "problem"),
    [
        (
            {"rows": {"sample": 3}},
            "answers/same.yaml",
            "rows: 'pairs: {of: near_duplicates}' asks about pairs of its own",
        ),
        ({"ask": "alpagasus"}, "answers/same.yaml", "needs 'about: pair'"),
        ({"pairs": {"rings": 2}}, "duplicates.yaml", "answers/ has no file same.yaml with"),
    ],
)
def test_what_is_wrong_with_the_files_is_said(data: Path, more: dict[str, Any], file: str, problem: str):
    write(data, "http://127.0.0.1:9/v1", **more)
    assert problem in open_warehouse(data).registry.errors[file]


def test_a_file_that_nobody_adjudicates_by_is_refused(data: Path):
    write(data, "http://127.0.0.1:9/v1")
    (data / "duplicates.yaml").unlink()
    assert (
        "near.adjudicate of duplicates.yaml must name this file"
        in open_warehouse(data).registry.errors["answers/same.yaml"]
    )


def test_the_families_are_what_the_test_says():
    sets = {(f, i): set(tale(f, i)["output"].split()) for f, n in FAMILIES.items() for i in range(n)}
    for (one, a), (two, b) in combinations(sets.items(), 2):
        assert (len(a & b) > 0) == (one[0] == two[0])
