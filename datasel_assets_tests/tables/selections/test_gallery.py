"""Every recipe that is shipped, carried out over a part of the default pool."""

import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from datasel_assets.tables import make
from datasel_assets_tests.answers.server import Answer, judge, said
from datasel_assets_tests.pools import write_yaml
from datasel_assets_tests.project import Project
from datasel_assets_tests.tables.selections.test_gradient_gallery import RECIPES as BY_GRADIENTS

DATA = Path(__file__).resolve().parents[3] / "data"
MAY_FALL_SHORT = {"better_mixture"}
ELSEWHERE = ("recipes/batcher", "recipes/mods_complete", "recipes/people_usable")


def any_judge(body: dict, number: int) -> Answer:
    """A judge that has an answer to every shipped prompt, by the length of what it is asked about."""
    length = len(body["messages"][-1]["content"])
    if "top_logprobs" in body:
        words = [("1", -1.0), ("6", -0.1 * (length % 7)), ("YES", -0.01 * (length % 5)), ("NO", -6.0)]
        top = [{"token": token, "logprob": value} for token, value in words]
        return said("6", logprobs={"content": [{**top[1], "top_logprobs": top}]})
    asked = body["messages"][-1]["content"]
    if '"revised"' in asked:
        return said(json.dumps({"correct": length % 3 > 0, "revised": None}))
    if "JSON object" in asked:
        return said(json.dumps(dict.fromkeys(("accuracy", "explanation", "clarity", "difficulty"), 1 + length % 5)))
    if "Reply A or B" in asked or "one letter" in asked:
        return said("AB"[zlib.crc32(asked.encode()) % 2])
    if "Reply no, partly or yes" in asked:
        tasks = asked.count("\nTask ") or 1
        words = [("no", "partly", "yes", "yes")[(length + task) % 4] for task in range(tasks)]
        return said("\n".join(f"#{task}: {word}" for task, word in enumerate(words, 1)) if tasks > 1 else words[0])
    return said("5" if length % 4 else "4.5" if "halves" in asked else "4")


@pytest.fixture
def gallery(project: Project) -> Iterator[Project]:
    """The default folder with the gallery among its recipes, without the large sources."""
    shutil.rmtree(project.data)
    shutil.copytree(DATA, project.data, ignore=shutil.ignore_patterns("warehouse", "releases", "python_*"))
    for file in (project.data / "gallery").glob("*.yaml"):
        if file.stem not in BY_GRADIENTS:  # they have a test of their own
            file.rename(project.data / "recipes" / file.name)
    # What the recipes read.
    for folder in ("answers", "dynamics", "gradients", "loops", "representations", "runs", "scores"):
        (project.data / folder).mkdir(exist_ok=True)
        for file in (project.data / "gallery" / folder).glob("*.yaml"):
            if "smollm2" not in file.stem:  # of a large model
                file.rename(project.data / folder / file.name)
    # What waits for people, or for a reward model that no judge stands in for, is tested beside its tables.
    for file in (*ELSEWHERE, *(f"answers/{name}" for name in ("mods_*", "usable_*"))):
        for found in project.data.glob(f"{file}.yaml"):
            found.unlink()
    source = project.data / "sources" / "arithmetic.yaml"
    spec = yaml.safe_load(source.read_text("utf-8"))
    write_yaml(source, spec | {"uri": "arithmetic:?rows=400&seed=0"})
    model = project.data / "language_models" / "proxy_lm.yaml"
    spec = yaml.safe_load(model.read_text("utf-8"))
    write_yaml(model, spec | {"proxy": {**spec["proxy"], "token_budget": 20_000, "eval_steps": 2}})
    # A model that is hardly trained tells no cluster from another.
    tried = project.data / "loops" / "quad_arithmetic.yaml"
    write_yaml(tried, yaml.safe_load(tried.read_text("utf-8")) | {"tau": -1.0})
    measured = project.data / "loops" / "mates_arithmetic.yaml"
    write_yaml(measured, yaml.safe_load(measured.read_text("utf-8")) | {"probes": 24, "reference": 4, "rounds": 1})
    watched = project.data / "dynamics" / "learned.yaml"
    spec = yaml.safe_load(watched.read_text("utf-8"))
    write_yaml(watched, spec | {"rows": 200, "epochs": 2, "planted": None})
    for file in (project.data / "runs").glob("*.yaml"):
        few = {"design": {"kind": "random", "subsets": 12}, "tokens": 2000, "seeds": 1, "estimators": ["lasso"]}
        write_yaml(file, yaml.safe_load(file.read_text("utf-8")) | few)
    with judge(any_judge) as there:
        for file in (project.data / "answers").glob("*.yaml"):
            asked = yaml.safe_load(file.read_text("utf-8"))
            rows = {**asked.get("rows", {}), "sample": 300} if "rows" in asked else {}
            write_yaml(file, asked | {"rows": rows, "provider": {"endpoint": there.url, "model": "judge"}})
        yield project


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_shipped_recipe_selects_its_share_of_a_part_of_the_default_pool(gallery: Project):
    # Recipes over answers wait for whoever asks; what the others need is there then.
    waiting, _ = gallery.run()
    others = [failure["error"] for failure in waiting.failures if "datasel ask" not in failure["error"]]
    assert others == []
    for name in gallery.warehouse.registry.answers:
        for source in gallery.warehouse.registry.sources:
            make(gallery.warehouse, f"answers/{name}", source)
    outcome, _ = gallery.run()
    assert outcome.failures == []
    assert gallery.warehouse.registry.errors == {}
    recipes = {file.stem for file in (gallery.data / "recipes").glob("*.yaml")}
    assert len(recipes) >= 45
    lake = gallery.warehouse.lake
    rows = {name: lake.require(("selections", name)).rows for name in recipes}
    pool = sum(lake.require(("corpus", source)).rows for source in gallery.warehouse.active_sources())
    full = int(0.035 * pool + 0.5)
    assert {name: count for name, count in rows.items() if count != full and name not in MAY_FALL_SHORT} == {}
    assert all(rows[name] > 0 for name in MAY_FALL_SHORT)
    comparison = lake.scan(("comparison",)).collect()
    assert set(comparison["recipe"]) == recipes
    assert comparison.select(pl.col("vendi", "facility_location", "quality").is_not_null().all()).row(0) == (True,) * 3
