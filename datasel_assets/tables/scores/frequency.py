"""Assets of word frequencies: counts of the pool, frozen until it has drifted, and the scores that are made of them.

Belongs here: when words are counted anew, and which counts a row is scored by. Does not: the counts and the scores
themselves (``indicators.text.frequency``), the measure of drift (``arrays.drift``).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.arrays.drift import drift
from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.indicators import FAMILIES
from datasel_assets.indicators.base import Part
from datasel_assets.indicators.text import ROLE_OF
from datasel_assets.indicators.text import frequency as maths
from datasel_assets.storage.columns import columns_fingerprint, update_columns
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.scores.scores import (
    SCORE_CHECKS,
    TEXT_SHARD_ROWS,
    column_texts,
    column_versions,
    score_checks,
    score_facts,
    turn_facts,
    turn_lines,
    turn_table,
    turns_there,
    with_turns,
    within_bounds,
)
from datasel_assets.tables.shown import sample_table, table_link
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.warehouse import Warehouse

COUNTS = ("word_counts",)
DRIFT = 0.02
"""Divergence, in bits, from which on words are counted anew: a pool of 52,000 Alpaca rows reaches it when a quarter of
its words have become those of grade-school maths."""
SAMPLE = 4000
"""Rows of a changed source that drift is measured on; a sample of so many Alpaca rows is 0.003 bits from all."""
SHOWN = 12

FAMILY = FAMILIES["frequency"]


def frequency_assets() -> list[Table]:
    """Return the asset of the counts and that of the scores."""
    return [_word_counts(), _scores()]


@dataclass
class _Counts:
    """Counts of the pool and of each source, and which rows they were taken over.

    About 100 bytes for each distinct word of each source. A retired source leaves ``whole`` with the next count.

    Attributes:
        sources: source -> its counts, as ``count_conversations``.
        counted: source -> digest of the rows that these are of.
        whole: counts of the pool, the sum over all sources at one time.
        pool: source -> digest of the rows that ``whole`` is of.
        drifts: source -> how far it has moved from its counts, in bits; "" for the pool. Only what was measured.
        rows: rows that were counted in full.
    """

    sources: dict[str, pl.DataFrame] = field(default_factory=dict)
    counted: dict[str, str] = field(default_factory=dict)
    whole: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=maths.COUNTED))
    pool: dict[str, str] = field(default_factory=dict)
    drifts: dict[str, float] = field(default_factory=dict)
    rows: int = 0

    def table(self) -> pl.DataFrame:
        """Return all counts; those of the pool have no source."""
        columns = ["source", *maths.COUNTED]
        pieces = [self.whole.select(pl.lit(None, pl.String).alias("source"), *maths.COUNTED)]
        pieces += [
            part.select(pl.lit(name).alias("source"), *maths.COUNTED) for name, part in sorted(self.sources.items())
        ]
        return pl.concat(pieces).select(columns)


def _word_counts() -> Table:
    fingerprint = digest([versions.WORD_COUNTS, maths.VOCABULARY, maths.MIDDLE])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        return Expected(COUNTS, fingerprint, {f"corpus/{name}": ids for name, ids in _rows_now(warehouse).items()})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        found = _stored(warehouse, fingerprint)
        first = not found.pool
        _bring_up_to_date(found, warehouse)
        words = maths.words_of(found.whole)
        bands: dict[str, Any] = {
            **{f"{part}_length": band for part, band in maths.length_bands(found.whole).items()},
            "frequency": maths.frequency_band(words),
        }
        labels = {name: maths.frequency_band(maths.words_of(part)) for name, part in sorted(found.sources.items())}
        meta = {"counted": found.counted, "pool": found.pool, "bands": bands, "label_bands": labels}
        version = digest([fingerprint, found.counted, found.pool])
        info = warehouse.lake.write(step.expected, found.table(), data_version=version, meta=meta)
        total = _height(warehouse, found.counted)
        moved = found.drifts.get("")
        return Built(
            info,
            found.rows,
            total - found.rows,
            metadata={
                "counted": "first count" if first else "sources that are new or have drifted" if found.rows else "no",
                "drift_bits": moved if moved is not None else 0.0,
                "counted_anew_at": DRIFT,
                "drift_by_source": {name: round(bits, 5) for name, bits in found.drifts.items() if name},
                "words": words.total,
                "distinct_words": words.table.height,
                "distinct_words_kept_at_most": maths.VOCABULARY,
                **{
                    f"band: {name} (middle {maths.MIDDLE:.0%})": f"{low:g} to {high:g}"
                    for name, (low, high) in bands.items()
                },
                "most_frequent": sample_table(words.table.head(SHOWN), ["ngram", "count"], rows=SHOWN),
                "corpus": table_link("corpus"),
            },
            rows_total=total,
        )

    return Table(
        key=COUNTS,
        description=(
            "How often each word stands in the turns of the pool (no source) and of each source, and how many rows "
            f"have how many words; the {maths.VOCABULARY:,} most frequent words. Frozen, so that scores of old rows "
            f"stay: counted anew when the words have moved by {DRIFT:g} bits (Jensen-Shannon, over the "
            f"{maths.COMMON:,} most frequent words and all others together), a source by itself likewise. The bands of "
            f"the DQI scores are the middle {maths.MIDDLE:.0%} of these counts."
        ),
        group="scores",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
        columns={
            "source": "Source whose turns were counted; empty for the pool as it was at the last count.",
            "unit": "word: value is a word; prompt_length, response_length: value is a number of words of that side.",
            "value": "Word in lower case, or number of words.",
            "count": "Occurrences of the word, or rows of that length.",
        },
        lineage={column: [(("corpus",), "messages")] for column in ("value", "count")},
    )


def _scores() -> Table:
    def wanted(warehouse: Warehouse, source: str | None) -> dict[str, str]:
        info = warehouse.lake.info(COUNTS)
        meta = info.meta if info else {"counted": {}, "pool": {}, "bands": {}, "label_bands": {}}
        lengths = [meta["bands"].get(f"{part}_length") for part in ROLE_OF]
        # Each column anew only with what it is made from: a new source leaves those of the pool as they are.
        uses = {
            "unigram_logprob": meta["pool"],
            "dqi_c1": lengths,
            "dqi_c2": meta["pool"],
            "dqi_c6": meta["counted"].get(str(source)),
        }
        made_by = info.fingerprint if info else "missing"
        found: dict[str, str] = {}
        for name, what in uses.items():
            found |= column_versions({name: FAMILY[name]}, made_by, what)
        return found

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        rows = info.meta["ids"] if info else "missing"
        key = ("scores", "frequency", str(source))
        inputs = {"rows": rows, "turns": turns_there(warehouse, key)}
        return Expected(key, columns_fingerprint(wanted(warehouse, source)), inputs)

    def build(step: Step) -> Built:
        from datasel_assets.indicators.text import score_conversations

        lake, source = step.warehouse.lake, str(step.source)
        corpus = lake.scan(("corpus", source)).select("row_id", "messages").collect()
        place = dict(zip(corpus["row_id"], range(corpus.height), strict=True))
        inputs = _inputs(step.warehouse, source)

        def compute(ids: list[str], columns: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
            messages = corpus["messages"].gather([place[row] for row in ids]).to_list()
            found, turns = {}, []
            for part in ROLE_OF:
                mine = [column for column in columns if column.startswith(f"{part}_")]
                columns_of, turns_of = score_conversations(messages, mine, labels=[source] * len(ids), **inputs[part])
                found |= columns_of
                turns.append(turns_of)
            rows = within_bounds(pl.DataFrame({"row_id": ids, **found}), FAMILY)
            return rows, turn_lines(ids, pl.concat(turns))

        update = update_columns(
            lake,
            with_turns(step.expected),
            corpus["row_id"].to_list(),
            wanted(step.warehouse, source),
            compute,
            lines=turn_table(step.expected.key, FAMILY),
            shard_rows=TEXT_SHARD_ROWS,
            on_shard=step.progress,
        )
        facts = {**score_facts(step, FAMILY), **turn_facts(step), "counts": table_link(*COUNTS)}
        return Built.of(update, facts, score_checks(step, corpus.height, FAMILY))

    origins = [(("corpus",), "messages"), (COUNTS, "count")]
    return Table(
        key=("scores", "frequency"),
        description=(
            "How common the words of a row are in the pool and in its source, and whether its length is a usual one. "
            "New rows are scored by the counts that stand; all rows again when `word_counts` has counted anew. Sides "
            "with several turns have the values of each turn in the table `turn_scores/frequency`."
        ),
        group="scores",
        reads=[("corpus",), COUNTS],
        expect=expect,
        build=build,
        checks=SCORE_CHECKS,
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=digest(column_versions(FAMILY)),
        columns=column_texts(FAMILY),
        lineage={column: origins for indicator in FAMILY.values() for column in indicator.columns},
    )


def _inputs(warehouse: Warehouse, source: str) -> dict[Part, dict[str, Any]]:
    """Return what the indicators of each side need beside the texts; a source that was not counted has no label."""
    meta = warehouse.lake.require(COUNTS).meta
    pool = maths.words_of(_part(warehouse, None))
    known = source in meta["counted"]
    both = {
        "counts": pool,
        "frequency_band": tuple(meta["bands"]["frequency"]),
        "label_counts": {source: maths.words_of(_part(warehouse, source))} if known else {},
        "label_bands": {source: tuple(meta["label_bands"][source])} if known else {},
    }
    return {part: {**both, "length_band": tuple(meta["bands"][f"{part}_length"])} for part in ROLE_OF}


def _bring_up_to_date(found: _Counts, warehouse: Warehouse) -> None:
    """Count sources that are new or have drifted, and the pool when it has."""
    now = _rows_now(warehouse)
    for gone in set(found.sources) - set(now):
        del found.sources[gone], found.counted[gone]

    def count(source: str) -> None:
        found.sources[source], _ = _count(warehouse, source)
        found.counted[source] = now[source]
        found.rows += _height(warehouse, [source])

    common = maths.words_of(found.whole).common
    today = np.zeros(len(common) + 1)
    for source, ids in now.items():
        if source not in found.counted:
            count(source)
        estimate, share = found.sources[source], 1.0
        if found.counted[source] != ids:
            estimate, share = _count(warehouse, source, SAMPLE)
            found.drifts[source] = _moved(found.sources[source], estimate)
            if found.drifts[source] > DRIFT:
                count(source)
        today += maths.words_of(estimate).on(common) / share
    if found.pool and found.pool != now:
        found.drifts[""] = _bits(maths.words_of(found.whole).on(common), today)
    if not found.pool or found.drifts.get("", 0.0) > DRIFT:
        for source, ids in now.items():
            if found.counted[source] != ids:
                count(source)
        found.whole = maths.sum_counts(found.sources.values())
        found.pool = dict(now)


def _moved(before: pl.DataFrame, today: pl.DataFrame) -> float:
    """Return how far a source has drifted from its counts, in bits."""
    words = maths.words_of(before)
    return _bits(words.on(words.common), maths.words_of(today).on(words.common))


def _bits(before: np.ndarray, today: np.ndarray) -> float:
    """Return the drift; 0 between texts without words, 1 where only one side has any."""
    if not (before.sum() and today.sum()):
        return float(before.sum() != today.sum())
    return drift(before, today)


def _count(warehouse: Warehouse, source: str, sample: int | None = None) -> tuple[pl.DataFrame, float]:
    """Return the counts of a source, or of so many of its rows, and the share of its rows that they are of."""
    rows = _height(warehouse, [source])
    if sample is None or sample >= rows:
        return maths.sum_counts(_blocks(warehouse, source)), 1.0
    ids = warehouse.lake.scan(("corpus", source)).select("row_id").collect()["row_id"]
    picked = ids.gather(hash_sample(ids.to_list(), sample, 0))
    return maths.sum_counts(_blocks(warehouse, source, picked)), sample / rows


def _blocks(warehouse: Warehouse, source: str, ids: pl.Series | None = None) -> Iterator[pl.DataFrame]:
    """Yield the counts of some thousand rows at a time, so that memory holds the texts of these only."""
    for batch in warehouse.lake.read_batches(("corpus", source), ["row_id", "messages"], rows=TEXT_SHARD_ROWS):
        block = pl.DataFrame(batch)
        if ids is not None:
            block = block.filter(pl.col("row_id").is_in(ids.implode()))
        yield maths.count_conversations({part: _texts(block["messages"], role) for part, role in ROLE_OF.items()})


def _texts(messages: pl.Series, role: str) -> pl.Series:
    """Return the turns of one role of each conversation, joined by line breaks as ``score_conversations`` does."""
    turn = pl.element().struct
    mine = pl.element().filter(turn.field("role") == role).struct.field("content")
    return messages.to_frame("messages").select(pl.col("messages").list.eval(mine).list.join("\n")).to_series()


def _stored(warehouse: Warehouse, fingerprint: str) -> _Counts:
    """Return the counts that stand, or none where they were made otherwise."""
    info = warehouse.lake.info(COUNTS)
    if info is None or info.fingerprint != fingerprint:
        return _Counts()
    counted: Mapping[str, str] = info.meta["counted"]
    sources = {name: _part(warehouse, name) for name in counted}
    return _Counts(sources, dict(counted), _part(warehouse, None), dict(info.meta["pool"]))


def _part(warehouse: Warehouse, source: str | None) -> pl.DataFrame:
    """Return the stored counts of a source, or of the pool."""
    mine = pl.col("source").is_null() if source is None else pl.col("source") == source
    return warehouse.lake.scan(COUNTS).filter(mine).select(*maths.COUNTED).collect()


def _rows_now(warehouse: Warehouse) -> dict[str, str]:
    """Return the digest of the rows of each source of the pool."""
    infos = {source: warehouse.lake.info(("corpus", source)) for source in warehouse.active_sources()}
    return {source: info.meta["ids"] for source, info in infos.items() if info}


def _height(warehouse: Warehouse, sources: Iterable[str]) -> int:
    """Return how many rows these sources have."""
    return sum(warehouse.lake.require(("corpus", source)).rows for source in sources)
