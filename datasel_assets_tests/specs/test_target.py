"""Targets: queries in a dataset or written out."""

from pathlib import Path

import pytest

from datasel_assets.corpus import ingest
from datasel_assets.registry.base import RegistryError, parse
from datasel_assets.specs.target import TargetSpec
from datasel_assets.storage.readers import read_rows, snapshot

PAIR = {"prompt": "2+2?", "response": "4"}
CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "task": "chat"}


def corpus_of(spec: TargetSpec, tmp_path: Path) -> list[dict]:
    content = snapshot(spec, "t", tmp_path, tmp_path / "cache")
    run = ingest(read_rows(content, spec), source="t", **spec.ingest_options())
    return [row for batch in run for row in batch.corpus.to_pylist()]


def test_examples_written_out_become_conversations_with_their_task(tmp_path: Path):
    rows = corpus_of(parse({"examples": [PAIR, CHAT]}, TargetSpec), tmp_path)
    assert [(row["prompt"], row["response"], row["extra"]) for row in rows] == [
        ("2+2?", "4", "{}"),
        ("Hi", "Hello", '{"task": "chat"}'),
    ]


def test_the_fingerprint_of_examples_is_their_content(tmp_path: Path):
    def fingerprint(examples: list) -> str:
        return snapshot(parse({"examples": examples}, TargetSpec), "t", tmp_path, tmp_path / "c").fingerprint

    assert fingerprint([PAIR, CHAT]) == fingerprint([PAIR, CHAT])
    assert len({fingerprint([PAIR, CHAT]), fingerprint([CHAT, PAIR]), fingerprint([PAIR])}) == 3


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "either 'uri' or 'examples'"),
        ({"uri": "x", "examples": [PAIR]}, "either 'uri' or 'examples'"),
        ({"examples": [PAIR], "rows": 3}, "'rows' has no meaning beside 'examples'"),
        ({"examples": [{"prompt": "a"}]}, "needs either both 'prompt' and 'response', or 'messages'"),
        ({"examples": [{**PAIR, **CHAT}]}, "needs either both 'prompt' and 'response', or 'messages'"),
        ({"examples": [{}]}, r"examples\[0\]: an example needs"),
        (
            {"examples": [{"messages": [{"role": "boss", "content": "x"}]}]},
            r"messages\[0\].role: 'boss' is not allowed",
        ),
        ({"uri": "x", "rows": 0}, "rows: must be greater than 0"),
    ],
)
def test_a_target_that_makes_no_sense_says_why(document: dict, words: str):
    with pytest.raises(RegistryError, match=words):
        parse(document, TargetSpec)


def test_the_task_of_a_row_stands_under_the_task_column_or_task():
    assert TargetSpec(uri="x", task_column="_subject").task_key == "_subject"
    assert TargetSpec(examples=[PAIR]).task_key == "task"
