"""One form for the forms of an English word, where the pool itself shows that they belong together.

Belongs here: the suffix rule. Does not: phrases (``phrases``), lists of tags (``tag_lists``).
"""

from collections.abc import Iterator, Mapping

MIN_STEM = 4
"""Letters that stay before -ing and -ed: "string" is not a form of "str"."""


def base_words(rows: Mapping[str, int], min_rows: int) -> dict[str, str]:
    """Return word -> base form for the words that have one.

    A word that ends in -s, -es, -ies, -ing or -ed takes the form without it (studies -> study, making -> make,
    planned -> plan), provided that this form stands in at least ``min_rows`` rows itself. So no word is made up
    ("series" stays), and words of other languages stay as they are unless they happen to look alike.

    Args:
        rows: word -> rows that hold it.
        min_rows: rows that a base form needs.
    """
    found = {}
    for word in rows:
        base = next((base for base in _stems(word) if rows.get(base, 0) >= min_rows), None)
        if base is not None:
            found[word] = base
    return {word: found.get(base, base) for word, base in found.items()}


def _stems(word: str) -> Iterator[str]:
    """Yield what ``word`` may be a form of, the likeliest first."""
    if not word.isascii() or len(word) <= 3:
        return
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        if word.endswith("ies"):
            yield word[:-3] + "y"
        if word.endswith(("ses", "xes", "zes", "ches", "shes")):
            yield word[:-2]
        yield word[:-1]
    for suffix in ("ing", "ed"):
        stem = word.removesuffix(suffix)
        if stem == word:
            continue
        if len(stem) >= MIN_STEM and stem[-1] == stem[-2]:
            yield stem[:-1]
        if len(stem) >= MIN_STEM:
            yield stem
        if len(stem) >= MIN_STEM - 1:
            yield stem + "e"
