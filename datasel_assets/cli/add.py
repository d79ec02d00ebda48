"""``datasel add``: a shipped recipe, and the files that it reads, copied into a data folder.

Belongs here: which files are copied, what is said of them. Does not: which files a recipe reads (``registry.needed``).
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from datasel_assets.cli.editor_schemas import header, write_schemas
from datasel_assets.cli.environment import command_line
from datasel_assets.settings import DEFAULT_DATA, Settings

if TYPE_CHECKING:
    from datasel_assets.registry.registry import Registry

HELP = "Copy a recipe of the gallery into the data folder, with every file that it reads."

FOLDERS = ("gallery", "recipes")
"""Folders of the shipped data that hold recipes."""

GALLERY = DEFAULT_DATA / FOLDERS[0]
"""Beside recipes it has registry folders with files that would make tables if they stood in the data folder."""

SETS = GALLERY / "sets"
"""Data folders of one recipe each, with files that go with no other: a ``duplicates.yaml`` of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe."""
    parser.add_argument("recipe", metavar="RECIPE", help="its name, as in the gallery; a wrong one lists all of them")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Copy what is absent and say what was written; 2, with nothing written, where that is not possible.

    A file of the data folder is never overwritten. A recipe that reads a file of the same name as a shipped one reads
    the user's, which is said. Returns 1 where the recipe can still not be used, with the reason.
    """
    from datasel_assets.registry.load import load_registry

    before = load_registry(settings.data)
    try:
        shipped = _shipped_recipe(arguments.recipe)
        needed = _needed(shipped, before)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    recipe = f"recipes/{arguments.recipe}.yaml"
    if (settings.data / recipe).exists() and not _same(settings.data / recipe, shipped):
        print(
            f"{settings.data / recipe} is another recipe of this name: rename it; nothing was written", file=sys.stderr
        )
        return 2
    origins = {recipe: shipped, **{file: _shipped(file) for file in needed}, **_set(arguments.recipe)}
    for file, origin in origins.items():
        path = settings.data / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, path)
            print(f"wrote {file}")
        else:
            state = "there already" if _same(path, origin) else "kept yours, which differs from the shipped one"
            print(f"{state}: {file}")
    write_schemas(settings.data)
    after = _with_settled_defaults(settings, before)
    wrong = [message for file, message in after.errors.items() if file in origins or file == "defaults.yaml"]
    for message in wrong:
        print(message, file=sys.stderr)
    if recipe in after.errors:
        return 1
    print(f"next: {command_line('run', settings)}")
    return 0


def _shipped(file: str) -> Path:
    """Return where a shipped file lies; recipes of the gallery lie in it, other files in folders of it."""
    if file.startswith("recipes/"):
        return _shipped_recipe(Path(file).stem)
    return next((path for root in (DEFAULT_DATA, GALLERY) if (path := root / file).is_file()), DEFAULT_DATA / file)


def _shipped_recipe(name: str) -> Path:
    """Return the file of a shipped recipe.

    Raises:
        ValueError: there is none of this name, or nothing is shipped.
    """
    from datasel_assets.schema import suggestion

    found = {path.stem: path for folder in reversed(FOLDERS) for path in sorted((DEFAULT_DATA / folder).glob("*.yaml"))}
    found |= {path.stem: path for path in sorted(SETS.glob("*/recipes/*.yaml"))}
    if not found:
        raise ValueError(f"{GALLERY} is absent: install from a checkout of the repository")
    if name not in found:
        listed = ", ".join(sorted(found))
        raise ValueError(f"there is no shipped recipe {name!r}{suggestion(name, list(found))} There are: {listed}")
    return found[name]


def _set(recipe: str) -> dict[str, Path]:
    """Return the files of the set of a recipe, by where they belong; none where it has no set."""
    root = SETS / recipe
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.yaml"))}


def _needed(recipe: Path, registry: "Registry") -> list[str]:
    """Return the shipped files that a recipe reads; no representation where one of the user's is meant already."""
    from datasel_assets.registry.base import parse, read_yaml
    from datasel_assets.registry.load import load_registry
    from datasel_assets.registry.needed import files_needed
    from datasel_assets.specs.recipe import RecipeSpec

    meant = {"clusters": registry.clustered, "neighbours": registry.neighboured}
    spec = parse(read_yaml(recipe), RecipeSpec)
    return files_needed(spec, load_registry(DEFAULT_DATA, GALLERY), [key for key, name in meant.items() if name])


def _with_settled_defaults(settings: Settings, before: "Registry") -> "Registry":
    """Say in ``defaults.yaml`` which file is meant where a new one made that unclear: the one that was meant before.

    A ``defaults.yaml`` of the user's stays as it is; what it lacks is an error of the registry, which names the line.
    """
    from datasel_assets.registry.load import load_registry
    from datasel_assets.registry.registry import CANDIDATES, DEFAULTS_FILE

    path = settings.data / DEFAULTS_FILE
    after = load_registry(settings.data)
    unclear = [key for key in CANDIDATES if after.unsettled(key)]
    if path.exists() or not unclear:
        return after
    meant = {key: next(iter(before.candidates(key)), after.candidates(key)[0]) for key in unclear}
    lines = [f"{key}: {name}\n" for key, name in meant.items()]
    lines = [header(DEFAULTS_FILE), "# Which file is meant where several could be (docs/yaml.md).\n", *lines]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"wrote {DEFAULTS_FILE}: " + ", ".join(f"{key}: {name}" for key, name in meant.items()))
    return load_registry(settings.data)


def _same(path: Path, other: Path) -> bool:
    return path.is_file() and path.read_bytes() == other.read_bytes()
