"""Find the items of many evaluations in rows, by their words, in one pass over the rows.

Belongs here: the index, the rules of the tiers exact and ngram. Not here: normalisation (``words.py``), which texts and
n-grams are too common (``guards.py``), the loops (``kernels.py``), vectors (``neighbours.py``).

An item of ``n`` and ``min_words`` words or more is looked up by its word n-grams. A shorter one is looked up whole, and
only when it can be told from ordinary language (see ``OverlapRules``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from datasel_assets.corpus.contamination.grams import GramTable, grams_of
from datasel_assets.corpus.contamination.guards import (
    codes_of,
    covered_words,
    own_grams,
    owners_of,
    shared_texts,
    telling_words,
)
from datasel_assets.corpus.contamination.items import EvaluationItem
from datasel_assets.corpus.contamination.words import Words, split
from datasel_assets.specs.evaluation import OverlapRules

CONTAMINATION_SCHEMA = {
    "row_id": pl.String,
    "evaluation": pl.String,
    "item": pl.String,
    "tier": pl.String,
    "overlap": pl.Float32,
    "evidence": pl.String,
}

TIERS = ("exact", "ngram", "embedding")
"""From the strongest evidence to the weakest."""

EVIDENCE_CHARS = 300
"""Most characters of evidence that a hit carries."""

BLOCK_CHARS = 4_000_000
"""Characters of rows that are split into words at a time."""

DISTINCTIVE_INSIDE = 3
"""Distinctive words that a short item needs to be looked for inside running text."""

OPENING = 4
"""Words by which a short item is looked up before all of it is compared."""


@dataclass(frozen=True, eq=False)
class EvaluationIndex:
    """The items of any number of evaluations, ready to be looked for.

    Memory: about 55 bytes for each word of the items, see ``bytes``.

    Attributes:
        items: the texts, as given.
        rules: evaluation -> rules.
        summary: one line per evaluation: evaluation, items, texts, long, short (texts that are compared, by n-grams
            and whole), generic, too_short (texts that are not compared).
    """

    items: tuple[EvaluationItem, ...]
    rules: Mapping[str, OverlapRules]
    summary: pl.DataFrame
    _words: Words = field(repr=False)
    _lengths: np.ndarray = field(repr=False)
    _covered: np.ndarray = field(repr=False)
    _anchors: np.ndarray = field(repr=False)
    _alone: np.ndarray = field(repr=False)
    _inside: np.ndarray = field(repr=False)
    _exact: np.ndarray = field(repr=False)
    _ngram: np.ndarray = field(repr=False)
    _least: np.ndarray = field(repr=False)
    _long: tuple[GramTable, ...] = field(repr=False)
    _short: tuple[GramTable, ...] = field(repr=False)

    @classmethod
    def build(
        cls, items: Iterable[EvaluationItem], rules: Mapping[str, OverlapRules] | None = None
    ) -> "EvaluationIndex":
        """Index texts.

        Args:
            items: texts of any number of evaluations.
            rules: evaluation -> rules; the defaults where an evaluation has none.

        Raises:
            ValueError: rules with n, min_words, line_words or inside_words below 1, or a share outside (0, 1].
        """
        items = tuple(items)
        names = sorted({item.evaluation for item in items})
        settled = {name: _checked(name, (rules or {}).get(name, OverlapRules())) for name in names}
        words = split([item.text for item in items]).compact()
        lengths = np.diff(words.texts)
        own = [settled[item.evaluation] for item in items]
        n = np.array([rule.n for rule in own], np.int64)
        exact = np.array([rule.exact for rule in own], bool)
        ngram = np.array([rule.ngram for rule in own], bool)
        share = np.array([rule.min_share for rule in own], np.float64)
        floor = np.array([rule.min_words for rule in own], np.int64)
        enough = np.array([rule.enough_words for rule in own], np.int64)
        evaluation = codes_of(items, names)
        owners = owners_of(items, words)
        distinct = ~shared_texts(items, words)
        several = lengths >= np.maximum(n, floor)
        long = several & distinct & (exact | ngram)
        brief = ~several & (lengths > 0)
        telling, weight = telling_words(words, evaluation, brief)
        line_words = np.array([rule.line_words for rule in own], np.int64)
        inside_words = np.array([rule.inside_words for rule in own], np.int64)
        alone = brief & distinct & exact & (weight >= line_words) & (telling >= 1)
        inside = brief & distinct & ngram & (weight >= inside_words) & (telling >= DISTINCTIVE_INSIDE)
        too_short = ~several & (weight < np.minimum(line_words, inside_words))
        anchors, covered = np.zeros(len(items), np.int64), np.zeros(len(items), np.int64)
        tables = []
        for k in np.unique(n[long]).tolist():
            units = np.flatnonzero(long & (n == k))
            hashes, unit, place = grams_of(words, units, lengths[units] - k + 1, k)
            mine = own_grams(hashes, unit, evaluation, owners)
            covered += covered_words(unit[mine], place[mine], k, len(items))
            # An item is recognised whole by its first n-gram that is its own, or by its first one.
            unit_with, first = np.unique(unit[mine], return_index=True)
            anchors[unit_with] = place[mine][first]
            kept = mine | (place == anchors[unit])
            tables.append(GramTable.of(k, hashes[kept], unit[kept], place[kept]))
        short = alone | inside
        openings = []
        for k in np.unique(np.minimum(lengths[short], OPENING)).tolist():
            units = np.flatnonzero(short & (np.minimum(lengths, OPENING) == k))
            openings.append(GramTable.of(k, *grams_of(words, units, np.ones(len(units), np.int64), k)))
        return cls(
            items,
            settled,
            _summary(items, long, short, ~(long | short | too_short), too_short),
            words,
            lengths,
            covered,
            anchors,
            alone,
            inside,
            exact,
            ngram & (covered > 0),
            # The small allowance keeps 0.7 of 30 words at 21, which 0.7 * 30 in binary fractions is not.
            np.clip(np.ceil(share * covered - 1e-9).astype(np.int64), floor, np.maximum(enough, floor)),
            tuple(tables),
            tuple(openings),
        )

    @property
    def bytes(self) -> int:
        """Memory of the tables and of the normalised items."""
        words = self._words
        arrays = (words.data, words.starts, words.ends, words.hashes, words.opens)
        return sum(table.bytes for table in (*self._long, *self._short)) + sum(array.nbytes for array in arrays)


def row_texts(messages: pl.Series) -> pl.Series:
    """Return the text of each conversation, as :func:`find_overlaps` wants it: all its messages, joined by blank lines.

    Args:
        messages: (m,) lists of structs with a field ``content``.
    """
    return messages.list.eval(pl.element().struct.field("content")).list.join("\n\n")


def find_overlaps(
    row_ids: Sequence[str] | pl.Series,
    texts: Sequence[str | None] | pl.Series,
    index: EvaluationIndex,
    *,
    block_chars: int = BLOCK_CHARS,
) -> pl.DataFrame:
    """Find the items of the index in rows.

    A hit names the strongest tier of one row and one item. ``overlap`` is the share of the item's words that lie in an
    n-gram which the row has too, as OverlapRules counts them; 1 for the tier exact and for short items. ``evidence`` is
    the longest run of words that both have, normalised and cut to EVIDENCE_CHARS; where the item comes back later in a
    row, the run is the first that was found.

    Memory: the index, 16 bytes per word of the items, and at most 16 bytes for each byte of a block's text. The
    longest text sets the smallest block.

    Args:
        row_ids: (m,) ids.
        texts: (m,) one text for each row (:func:`row_texts`); None reads as empty.
        index: items to look for.
        block_chars: characters of rows per block; results do not depend on it.

    Returns:
        Columns of CONTAMINATION_SCHEMA, sorted by row_id, evaluation and item.

    Raises:
        ValueError: as many ids as texts are needed.
    """
    if len(row_ids) != len(texts):
        raise ValueError(f"{len(row_ids)} row ids for {len(texts)} texts; each row needs one of both")
    found: list[tuple[int, int, int, int, str]] = []
    block: list[str | None] = []
    size = 0
    for i, text in enumerate(texts):
        block.append(text)
        size += len(text) if text else 0
        if size >= block_chars or i + 1 == len(texts):
            found += _scan(split(block), i + 1 - len(block), index)
            block, size = [], 0
    return _table(row_ids, found, index)


def _scan(words: Words, offset: int, index: EvaluationIndex) -> list[tuple[int, int, int, int, str]]:
    """(row, text of the index, tier, shared words, evidence) of one block."""
    from datasel_assets.corpus.contamination.kernels import scan_long, scan_short

    rows = (words.data, words.starts, words.ends, words.hashes, words.texts)
    own = index._words
    units = (own.data, own.starts, own.ends, own.texts)
    found: list[tuple[int, int, int, int, str]] = []

    def keep(lines: np.ndarray) -> None:
        for row, unit, tier, count, first, length in lines.tolist():
            found.append((row + offset, unit, tier, count, words.run(first, length)[:EVIDENCE_CHARS]))

    for table in index._long:
        lines, n = scan_long(
            *(rows, units, table.n, table.keys, table.slots, table.bits, table.first, table.unit, table.place),
            *(index._lengths, index._anchors, index._exact, index._ngram, index._least, np.empty((64, 6), np.int64)),
        )
        keep(lines[:n])
    for table in index._short:
        lines, n = scan_short(
            *(rows, words.opens, units, table.n, table.keys, table.slots, table.bits, table.first, table.unit),
            *(index._lengths, index._alone, index._inside, np.empty((64, 6), np.int64)),
        )
        keep(lines[:n])
    return found


def _table(
    row_ids: Sequence[str] | pl.Series, found: list[tuple[int, int, int, int, str]], index: EvaluationIndex
) -> pl.DataFrame:
    """Name rows and items, and keep the best text of each item."""
    if not found:
        return pl.DataFrame(schema=CONTAMINATION_SCHEMA)
    rows, units, tiers, counts, evidence = zip(*found, strict=True)
    items = [index.items[unit] for unit in units]
    covered = index._covered.tolist()
    return (
        pl.DataFrame(
            {
                "row_id": [str(row_ids[row]) for row in rows],
                "evaluation": [item.evaluation for item in items],
                "item": [item.item for item in items],
                "tier": [TIERS[tier] for tier in tiers],
                "overlap": [
                    1.0 if tier == 0 or not covered[unit] else count / covered[unit]
                    for unit, tier, count in zip(units, tiers, counts, strict=True)
                ],
                "evidence": evidence,
                "rank": tiers,
                "unit": units,
            }
        )
        .sort("row_id", "evaluation", "item", "rank", -pl.col("overlap"), "unit", "evidence")
        .unique(["row_id", "evaluation", "item"], keep="first", maintain_order=True)
        .select(pl.col(name).cast(kind) for name, kind in CONTAMINATION_SCHEMA.items())
    )


def _checked(name: str, rules: OverlapRules) -> OverlapRules:
    if min(rules.n, rules.min_words, rules.line_words, rules.inside_words) < 1 or not 0 < rules.min_share <= 1:
        raise ValueError(
            f"evaluation {name}: n, line_words, inside_words and min_words must be 1 or more, "
            f"min_share in (0, 1]: {rules}"
        )
    return rules


def _summary(
    items: Sequence[EvaluationItem],
    long: np.ndarray,
    short: np.ndarray,
    generic: np.ndarray,
    too_short: np.ndarray,
) -> pl.DataFrame:
    counted = pl.DataFrame(
        {
            "evaluation": pl.Series([item.evaluation for item in items], dtype=pl.String),
            "item": pl.Series([item.item for item in items], dtype=pl.String),
            "long": long,
            "short": short,
            "generic": generic,
            "too_short": too_short,
        }
    )
    return (
        counted.group_by("evaluation")
        .agg(
            pl.col("item").n_unique().alias("items"),
            pl.len().alias("texts"),
            pl.col("long", "short", "generic", "too_short").sum(),
        )
        .sort("evaluation")
    )
