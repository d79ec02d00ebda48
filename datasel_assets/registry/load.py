"""Read all registry files of one data folder.

Belongs here: which folders and files there are, and what each is read into. Does not: what must agree between them
(``rules``), what is made of them (``registry``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasel_assets.registry.absent import DUPLICATES_FILE
from datasel_assets.registry.base import load_file, load_folder
from datasel_assets.registry.loops import loop_model
from datasel_assets.registry.people import question_of
from datasel_assets.registry.registry import DEFAULTS_FILE, Registry
from datasel_assets.registry.rules import PROXY_EVAL_FILE, RULES
from datasel_assets.registry.score import spec_model
from datasel_assets.schema import StrictModel
from datasel_assets.specs.answers import AnswersSpec, AskedPeopleSpec
from datasel_assets.specs.categories import CategoriesSpec
from datasel_assets.specs.compute import ComputeSpec
from datasel_assets.specs.defaults import DefaultsSpec
from datasel_assets.specs.documents import DocumentsSpec
from datasel_assets.specs.duplicates import DuplicatesSpec
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.evaluation import EvaluationSpec
from datasel_assets.specs.extraction import ExtractionSpec
from datasel_assets.specs.gradients import GradientsSpec
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.specs.language_model import LanguageModelSpec
from datasel_assets.specs.proxy_eval import ProxyEvalSpec
from datasel_assets.specs.ratio import RatioSpec
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.specs.representation import RepresentationSpec
from datasel_assets.specs.runs import RunsSpec
from datasel_assets.specs.source import SourceSpec
from datasel_assets.specs.tags import TagsSpec
from datasel_assets.specs.target import TargetSpec

SOURCES = "sources"
COMPUTE_FILE = "compute.yaml"
FOLDERS: Mapping[str, type[StrictModel] | Callable[[dict[str, Any]], type[StrictModel]]] = {
    SOURCES: SourceSpec,
    "targets": TargetSpec,
    "representations": RepresentationSpec,
    "evaluations": EvaluationSpec,
    "language_models": LanguageModelSpec,
    "gradients": GradientsSpec,
    "dynamics": DynamicsSpec,
    "runs": RunsSpec,
    "scores": spec_model,
    "loops": loop_model,
    "tags": TagsSpec,
    "categories": CategoriesSpec,
    "documents": DocumentsSpec,
    "extractions": ExtractionSpec,
    "labels": LabelsSpec,
    "answers": AnswersSpec,
    "recipes": RecipeSpec,
    "ratio": RatioSpec,
}
"""Folder -> what each of its files says, or what tells it from the file. ``Registry`` has a field for each."""

FILES: Mapping[str, type[StrictModel]] = {
    DUPLICATES_FILE: DuplicatesSpec,
    PROXY_EVAL_FILE: ProxyEvalSpec,
    DEFAULTS_FILE: DefaultsSpec,
    COMPUTE_FILE: ComputeSpec,
}
"""File that need not be there -> what it says. ``Registry`` has a field for each, without ``.yaml``."""

CONTROL_ARMS = {
    sampler: RecipeSpec.model_validate(
        {
            "doc": f"Control arm: {what}. Built in, because recipes/ has no file of this name.",
            "paper": "baseline",
            "select": {"sampler": sampler},
            "budget": {"fraction": 0.035},
        }
    )
    for sampler, what in (("random", "a uniform sample"), ("longest", "the rows with the longest responses"))
}
"""Recipes that exist without a file."""


def load_registry(data: Path, *beside: Path) -> Registry:
    """Read the registry folders and files under ``data``; a bad file never hides the others.

    Args:
        data: the data folder.
        beside: further folders of recipes with registry folders in them; a file there counts where ``data`` has none
            of its name.

    Raises:
        OSError: the folder of sources cannot be listed: a mount that has gone away must not look like a registry from
            which every source was removed.
    """
    registry, before = read_files(data, *beside), None
    while registry.errors != before:
        before = registry.errors
        for rule in RULES:
            while problems := rule(registry):
                file = min(problems)
                registry = registry.without(file, problems[file])
    return registry


def read_files(data: Path, *beside: Path) -> Registry:
    """Return the files that are valid each by itself, before they are held against each other."""
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    names: dict[str, frozenset[str]] = {}
    for folder, model in FOLDERS.items():
        loaded = load_folder(data / folder, model, missing_ok=folder != SOURCES)
        fields[folder] = loaded.specs
        errors |= {f"{folder}/{name}.yaml": message for name, message in loaded.errors.items()}
        names[folder] = frozenset(loaded.specs) | frozenset(loaded.errors)
        for root in beside:
            # A gallery is made of recipes: these lie in it and not in a folder of it.
            where = root if folder == "recipes" else root / folder
            more = load_folder(where, model, missing_ok=True).specs
            fields[folder] |= {name: spec for name, spec in more.items() if name not in names[folder]}
    people = _asked_of_people(fields, errors)
    # The control arms are always there, so that no method goes without a baseline.
    fields["recipes"] |= {name: spec for name, spec in CONTROL_ARMS.items() if name not in names["recipes"]}
    for file, model in FILES.items():
        spec, message = load_file(data / file, model)
        fields[file.removesuffix(".yaml")] = spec
        if message:
            errors[file] = message
    fields["defaults"] = fields["defaults"] or DefaultsSpec()
    return Registry(**fields, errors=errors, source_names=names[SOURCES], people=people)


def _asked_of_people(fields: dict[str, Any], errors: dict[str, str]) -> frozenset[str]:
    """Move the files in ``answers/`` that people answer to the questions that people answer; return their names."""
    moved = {}
    for name, spec in sorted(fields["answers"].items()):
        if not isinstance(spec.provider, AskedPeopleSpec):
            continue
        file = f"answers/{name}.yaml"
        try:
            if name in fields["labels"]:
                raise ValueError(f"labels/{name}.yaml asks people under this name already; rename one")
            moved[name] = question_of(spec)
        except ValueError as error:
            errors[file] = f"{file}: {error}"
    asked = {name: spec for name, spec in fields["answers"].items() if isinstance(spec.provider, AskedPeopleSpec)}
    fields["answers"] = {name: spec for name, spec in fields["answers"].items() if name not in asked}
    fields["labels"] = {**fields["labels"], **moved}
    return frozenset(moved)
