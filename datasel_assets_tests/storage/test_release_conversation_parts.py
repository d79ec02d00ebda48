"""Tool definitions, answers that are not to be trained on and pictures, from a selection to each trainer's file."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from datasel_assets.storage.release import Release, read_manifest, write_release

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
ADD = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
ALL = ("messages", "alpaca", "sharegpt")
CHAT = (("user", "a?"), ("assistant", "WRONG"), ("user", "No."), ("assistant", "right"))


def row(*turns: tuple[str, str], **parts: Any) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "tools": None, "untrained": None, "images": None, "extra": "{}", **parts}


def release(
    root: Path, *rows: dict[str, Any], formats: tuple[str, ...] = ("messages", "alpaca", "sharegpt")
) -> Release:
    kinds = {"messages": MESSAGES, "untrained": pl.List(pl.Int32), "images": pl.List(pl.String)}
    frame = pl.DataFrame(
        rows, schema={"messages": MESSAGES, "tools": pl.String, **kinds, "extra": pl.String}
    ).with_columns(
        row_id=pl.format("r{}", pl.int_range(pl.len())),
        source=pl.lit("a"),
        rank=pl.int_range(1, pl.len() + 1),
        score=pl.lit(0.5, dtype=pl.Float32),
        n_tokens=pl.lit(5, dtype=pl.Int32),
        n_response_tokens=pl.lit(2, dtype=pl.Int32),
    )
    told: dict[str, Any] = {"spec": {}, "inputs": {}, "sources": {}, "versions": {}, "reproduce": ""}
    return write_release(root, "parts", frame, formats=formats, **told)  # type: ignore[arg-type]


def lines(made: Release, name: str) -> list[dict[str, Any]]:
    text = (made.path / name).read_text("utf-8")
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def config(made: Release, trainer: str) -> dict[str, Any]:
    return yaml.safe_load((made.path / "configs" / trainer).read_text("utf-8"))


def dataset_info(made: Release) -> dict[str, Any]:
    return json.loads((made.path / "configs/llamafactory/dataset_info.json").read_text("utf-8"))


def card(made: Release) -> str:
    return (made.path / "README.md").read_text("utf-8")


class TestTools:
    @pytest.fixture
    def made(self, tmp_path) -> Release:
        called = row(
            *(("user", "1+1?"), ("assistant", '[{"name":"add"}]'), ("tool", "2"), ("assistant", "2")),
            tools=json.dumps(ADD),
        )
        return release(tmp_path, row(("user", "hi"), ("assistant", "ho")), called)

    def test_they_are_json_text_in_every_row_of_every_file(self, made):
        for name in ("train.jsonl", "sharegpt.jsonl"):
            texts = [line["tools"] for line in lines(made, name)]
            assert [json.loads(text) for text in texts] == [[], ADD]
        assert [json.loads(line["tools"]) for line in lines(made, "alpaca.json")] == [[]]
        assert pl.read_parquet(made.path / "train.parquet")["tools"].to_list() == [None, json.dumps(ADD)]

    def test_trl_is_told_of_the_column(self, made):
        (dataset,) = config(made, "trl_sft.yaml")["datasets"]
        assert dataset["data_files"] == "train.jsonl"
        assert dataset["columns"] == ["messages", "tools"]

    def test_llamafactory_is_told_of_the_column_of_each_dataset(self, made):
        assert [entry["columns"]["tools"] for entry in dataset_info(made).values()] == ["tools"] * 3

    def test_axolotl_reads_a_list_of_mappings_with_the_parameters_as_text(self, made):
        (dataset,) = config(made, "axolotl.yaml")["datasets"]
        assert (dataset["path"], dataset["field_tools"]) == ("axolotl.jsonl", "tools")
        plain, called = lines(made, "axolotl.jsonl")
        assert plain["tools"] == []
        function = called["tools"][0]["function"]
        assert json.loads(function["parameters"]) == ADD[0]["function"]["parameters"]
        assert called["messages"] == lines(made, "train.jsonl")[1]["messages"]

    def test_card_and_manifest_count_the_rows(self, made):
        assert read_manifest(made.path)["rows_with"] == {"tools": 1}
        assert "1 row with tool definitions" in card(made)

    def test_definitions_that_axolotl_cannot_read_keep_the_row_out_of_its_file_and_no_other(self, tmp_path):
        made = release(
            tmp_path,
            row(("user", "a"), ("assistant", "b"), tools='["add"]'),
            row(("user", "c"), ("assistant", "d"), tools=json.dumps(ADD)),
        )
        assert [line["messages"][0]["content"] for line in lines(made, "axolotl.jsonl")] == ["c"]
        assert list(read_manifest(made.path)["not_expressible"]["axolotl"].values()) == [["r0"]]
        assert "`axolotl.jsonl` leaves out 1 row" in card(made)
        assert len(lines(made, "train.jsonl")) == 2


class TestUntrainedAnswers:
    @pytest.fixture
    def made(self, tmp_path) -> Release:
        return release(tmp_path, row(*CHAT, untrained=[1]), row(*CHAT), row(*CHAT, untrained=[1, 3]))

    def test_each_message_of_train_jsonl_says_whether_it_is_trained_on_and_axolotl_reads_that(self, made):
        (dataset,) = config(made, "axolotl.yaml")["datasets"]
        assert (dataset["path"], dataset["message_field_training"]) == ("train.jsonl", "train")
        marks = [[message["train"] for message in line["messages"]] for line in lines(made, "train.jsonl")]
        assert marks == [[False, False, False, True], [False, True, False, True], [False] * 4]

    def test_trl_trains_on_completions_that_are_answers_to_be_trained_on(self, made):
        found = config(made, "trl_sft.yaml")
        (dataset,) = found["datasets"]
        assert (dataset["data_files"], dataset["columns"]) == ("trl.jsonl", ["prompt", "completion"])
        assert found["completion_only_loss"] is True
        assert "assistant_only_loss" not in found
        read = lines(made, "trl.jsonl")
        assert [[m["content"] for m in line["completion"]] for line in read] == [["right"], ["WRONG"], ["right"]]
        assert [m["content"] for m in read[0]["prompt"]] == ["a?", "WRONG", "No."]

    def test_llamafactory_trains_on_the_last_answer_of_conversations_that_end_with_one_to_be_trained_on(self, made):
        assert config(made, "llamafactory/train.yaml")["mask_history"] is True
        assert dataset_info(made)["parts"]["file_name"] == "../../llamafactory.jsonl"
        read = [[m["content"] for m in line["messages"]] for line in lines(made, "llamafactory.jsonl")]
        assert read == [["a?", "WRONG", "No.", "right"], ["a?", "WRONG"], ["a?", "WRONG", "No.", "right"]]

    def test_formats_without_marks_leave_such_rows_out(self, made):
        assert [line["output"] for line in lines(made, "alpaca.json")] == ["right"]
        assert len(lines(made, "sharegpt.jsonl")) == 1

    def test_what_each_file_leaves_out_is_counted(self, made):
        lost = read_manifest(made.path)["not_expressible"]
        assert {name: list(reasons.values()) for name, reasons in lost.items()} == {
            "sharegpt": [["r0", "r2"]],
            "alpaca": [["r0", "r2"]],
            "trl": [["r2"]],
            "llamafactory": [["r2"]],
        }
        assert "`trl.jsonl` leaves out 1 row: no answer of the row is to be trained on." in card(made)
        assert "`sharegpt.jsonl` leaves out 2 rows" in card(made)
        assert "2 rows with answers that are not to be trained on" in card(made)

    def test_a_row_in_which_nothing_is_to_be_trained_on_leaves_trainers_without_marks_without_a_config(self, tmp_path):
        made = release(tmp_path, row(*CHAT, untrained=[1, 3]))
        assert {name for name in made.files if name.startswith("configs")} == {"configs/axolotl.yaml"}
        assert "trl sft" not in card(made)


class TestPictures:
    @pytest.fixture
    def made(self, tmp_path) -> Release:
        seen = row(("user", "<image>What?"), ("assistant", "A cat."), images=["cat.png"])
        lost = row(("user", "What?"), ("assistant", "A dog."), images=["dog.png"])
        return release(tmp_path, seen, row(("user", "hi"), ("assistant", "ho")), lost)

    def test_they_stand_beside_the_conversation(self, made):
        assert [line["images"] for line in lines(made, "train.jsonl")] == [["cat.png"], [], ["dog.png"]]
        assert lines(made, "sharegpt.jsonl")[0]["images"] == ["cat.png"]

    def test_llamafactory_is_told_of_the_column_and_given_rows_with_a_place_for_each_picture(self, made):
        assert dataset_info(made)["parts"]["columns"] == {"messages": "messages", "images": "images"}
        assert [line["images"] for line in lines(made, "llamafactory.jsonl")] == [["cat.png"], []]

    def test_models_of_text_are_not_trained_on_answers_about_pictures(self, made):
        for name in ("trl.jsonl", "axolotl.jsonl"):
            assert [line["messages"][0]["content"] for line in lines(made, name)] == ["hi"]
            assert "images" not in lines(made, name)[0]
        (ids,) = read_manifest(made.path)["not_expressible"]["trl"].values()
        assert ids == ["r0", "r2"]
        assert "2 rows with pictures" in card(made)

    def test_a_cut_conversation_keeps_the_pictures_that_it_still_shows(self, tmp_path):
        turns = (("user", "<image>a"), ("assistant", "b"), ("user", "<image>c"), ("assistant", "d"))
        made = release(
            tmp_path, row(*turns, images=["1.png", "2.png"]), row(*turns, images=["1.png", "2.png"], untrained=[1])
        )
        found = [line["images"] for line in lines(made, "llamafactory.jsonl")]
        assert found == [["1.png"], ["1.png", "2.png"], ["1.png", "2.png"]]


def test_fields_of_messages_that_no_file_but_the_table_holds_are_counted(tmp_path):
    extra = json.dumps({"message_fields": {"0": {"name": "Ann"}, "1": {"name": "Bob", "x": 1}}})
    turns = (("user", "a"), ("assistant", "b"))
    made = release(tmp_path, row(*turns, extra=extra), row(*turns, extra='{"note": "message_fields"}'), row(*turns))
    assert read_manifest(made.path)["only_in_extra"] == {"name": 1, "x": 1}
    assert "`extra` of `train.parquet` alone: name (1 row), x (1 row)" in card(made)


def test_a_release_without_any_of_this_has_the_files_and_columns_that_it_always_had(tmp_path):
    made = release(tmp_path, row(("user", "a"), ("assistant", "b")), row(("user", "c"), ("assistant", "d"), images=[]))
    assert [set(line) for line in lines(made, "train.jsonl")] == [{"messages"}] * 2
    assert [set(m) for m in lines(made, "train.jsonl")[0]["messages"]] == [{"role", "content"}] * 2
    assert {"tools", "untrained", "images"} & set(pl.read_parquet(made.path / "train.parquet").columns) == set()
    assert {"trl.jsonl", "axolotl.jsonl", "llamafactory.jsonl"} & set(made.files) == set()
    assert {"rows_with", "only_in_extra", "weights"} & set(read_manifest(made.path)) == set()
