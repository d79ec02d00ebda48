"""The search for near duplicates over the pool as it lies in the lake, and what is kept of it for the next one.

Belongs here: rows, signatures and texts of the pool handed to ``corpus.near_duplicates``. Does not: the search itself,
the tables made of it (``near_duplicates``, ``near_pairs``).
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain

import numpy as np
import polars as pl

from datasel_assets.corpus import near_duplicates as near
from datasel_assets.recipes.scores import numbers, oriented
from datasel_assets.specs.duplicates import NearSpec
from datasel_assets.storage.fingerprint import digest, digest_of_json
from datasel_assets.storage.gather import gather
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.minhash import TEXT, pool_signatures
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.warehouse import Warehouse

STATE = "_near_duplicates"
HASHED_ROWS = 1 << 16


def search_fingerprint(version: str, spec: NearSpec, keep_signs: Mapping[str, str]) -> str:
    """Return a hash of everything in the file that decides what a search finds."""
    described = spec.model_dump(exclude={"adjudicate"} if spec.score else {"adjudicate", "score"})
    scores = [spec.score] if spec.score else []
    return digest([version, {**described, "threshold": spec.least}, *(keep_signs[score] for score in scores)])


def search(
    warehouse: Warehouse,
    spec: NearSpec,
    keep_signs: Mapping[str, str],
    fingerprint: str,
    decide: Callable[[pl.Series, pl.Series, np.ndarray], np.ndarray] | None = None,
) -> tuple[pl.DataFrame, near.NearDuplicates]:
    """Return the rows of the pool, and what is found among them; what was compared is kept for the next search.

    Args:
        warehouse: the opened data folder.
        spec: what is looked for; pairs from ``least`` up are.
        keep_signs: score -> which end of it is the better one.
        fingerprint: of :func:`search_fingerprint`.
        decide: see :func:`corpus.near_duplicates.find_near_duplicates`.
    """
    rows = _rows(warehouse)
    ranked = _with_score(warehouse, rows, spec.score, keep_signs[spec.score]) if spec.score else rows
    found = near.find_near_duplicates(
        rows["row_id"],
        near.rank_rows(ranked, spec.keep),
        pool_signatures(warehouse, spec.shingles),
        partial(_texts, warehouse),
        spec.shingles,
        spec.least,
        _known(warehouse, fingerprint, spec),
        decide,
    )
    _remember(warehouse, fingerprint, found.verified)
    return rows, found


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
    return near.Verified(pairs, digests["digest"].to_numpy(), unlisted, spec.shingles, spec.least)


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
