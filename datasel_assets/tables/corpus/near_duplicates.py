"""Assets of rows that are almost the same: MinHash signatures per source, near and semantic duplicates of the pool."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import polars as pl
import pyarrow as pa

from datasel_assets.corpus import near_duplicates as near
from datasel_assets.corpus.minhash import Signatures, signatures
from datasel_assets.corpus.semantic_duplicates import deita_filter, semdedup
from datasel_assets.recipes.scores import numbers, oriented
from datasel_assets.specs.duplicates import DuplicatesSpec, NearSpec, SemanticSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.increment import update_table
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables import versions
from datasel_assets.tables.pool import read_pool, read_vectors
from datasel_assets.tables.scores.scores import score_deps, score_inputs
from datasel_assets.tables.shown import sample_table, table_link
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.clusters import centroid_distances
from datasel_assets.tables.warehouse import Warehouse

SHARD_ROWS = 65_536
STATE = "_near_duplicates"
SHOWN = 8


def duplicate_assets(
    spec: DuplicatesSpec, clustered: str | None, keep_signs: Mapping[str, str] = MappingProxyType({})
) -> list[Table]:
    """Return the assets of near duplicates, and of semantic ones where a representation is clustered."""
    assets = [_signatures(spec.near), _near(spec.near, keep_signs)]
    return [*assets, _semantic(spec.semantic, clustered)] if clustered else assets


def _signatures(spec: NearSpec) -> Table:
    fingerprint = digest([versions.NEAR_DUPLICATES, spec.shingles.model_dump()])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        info = warehouse.lake.info(("corpus", str(source)))
        return Expected(("minhash", str(source)), fingerprint, {"rows": info.meta["ids"] if info else "missing"})

    def build(step: Step) -> Built:
        lake = step.warehouse.lake
        corpus = _texts(step.warehouse, [str(step.source)])
        place = dict(zip(corpus["row_id"], range(corpus.height), strict=True))
        width = spec.shingles.slots
        schema = pa.schema(
            [
                ("row_id", pa.string()),
                ("signature", pa.list_(pa.uint32(), width)),
                ("n_shingles", pa.int32()),
                ("shingle_digest", pa.uint64()),
            ]
        )

        def compute(ids: list[str]) -> pa.Table:
            texts = corpus["text"].gather([place[row] for row in ids])
            made = signatures(texts, spec.shingles).to_frame(pl.Series(ids, dtype=pl.String))
            return made.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)

        update = update_table(
            lake,
            step.expected,
            corpus["row_id"].to_list(),
            compute,
            schema=schema,
            shard_rows=SHARD_ROWS,
            on_shard=step.progress,
        )
        return Built.of(
            update,
            {"unit": spec.shingles.unit, "n": spec.shingles.n, "slots": width, "corpus": table_link("corpus")},
            {"covers_corpus": Check(update.info.rows == corpus.height, {"rows": corpus.height})},
        )

    return Table(
        key=("minhash",),
        description=(
            f"MinHash signatures of whole conversations over {spec.shingles.n} {spec.shingles.unit}s, 4 bytes a slot. "
            "Those of old rows are never computed again."
        ),
        group="duplicates",
        reads=[("corpus",)],
        expect=expect,
        build=build,
        checks={"covers_corpus": "one signature for every conversation"},
        per="source",
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def _near(spec: NearSpec, keep_signs: Mapping[str, str]) -> Table:
    scores = [spec.score] if spec.score else []
    described = spec.model_dump() if spec.score else spec.model_dump(exclude={"score"})
    fingerprint = digest([versions.NEAR_DUPLICATES, described, *(keep_signs[score] for score in scores)])
    stays = f"that of the best {spec.score}" if spec.score else f"the {spec.keep}"

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("minhash") | warehouse.versions("corpus") | score_inputs(warehouse, scores)
        return Expected(("near_duplicates",), fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        sources = warehouse.active_sources()
        rows = _texts(warehouse, sources)
        stored = pl.concat(warehouse.lake.scan(("minhash", source)) for source in sources).collect()
        aligned = rows.select("row_id").join(stored, on="row_id", how="left", maintain_order="left")
        if spec.score:
            rows = _with_score(warehouse, rows, spec.score, keep_signs[spec.score])
        ranks = near.rank_rows(rows, spec.keep)
        found = near.find_near_duplicates(
            rows["row_id"],
            ranks,
            Signatures.from_frame(aligned),
            rows["text"],
            spec.shingles,
            spec.threshold,
            _known(warehouse, fingerprint, spec),
        )
        table = _with_kind(found.table, rows)
        _remember(warehouse, fingerprint, found.verified)
        info = warehouse.lake.write(step.expected, table)
        kinds = dict(table.group_by("kind").len().iter_rows())
        return Built(
            info,
            table.height,
            metadata={
                "pool_rows": rows.height,
                "near_copies": kinds.get("near", 0),
                "exact_copies": kinds.get("exact", 0),
                "share_of_pool": round(table.height / max(rows.height, 1), 5),
                "pairs_compared": found.compared,
                "chance_to_be_compared_at_threshold": round(spec.shingles.chance(spec.threshold), 5),
                "pairs": _pairs(table.filter(pl.col("kind") == "near"), rows),
            },
            checks=_stay_checks(
                table, {"threshold": spec.threshold}, float(table["similarity"].min() or 1.0), spec.threshold
            ),
        )

    return Table(
        key=("near_duplicates",),
        description=(
            f"Rows that share at least {spec.threshold:.0%} of their shingles with a row that stays ({stays}), "
            "across all sources. Candidates come from MinHash bands, every pair is verified by its exact Jaccard "
            "similarity; after an increment only pairs with a new row are."
        ),
        group="duplicates",
        reads=[("corpus",), ("minhash",), *([("duplicates",)] if scores else []), *score_deps(scores)],
        expect=expect,
        build=build,
        checks=STAY_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def _semantic(spec: SemanticSpec, clustered: str) -> Table:
    fingerprint = digest([versions.NEAR_DUPLICATES, spec.model_dump(), clustered])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions("representations", clustered) | warehouse.versions("clusters", clustered)
        return Expected(("semantic_duplicates",), fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        rows = _texts(warehouse, warehouse.active_sources()).sort("row_id")
        pool = read_pool(warehouse, clusters=clustered)
        found = read_vectors(warehouse, clustered, pool)
        if spec.rule == "semdedup":
            distance = centroid_distances(warehouse, clustered, pool)
            labels = pool["cluster"].fill_null(-1).to_numpy()
            made = semdedup(found.vectors, labels, distance, spec.threshold, pool["row_id"].to_numpy().astype(np.str_))
        else:
            by_length = pool.select(pl.arg_sort_by(-pl.col("response_chars").cast(pl.Int64), "row_id")).to_series()
            made = deita_filter(found.vectors, by_length.to_numpy(), spec.threshold)
        table = made.table(pool["row_id"])
        info = warehouse.lake.write(step.expected, table)
        return Built(
            info,
            table.height,
            metadata={
                "rule": spec.rule,
                "pool_rows": pool.height,
                "duplicates": table.height,
                "share_of_pool": round(table.height / max(pool.height, 1), 5),
                "clusters": table_link("clusters", clustered),
                "pairs": _pairs(table, rows),
            },
            checks=_stay_checks(table, {"threshold": spec.threshold}, 1.0, spec.threshold),
        )

    rule = (
        "to an earlier row of its cluster, farthest from the centroid first (SemDeDup)"
        if spec.rule == "semdedup"
        else "to a row that was kept, longest response first (DEITA)"
    )
    return Table(
        key=("semantic_duplicates",),
        description=f"Rows whose `{clustered}` vector has a cosine above {spec.threshold} {rule}.",
        group="duplicates",
        reads=[("corpus",), ("duplicates",), ("representations", clustered), ("clusters", clustered)],
        expect=expect,
        build=build,
        checks=STAY_CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


STAY_CHECKS = {
    "representatives_stay": "no row that stands for others is itself listed as a duplicate",
    "similar_enough": "every listed pair reaches the threshold",
}


def _stay_checks(table: pl.DataFrame, details: dict, least: float, threshold: float) -> dict[str, Check]:
    stays = not table["duplicate_of"].is_in(table["row_id"].implode()).any()
    return {
        "representatives_stay": Check(stays, {"duplicates": table.height}),
        "similar_enough": Check(least >= threshold - 1e-6, {**details, "least": least}),
    }


def _texts(warehouse: Warehouse, sources: list[str]) -> pl.DataFrame:
    """Return row_id, source, position, n_chars, content_hash and the whole text of each conversation."""
    frames = [
        warehouse.lake.scan(("corpus", source)).select(
            "row_id",
            "source",
            "position",
            "n_chars",
            "content_hash",
            text=pl.concat_str("prompt", "response", separator="\n"),
        )
        for source in sources
    ]
    return pl.concat(frames).collect()


def _with_score(warehouse: Warehouse, rows: pl.DataFrame, score: str, keep: str) -> pl.DataFrame:
    """Add the column ``score``, the greater the better."""
    pool = read_pool(warehouse, scores=[score])
    best = pool.select("row_id").with_columns(score=pl.Series(oriented(numbers(pool, score), keep)))
    return rows.join(best, on="row_id", how="left", maintain_order="left")


def _with_kind(table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Call a pair exact where both rows hold the same conversation."""
    contents = rows.select("row_id", "content_hash")
    both = table.join(contents, on="row_id", how="left", maintain_order="left").join(
        contents.rename({"row_id": "duplicate_of", "content_hash": "other"}),
        on="duplicate_of",
        how="left",
        maintain_order="left",
    )
    same = pl.col("content_hash") == pl.col("other")
    return both.with_columns(kind=pl.when(same).then(pl.lit("exact")).otherwise("kind")).select(table.columns)


def _pairs(table: pl.DataFrame, rows: pl.DataFrame) -> object:
    """Show the most and the least similar pairs, texts side by side."""
    ordered = table.sort("similarity", "row_id", descending=[True, False])
    shown = pl.concat([ordered.head(SHOWN // 2), ordered.tail(max(0, min(SHOWN // 2, ordered.height - SHOWN // 2)))])
    texts = rows.select("row_id", "text")
    joined = shown.join(texts, on="row_id", how="left", maintain_order="left").join(
        texts.rename({"row_id": "duplicate_of", "text": "stays"}), on="duplicate_of", how="left", maintain_order="left"
    )
    return sample_table(joined, {"similarity": "similarity", "text": "dropped", "stays": "stays"}, rows=SHOWN)


def _keys() -> tuple[Key, Key, Key]:
    return (STATE, "pairs"), (STATE, "unlisted"), (STATE, "digests")


def _known(warehouse: Warehouse, fingerprint: str, spec: NearSpec) -> near.Verified | None:
    """Return what the last search compared, unless it was another kind of search or has been lost."""
    infos = [warehouse.lake.info(key) for key in _keys()]
    if any(info is None or info.fingerprint != fingerprint for info in infos):
        return None
    if len({info.inputs["search"] for info in infos if info}) != 1:  # a killed step left parts of two searches
        return None
    pairs, unlisted, digests = (warehouse.lake.scan(key).collect() for key in _keys())
    return near.Verified(pairs, digests["digest"].to_numpy(), unlisted, spec.shingles, spec.threshold)


def _remember(warehouse: Warehouse, fingerprint: str, found: near.Verified) -> None:
    search = {"search": digest([found.pairs.height, found.digests.tolist()])}
    digests = pl.DataFrame({"digest": found.digests}, schema={"digest": pl.UInt64})
    for key, frame in zip(_keys(), (found.pairs, found.unlisted, digests), strict=True):
        warehouse.lake.write(Expected(key, fingerprint, search), frame)
