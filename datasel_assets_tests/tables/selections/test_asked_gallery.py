"""The recipes of the gallery that wait for people, or for a model that judges its own answers, each carried out whole.

People are stood in for by two who look at the last digit of an answer, judges by a server and by a tiny reward model.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from datasel_assets.registry.base import parse, read_yaml
from datasel_assets.registry.load import load_registry
from datasel_assets.registry.needed import files_needed
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.label_files import answers_path, append_answer
from datasel_assets.tables import make, open_warehouse
from datasel_assets.tables.warehouse import Warehouse
from datasel_assets_tests.answers.server import Judge, judge, said
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.models.test_causal_lm import tiny_causal
from datasel_assets_tests.pools import TOPICS, small_pool, write_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHIPPED = REPOSITORY / "data"
GALLERY = SHIPPED / "gallery"
ROWS, SHARE = 90, 3
RECIPES = ("people_usable", "batcher", "mods_complete")
WORDS = ("no", "partly", "yes")


def opinion(response: str) -> str:
    """What everybody thinks of a response."""
    return WORDS[sum(map(int, re.findall(r"\d", response))) % 3]


def answer(body: dict[str, Any], number: int):
    """A judge of the people's mind, and a model that answers every instruction by its own words."""
    asked = body["messages"][-1]["content"]
    if "Could somebody" not in asked:
        return said("I would say 17.")
    questions = re.split(r"\nTask \d+", asked)[1:] or [asked]
    # The marks around a text have digits too.
    texts = [re.findall(r"<text \w+>\n(.*?)\n</text \w+>", question, re.S)[-1] for question in questions]
    lines = [opinion(text) for text in texts]
    return said("\n".join(f"#{task}: {line}" for task, line in enumerate(lines, 1)) if len(questions) > 1 else lines[0])


def reward_model(folder: Path) -> str:
    import torch
    import transformers

    saved = tiny_causal("llama", folder, chat=True, positions=512)
    config = transformers.AutoConfig.from_pretrained(saved)
    config.num_labels, config.pad_token_id = 1, 0
    torch.manual_seed(0)
    transformers.LlamaForSequenceClassification(config).save_pretrained(saved)
    return saved


@pytest.fixture(scope="module")
def there() -> Iterator[Judge]:
    with judge(answer) as server:
        yield server


@pytest.fixture(scope="module")
def data(there: Judge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with the shipped files of these recipes, which ask the stand-ins."""
    data = small_pool(tmp_path_factory.mktemp("asked") / "data", n=ROWS // 3)
    registry = load_registry(SHIPPED, GALLERY)
    for name in RECIPES:
        shutil.copyfile(GALLERY / f"{name}.yaml", data / "recipes" / f"{name}.yaml")
        for file in files_needed(parse(read_yaml(GALLERY / f"{name}.yaml"), RecipeSpec), registry):
            if not (data / file).exists():
                (data / file).parent.mkdir(exist_ok=True)
                shutil.copyfile(next(one / file for one in (SHIPPED, GALLERY) if (one / file).is_file()), data / file)
    reward = reward_model(tmp_path_factory.mktemp("reward"))
    for file in sorted((data / "answers").glob("*.yaml")):
        spec = read_yaml(file)
        if "people" not in spec["provider"]:
            whom = {"endpoint": there.url, "model": "judge"}
            spec["provider"] = {"reward": reward} if "reward" in spec["provider"] else whom
            write_yaml(file, spec)
    warehouse = open_warehouse(data, device="cpu")
    assert warehouse.registry.errors == {}
    for source in TOPICS:
        make(warehouse, "corpus", source, upstream=True)
    people_answer(warehouse)
    return data


def people_answer(warehouse: Warehouse) -> None:
    """Have two people answer 60 of the tasks that the file makes."""
    make(warehouse, "label_tasks/usable_people", upstream=True)
    tasks = warehouse.lake.scan(("label_tasks", "usable_people")).sort("place").collect()
    assert tasks.height == ROWS
    responses = dict(pool(warehouse).select("row_id", "response").iter_rows())
    for row in tasks["row_id"].head(60):
        for worker in ("ada", "ben"):
            record = {"row_id": row, "worker": worker, "answer": opinion(responses[row])}
            append_answer(answers_path(warehouse.settings.data, "usable_people"), record)


def pool(warehouse: Warehouse) -> pl.DataFrame:
    return pl.concat([warehouse.lake.scan(("corpus", source)) for source in TOPICS]).collect()


def selected(data: Path, name: str) -> tuple[Warehouse, pl.DataFrame]:
    warehouse = open_warehouse(data, device="cpu")
    made = make(warehouse, f"selections/{name}", upstream=True)
    assert all(check.passed for check in made.built.checks.values())
    chosen = warehouse.lake.scan(("selections", name)).select("row_id").collect()
    assert chosen.height == SHARE
    return warehouse, chosen.join(pool(warehouse), on="row_id")


def ask(data: Path, name: str) -> None:
    for source in TOPICS:
        make(open_warehouse(data, device="cpu"), f"answers/{name}", source, upstream=True)


def scores(warehouse: Warehouse, name: str) -> pl.DataFrame:
    return warehouse.lake.scan(("answer_scores", name)).select("row_id", "score").collect()


def test_rows_that_people_would_use_are_drawn_from_those_that_they_saw(data: Path):
    warehouse, chosen = selected(data, "people_usable")
    seen = warehouse.lake.scan(("label_truth", "usable_people")).collect()
    assert seen.height >= 60
    assert set(chosen["row_id"]) <= set(seen["row_id"])
    assert all(opinion(response) != "no" for response in chosen["response"])


def test_a_judge_goes_on_from_peoples_answers_with_eight_questions_a_request(data: Path, there: Judge):
    for source in TOPICS:
        make(open_warehouse(data, device="cpu"), "representations/rds_plus", source, upstream=True)
    before = len(there.requests)
    ask(data, "usable_rest")
    warehouse, chosen = selected(data, "batcher")
    sent = [request["messages"][-1]["content"] for request in there.requests[before:]]
    assert len(sent) <= 3 * -(-ROWS // 3 // 8)
    found = scores(warehouse, "usable_rest")
    assert found["score"].count() == ROWS
    judged = found.join(pool(warehouse), on="row_id")
    assert judged["score"].to_list() == [WORDS.index(opinion(response)) for response in judged["response"]]
    assert all(opinion(response) == "yes" for response in chosen["response"])


def test_what_a_model_answers_badly_itself_is_chosen_among_good_rows(data: Path, there: Judge):
    for name in ("mods_own", "mods_quality", "mods_necessity"):
        ask(data, name)
    warehouse, chosen = selected(data, "mods_complete")
    quality, necessity = scores(warehouse, "mods_quality"), scores(warehouse, "mods_necessity")
    assert quality["score"].count() == necessity["score"].count() == ROWS
    own = chosen.select("row_id").join(quality, on="row_id").join(necessity, on="row_id", suffix="_own")
    half, low = quality["score"].median(), necessity["score"].quantile(0.6)
    assert isinstance(half, float)
    assert isinstance(low, float)
    assert own["score"].min() >= half  # type: ignore[operator]
    assert own["score_own"].max() <= low  # type: ignore[operator]
