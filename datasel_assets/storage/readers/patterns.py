"""Which files a path names that may be a pattern.

Belongs here: what is literal in a path and what is a pattern. Not here: addresses with a scheme (``resolve``,
``fetch``).

A path that exists is itself. Otherwise it is a pattern, in which each part (what stands between slashes) is taken
to the letter where something of that name is there: ``pool[v2]/*.jsonl`` is about the folder ``pool[v2]`` if there is
one, and only if not about ``poolv`` and ``pool2``. A folder that the path starts from is never a pattern.
"""

import glob
from collections.abc import Callable
from pathlib import Path


def local_files(pattern: str, root: Path) -> list[Path]:
    """Return the files that a path or pattern names, sorted; relative ones start from ``root``, which is literal."""
    if (root / pattern).is_file():
        return [root / pattern]

    def found(candidate: str) -> bool:
        return next(glob.iglob(candidate, root_dir=root, recursive=True), None) is not None  # noqa: PTH207

    chosen = literal_where_there(pattern, found)
    # Path.glob takes no absolute patterns.
    matches = {root / match for match in glob.iglob(chosen, root_dir=root, recursive=True)}  # noqa: PTH207
    return sorted(match for match in matches if match.is_file())


def literal_where_there(pattern: str, found: Callable[[str], bool]) -> str:
    """Return the pattern with each part escaped that is the name of something.

    Args:
        pattern: Path whose parts may be patterns.
        found: Whether a pattern matches anything.
    """
    chosen: list[str] = []
    for part in pattern.split("/"):
        # First nothing of the part is a pattern, then only its stars and question marks.
        spellings = [glob.escape(part), part.replace("[", "[[]")] if "[" in part else []
        chosen.append(next((s for s in spellings if found("/".join([*chosen, s]))), part))
    return "/".join(chosen)
