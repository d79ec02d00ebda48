"""Ready configs for TRL, axolotl and LLaMA-Factory. Belongs here: their keys. Not: which rows are in the files.

Checked with TRL 1.16 (``trl sft`` trained a tiny model from such a folder), LLaMA-Factory 0.9.6 (its
``data/parser.py`` and ``data/converter.py`` read all datasets) and the schemas of axolotl 0.18 (``utils/schemas``); the
keys of validation were not run: TRL's were read in its ``scripts/sft.py``, axolotl's in its documentation.
All three train the same model in the same way, on every assistant turn, so that runs compare. Paths are relative to
the release folder, from which the commands are run.

Tool definitions, marks of answers that are not to be trained on and pictures are read as each trainer reads them
(TRL's ``sft_trainer.py``, axolotl's ``prompt_strategies/chat_template.py``, LLaMA-Factory's ``data/converter.py`` and
``data/processor/supervised.py``); a trainer that cannot read them from ``train.jsonl`` has a file of its own name.
"""

import json
from collections.abc import Collection
from typing import Any

import yaml

from datasel_assets.storage.release.data_files import Carried, in_split

BASE_MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
"""A small model with a chat template that all three trainers know; the line a user changes first."""

COMMANDS = {
    "TRL": "trl sft --config configs/trl_sft.yaml",
    "axolotl": "axolotl train configs/axolotl.yaml",
    "LLaMA-Factory": "llamafactory-cli train configs/llamafactory/train.yaml",
}

_LEARNING_RATE = 2.0e-5
_EPOCHS = 3
_BATCH = 2
_ACCUMULATION = 8
_SEED = 42
TRL_CONFIG = "trl"
"""Name of the configuration of the dataset card whose splits TRL reads; it has no other way to name a file of each."""


def sequence_length(longest: int | None) -> int:
    """Return a power of two that holds the longest row with 25 % to spare for another tokenizer, 512 to 8192.

    >>> sequence_length(700)
    1024
    """
    if longest is None:
        return 2048
    length = 512
    while length < 1.25 * longest and length < 8192:
        length *= 2
    return length


def trainer_configs(recipe: str, data_files: Collection[str], longest: int | None, carried: Carried) -> dict[str, str]:
    """Return path -> text of the config files of a release; a trainer that can read none of its rows gets none.

    Args:
        recipe: name of the recipe; names the dataset in LLaMA-Factory.
        data_files: names of the data files that the release has.
        longest: most tokens of a row, or None when tokens were not counted.
        carried: what the rows have beside role and content of their messages.
    """
    length = sequence_length(longest)
    found = {}
    if file := _file("trl", data_files, carried.untrained or carried.images):
        config = _trl(length, file, carried, _held(file, data_files))
        found["configs/trl_sft.yaml"] = _yaml(config, COMMANDS["TRL"])
    if file := _file("axolotl", data_files, carried.tools or carried.images):
        config = _axolotl(length, file, carried, _held(file, data_files))
        found["configs/axolotl.yaml"] = _yaml(config, COMMANDS["axolotl"])
    if file := _file("llamafactory", data_files, carried.untrained or carried.images):
        info = _dataset_info(recipe, file, data_files, carried)
        config = _llamafactory(recipe, length, carried, _held(file, data_files))
        found["configs/llamafactory/train.yaml"] = _yaml(config, COMMANDS["LLaMA-Factory"])
        found["configs/llamafactory/dataset_info.json"] = json.dumps(info, indent=2) + "\n"
    return found


def _file(trainer: str, data_files: Collection[str], of_its_own: object) -> str | None:
    """Return the file that a trainer reads; None where it would have one of its own, but no row fits into that."""
    own = f"{trainer}.jsonl"
    return "train.jsonl" if not of_its_own else own if own in data_files else None


def _held(file: str, data_files: Collection[str]) -> str | None:
    """Return the file of the rows held back that goes with one that is trained on, or None."""
    held = in_split(file, "validation")
    return held if held in data_files else None


def trl_files(data_files: Collection[str], carried: Carried) -> dict[str, str] | None:
    """Return split -> file that TRL reads, where it has one to validate on; None where it has not."""
    file = _file("trl", data_files, carried.untrained or carried.images)
    held = _held(file, data_files) if file else None
    return {"train": file, "validation": held} if file and held else None


def _trl(length: int, file: str, carried: Carried, held: str | None) -> dict[str, Any]:
    columns = ["prompt", "completion"] if carried.untrained else ["messages"]
    columns += ["tools"] if carried.tools else []
    alone = {"datasets": [{"path": "json", "data_files": file, "split": "train", "columns": columns}]}
    both = {"dataset_name": ".", "dataset_config": TRL_CONFIG, "dataset_test_split": "validation"}
    return {
        "model_name_or_path": BASE_MODEL,
        **(both | {"eval_strategy": "epoch", "per_device_eval_batch_size": _BATCH} if held else alone),
        **({"completion_only_loss": True} if carried.untrained else {"assistant_only_loss": True}),
        "max_length": length,
        "learning_rate": _LEARNING_RATE,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": _EPOCHS,
        "per_device_train_batch_size": _BATCH,
        "gradient_accumulation_steps": _ACCUMULATION,
        "logging_steps": 10,
        "save_strategy": "epoch",
        "report_to": "none",
        "seed": _SEED,
        "output_dir": "outputs/trl",
    }


def _axolotl(length: int, file: str, carried: Carried, held: str | None) -> dict[str, Any]:
    reading = {
        "ds_type": "json",
        "type": "chat_template",
        "field_messages": "messages",
        "message_property_mappings": {"role": "role", "content": "content"},
        **({"field_tools": "tools"} if carried.tools else {}),
        **({"message_field_training": "train"} if carried.untrained else {}),
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
    }
    evaluated = {
        "test_datasets": [{"path": held, "split": "train", **reading}],
        "evals_per_epoch": 1,
        "eval_batch_size": _BATCH,
    }
    return {
        "base_model": BASE_MODEL,
        "chat_template": "tokenizer_default",
        "datasets": [{"path": file, **reading}],
        **(evaluated if held else {}),
        "dataset_prepared_path": "outputs/axolotl/prepared",
        "val_set_size": 0.0,
        "sequence_len": length,
        "excess_length_strategy": "truncate",
        "sample_packing": False,
        "learning_rate": _LEARNING_RATE,
        "lr_scheduler": "cosine",
        "optimizer": "adamw_torch",
        "num_epochs": _EPOCHS,
        "micro_batch_size": _BATCH,
        "gradient_accumulation_steps": _ACCUMULATION,
        "bf16": "auto",
        "gradient_checkpointing": True,
        "logging_steps": 10,
        "saves_per_epoch": 1,
        "seed": _SEED,
        "output_dir": "outputs/axolotl",
    }


def _llamafactory(recipe: str, length: int, carried: Carried, held: str | None) -> dict[str, Any]:
    evaluated = {"eval_dataset": f"{recipe}_validation", "do_eval": True, "eval_strategy": "epoch"}
    return {
        "model_name_or_path": BASE_MODEL,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "dataset": recipe,
        "dataset_dir": "configs/llamafactory",
        **(evaluated | {"per_device_eval_batch_size": _BATCH} if held else {}),
        "template": "qwen",
        "cutoff_len": length,
        **({"mask_history": True} if carried.untrained else {}),
        "learning_rate": _LEARNING_RATE,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": _EPOCHS,
        "per_device_train_batch_size": _BATCH,
        "gradient_accumulation_steps": _ACCUMULATION,
        "bf16": True,
        "logging_steps": 10,
        "save_strategy": "epoch",
        "report_to": "none",
        "seed": _SEED,
        "output_dir": "outputs/llamafactory",
    }


def _dataset_info(recipe: str, file: str, data_files: Collection[str], carried: Carried) -> dict[str, Any]:
    """Return the datasets of a release; file names are relative to the folder of ``dataset_info.json``.

    ``formatting: sharegpt`` with renamed tags reads OpenAI messages; LLaMA-Factory's own ``openai`` formatting is not
    used because it writes "detailed thinking off" into every system prompt. Tags that are left out read as None.
    """
    beside = {name: name for name in ("tools", "images") if getattr(carried, name)}
    found = {
        recipe: {
            "file_name": f"../../{file}",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", **beside},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "observation_tag": "tool",
                "function_tag": "function_call",
                "system_tag": "system",
            },
        }
    }
    if held := _held(file, data_files):
        found[f"{recipe}_validation"] = found[recipe] | {"file_name": f"../../{held}"}
    if "alpaca.json" in data_files:
        columns = {"prompt": "instruction", "query": "input", "response": "output"}
        columns |= {"system": "system", "history": "history", **beside}
        found[f"{recipe}_alpaca"] = {"file_name": "../../alpaca.json", "formatting": "alpaca", "columns": columns}
    if "sharegpt.jsonl" in data_files:
        found[f"{recipe}_sharegpt"] = {
            "file_name": "../../sharegpt.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", **beside},
        }
    return found


def _yaml(config: dict[str, Any], command: str) -> str:
    head = f"# Run inside the release folder: {command}\n# Put your own model in place of {BASE_MODEL}.\n"
    return head + yaml.safe_dump(config, sort_keys=False, width=200)
