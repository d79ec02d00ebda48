"""Addresses of releases, reports and rows, where ``datasel ui`` serves them in a browser.

Belongs here: from a file or a table to its address. Not: serving (``cli.file_server``).
"""

import json
import os
from pathlib import Path
from urllib.parse import quote

from datasel_assets.settings import EXPLORE_VARIABLE, FILES_VARIABLE, load_settings
from datasel_assets.storage.lake import Key
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.selections.comparison import COMPARISON, REPORT
from datasel_assets.tables.selections.selections import SELECTIONS


def address_of(path: Path) -> str | None:
    """Return the address of a file or folder; None where nobody serves it."""
    base = os.environ.get(FILES_VARIABLE)
    if not base:
        return None
    for name, folder in load_settings().served.items():
        if path.is_relative_to(folder):
            return f"{base}/{name}/{quote(path.relative_to(folder).as_posix())}"
    return None


def page_of(key: Key) -> str | None:
    """Return the address of the newest report about a table; None where there is none or nobody serves it."""
    served = load_settings().served
    if key[0] == SELECTIONS.name:
        return address_of(served["releases"] / key[-1] / "latest" / "report.html")
    if key[0] == COMPARISON.name:
        return address_of(served["reports"] / REPORT)
    return None


def rows_of(key: Key) -> str | None:
    """Return the address of the rows of a table: of a selection those it kept; None where nobody serves them."""
    base = os.environ.get(EXPLORE_VARIABLE)
    if not base or key[0] not in (CORPUS.name, SELECTIONS.name):
        return None
    if key[0] == CORPUS.name:
        return f"{base}/"
    asked = {"decisions": {key[-1]: "kept"}, "show": {"compare": [key[-1]]}}
    return f"{base}/#{quote(json.dumps(asked), safe='')}"
