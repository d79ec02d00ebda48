"""JSON Schemas beside the files of a data folder, so that editors complete keys.

Belongs here: copying them. Does not: what stands in them (``docs/yaml_reference.py``).

The first line of every shipped file names its schema as ``../.schema/<folder>.json``, which leads to the schemas of the
documentation in a checkout and to a copy of them in a data folder.
"""

import shutil
from pathlib import Path

from datasel_assets.settings import REPOSITORY

SHIPPED = REPOSITORY / "docs" / "schema"
FOLDER = ".schema"


def header(file: str) -> str:
    r"""Return the line that names the schema of a registry file.

    >>> header("recipes/mine.yaml")
    '# yaml-language-server: $schema=../.schema/recipes.json\n'
    """
    folder, _, name = file.rpartition("/")
    schema = f"../{FOLDER}/{folder}" if folder else f"{FOLDER}/{name.removesuffix('.yaml')}"
    return f"# yaml-language-server: $schema={schema}.json\n"


def write_schemas(data: Path) -> None:
    """Copy the schemas into a data folder; the folder of this repository has a link to them already.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = data / FOLDER
    if folder.is_symlink() or not SHIPPED.is_dir():
        return
    folder.mkdir(exist_ok=True)
    for schema in sorted(SHIPPED.glob("*.json")):
        shutil.copyfile(schema, folder / schema.name)
