"""The table of rows that are almost the same as a row that stays, across all sources; and which tables there are of it.

Belongs here: what the search is given, and what is kept of it for the next one. Does not belong here: the search
(``corpus.near_duplicates``), signatures (``minhash``).
"""

from collections.abc import Mapping
from functools import partial
from itertools import chain
from types import MappingProxyType

import numpy as np
import polars as pl

from datasel_assets.corpus import near_duplicates as near
from datasel_assets.recipes.scores import numbers, oriented
from datasel_assets.specs.duplicates import DuplicatesSpec, NearSpec
from datasel_assets.storage.fingerprint import digest, digest_of_json
from datasel_assets.storage.gather import gather
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.exact_duplicates import DUPLICATES
from datasel_assets.tables.duplicates.listed_pairs import CHECKS, shown_pairs, stay_checks
from datasel_assets.tables.duplicates.minhash import MINHASH, TEXT, minhash_table, pool_signatures
from datasel_assets.tables.duplicates.semantic_duplicates import semantic_duplicates_table
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

STATE = "_near_duplicates"
NEAR_DUPLICATES = Kind("near_duplicates", state=(STATE,))

HASHED_ROWS = 1 << 16


def duplicate_tables(
    spec: DuplicatesSpec, clustered: str | None, keep_signs: Mapping[str, str] = MappingProxyType({})
) -> list[Table]:
    """Return the tables of near duplicates, and of semantic ones where a representation is clustered."""
    tables = [minhash_table(spec.near), near_duplicates_table(spec.near, keep_signs)]
    return [*tables, semantic_duplicates_table(spec.semantic, clustered)] if clustered else tables


def near_duplicates_table(spec: NearSpec, keep_signs: Mapping[str, str]) -> Table:
    """Return the table of near duplicates; ``keep_signs``: score -> which end of it is the better one."""
    scores = [spec.score] if spec.score else []
    described = spec.model_dump() if spec.score else spec.model_dump(exclude={"score"})
    fingerprint = digest([NEAR_DUPLICATES.version, described, *(keep_signs[score] for score in scores)])
    stays = f"that of the best {spec.score}" if spec.score else f"the {spec.keep}"
    return Table(
        kind=NEAR_DUPLICATES,
        key=(NEAR_DUPLICATES.name,),
        description=(
            f"Rows that share at least {spec.threshold:.0%} of their shingles with a row that stays ({stays}), "
            "across all sources. Candidates come from MinHash bands, every pair is verified by its exact Jaccard "
            "similarity; after an increment only pairs with a new row are."
        ),
        group="duplicates",
        reads=[
            (CORPUS.name,),
            (MINHASH.name,),
            *([(DUPLICATES.name,)] if scores else []),
            *score_deps(scores),
        ],
        expect=partial(_expect, fingerprint, scores),
        build=partial(_build, spec, keep_signs),
        checks=CHECKS,
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def _expect(fingerprint: str, scores: list[str], warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions(MINHASH.name) | warehouse.versions(CORPUS.name) | score_inputs(warehouse, scores)
    return Expected((NEAR_DUPLICATES.name,), fingerprint, inputs)


def _build(spec: NearSpec, keep_signs: Mapping[str, str], step: Step) -> Built:
    warehouse, fingerprint = step.warehouse, step.expected.fingerprint
    rows = _rows(warehouse)
    ranked = _with_score(warehouse, rows, spec.score, keep_signs[spec.score]) if spec.score else rows
    found = near.find_near_duplicates(
        rows["row_id"],
        near.rank_rows(ranked, spec.keep),
        pool_signatures(warehouse, spec.shingles),
        partial(_texts, warehouse),
        spec.shingles,
        spec.threshold,
        _known(warehouse, fingerprint, spec),
    )
    table = near.with_exact_kind(found.table, _contents(warehouse, found.table))
    _remember(warehouse, fingerprint, found.verified)
    info = warehouse.lake.write(step.expected, table)
    kinds = dict(table.group_by("kind").len().iter_rows())
    least = float(table["similarity"].min() or 1.0)  # type: ignore[arg-type]  # of numbers
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
            "pairs": shown_pairs(warehouse, table.filter(pl.col("kind") == "near")),
        },
        checks=stay_checks(table, {"threshold": spec.threshold}, least, spec.threshold),
    )


def _rows(warehouse: Warehouse) -> pl.DataFrame:
    """Return what rows are ranked by: row_id, source, position, n_chars; sources by name, rows as they lie there."""
    columns = ["row_id", "source", "position", "n_chars"]
    sources = warehouse.active_sources()
    return pl.concat(warehouse.lake.scan((CORPUS.name, source)).select(columns) for source in sources).collect()


def _texts(warehouse: Warehouse, positions: np.ndarray) -> pl.Series:
    """Return the texts of some rows by their positions in :func:`_rows`."""
    corpora = [warehouse.lake.require((CORPUS.name, source)) for source in warehouse.active_sources()]
    files = [path for corpus in corpora for path in corpus.files]
    return gather(files, ["prompt", "response"], positions).select(text=TEXT).to_series()


def _contents(warehouse: Warehouse, table: pl.DataFrame) -> pl.DataFrame:
    """Return row_id and content_hash of the rows that a table of duplicates names."""
    named = pl.concat([table["row_id"], table["duplicate_of"]]).unique()
    return pl.concat(
        warehouse.lake.scan((CORPUS.name, source))
        .filter(pl.col("row_id").is_in(named.implode()))
        .select("row_id", "content_hash")
        for source in warehouse.active_sources()
    ).collect()


def _with_score(warehouse: Warehouse, rows: pl.DataFrame, score: str, keep: str) -> pl.DataFrame:
    """Add the column ``score``, the greater the better."""
    pool = read_pool(warehouse, scores=[score])
    best = pool.select("row_id").with_columns(score=pl.Series(oriented(numbers(pool, score), keep)))
    return rows.join(best, on="row_id", how="left", maintain_order="left")


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
    search = {"search": _name(found)}
    digests = pl.DataFrame({"digest": found.digests}, schema={"digest": pl.UInt64})
    for key, frame in zip(_keys(), (found.pairs, found.unlisted, digests), strict=True):
        warehouse.lake.write(Expected(key, fingerprint, search), frame)


def _name(found: near.Verified) -> str:
    """Return the digest of ``[number of pairs, [digests]]``, without a list of all digests."""
    blocks = (found.digests[start : start + HASHED_ROWS] for start in range(0, len(found.digests), HASHED_ROWS))
    listed = (("," if place else "") + ",".join(map(str, block.tolist())) for place, block in enumerate(blocks))
    return digest_of_json(chain([f"[{found.pairs.height},["], listed, ["]]"]))
