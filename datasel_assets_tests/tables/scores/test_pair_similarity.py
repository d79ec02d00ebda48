"""Question and answer by their own vectors, as tables: what they hold and what they make again."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasel_assets.models.encoder import Encoder
from datasel_assets.registry.load import load_registry
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets_tests.pools import add_source, rows, write_yaml

SPEC = {"how": "pair_similarity", "max_tokens": 32, "precision": "float32"}
BEER = {"instruction": "How is beer brewed?", "output": "Beer is brewed from malt, hops, yeast and water."}
MOON = {"instruction": "Why does the moon shine?", "output": "The moon shines because it reflects the sunlight."}
STRAYED = {"instruction": "How is wine made?", "output": "Plants take up carbon dioxide by their leaves."}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    add_source(data, "facts", [BEER, MOON, STRAYED])
    write_yaml(data / "scores" / "apt.yaml", SPEC)
    return data


def made(data: Path, table: str = "pair_similarity/apt"):
    warehouse = open_warehouse(data, device="cpu")
    return warehouse, make(warehouse, table, "facts", upstream=True).built


def scores(warehouse: Warehouse) -> pl.DataFrame:
    corpus = warehouse.lake.scan(("corpus", "facts")).select("row_id", "position", "prompt", "response")
    found = warehouse.lake.scan(("pair_similarity", "apt", "facts")).select("row_id", "score")
    return corpus.join(found, on="row_id").sort("position").collect()


def test_an_answer_to_another_question_has_the_lowest_score(data: Path):
    warehouse, built = made(data)
    found = scores(warehouse)
    assert found["score"].arg_min() == 2
    assert built.metadata["rows_without_score"] == 0
    assert warehouse.registry.score_keep()["pair_similarity.apt"] == "high"


def test_each_side_is_read_alone(data: Path):
    warehouse, _ = made(data)
    found = scores(warehouse)
    spec = warehouse.registry.scores["apt"].encoder
    with Encoder(spec, device="cpu") as encoder:
        prompts, responses = (
            next(iter(encoder.encode([[{"role": "user", "content": text}] for text in found[side]]).layers.values()))
            for side in ("prompt", "response")
        )
    cosines = (prompts * responses).sum(1) / np.linalg.norm(prompts, axis=1) / np.linalg.norm(responses, axis=1)
    np.testing.assert_allclose(found["score"].to_numpy(), cosines, atol=2e-3)


def test_only_new_rows_are_encoded_and_compared(data: Path):
    made(data)
    add_source(data, "facts", [BEER, MOON, STRAYED, *rows("fruit", 2)])
    _, built = made(data, f"side_embeddings/{load_registry(data).scores['apt'].encoder.slug}")
    assert (built.rows_new, built.rows_reused) == (2, 3)
    _, built = made(data)
    assert (built.rows_new, built.rows_reused) == (2, 3)


def test_files_with_one_encoder_share_its_vectors_and_two_models_of_one_name_are_told_apart(data: Path):
    write_yaml(data / "scores" / "b.yaml", SPEC)
    write_yaml(data / "scores" / "c.yaml", {**SPEC, "model": "somebody/all-MiniLM-L6-v2"})
    registry = load_registry(data)
    assert set(registry.scores) == {"apt", "b"}
    assert "would share its table" in registry.errors["scores/c.yaml"]
