"""Tags that somebody else gave, as text: reading them, one spelling for each, and the frequency filter of InsTag.

Belongs here: the answer of a tagger, a field of the original record, which tags become labels. Does not: tags found in
the text itself (``phrases``), running a tagger (``models.tagger``). A vocabulary is what it is in ``phrases``.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from datasel_assets.corpus.lemmas import base_words
from datasel_assets.corpus.phrases import VOCABULARY

_LISTED = re.compile(r'"tag"\s*:\s*"((?:[^"\\]|\\.)*)"')
_NOT_A_WORD = r"[^\p{L}\p{M}\p{N}+#]+"
MAX_TAG = 80
"""Characters of a tag; what is longer is a sentence, not a tag."""


def parse_answer(answer: str) -> list[str] | None:
    """Return the tags in the answer of an InsTagger-style model.

    Expected is JSON, ``[{"tag": ..., "explanation": ...}, ...]`` or one such object; from an answer that breaks off, or
    is no JSON for another reason, every complete ``"tag": "..."`` is taken.

    Returns:
        The tags in order; None where the answer has none, which is not the same as a row without tags.
    """
    try:
        found = json.loads(answer)
    except (json.JSONDecodeError, RecursionError):
        found = None
    items = found if isinstance(found, list) else [found]
    tags = [item["tag"] for item in items if isinstance(item, dict) and isinstance(item.get("tag"), str)]
    tags = tags or [_unescaped(text) for text in _LISTED.findall(answer)]
    return tags or None


def _unescaped(text: str) -> str:
    try:
        return json.loads(f'"{text}"')
    except json.JSONDecodeError:
        return text


def read_field(extra: Sequence[str | None], field: str) -> list[list[str] | None]:
    """Return the tags that stand in one field of the original records.

    Args:
        extra: the fields of each record that have no column, as JSON objects.
        field: name of the field: a list of strings, a list of objects with a ``tag``, or a string with commas.

    Returns:
        The tags of each row; None where the record lacks the field or holds something else in it.
    """
    return [_tags_in(json.loads(text).get(field)) if text else None for text in extra]


def _tags_in(value: Any) -> list[str] | None:
    if isinstance(value, str):
        try:
            listed = json.loads(value) if value.lstrip().startswith("[") else None
        except json.JSONDecodeError:
            listed = None
        return _tags_in(listed) if isinstance(listed, list) else [part for part in value.split(",") if part.strip()]
    if isinstance(value, list):
        found = [item.get("tag") if isinstance(item, dict) else item for item in value]
        return [item for item in found if isinstance(item, str)]
    return None


def normalise(lists: pl.Series) -> pl.Series:
    """Return tags in one spelling: NFKC, lower case, one space for whatever is no letter, digit, + or #; each once.

    Args:
        lists: (n,) lists of strings; null stays null.
    """
    tag = pl.element().str.normalize("NFKC").str.to_lowercase().str.replace_all(_NOT_A_WORD, " ").str.strip_chars(" ")
    frame = lists.cast(pl.List(pl.String)).to_frame("tags").with_columns(pl.col("tags").list.eval(tag))
    kept = (
        pl.element()
        .filter((pl.element() != "") & (pl.element().str.len_chars() <= MAX_TAG))
        .unique(maintain_order=True)
    )
    return frame.select(pl.col("tags").list.eval(kept))["tags"]


def fit_tags(lists: pl.Series, min_rows: int, max_labels: int) -> pl.DataFrame:
    """Return the vocabulary of given tags: InsTag's frequency filter and rule aggregation (arXiv 2308.07074, 3.2).

    Tags whose words have the same base forms are one label, spelled as it is most often. A label of fewer than
    ``min_rows`` rows is merged into its head: the longest end of it that is a label itself ("python list
    comprehension" into "list comprehension"); without such an end it is dropped. InsTag merges by a phrase encoder and
    by association rules as well; here resemblance is left to the label graph.

    Args:
        lists: (n,) from :func:`normalise`.
        min_rows: rows that a label needs (InsTag: 20 of its 306,044 queries).
        max_labels: the most frequent ones are kept.
    """
    tags = lists.to_frame("tag").with_row_index("row").explode("tag").drop_nulls("tag")
    counts = (
        tags.group_by("tag")
        .agg(rows=pl.col("row").n_unique().cast(pl.Int64))
        .sort(["rows", "tag"], descending=[True, False])
    )
    words: dict[str, int] = {}
    for tag, rows in counts.iter_rows():
        for word in tag.split(" "):
            words[word] = words.get(word, 0) + rows
    bases = base_words(words, 1)
    merged: dict[str, list[str]] = {}
    for tag in counts["tag"]:
        base = " ".join(bases.get(word, word) for word in str(tag).split(" "))
        merged.setdefault(base, []).append(tag)
    family = {tag: spellings[0] for spellings in merged.values() for tag in spellings}
    by_base = {base: spellings[0] for base, spellings in merged.items()}
    of_family = tags.with_columns(pl.col("tag").replace(family)).group_by("tag").agg(rows=pl.col("row").n_unique())
    best = of_family.filter(pl.col("rows") >= min_rows).sort(["rows", "tag"], descending=[True, False]).head(max_labels)
    labels = set(best["tag"])
    target = {}
    for base, spellings in merged.items():
        parts = base.split(" ")
        ends = (by_base.get(" ".join(parts[i:])) for i in range(len(parts)))
        head = next((end for end in ends if end in labels), None)
        target |= {tag: head for tag in spellings if head is not None}
    rows = dict(counts.iter_rows())
    table = [("label", tag, head, rows[tag]) for tag, head in sorted(target.items())]
    return pl.DataFrame(table, schema=VOCABULARY, orient="row")


def assign_tags(lists: pl.Series, vocabulary: pl.DataFrame) -> pl.Series:
    """Return the labels of each row, in the order of its tags and each once; null where its tags are not known.

    Args:
        lists: (n,) from :func:`normalise`.
        vocabulary: from :func:`fit_tags`.
    """
    label = pl.element().replace_strict(vocabulary["form"], vocabulary["label"], default=None, return_dtype=pl.String)
    known = lists.cast(pl.List(pl.String)).to_frame("tags")
    return known.select(pl.col("tags").list.eval(label.drop_nulls().unique(maintain_order=True)))["tags"]
