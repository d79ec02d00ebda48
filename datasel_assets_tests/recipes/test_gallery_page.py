"""Cost and evidence of the recipes on docs/gallery.md: from recorded figures, and only where they fit the file."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.recipe_cost import make
from datasel_assets.recipes.interpreter import run_recipe
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets_tests.conftest import REPOSITORY

GALLERY = runpy.run_path(str(REPOSITORY / "docs" / "gallery.py"))
FILES = sorted([*(REPOSITORY / "data" / "recipes").glob("*.yaml"), *(REPOSITORY / "data" / "gallery").glob("*.yaml")])


def method(name: str) -> dict[str, Any]:
    text = (REPOSITORY / "data" / "recipes" / f"{name}.yaml").read_text("utf-8")
    return json.loads(json.dumps(RecipeSpec.model_validate(yaml.safe_load(text)).method()))


def line(n: int, seconds: float) -> dict[str, Any]:
    return {"implementation": "random", "n": n, "cpu_s": seconds, "method": method("random")}


def trial(name: str, low: float, high: float, verdict: str, version: str = "b") -> dict[str, Any]:
    own = {"set": name, "low": low, "high": high, "verdict": verdict, "evidence": version}
    return {"implementation": "mig", "objective": (low + high) / 2, "method": method("mig"), **own}


def cells(page: str, recipe: str) -> list[str]:
    (row,) = [row for row in page.splitlines() if row.startswith(f"| [{recipe}]")]
    return [cell.strip() for cell in row.split(" | ")]


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ([], "-"),
        ([(10_000, 0.2), (1_000_000, 3.14)], "3.1"),
        ([(10_000, 0.2), (100_000, 2.0)], "~20 (2 at 100,000, n^1.0)"),
        ([(1_000, 9.0), (10_000, 0.05), (100_000, 5.0)], "~5e+02 (5 at 100,000, n^2.0)"),
        ([(100_000, 2.0)], "2 at 100,000"),
        ([(1_000, 0.001), (10_000, 0.02)], "0.02 at 10,000"),
        ([(1_000_000, 9.0), (1_000_000, 4.0)], "4"),
    ],
)
def test_a_cost_that_was_not_measured_at_a_million_rows_says_what_it_is_extrapolated_from(measured, words):
    assert GALLERY["cost"]([line(n, seconds) for n, seconds in measured]) == words


def test_evidence_names_wins_and_losses_and_counts_the_rest_of_the_last_trial():
    lines = [
        trial("target: code", -9, -8, "better than random", "a"),
        trial("source: x", -0.3, -0.1, "better than random"),
        trial("target: code", -0.6, -0.4, "better than random"),
        trial("source: y", 0.25, 0.35, "worse than random"),
        trial("source: z", -0.1, 0.2, "no difference shown"),
    ]
    assert GALLERY["evidence"](lines) == (
        "better: target: code -0.500 ± 0.100, source: x -0.200 ± 0.100; worse: source: y +0.300 ± 0.050; "
        "no difference shown on 1 of 4"
    )


def test_the_page_takes_the_figures_of_the_file_as_it_is_and_of_no_other(tmp_path: Path):
    other = method("mig") | {"budget": {"rows": 3}}
    lines = {"recipe_cost": [line(1_000_000, 0.5)], "evidence": [trial("x", -2, -1, "better than random")]}
    for operation, found in lines.items():
        (tmp_path / f"{operation}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    page = GALLERY["page"](tmp_path)
    assert "0.5" in cells(page, "random")
    assert "better: x -1.500 ± 0.500" in cells(page, "mig")
    assert "what recipes need" not in page
    (tmp_path / "evidence.jsonl").write_text(json.dumps(lines["evidence"][0] | {"method": other}) + "\n", "utf-8")
    assert "better: x" not in GALLERY["page"](tmp_path)


def test_words_and_exports_are_no_part_of_the_method():
    text = {"paper": "baseline", "select": {"sampler": "random"}, "budget": {"rows": 3}}
    words = {"doc": "a", "use": "b", "paper": "c 2020", "release": {"formats": ["alpaca"]}}
    plain = RecipeSpec.model_validate(text).method()
    assert RecipeSpec.model_validate(text | words).method() == plain
    assert RecipeSpec.model_validate(text | {"seed": 1}).method() != plain


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_recipe_can_be_measured_over_a_made_up_pool(file):
    spec = RecipeSpec.model_validate(yaml.safe_load(file.read_text("utf-8")))
    selection = run_recipe(spec, *make(spec, 400))
    assert selection.selected.height == 14
    assert selection.within_budget
