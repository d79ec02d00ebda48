"""Families of scores that a file names: every file of some folders makes scores of its own, ``<file>.<column>``.

Belongs here: one line for each such folder. Does not belong here: families that the code names, and scores that are
files of their own (``score``).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datasel_assets.indicators.dynamics import family as of_training
from datasel_assets.indicators.tokens import computable
from datasel_assets.registry.answers import answer_columns
from datasel_assets.specs.answers import AnswersSpec
from datasel_assets.specs.dynamics import DynamicsSpec
from datasel_assets.specs.labels import LabelsSpec
from datasel_assets.specs.language_model import LanguageModelSpec

Keep = Mapping[str, str]
"""Column -> which of its values are kept: high, low or mid."""


def _language_model(spec: LanguageModelSpec) -> Keep:
    return {name: found.keep for name, found in computable(spec.scored_under).items()}


def _dynamics(spec: DynamicsSpec) -> Keep:
    found = of_training(labels=spec.label is not None, split=spec.second_split)
    return {name: indicator.keep for name, indicator in found.items()}


def _answers(spec: AnswersSpec) -> Keep:
    return {name: column.keep for name, column in answer_columns(spec).items()}


def _labels(spec: LabelsSpec) -> Keep:
    return spec.columns


FOLDERS: Mapping[str, Callable[[Any], Keep]] = {
    "language_models": _language_model,
    "dynamics": _dynamics,
    "answers": _answers,
    "labels": _labels,
}
"""Folder -> the columns of one of its files. A file may not be named like one of an earlier folder."""


def file_scores(files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return every score of these families with the values that are kept.

    Args:
        files: folder -> name -> what the file says, for each folder of ``FOLDERS``.
    """
    return {
        f"{name}.{column}": keep
        for folder, columns in FOLDERS.items()
        for name, spec in files[folder].items()
        for column, keep in columns(spec).items()
    }


def families_read(scores: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return which of these files one of these scores is a column of."""
    return {score.partition(".")[0] for score in scores} & set(names)
