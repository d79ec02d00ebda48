"""The default data folder: its registry files load, its samples are what their README says, its examples are right."""

import ast
import re
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from datasel_assets.corpus import IngestSummary, ingest
from datasel_assets.registry.base import load_folder
from datasel_assets.specs.source import SourceSpec
from datasel_assets.specs.target import TargetSpec
from datasel_assets.storage.readers import read_rows, snapshot
from datasel_assets_tests.conftest import REPOSITORY

DATA = REPOSITORY / "data"
SAMPLES = ("samples_alpaca", "samples_messages", "samples_sharegpt")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@cache
def sources() -> dict[str, SourceSpec]:
    return load_folder(DATA / "sources", SourceSpec).specs


@cache
def targets() -> dict[str, TargetSpec]:
    return load_folder(DATA / "targets", TargetSpec).specs


def ingested(name: str, cache_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame, IngestSummary]:
    spec = sources()[name]
    rows = read_rows(snapshot(spec, name, DATA, cache_dir), spec)
    result = ingest(rows, source=name, **spec.ingest_options())
    corpus, quarantine = zip(*((pl.from_arrow(b.corpus), pl.from_arrow(b.quarantine)) for b in result), strict=True)
    return pl.concat(corpus), pl.concat(quarantine), result.summary


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[pl.DataFrame, pl.DataFrame, IngestSummary]]:
    folder = tmp_path_factory.mktemp("cache")
    return {name: ingested(name, folder) for name in SAMPLES}


def test_every_registry_file_loads_and_explains_itself():
    for folder, model in (("sources", SourceSpec), ("targets", TargetSpec)):
        loaded = load_folder(DATA / folder, model)
        assert loaded.errors == {}
        assert all(spec.doc for spec in loaded.specs.values())
        assert all((DATA / folder / f"{name}.yaml").read_text().startswith("# ") for name in loaded.specs)
    assert all(spec.licence for spec in sources().values())


def test_the_default_pool_needs_no_network():
    uris = [uri for spec in sources().values() for uri in spec.uris]
    assert all(uri.startswith(("docstrings:", "arithmetic:", "samples/")) for uri in uris)


def test_each_sample_file_is_recognised_by_its_schema(samples):
    found = {name: summary.detection.format for name, (_, _, summary) in samples.items()}
    assert found == {"samples_alpaca": "alpaca", "samples_messages": "messages", "samples_sharegpt": "sharegpt"}


def test_the_readme_counts_the_samples(samples):
    counted = {}
    for name, (corpus, _, summary) in samples.items():
        roles = [[turn["role"] for turn in turns] for turns in corpus["messages"].to_list()]
        counted[name] = (
            summary.rows_in,
            sum(turns.count("user") > 1 for turns in roles),
            sum("system" in turns for turns in roles),
            sum("tool" in turns for turns in roles),
        )
        assert corpus.height >= 40
    readme = (DATA / "samples" / "README.md").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)\.\w+` \|.*?\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", readme, re.MULTILINE)
    assert {f"samples_{name}": tuple(map(int, counts)) for name, *counts in table} == counted


def test_only_the_rows_that_are_broken_on_purpose_go_to_quarantine(samples):
    refused = {name: quarantine.rows() for name, (_, quarantine, _) in samples.items()}
    assert [len(rows) for rows in refused.values()] == [1, 1, 1]
    assert "rivers that flow into the Black Sea" in refused["samples_alpaca"][0][1]
    assert "strings does a standard guitar have" in refused["samples_messages"][0][1]
    assert "two official languages" in refused["samples_sharegpt"][0][1]
    assert refused["samples_sharegpt"][0][0] == 30, "the README says line 31"


def test_exact_duplicates_are_the_three_pairs_across_files(samples):
    rows = pl.concat([corpus for corpus, _, _ in samples.values()]).with_columns(
        prompt=pl.col("prompt").str.replace_all(r"\s+", " ").str.strip_chars()
    )
    groups = (
        rows.group_by("content_hash").agg("prompt", pl.col("source").sort()).filter(pl.col("source").list.len() > 1)
    )
    assert {prompts[0]: sources for _, prompts, sources in groups.rows()} == {
        "What is the capital of Australia?": ["samples_alpaca", "samples_sharegpt"],
        "Who painted 'The Night Watch'?": ["samples_messages", "samples_sharegpt"],
        "Say in one line what a hash function is.": ["samples_alpaca", "samples_messages"],
    }


def test_samples_are_texts_of_their_own(samples):
    corpus = pl.concat([corpus for corpus, _, _ in samples.values()])
    openings = Counter(" ".join(prompt.split()[:5]) for prompt in corpus["prompt"])
    assert max(openings.values()) <= 6, openings.most_common(3)
    lengths = corpus["response"].str.len_chars()
    assert lengths.min() < 30
    assert lengths.max() > 1500


def test_python_in_samples_and_targets_is_python(samples):
    texts = [text for corpus, _, _ in samples.values() for text in corpus["response"]]
    texts += [example.response for example in targets()["code"].examples]
    blocks = [block for text in texts for block in BLOCK.findall(text)]
    assert len(blocks) >= 15
    for block in blocks:
        ast.parse(f"try:\n    pass\n{block}" if block.startswith("except") else block)


def test_worked_targets_add_up():
    step = re.compile(r"([\d.]+(?: [-+*/] [\d.]+)+) = ([\d.]+\d|\d)")
    examples = targets()["arithmetic"].examples
    assert len(examples) == 8
    for example in examples:
        *sentences, final = example.response.split("\n")
        steps = [found for sentence in sentences for found in step.findall(sentence)]
        assert steps
        for expression, result in steps:
            first, *rest = expression.split()
            value = Fraction(first)
            for operator, number in zip(rest[::2], map(Fraction, rest[1::2]), strict=True):
                value = {"+": value + number, "-": value - number, "*": value * number, "/": value / number}[operator]
            assert value == Fraction(result), f"{expression} = {result}"
        assert final == f"#### {Fraction(steps[-1][1])}"


def test_code_targets_do_what_they_claim(tmp_path: Path):
    names: dict = {}
    for example in targets()["code"].examples:
        for block in BLOCK.findall(example.response):
            exec(compile(block, "example", "exec"), names)
    assert names["are_anagrams"]("Dormitory", "dirty room")
    assert not names["are_anagrams"]("aab", "abb")
    assert names["two_sum"]([2, 7, 11, 15], 9) == (0, 1)
    assert names["two_sum"]([1, 2], 9) is None
    assert list(names["flatten"]([1, [2, [3, 4]], []])) == [1, 2, 3, 4]
    assert [names["binary_search"]([1, 3, 5, 7], x) for x in (0, 1, 7, 4, 8)] == [-1, 0, 3, -1, -1]
    (tmp_path / "scores.csv").write_text("name,score\nAda,9.5\nBo,10\n")
    assert names["best"](tmp_path / "scores.csv") == "Bo"
    stack = names["MinStack"]()
    for value in (3, 1, 2):
        stack.push(value)
    assert (stack.pop(), stack.minimum(), stack.pop(), stack.minimum()) == (2, 1, 1, 3)
    assert names["most_frequent_words"]("to be or not to be, to", 1) == [("to", 3)]
    assert names["merge"]([[1, 4], [2, 3]]) == [[1, 4]]
    assert names["merge"]([[5, 6], [1, 3], [2, 4]]) == [[1, 4], [5, 6]]
    assert names["merge"]([]) == []


@pytest.mark.slow
def test_the_default_pool_holds_thousands_of_rows_and_loses_none(tmp_path: Path):
    kept = {}
    for name in sources():
        corpus, quarantine, summary = ingested(name, tmp_path)
        assert summary.rows_in == corpus.height + quarantine.height
        kept[name] = corpus.height
        if name not in SAMPLES:
            assert quarantine.height == 0
    assert 4_000 <= kept["python_stdlib_docs"] + kept["python_libraries_docs"] <= 8_000
    assert kept["python_libraries_docs"] == 2_000
    assert kept["arithmetic"] == 1_500
