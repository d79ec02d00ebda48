"""Every real pool, in every file format it comes in, becomes conversations."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from datasel_assets.corpus import CORPUS_SCHEMA, IngestSummary, ingest
from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import read_rows, snapshot

POOLS = {  # file -> (format, rows, rows in quarantine)
    "alpaca_52k.parquet": ("alpaca", 52_002, 28),
    "code_alpaca_2k.parquet": ("alpaca", 2_017, 2),
    "new_codealpaca.parquet": ("alpaca", 4_535, 0),
    "t0_train_50k_templates.parquet": ("prompt_completion", 55_185, 0),
    "self_instruct_seed_tasks.parquet": ("alpaca", 175, 0),
    "xturing_self_instruct_generated.parquet": ("alpaca", 15, 15),
    "xturing_self_instruct_filtered.parquet": ("alpaca", 10, 10),
    "dolly_3k.parquet": ("alpaca", 2_996, 0),
    "llms_from_scratch_instruction_1100.parquet": ("alpaca", 1_100, 0),
    "llamafactory_alpaca_en_demo.parquet": ("alpaca", 999, 0),
    "llamafactory_alpaca_zh_demo.parquet": ("alpaca", 1_000, 0),
    "gsm8k_train.parquet": ("qa", 7_473, 0),
    "llms_from_scratch_preference_1100.parquet": ("alpaca", 1_100, 0),
    "llamafactory_dpo_en_demo.parquet": ("sharegpt", 300, 0),
    "llamafactory_kto_en_demo.parquet": ("messages", 300, 150),  # half of the answers are marked as bad
    "llamafactory_glaive_toolcall_en.parquet": ("sharegpt", 300, 0),
    "hh_rlhf_harmless_base_test.parquet": ("transcript", 2_312, 4),
    "sgd_dialogues_train60.parquet": ("messages", 7_579, 0),
    "raw/HumanEval.jsonl.gz": ("prompt_completion", 164, 0),
    "raw/alpaca_data.json": ("alpaca", 52_002, 28),
    "raw/banking77_train.csv": ("text", 10_003, 0),
    "raw/dpo_en_demo.json": ("sharegpt", 300, 0),
    "raw/glaive_toolcall_en_demo.json": ("sharegpt", 300, 0),
    "raw/gsm8k_train.jsonl": ("qa", 7_473, 0),
    "raw/machine_generated_instructions.jsonl": ("alpaca", 15, 15),
}
TARGETS = {
    "gsm8k_test.parquet": ("qa", 1_319, 0),
    "mbpp.parquet": ("prompt_completion", 974, 0),
    "svamp_test.parquet": ("qa", 1_000, 0),
    "mmlu_dev.parquet": ("qa", 285, 0),
    "humaneval.parquet": ("prompt_completion", 164, 0),
    "math_test_5000.parquet": ("qa", 5_000, 0),
    "bbh.parquet": ("prompt_completion", 6_511, 0),
    "self_instruct_user_oriented_252.parquet": ("alpaca", 252, 0),
}
SAME = {
    "raw/alpaca_data.json": "alpaca_52k.parquet",
    "raw/dpo_en_demo.json": "llamafactory_dpo_en_demo.parquet",
    "raw/glaive_toolcall_en_demo.json": "llamafactory_glaive_toolcall_en.parquet",
    "raw/gsm8k_train.jsonl": "gsm8k_train.parquet",
    "raw/banking77_train.csv": "banking77_train.parquet",
    "raw/HumanEval.jsonl.gz": "humaneval.parquet",
}
HEAVY = {"alpaca_52k", "t0_train_50k_templates", "alpaca_data", "sgd_dialogues_train60"}


def is_heavy(*files: str) -> bool:
    return any(Path(file).stem in HEAVY for file in files)


def marked(table: dict) -> list:
    """One parameter per entry; the heavy ones run with the slow tests."""
    items = list(table.items())
    return [pytest.param(*pair, id=pair[0], marks=[pytest.mark.slow] * is_heavy(str(pair[0]))) for pair in items]


def load(folder: Path, uri: str, cache: Path, **settings: object) -> tuple[pa.Table, IngestSummary]:
    spec = SourceSpec.model_validate({"uri": uri, **settings})
    run = ingest(read_rows(snapshot(spec, "s", folder, cache), spec), source="s", **spec.ingest_options())
    return pa.Table.from_batches([batch.corpus for batch in run], CORPUS_SCHEMA), run.summary


@pytest.mark.parametrize(("file", "expected"), marked(POOLS | TARGETS))
def test_a_real_file_is_ingested_with_every_row_accounted_for(
    shared_data: Path, tmp_path: Path, file: str, expected: tuple[str, int, int]
):
    corpus, summary = load(shared_data, file, tmp_path)
    assert summary.detection is not None
    assert (summary.detection.format, summary.rows_in, summary.quarantined) == expected
    assert corpus.num_rows == summary.kept == summary.rows_in - summary.quarantined
    assert len(set(corpus["row_id"].to_pylist())) == corpus.num_rows
    assert all(response.strip() for response in corpus["response"].to_pylist())
    assert set(summary.reasons) <= {"empty response", "missing response", "marked as undesirable"}


@pytest.mark.parametrize(("original", "copy"), marked(SAME))
def test_the_original_and_its_parquet_copy_give_the_same_rows(
    shared_data: Path, tmp_path: Path, original: str, copy: str
):
    columns = ["row_id", "position", "messages", "prompt", "response"]
    assert load(shared_data, original, tmp_path)[0].select(columns) == load(shared_data, copy, tmp_path)[0].select(
        columns
    )


def test_instructions_without_answers_can_be_taken_as_text(shared_data: Path, tmp_path: Path):
    settings = {"format": "text", "columns": {"text": "instruction"}}
    corpus, _ = load(shared_data, "raw/machine_generated_instructions.jsonl", tmp_path, **settings)
    assert corpus.num_rows == 15
    corpus, _ = load(
        shared_data, "xturing_self_instruct_filtered.parquet", tmp_path, columns={"response": "raw_instances"}
    )
    assert corpus.num_rows == 10


def test_preference_rows_end_with_the_chosen_side(shared_data: Path, tmp_path: Path):
    import pyarrow.parquet as pq

    table = pq.read_table(shared_data / "llamafactory_dpo_en_demo.parquet")
    corpus, _ = load(shared_data, "llamafactory_dpo_en_demo.parquet", tmp_path)
    assert corpus["response"].to_pylist() == [chosen["value"] for chosen in table["chosen"].to_pylist()]


def test_tool_calls_of_a_real_pool_keep_their_roles(shared_data: Path, tmp_path: Path):
    corpus, _ = load(shared_data, "llamafactory_glaive_toolcall_en.parquet", tmp_path)
    roles = Counter(turn["role"] for messages in corpus["messages"].to_pylist() for turn in messages)
    assert set(roles) == {"user", "assistant", "tool"}
    assert roles["tool"] > 0
