"""``datasel check``: whether the registry files can be used and what they name is there; nothing is written.

Belongs here: which file names what. Not: what a file may say (``registry``), finding files and models (``storage``,
``models``).
"""

import argparse
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from datasel_assets.settings import Settings

if TYPE_CHECKING:
    from datasel_assets.registry.registry import Registry
    from datasel_assets.specs.labels import LabelsSpec

HELP = "Check every registry file, and whether the datasets and models it names can be found."

LOCATED = {"sources": "_cache", "targets": "_cache/_targets", "evaluations": "_cache/_evaluations"}
"""Folders whose files name datasets -> where copies of remote ones are kept, under the warehouse."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: all files are checked."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print a line for each file; return 1 where one cannot be used."""
    from datasel_assets.models.resolve import find_model
    from datasel_assets.registry.load import load_registry
    from datasel_assets.storage.given_vectors import files_of
    from datasel_assets.storage.readers import locate

    registry = load_registry(settings.data)
    find = cache(find_model)  # several representations share one model
    files = wrong = 0
    for folder, name in _files(settings, registry):
        file = f"{folder}/{name}" if folder else name
        files += 1
        notes = []
        try:
            if file in registry.errors:
                raise ValueError(registry.errors[file].removeprefix(f"{file}: "))
            stem = name.removesuffix(".yaml")
            if folder in LOCATED:
                places = settings.warehouse / LOCATED[folder]
                spec = getattr(registry, folder)[stem]
                found = locate(spec, stem, settings.data, places)
                notes.append(
                    f"{len(found)} {'address' if len(found) == 1 else 'addresses'}" if found else "written out"
                )
            if folder == "representations" and (brought := registry.representations[stem].brought):
                vectors = files_of(str(brought.table), brought.key, settings.data)
                notes.append(f"{len(vectors)} {'file' if len(vectors) == 1 else 'files'} of vectors")
            if folder == "labels" or (folder == "answers" and stem in registry.people):
                _refuse_absent(registry.labels[stem], settings.data)
            for model, revision in _models(registry, folder, stem):
                notes.append(f"{model} ({find(model, revision, base=settings.data)})")
        except (ValueError, OSError) as error:
            wrong += 1
            print(f"wrong  {file}: {_with_lines(settings.data / file, str(error))}", flush=True)
        else:
            print(f"ok     {file:44} {', '.join(notes)}".rstrip(), flush=True)
    print(f"{wrong} of {files} files cannot be used" if wrong else f"all {files} files can be used")
    return 1 if wrong else 0


def _with_lines(path: Path, message: str) -> str:
    """Return a message with the lines that it is about, where the file can be read."""
    from datasel_assets.registry.base import MAX_YAML_BYTES
    from datasel_assets.registry.places import with_lines

    try:
        with path.open("rb") as file:
            return with_lines(file.read(MAX_YAML_BYTES).decode("utf-8-sig"), message)
    except (OSError, UnicodeDecodeError):
        return message


def _refuse_absent(spec: "LabelsSpec", data: Path) -> None:
    """Refuse a question whose guidelines or golden rows are not there; answers may still be on their way.

    Raises:
        ValueError: a file is absent.
    """
    for key, file in (("guidelines", spec.guidelines), ("golden.file", spec.golden and spec.golden.file)):
        if file and not (data / file).is_file():
            raise ValueError(f"{key}: {file} does not exist")


def _files(settings: Settings, registry: "Registry") -> Iterator[tuple[str, str]]:
    """Give folder and name of every registry file: those that were understood and those that were not."""
    from datasel_assets.registry.load import FILES, FOLDERS

    broken = [tuple(file.rpartition("/")[::2]) for file in registry.errors]
    for folder in FOLDERS:
        understood = {f"{name}.yaml" for name in getattr(registry, folder)}
        understood |= {f"{name}.yaml" for name in registry.people} if folder == "answers" else set()
        # The control arms are recipes without a file.
        there = {name for name in understood if (settings.data / folder / name).is_file()}
        for name in sorted(there | {name for place, name in broken if place == folder}):
            yield folder, name
    alone = {name for name in FILES if (settings.data / name).is_file()}
    for name in sorted(alone | {name for place, name in broken if not place}):
        yield "", name


def _models(registry: "Registry", folder: str, name: str) -> Iterator[tuple[str, str | None]]:
    """Give model and revision of what a file asks to be loaded; a model that is trained on the pool is not named."""
    if folder == "representations":
        spec = registry.representations[name]
        if spec.encoded:
            yield spec.encoder.model, spec.encoder.revision
    elif folder == "language_models" and not registry.language_models[name].is_local:
        spec = registry.language_models[name]
        yield spec.causal.model, spec.causal.revision
        for checkpoint in spec.checkpoints if isinstance(spec.checkpoints, tuple) else ():
            yield checkpoint.model or spec.causal.model, checkpoint.revision
    elif folder == "tags":
        tags = registry.tags[name]
        yield tags.graph.encoder.model, tags.graph.encoder.revision
        if tags.model:
            yield tags.model.model, tags.model.revision
