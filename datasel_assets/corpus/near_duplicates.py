"""Near duplicates: rows whose texts share most of their shingles, across sources, and what a new source changes.

Belongs here: candidate pairs from LSH buckets, their exact verification, who represents whom. Does not: signatures
(``minhash``), equal conversations (``duplicates``), meaning (``semantic_duplicates``), files.

Three steps, each a pure function of its input, whatever the order of the rows or the size of a block:

1. Rows with the same shingle set are one *node*. Nodes that agree in a band of their signatures share a bucket and are
   compared. In a bucket, a node is compared with the best ``BUCKET_LIMIT`` nodes only (best by the policy): a family of
   20,000 boilerplate rows costs 20,000 x 32 comparisons and not 200 million.
2. Compared pairs are verified by the exact Jaccard similarity of their shingle sets.
3. From the best node to the worst: a node becomes a duplicate of the most similar better node *that stays*, or stays.
   So a duplicate is always at least ``threshold`` similar to its own representative, representatives stay, and no two
   rows that stay are a verified pair. (Connected components alone would chain unlike rows together: the first and the
   last of A ~ B ~ C need not resemble each other. The component is reported as ``group``.)

Adding rows only adds pairs with a new node, and can only remove pairs between old ones (a full bucket). That is why an
update looks at nothing but the buckets of new nodes, verifies nothing but their pairs, and still equals the computation
from scratch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import polars as pl

from datasel_assets.corpus.minhash import Signatures, jaccard, shingles
from datasel_assets.specs.duplicates import Keep
from datasel_assets.specs.minhash import MinHashSpec

BUCKET_LIMIT = 32
"""A row is compared with this many rows of a bucket, the best ones."""

_VERIFY_PAIRS = 500_000

NEAR_DUPLICATES_SCHEMA = {
    "row_id": pl.String,
    "duplicate_of": pl.String,
    "kind": pl.String,
    "similarity": pl.Float32,
    "group": pl.String,
}

PAIRS_SCHEMA = {"better": pl.UInt64, "worse": pl.UInt64, "similarity": pl.Float64}
UNLISTED_SCHEMA = {"digest": pl.UInt64, "band": pl.UInt16}


@dataclass(frozen=True)
class Verified:
    """What a search has compared: all that the next search needs to compare new rows only.

    Attributes:
        pairs: columns better, worse (shingle digests), similarity: every pair that reached the threshold.
        digests: uint64, the shingle digest of each node, best first.
        unlisted: columns digest, band: nodes beyond ``BUCKET_LIMIT`` in their bucket.
        spec: how the rows were compared.
        threshold: smallest similarity of a pair.
    """

    pairs: pl.DataFrame
    digests: np.ndarray
    unlisted: pl.DataFrame
    spec: MinHashSpec
    threshold: float


@dataclass(frozen=True)
class NearDuplicates:
    """Result of a search.

    Attributes:
        table: ``NEAR_DUPLICATES_SCHEMA``, sorted by row_id; only rows that may be dropped. ``group`` is the best row of
            the connected component, so rows of one family carry one name although several of them may stay.
        verified: state for the next search.
        compared: pairs of shingle sets that were compared in this search.
    """

    table: pl.DataFrame
    verified: Verified
    compared: int


def rank_rows(rows: pl.DataFrame, keep: Keep, sources: Sequence[str] | None = None) -> np.ndarray:
    """Return the rank of each row under a policy, 0 for the row that stays first; ties go to the smaller row_id.

    Args:
        rows: row_id (unique), and source and position for ``oldest``, n_chars for ``longest``, score for ``best_score``
            (rows without a score, null or NaN, come last).
        keep: the policy.
        sources: for ``oldest``, the sources from old to new; by name if not given.

    Returns:
        int64 (n,), a permutation.

    Raises:
        ValueError: unknown policy, a column is missing, a row_id repeats, or a source is not among ``sources``.
    """
    needed = {"oldest": ["source", "position"], "longest": ["n_chars"], "best_score": ["score"]}
    if keep not in needed:
        raise ValueError(f"keep is {keep!r}: choose one of {', '.join(get_args(Keep))}")
    missing = [name for name in ["row_id", *needed[keep]] if name not in rows.columns]
    if missing:
        raise ValueError(f"keep: {keep} needs the columns {', '.join(missing)}, which the rows lack")
    if rows["row_id"].n_unique() != rows.height:
        raise ValueError("a row_id occurs more than once: near duplicates are looked for among distinct rows")
    if keep == "oldest":
        source = pl.col("source")
        if sources is not None:
            unknown = sorted(set(rows["source"].unique()) - set(sources))
            if unknown:
                raise ValueError(f"sources lacks {', '.join(unknown)}: name every source, from old to new")
            source = source.replace_strict(list(sources), range(len(sources)), return_dtype=pl.Int64)
        keys = [source, pl.col("position")]
    elif keep == "longest":
        keys = [-pl.col("n_chars").cast(pl.Int64)]
    else:
        keys = [-pl.col("score").cast(pl.Float64).fill_nan(None)]
    order = rows.select(pl.arg_sort_by([*keys, "row_id"], nulls_last=True)).to_series().to_numpy()
    ranks = np.empty(rows.height, np.int64)
    ranks[order] = np.arange(rows.height)
    return ranks


def find_near_duplicates(
    row_ids: pl.Series,
    ranks: np.ndarray,
    signatures: Signatures,
    texts: pl.Series | Callable[[np.ndarray], pl.Series],
    spec: MinHashSpec,
    threshold: float = 0.7,
    known: Verified | None = None,
    decide: Callable[[pl.Series, pl.Series, np.ndarray], np.ndarray] | None = None,
) -> NearDuplicates:
    """Find rows whose shingle set has a Jaccard similarity of at least ``threshold`` to that of a row that stays.

    Precision is 1 (every pair is verified); a pair of similarity s is found with probability
    ``spec.chance(s)`` = 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4), less
    what ``BUCKET_LIMIT`` leaves out in crowded buckets.

    With ``known``, the state of an earlier search over other rows, only pairs with a new shingle set are verified, and
    the result is that of a search without ``known``. Rows may be gone since then too, and the threshold may be higher.
    Everything is compared again where that is not enough: for another spec or a lower threshold, and where buckets were
    crowded and rows are gone or rank otherwise than before.

    Copies need not be left out: rows with the same text are one node and cost nothing. Where a row and its
    ``duplicate_of`` have the same content hash, the pair is exact.

    Args:
        row_ids: n unique names.
        ranks: int (n,), a permutation from ``rank_rows``: which row stays.
        signatures: of the n rows, all of one spec. Not checked: it is the caller who stores them by spec.
        texts: the n texts, or a function from positions (m,) int64 to their texts: only rows of candidate pairs are
            asked for, at most one million at a time.
        spec: as the signatures were made.
        threshold: smallest similarity, in (0, 1].
        known: ``verified`` of the earlier result.
        decide: (row ids of the better ones, of the worse ones, similarities) of the p verified pairs -> (p,) bool,
            which of them are duplicates; None: all. It changes what is in the table and not what is kept for the next
            search.

    Returns:
        The duplicates, and the state to keep for the next search.

    Raises:
        ValueError: lengths disagree, ``ranks`` is no permutation, the signatures have not ``spec.slots`` slots, or the
            threshold is out of range.
    """
    n = len(row_ids)
    ranks = np.asarray(ranks, np.int64)
    _check(n, ranks, signatures, spec, threshold)
    leaders, node_of = _nodes(signatures, ranks)
    digests = signatures.digests[leaders]
    usable = known if known is not None and _may_reuse(known, digests, spec, threshold) else None
    fresh = np.ones(len(digests), bool) if usable is None else _places_in(digests, usable.digests) < 0
    listed = np.ones((len(digests), spec.bands), bool)
    if usable:
        listed[_places_in(usable.unlisted["digest"].to_numpy(), digests), usable.unlisted["band"].to_numpy()] = False
    fetch = texts if callable(texts) else lambda rows: texts.gather(rows)

    better, worse = _candidates(signatures, leaders, fresh, spec, threshold, listed)
    compared = len(better)
    similarity = _verify(better, worse, leaders, fetch, spec, threshold)
    kept = ~np.isnan(similarity)
    better, worse, similarity = better[kept], worse[kept], similarity[kept]
    if usable:
        before = _known_pairs(usable, digests, signatures, leaders, spec, listed, threshold)
        better, worse = np.concatenate([before[0], better]), np.concatenate([before[1], worse])
        similarity = np.concatenate([before[2], similarity])
    order = np.lexsort((better, worse))
    better, worse, similarity = better[order], worse[order], similarity[order]
    pairs = pl.DataFrame(
        {"better": digests[better], "worse": digests[worse], "similarity": similarity}, schema=PAIRS_SCHEMA
    )
    if decide is not None:
        chosen = decide(row_ids.gather(leaders[better]), row_ids.gather(leaders[worse]), similarity)
        better, worse, similarity = better[chosen], worse[chosen], similarity[chosen]
    table = _table(row_ids, leaders, node_of, better, worse, similarity)
    node, band = np.nonzero(~listed)
    unlisted = pl.DataFrame({"digest": digests[node], "band": band}, schema=UNLISTED_SCHEMA)
    return NearDuplicates(table, Verified(pairs, digests, unlisted, spec, threshold), compared)


def with_exact_kind(table: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """Call a pair ``exact`` where both rows hold the same conversation.

    Args:
        table: ``NEAR_DUPLICATES_SCHEMA``.
        contents: row_id and content_hash of the rows that it names.
    """
    both = table.join(contents.select("row_id", "content_hash"), on="row_id", how="left", maintain_order="left").join(
        contents.select(duplicate_of="row_id", other="content_hash"),
        on="duplicate_of",
        how="left",
        maintain_order="left",
    )
    same = pl.col("content_hash") == pl.col("other")
    return both.with_columns(kind=pl.when(same).then(pl.lit("exact")).otherwise("kind")).select(table.columns)


def _check(n: int, ranks: np.ndarray, signatures: Signatures, spec: MinHashSpec, threshold: float) -> None:
    if not n == len(ranks) == len(signatures):
        raise ValueError(f"{n} row ids, {len(ranks)} ranks and {len(signatures)} signatures: one of each per row")
    if not np.array_equal(np.bincount(ranks[ranks >= 0], minlength=n), np.ones(n, np.int64)):
        raise ValueError("ranks is no permutation of the rows: make it with rank_rows")
    if signatures.values.shape[1] != spec.slots:
        raise ValueError(
            f"signatures have {signatures.values.shape[1]} slots, the spec has {spec.slots}: compute them again"
        )
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}: a Jaccard similarity above 0 and at most 1 is needed")


def _nodes(signatures: Signatures, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best row of each shingle set, best set first, and the node of each row (-1 without a shingle)."""
    order = np.argsort(ranks)
    order = order[signatures.sizes[order] > 0]
    _, first, inverse = np.unique(signatures.digests[order], return_index=True, return_inverse=True)
    by_rank = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[by_rank] = np.arange(len(first))
    node_of = np.full(len(ranks), -1, np.int64)
    node_of[order] = number[inverse]
    return order[first[by_rank]], node_of


def _places_in(digests: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the position of each digest in ``among``, -1 where it is absent."""
    if not len(among):
        return np.full(len(digests), -1, np.int64)
    order = np.argsort(among)
    slot = np.minimum(np.searchsorted(among, digests, sorter=order), len(among) - 1)
    place = order[slot]
    return np.where(among[place] == digests, place, -1)


def _may_reuse(known: Verified, digests: np.ndarray, spec: MinHashSpec, threshold: float) -> bool:
    """Say whether all pairs of old nodes that count today are among the known ones.

    Without crowded buckets a pair of nodes is a candidate by its own two signatures alone. With them it also depends on
    which nodes are better: those may have become more, but none of them may be gone or ranked behind.
    """
    if known.spec != spec or known.threshold > threshold:
        return False
    if not known.unlisted.height:
        return True
    places = _places_in(known.digests, digests)
    return bool((places >= 0).all() and (np.diff(places) > 0).all())


def _candidates(
    signatures: Signatures,
    leaders: np.ndarray,
    fresh: np.ndarray,
    spec: MinHashSpec,
    threshold: float,
    listed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    from datasel_assets.corpus.minhash_kernels import candidates

    values, sizes = _read_only(signatures.values), _read_only(signatures.sizes)
    return candidates(values, sizes, leaders, fresh, spec.bands, spec.rows, float(threshold), listed, BUCKET_LIMIT)


def _read_only(values: np.ndarray) -> np.ndarray:
    """Return a read-only view, which is what a mapped file gives: the loops are compiled for one kind of array."""
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view


def _verify(
    better: np.ndarray,
    worse: np.ndarray,
    leaders: np.ndarray,
    fetch: Callable[[np.ndarray], pl.Series],
    spec: MinHashSpec,
    threshold: float,
) -> np.ndarray:
    """Return the exact similarity of each pair of nodes, NaN below the threshold."""
    similarity = np.empty(len(better))
    for first in range(0, len(better), _VERIFY_PAIRS):
        part = slice(first, first + _VERIFY_PAIRS)
        nodes, inverse = np.unique(np.concatenate([better[part], worse[part]]), return_inverse=True)
        sets = shingles(fetch(leaders[nodes]), spec)
        left, right = np.split(inverse, 2)
        similarity[part] = jaccard(sets, left, right, threshold)
    return similarity


def _known_pairs(
    known: Verified,
    digests: np.ndarray,
    signatures: Signatures,
    leaders: np.ndarray,
    spec: MinHashSpec,
    listed: np.ndarray,
    threshold: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of the earlier search that the rows of today would bring together as well."""
    from datasel_assets.corpus.minhash_kernels import still_candidates

    a = _places_in(known.pairs["better"].to_numpy(), digests)
    b = _places_in(known.pairs["worse"].to_numpy(), digests)
    similarity = known.pairs["similarity"].to_numpy()
    present = (a >= 0) & (b >= 0) & (similarity >= threshold)
    better, worse = np.minimum(a, b)[present].astype(np.int32), np.maximum(a, b)[present].astype(np.int32)
    still = np.empty(len(better), bool)
    values = _read_only(signatures.values)
    still_candidates(values, leaders, spec.bands, spec.rows, listed, better, worse, still)
    return better[still], worse[still], similarity[present][still]


def _table(
    row_ids: pl.Series,
    leaders: np.ndarray,
    node_of: np.ndarray,
    better: np.ndarray,
    worse: np.ndarray,
    similarity: np.ndarray,
) -> pl.DataFrame:
    from datasel_assets.corpus.minhash_kernels import stars

    parent = np.empty(len(leaders), np.int64)
    component = np.empty(len(leaders), np.int64)
    strength = np.empty(len(leaders), np.float64)
    stars(len(leaders), better, worse, similarity, parent, strength, component)
    rows = np.flatnonzero(node_of >= 0)
    node = node_of[rows]
    representative = leaders[parent[node]]
    dropped = rows != representative
    rows, node, representative = rows[dropped], node[dropped], representative[dropped]
    return pl.DataFrame(
        {
            "row_id": row_ids.gather(rows),
            "duplicate_of": row_ids.gather(representative),
            "kind": pl.repeat("near", len(rows), dtype=pl.String, eager=True),
            "similarity": strength[node],
            "group": row_ids.gather(leaders[component[node]]),
        },
        schema=NEAR_DUPLICATES_SCHEMA,
    ).sort("row_id")
