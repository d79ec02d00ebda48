"""``datasel init``: a new data folder with the smallest registry that selects something.

Belongs here: which shipped files a new folder starts from, and the file of a first source.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from datasel_assets.cli.environment import command_line
from datasel_assets.settings import DEFAULT_DATA, Settings

HELP = "Make a new data folder."

TEMPLATES = (
    "representations/spectral.yaml",
    *("recipes/random.yaml", "recipes/longest.yaml", "recipes/cluster_balanced.yaml"),
)
"""Shipped files that need no others: the default representation, and recipes that read at most its clusters."""
SAMPLES = (
    *("sources/samples_alpaca.yaml", "sources/samples_messages.yaml", "sources/samples_sharegpt.yaml"),
    *("samples/README.md", "samples/alpaca.json", "samples/messages.jsonl", "samples/sharegpt.jsonl"),
)
"""Shipped files that stand for a source of the user's own."""

SOURCE = """\
# A dataset of the pool. Relative paths start from this data folder; globs, https://, hf:// and s3:// work as well.
# What else can be said here, such as format, columns and max_quarantined_share, stands in docs/yaml.md.
{uri}
# licence: CC-BY-4.0    (releases carry it on)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, which is the data folder of this command, and its first source."""
    parser.add_argument("data", type=Path, metavar="FOLDER", help="the new folder; it must be empty or absent")
    parser.add_argument("--source", help="path, glob or address of your first dataset (default: the bundled samples)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Fill the folder and print what to type next; return 2, with nothing written, where that is not possible."""
    import yaml

    folder, templates = settings.data, [*TEMPLATES, *(() if arguments.source else SAMPLES)]
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(f"{folder} is not an empty folder, so nothing was written; name a new one")
        if absent := [name for name in templates if not (DEFAULT_DATA / name).is_file()]:
            raise ValueError(f"{DEFAULT_DATA / absent[0]} is absent: install from a checkout of the repository")
        uri = _address(arguments.source) if arguments.source else None
        for name in templates:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(DEFAULT_DATA / name, folder / name)
        if uri:
            name = f"sources/{_source_name(uri)}.yaml"
            (folder / name).parent.mkdir(parents=True)
            line = yaml.safe_dump({"uri": uri}, allow_unicode=True, width=10**6).strip()
            (folder / name).write_text(SOURCE.format(uri=line), encoding="utf-8")
            templates.append(name)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"created {folder} with")
    for name in sorted(templates):
        print(f"  {name}")
    print(f"next: {command_line('run', settings)}")
    return 0


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
