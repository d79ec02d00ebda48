"""Rows that are held back for validation: which, in which files, and how trainers are told."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from datasel_assets.specs.recipe.recipe import ReleaseSpec
from datasel_assets.storage.release import read_manifest, release_rows, write_release
from datasel_assets.storage.release.validation import divided

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


def selected(n: int = 40, copies: int = 0) -> pl.DataFrame:
    """Rows of two sources, three quarters of them of the first; the last ``copies`` repeat the first row."""
    texts = [f"question {i if i < n - copies else 0}" for i in range(n)]
    messages = [[{"role": "user", "content": t}, {"role": "assistant", "content": f"answer to {t}"}] for t in texts]
    return pl.DataFrame(
        {
            "row_id": [f"r{i:02}" for i in range(n)],
            "source": ["a" if i % 4 else "b" for i in range(n)],
            "messages": pl.Series(messages, dtype=MESSAGES),
            "rank": range(n),
            "score": [1.0] * n,
            "n_tokens": [9] * n,
            "n_response_tokens": [4] * n,
            "extra": ["{}"] * n,
        }
    )


def released(root: Path, rows: pl.DataFrame, validation: float | None, formats: tuple = ("messages",)):
    return write_release(
        root,
        "mine",
        rows,
        spec={"release": {"validation": validation}},
        formats=formats,
        validation=validation,
        inputs={},
        sources={name: {"licence": "MIT"} for name in "ab"},
        versions={},
        reproduce="make run",
    )


def test_every_source_gives_its_share_and_no_row_is_lost_or_on_both_sides():
    train, held = divided(selected(), 0.2)
    assert dict(held["source"].value_counts().sort("source").iter_rows()) == {"a": 6, "b": 2}
    assert sorted([*train["row_id"], *held["row_id"]]) == selected()["row_id"].to_list()
    assert train["rank"].is_sorted()
    assert held["rank"].is_sorted()


def test_equal_conversations_are_on_one_side():
    rows = selected(60, copies=20).with_columns(source=pl.lit("a"))
    train, held = divided(rows, 0.25)
    texts = [{str(messages) for messages in side["messages"].to_list()} for side in (train, held)]
    assert texts[0] & texts[1] == set()
    assert 0 < held.height <= 15


def test_rows_stay_on_their_side_when_others_come():
    before = set(divided(selected(400), 0.1)[1]["row_id"])
    after = set(divided(selected(440), 0.1)[1]["row_id"])
    assert len(before - after) <= 8


@pytest.mark.parametrize(("n", "share"), [(3, 0.1), (1, 0.5)])
def test_a_share_that_is_no_row_is_refused(n: int, share: float):
    with pytest.raises(ValueError, match="cannot be held back"):
        divided(selected(n), share)


def test_the_files_of_both_splits_hold_all_rows_and_the_configs_name_them(tmp_path: Path):
    made = released(tmp_path, selected(), 0.2, ("messages", "alpaca"))
    lines = {name: (made.path / f"{name}.jsonl").read_text().splitlines() for name in ("train", "validation")}
    assert {name: len(found) for name, found in lines.items()} == {"train": 32, "validation": 8}
    assert pl.read_parquet(made.path / "validation.parquet").height == 8
    assert len(json.loads((made.path / "validation_alpaca.json").read_text())) == 8
    assert release_rows(made)["row_id"].to_list() == selected()["row_id"].to_list()
    manifest = read_manifest(made.path)
    assert (manifest["rows"], manifest["validation"]) == (40, {"rows": 8, "share": 0.2})
    assert {"validation.jsonl", "validation.parquet"} <= set(manifest["data_files"])
    trl = yaml.safe_load((made.path / "configs/trl_sft.yaml").read_text())
    card = yaml.safe_load((made.path / "README.md").read_text().split("---\n")[1])
    splits = {
        config["config_name"]: {file["split"]: file["path"] for file in config["data_files"]}
        for config in card["configs"]
    }
    assert splits["default"] == {"train": "train.parquet", "validation": "validation.parquet"}
    assert splits[trl["dataset_config"]] == {"train": "train.jsonl", trl["dataset_test_split"]: "validation.jsonl"}
    assert (trl["dataset_name"], trl["eval_strategy"], "datasets" in trl) == (".", "epoch", False)
    axolotl = yaml.safe_load((made.path / "configs/axolotl.yaml").read_text())
    assert axolotl["test_datasets"] == [axolotl["datasets"][0] | {"path": "validation.jsonl", "split": "train"}]
    assert axolotl["val_set_size"] == 0
    factory = yaml.safe_load((made.path / "configs/llamafactory/train.yaml").read_text())
    info = json.loads((made.path / "configs/llamafactory/dataset_info.json").read_text())
    assert info[factory["eval_dataset"]]["file_name"] == "../../validation.jsonl"
    assert (made.path / "configs/llamafactory" / info[factory["eval_dataset"]]["file_name"]).resolve().is_file()


def test_rows_with_marks_are_held_back_in_the_file_that_each_trainer_reads(tmp_path: Path):
    rows = selected().with_columns(
        untrained=pl.Series([[1] if i == 0 else None for i in range(40)], dtype=pl.List(pl.Int32))
    )
    made = released(tmp_path, rows, 0.25)
    info = json.loads((made.path / "configs/llamafactory/dataset_info.json").read_text())
    assert info["mine_validation"]["file_name"] == "../../validation_llamafactory.jsonl"
    card = (made.path / "README.md").read_text()
    assert "path: validation_trl.jsonl" in card
    assert (made.path / "validation_trl.jsonl").is_file()


def test_a_release_that_holds_nothing_back_is_what_it_was(tmp_path: Path):
    made = released(tmp_path, selected(), None)
    assert not [name for name in made.files if "validation" in name]
    assert ReleaseSpec().model_dump() == {"formats": ("messages",)}
    assert ReleaseSpec(validation=0.1).model_dump() == {"formats": ("messages",), "validation": 0.1}
