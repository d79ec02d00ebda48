"""``datasel init``: a new data folder with the smallest registry that selects something.

Belongs here: which files a new folder starts from. Does not: what the files of the user hold (``first_look``).
"""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from datasel_assets.cli.editor_schemas import header, write_schemas
from datasel_assets.cli.environment import command_line
from datasel_assets.settings import DEFAULT_DATA, Settings

if TYPE_CHECKING:
    from datasel_assets.cli.first_look import FirstLook

HELP = "Make a new data folder."

RECIPES = ("random", "longest", "cluster_balanced")
"""Shipped recipes that need nothing but the default representation and its clusters."""
TEMPLATES = ("representations/spectral.yaml", *(f"recipes/{name}.yaml" for name in RECIPES))
SAMPLES = (
    *("sources/samples_alpaca.yaml", "sources/samples_messages.yaml", "sources/samples_sharegpt.yaml"),
    *("samples/README.md", "samples/alpaca.json", "samples/messages.jsonl", "samples/sharegpt.jsonl"),
)
"""Shipped files that stand for a source of the user's own."""
TARGET, TOWARD = "like_these", "toward_these"
"""Names of the target of rows that the user named, and of the recipe that selects toward it."""

SOURCE = """\
# A dataset of the pool. Relative paths start from this data folder; globs, https://, hf:// and s3:// work as well.
# What else can be said here, such as format, columns and max_quarantined_share, stands in docs/yaml.md.
{uri}
# licence: CC-BY-4.0    (releases carry it on{licence})
"""
TARGET_FILE = """\
# Rows that say what the training should be good at; eight or more of each kind serve best.
{body}"""
RECIPE = """\
# Rows that are most like those of targets/{target}.yaml, each of which takes its turn.
doc: Rows like those that were named
paper: selection rule of RDS+ (arXiv 2503.01807)
drop:
  - {{when: duplicate}}
select: {{sampler: round_robin, representation: spectral, target: {target}}}
budget: {{fraction: 0.1}}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, which is the data folder of this command, its sources, and rows for a target."""
    parser.add_argument("data", type=Path, metavar="FOLDER", help="the new folder; it must be empty or absent")
    parser.add_argument("files", nargs="*", metavar="FILE", help="your datasets, each a source of its own")
    parser.add_argument("--source", help="path, glob or address of a dataset (default: the bundled samples)")
    parser.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="TEXT",
        help="a piece of a row in your files that training should be good at; repeat it for more rows",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Look at the files, fill the folder, say what was found and what to type next; 2 where nothing was written."""
    from datasel_assets.cli.first_look import look

    folder = settings.data
    given = [*arguments.files, *([arguments.source] if arguments.source else [])]
    templates = [*TEMPLATES, *(() if given else SAMPLES)]
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(f"{folder} is not an empty folder, so nothing was written; name a new one")
        if absent := [name for name in templates if not (DEFAULT_DATA / name).is_file()]:
            raise ValueError(f"{DEFAULT_DATA / absent[0]} is absent: install from a checkout of the repository")
        sources = _sources(given)
        looks = {name: look(uri, name, arguments.like) for name, uri in sources.items() if Path(uri).is_absolute()}
        written = {f"sources/{name}.yaml": _source_text(uri, looks.get(name)) for name, uri in sources.items()}
        written |= _target_files(arguments.like, list(looks.values()))
        for name in templates:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(DEFAULT_DATA / name, folder / name)
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(header(name) + text, encoding="utf-8", newline="\n")
        write_schemas(folder)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, found in looks.items():
        print(f"{name}: {'; '.join(found.said)}")
    print(f"created {folder} with")
    for name in sorted([*templates, *written]):
        print(f"  {name}")
    if looks and len(looks) == len(sources):
        _print_costs(list(looks.values()), [*RECIPES, *([TOWARD] if arguments.like else [])])
    print(f"next: {command_line('run', settings)}")
    return 0


def _sources(given: Sequence[str]) -> dict[str, str]:
    """Return name -> address of each source.

    Raises:
        ValueError: a path is no file and matches none.
    """
    found: dict[str, str] = {}
    for each in given:
        uri = _address(each)
        name, number = _source_name(uri), 2
        while name in found:
            name, number = f"{_source_name(uri)[:60]}_{number}", number + 1
        found[name] = uri
    return found


def _source_text(uri: str, found: "FirstLook | None") -> str:
    import yaml

    line = yaml.safe_dump({"uri": uri}, allow_unicode=True, width=10**6).strip()
    licence = f"; see {found.licence}" if found and found.licence else ""
    return SOURCE.format(uri=line, licence=licence)


def _target_files(pieces: Sequence[str], looks: "Sequence[FirstLook]") -> dict[str, str]:
    """Return the target of the rows that were named and the recipe toward it, as file -> text.

    Raises:
        ValueError: a piece stands in no row.
    """
    import yaml

    if not pieces:
        return {}
    named = [next((found.examples[piece] for found in looks if piece in found.examples), None) for piece in pieces]
    if None in named:
        raise ValueError(f"--like: no row of the files that were given holds {pieces[named.index(None)]!r}")
    target = {"doc": "Rows that were named when this folder was made", "examples": named}
    body = yaml.safe_dump(target, sort_keys=False, allow_unicode=True, width=110)
    return {
        f"targets/{TARGET}.yaml": TARGET_FILE.format(body=body),
        f"recipes/{TOWARD}.yaml": RECIPE.format(target=TARGET),
    }


def _print_costs(looks: "Sequence[FirstLook]", recipes: Sequence[str]) -> None:
    """Say how long each recipe takes by itself; what several need is made once."""
    from datasel_assets.cli.first_look import cost

    print("the first run takes, by what each recipe needs")
    for name in recipes:
        vectors = name not in ("random", "longest")
        print(f"  {name:20} {cost(looks, vectors=vectors)}{', for the vectors' if vectors else ''}")


def _address(source: str) -> str:
    """Return a source as its file names it: paths from the root, because relative ones start from the data folder.

    Raises:
        ValueError: a path that is no file and matches none.
    """
    from datasel_assets.storage.readers.patterns import local_files

    if re.match(r"[a-z][a-z0-9+.-]+:", source):
        return source
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the files, for example --source '{path}/*.jsonl'")
    if not local_files(str(path), path.parent):
        raise ValueError(f"{path}: there is no such file")
    return str(path)


def _source_name(uri: str) -> str:
    """Return a name for the source: the last part of its address that has letters or digits, as a slug.

    >>> _source_name("hf://datasets/owner/My-Set/data/*.parquet")
    'data'
    >>> _source_name("/home/me/Alpaca data.v2.json.gz")
    'alpaca_data'
    """
    parts = [urlsplit(uri).scheme, *urlsplit(uri).path.split("/")]
    slugs = (re.sub(r"[^a-z0-9]+", "_", part.partition(".")[0].lower()).strip("_")[:63] for part in reversed(parts))
    return next(filter(None, slugs), "source")
