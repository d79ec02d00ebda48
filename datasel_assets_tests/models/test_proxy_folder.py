"""What the folder of a trained proxy model tells of its training."""

import json
from pathlib import Path

import polars as pl

from datasel_assets.models.proxy_folder import (
    MANIFEST,
    UNTRAINED,
    kept_checkpoints,
    loss_curve,
    read_manifest,
    training_digest,
    training_facts,
    weights_digest,
)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_folder_without_a_model_says_so(tmp_path: Path):
    assert read_manifest(tmp_path / "none") is None
    assert training_digest(tmp_path / "none") == UNTRAINED
    assert kept_checkpoints(tmp_path / "none") == []


def test_another_training_has_another_digest(tmp_path: Path):
    digests = set()
    for number, manifest in enumerate(({"steps": 1}, {"steps": 2}, {"steps": 1, "data": "x"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / MANIFEST).write_text(json.dumps(manifest))
        assert read_manifest(folder) == manifest
        digests.add(training_digest(folder))
    assert len(digests) == 3


def test_the_digest_of_the_weights_follows_names_and_bytes_of_weights_and_descriptions_alone(tmp_path: Path):
    same = weights_digest(write(tmp_path / "a", model_safetensors="w", config_json="{}"))
    assert weights_digest(write(tmp_path / "b", model_safetensors="w", config_json="{}", notes_txt="x")) == same
    assert weights_digest(write(tmp_path / "c", model_safetensors="v", config_json="{}")) != same
    assert weights_digest(write(tmp_path / "d", model_safetensors="w", other_json="{}")) != same


def test_checkpoints_come_in_the_order_of_training(tmp_path: Path):
    for name in ("10", "9", "0", "notes"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert [path.name for path in kept_checkpoints(tmp_path)] == ["0", "9", "10"]


def test_the_facts_of_a_training_name_the_rows_that_were_trained_on():
    facts = {"parameters": 7, "vocabulary": 300, "tokens": 90, "steps": 3, "best_step": 2, "stopped_early": True}
    manifest = {**facts, "rows": {"given": 9, "trained": 5, "held_out": 1}, "train_losses": [1.0]}
    assert training_facts(manifest) == {**facts, "rows": 5}


def test_the_curve_has_a_line_for_each_step_and_a_held_out_loss_where_there_was_an_evaluation():
    curve = loss_curve({"train_losses": [3.0, 2.0, 1.5], "held_out_losses": [[2, 2.25], [3, 1.75]]})
    assert curve.to_dict(as_series=False) == {
        "step": [1, 2, 3],
        "train_loss": [3.0, 2.0, 1.5],
        "held_out_loss": [None, 2.25, 1.75],
    }
    assert curve.dtypes == [pl.Int32, pl.Float32, pl.Float32]
