"""The reference of the registry files: page and schemas are what the models say, and schemas tell right from wrong."""

import json
import runpy
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from datasel_assets.registry.load import FILES, FOLDERS, load_registry
from datasel_assets_tests.conftest import REPOSITORY

REFERENCE = runpy.run_path(str(REPOSITORY / "docs" / "yaml_reference.py"))
WRITE = "run: python docs/yaml_reference.py"


def schema_of(name: str) -> Any:
    from jsonschema import Draft7Validator

    text = (REFERENCE["SCHEMAS"] / f"{name.removesuffix('.yaml')}.json").read_text("utf-8")
    return Draft7Validator(json.loads(text))


def registry_files(data: Path) -> list[tuple[str, Path]]:
    """Name in the registry and path of every registry file of a data folder.

    The gallery is a folder of recipes, with folders of other files in it.
    """
    found = [(name, data / name) for name in FILES if (data / name).is_file()]
    folders = [(name, folder) for name in FOLDERS for folder in (name, f"gallery/{name}")] + [("recipes", "gallery")]
    return found + [(name, path) for name, folder in folders for path in sorted((data / folder).glob("*.yaml"))]


WRITTEN = [*registry_files(REPOSITORY / "data"), *registry_files(REFERENCE["EXAMPLES"])]


def test_the_page_is_what_the_models_say():
    assert REFERENCE["PAGE"].read_text("utf-8") == REFERENCE["page"](), WRITE


def test_the_schemas_are_what_the_models_say():
    there = {path.name: path.read_text("utf-8") for path in REFERENCE["SCHEMAS"].iterdir()}
    assert there == REFERENCE["schemas"](), WRITE


def test_every_key_of_every_file_has_a_meaning():
    models = chain.from_iterable(map(REFERENCE["alternatives"], [*FOLDERS.values(), *FILES.values()]))
    every = dict.fromkeys(chain.from_iterable(map(REFERENCE["reachable"], models)))
    silent = [
        f"{model.__module__}.{model.__name__}.{key}"
        for model in every
        for key in model.model_fields.keys() - REFERENCE["meanings"](model).keys()
    ]
    assert silent == []


def test_the_examples_are_a_data_folder_in_which_every_file_finds_what_it_names():
    registry = load_registry(REFERENCE["EXAMPLES"])
    assert registry.errors == {}
    assert all(getattr(registry, folder) for folder in FOLDERS)


@pytest.mark.parametrize(("name", "path"), WRITTEN, ids=[f"{path.parent.name}-{path.stem}" for _, path in WRITTEN])
def test_an_editor_finds_nothing_wrong_with_a_file_that_is_right(name: str, path: Path):
    assert [error.message for error in schema_of(name).iter_errors(yaml.safe_load(path.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources", "{}"),
        ("sources", "{uri: a.jsonl, licnce: MIT}"),
        ("sources", "{uri: a.jsonl, format: alpaka}"),
        ("sources", "{uri: a.jsonl, max_quarantined_share: 2}"),
        ("representations", "{encoder: {layers: first}}"),
        ("evaluations", "{uri: a.jsonl, exact: true}"),
        ("scores", "{how: mean, inputs: [{score: n_tokens}]}"),
        ("scores", "{how: dsir, target: a, representation: b}"),
        ("recipes", "{paper: baseline, select: {sampler: randomly}, budget: {rows: 3}}"),
        ("recipes", "{paper: baseline, select: {sampler: random, tau: 1}, budget: {rows: 3}}"),
        ("recipes", "{paper: baseline, select: {sampler: topk}, budget: {rows: 3}}"),
        ("recipes", "{paper: baseline, select: {sampler: stratify, inner: {sampler: rounds}}, budget: {rows: 3}}"),
        ("recipes", "{paper: baseline, select: {sampler: greedy, objective: {name: log_det, redundancy: 1}}}"),
        ("recipes", "{paper: baseline, narrow: [{of: []}], select: {sampler: random}, budget: {rows: 3}}"),
        ("proxy_eval", "{seeds: 1}"),
    ],
)
def test_an_editor_underlines_a_file_that_is_wrong(name: str, text: str):
    assert list(schema_of(name).iter_errors(yaml.safe_load(text))) != []
