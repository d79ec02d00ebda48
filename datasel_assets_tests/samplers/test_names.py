"""The list of samplers, and what a sampler says of itself instead of being known by name."""

import ast
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest

import datasel_assets.recipes
from datasel_assets.samplers import SAMPLERS
from datasel_assets.samplers.names import ALONE, AROUND_OTHERS, INNER
from datasel_assets.samplers.wording import Wording, wording_of

FIELDS = {"by", "value", "score", "figures", "count", "query", "seed"}
RECIPES = Path(next(iter(datasel_assets.recipes.__path__)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_name_leads_to_a_module_with_the_four_parts_of_a_sampler(name: str):
    module = SAMPLERS[name]
    assert all(hasattr(module, part) for part in ("Params", "REQUIRES", "RANKS_ALL", "sample"))


def test_only_samplers_that_choose_by_themselves_run_inside_others():
    assert set(INNER) == set(ALONE) == set(SAMPLERS) - set(AROUND_OTHERS)


def test_the_list_loads_no_sampler():
    code = (
        "import sys, datasel_assets.samplers.names as names;"
        "print([m for m in names.ALONE.values() if f'datasel_assets.samplers.{m}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.py")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_whoever_carries_recipes_out_knows_no_sampler_by_name(path: Path):
    said = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    assert said & set(SAMPLERS) == set()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_wording_uses_the_fields_that_there_are(name: str):
    wording = getattr(SAMPLERS[name], "WORDING", Wording())
    for template in (wording.kept, wording.left, wording.unranked):
        assert {field for _, field, *_ in Formatter().parse(template or "") if field} <= FIELDS


def test_a_draw_says_its_temperature_and_a_ranking_does_not():
    params = SAMPLERS["topk"].Params
    assert wording_of("topk", params(by="x")).kept == " by {by} ({value})"
    drawn = wording_of("topk", params(by="x", tau=2)).kept
    assert drawn == " by {by} ({value}), drawn at temperature 2 (seed {seed})"


def test_the_sampler_inside_is_told_and_either_may_break_the_order_of_scores():
    inner = {"sampler": "mig"}
    for name, raw, by_score in (("rounds", {"inner": inner}, False), ("stratify", {"inner": inner}, True)):
        wording = wording_of(name, SAMPLERS[name].Params.model_validate(raw))
        assert wording == Wording(", adds {figures} of information", by_score=by_score)
