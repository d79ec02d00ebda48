"""The words of the pool and of each source, counted, and frozen until they have drifted.

Belongs here: the table, and reading what it holds. Does not belong here: when words are counted anew
(``indicators.text.frozen_counts``), the counts and the scores made of them (``indicators.text.frequency``).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators.text import ROLE_OF
from datasel_assets.indicators.text import frequency as maths
from datasel_assets.indicators.text.frozen_counts import DRIFT, FrozenCounts, Refreshed, refreshed
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.shown import sample_table, table_link
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

WORD_COUNTS = Kind("word_counts")

SAMPLE = 4000
"""Rows of a changed source that drift is measured on; a sample of so many Alpaca rows is 0.003 bits from all."""
BLOCK_ROWS = 4096
"""Rows whose texts are held at once."""
SHOWN = 12

KEY = (WORD_COUNTS.name,)
FINGERPRINT = digest([WORD_COUNTS.version, maths.VOCABULARY, maths.MIDDLE])


def word_counts() -> Table:
    """Return the table of the counts."""
    return Table(
        kind=WORD_COUNTS,
        key=KEY,
        description=(
            "How often each word stands in the turns of the pool (no source) and of each source, and how many rows "
            f"have how many words; the {maths.VOCABULARY:,} most frequent words. Frozen, so that scores of old rows "
            f"stay: counted anew when the words have moved by {DRIFT:g} bits (Jensen-Shannon, over the "
            f"{maths.COMMON:,} most frequent words and all others together), a source by itself likewise. The bands of "
            f"the DQI scores are the middle {maths.MIDDLE:.0%} of these counts."
        ),
        group="scores",
        reads=[("corpus",)],
        expect=_expect,
        build=_build,
        kinds=frozenset({"parquet", "polars"}),
        version=FINGERPRINT,
        columns={
            "source": "Source whose turns were counted; empty for the pool as it was at the last count.",
            "unit": "word: value is a word; prompt_length, response_length: value is a number of words of that side.",
            "value": "Word in lower case, or number of words.",
            "count": "Occurrences of the word, or rows of that length.",
        },
        lineage={column: [(("corpus",), "messages")] for column in ("value", "count")},
    )


def counts_of(warehouse: Warehouse, source: str | None) -> pl.DataFrame:
    """Return the stored counts of a source, or of the pool."""
    mine = pl.col("source").is_null() if source is None else pl.col("source") == source
    return warehouse.lake.scan(KEY).filter(mine).select(*maths.COUNTED).collect()


def _expect(warehouse: Warehouse, source: str | None) -> Expected:
    return Expected(KEY, FINGERPRINT, {f"corpus/{name}": ids for name, ids in _rows_now(warehouse).items()})


def _build(step: Step) -> Built:
    warehouse = step.warehouse
    before = _stored(warehouse)
    made = refreshed(before, _rows_now(warehouse), partial(_count, warehouse), partial(_count_sample, warehouse), drift)
    found = made.counts
    meta = {
        "counted": dict(found.counted),
        "pool": dict(found.pool),
        "bands": found.bands(),
        "label_bands": found.source_bands(),
    }
    version = digest([FINGERPRINT, meta["counted"], meta["pool"]])
    info = warehouse.lake.write(step.expected, found.table(), data_version=version, meta=meta)
    rows, total = _height(warehouse, made.recounted), _height(warehouse, found.counted)
    return Built(info, rows, total - rows, metadata=_facts(made, first=not before.pool), rows_total=total)


def _facts(made: Refreshed, first: bool) -> dict[str, Any]:
    words = maths.words_of(made.counts.whole)
    again = "sources that are new or have drifted" if made.recounted else "no"
    return {
        "counted": "first count" if first else again,
        "drift_bits": made.drifts.get("", 0.0),
        "counted_anew_at": DRIFT,
        "drift_by_source": {name: round(bits, 5) for name, bits in made.drifts.items() if name},
        "words": words.total,
        "distinct_words": words.table.height,
        "distinct_words_kept_at_most": maths.VOCABULARY,
        **{
            f"band: {name} (middle {maths.MIDDLE:.0%})": f"{low:g} to {high:g}"
            for name, (low, high) in made.counts.bands().items()
        },
        "most_frequent": sample_table(words.table.head(SHOWN), ["ngram", "count"], rows=SHOWN),
        "corpus": table_link("corpus"),
    }


def _stored(warehouse: Warehouse) -> FrozenCounts:
    """Return the counts that stand, or none where they were made otherwise."""
    info = warehouse.lake.info(KEY)
    if info is None or info.fingerprint != FINGERPRINT:
        return FrozenCounts()
    counted: Mapping[str, str] = info.meta["counted"]
    sources = {name: counts_of(warehouse, name) for name in counted}
    return FrozenCounts(sources, counted, counts_of(warehouse, None), info.meta["pool"])


def _rows_now(warehouse: Warehouse) -> dict[str, str]:
    """Return the digest of the rows of each source of the pool."""
    infos = {source: warehouse.lake.info(("corpus", source)) for source in warehouse.active_sources()}
    return {source: info.meta["ids"] for source, info in infos.items() if info}


def _height(warehouse: Warehouse, sources: Iterable[str]) -> int:
    """Return how many rows these sources have."""
    return sum(warehouse.lake.require(("corpus", source)).rows for source in sources)


def _count(warehouse: Warehouse, source: str) -> pl.DataFrame:
    return maths.sum_counts(_blocks(warehouse, source))


def _count_sample(warehouse: Warehouse, source: str) -> tuple[pl.DataFrame, float]:
    """Return the counts of some rows of a source, and the share of its rows that they are."""
    rows = _height(warehouse, [source])
    if rows <= SAMPLE:
        return _count(warehouse, source), 1.0
    ids = warehouse.lake.scan(("corpus", source)).select("row_id").collect()["row_id"]
    picked = ids.gather(hash_sample(ids.to_list(), SAMPLE, 0))
    return maths.sum_counts(_blocks(warehouse, source, picked)), SAMPLE / rows


def _blocks(warehouse: Warehouse, source: str, ids: pl.Series | None = None) -> Iterator[pl.DataFrame]:
    """Yield the counts of some thousand rows at a time, so that memory holds the texts of these only."""
    for batch in warehouse.lake.read_batches(("corpus", source), ["row_id", "messages"], rows=BLOCK_ROWS):
        block = pl.DataFrame(batch)
        if ids is not None:
            block = block.filter(pl.col("row_id").is_in(ids.implode()))
        yield maths.count_conversations({part: _texts(block["messages"], role) for part, role in ROLE_OF.items()})


def _texts(messages: pl.Series, role: str) -> pl.Series:
    """Return the turns of one role of each conversation, joined by line breaks as ``score_conversations`` does."""
    turn = pl.element().struct
    mine = pl.element().filter(turn.field("role") == role).struct.field("content")
    return messages.to_frame("messages").select(pl.col("messages").list.eval(mine).list.join("\n")).to_series()
