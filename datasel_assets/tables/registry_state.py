"""Every registry file, and what is wrong with those that cannot be used.

Belongs here: what is said of them. Does not belong here: reading the files (``registry``), the page (``defs``).
"""

from collections.abc import Mapping

from datasel_assets.diagnostics.text import clean, plain
from datasel_assets.registry.load import FILES, FOLDERS
from datasel_assets.registry.registry import Registry
from datasel_assets.tables.shown import Rows, Shown

MESSAGE_CHARS = 500
USABLE = "can be used"


def files(registry: Registry) -> dict[str, str]:
    """Return every registry file, relative to the data folder -> what is wrong with it, or that it can be used."""
    named = [(folder, name) for folder in FOLDERS for name in getattr(registry, folder)]
    usable = [
        registry.file_of_labels(name) if folder == "labels" else f"{folder}/{name}.yaml" for folder, name in named
    ]
    usable += [file for file in FILES if getattr(registry, file.removesuffix(".yaml")) is not None]
    wrong = {file: _bare(file, message) for file, message in registry.errors.items()}
    return {**dict.fromkeys(sorted(set(usable) - set(wrong)), USABLE), **dict(sorted(wrong.items()))}


def _bare(file: str, message: str) -> str:
    """Leave out the name of the file, which stands beside the message, and say in one line what a list says."""
    lines = message.removeprefix(f"{file}:").splitlines()
    return "; ".join(said for line in lines if (said := line.strip().removeprefix("- ")))


def in_a_word(registry: Registry) -> str:
    """Return how many files cannot be used."""
    wrong = len(registry.errors)
    return f"{wrong} file{'s' * (wrong > 1)} cannot be used" if wrong else "every file can be used"


def shown(registry: Registry) -> dict[str, Shown]:
    """Return what the page shows: every file, those that cannot be used first."""
    cells = [[clean(file, 200), clean(said, MESSAGE_CHARS)] for file, said in files(registry).items()]
    cells.sort(key=lambda row: row[1] == USABLE)
    rows = Rows({"file": "relative to the data folder", "state": "what is wrong with it, if anything"}, cells)
    return {"files": rows, "dagster/row_count": len(cells), "files that cannot be used": len(registry.errors)}


def wrong(registry: Registry) -> Mapping[str, Shown]:
    """Return the files that cannot be used with what is wrong; nothing where there are none."""
    cells = [
        [clean(file, 200), clean(_bare(file, said), MESSAGE_CHARS)] for file, said in sorted(registry.errors.items())
    ]
    return {"files": Rows({"file": None, "what is wrong": None}, cells)} if cells else {}


def described(registry: Registry) -> str:
    """Return in Markdown what the files are for and which of them cannot be used."""
    about = (
        "Every file of the data folder that says what is to be done: sources, targets, representations, recipes and "
        "the others. A file that cannot be used has no assets; it stands here with what is wrong with it."
    )
    if not registry.errors:
        return f"{about}\n\nWhen the definitions were loaded, every file could be used."
    wrong = "\n".join(
        f"- {plain(file)}: {plain(_bare(file, said), MESSAGE_CHARS)}" for file, said in sorted(registry.errors.items())
    )
    return f"{about}\n\n**When the definitions were loaded, {in_a_word(registry)}:**\n\n{wrong}"
