"""Words that fourth-grade readers know: the list of the new Dale-Chall formula, from the data files of textstat.

Belongs here: finding and reading the list. Does not: inflected forms (``familiar``). textstat itself is not imported:
its first call would want the network.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path


@lru_cache(maxsize=1)
def easy_words() -> frozenset[str]:
    """Return the words, lower case; the points of mr. and mrs. are left out, as words have none here.

    Raises:
        ModuleNotFoundError: textstat is not installed.
    """
    spec = find_spec("textstat")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the new Dale-Chall formula needs the word list of textstat: pip install textstat")
    path = Path(spec.submodule_search_locations[0], "resources", "en", "easy_words.txt")
    return frozenset(word.strip().lower().rstrip(".") for word in path.read_text("utf-8").splitlines() if word.strip())
