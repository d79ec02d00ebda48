"""All diagnostics of one subset of a pool, by name. Belongs here: what is computed of which rows. Not: any formula."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasel_assets.arrays.hash_sample import hash_sample
from datasel_assets.arrays.jensen_shannon import jensen_shannon
from datasel_assets.arrays.vectors import SubsetVectors, Vectors
from datasel_assets.diagnostics.directions import rows_with_direction, unit
from datasel_assets.diagnostics.dispersion import dispersion
from datasel_assets.diagnostics.hill import evenness, hill
from datasel_assets.diagnostics.idf_divergence import idf_divergence
from datasel_assets.diagnostics.knn_divergence import knn_divergence
from datasel_assets.diagnostics.lexical import lexical_diversity
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.mmd import mmd2_linear, mmd2_rbf
from datasel_assets.diagnostics.nearest import mean_nearest
from datasel_assets.diagnostics.reach import reach
from datasel_assets.diagnostics.vendi import spectrum
from datasel_assets.diagnostics.wasserstein import sliced_wasserstein
from datasel_assets.samplers.candidates import Tags

_CHOSEN, _OTHERS, _SPLIT = 1, 2, 3  # added to the seed, so that the samples are independent of each other


@dataclass(frozen=True)
class Limits:
    """Rows looked at where a figure costs pairs of rows; subsets are then compared by samples of equal size.

    Attributes:
        nearest: rows of the subset for ``mean_nearest``: nearest^2 d / 2 multiplications.
        cover: rows of the pool for coverage: cover * b * d multiplications.
        shift: rows of each side for MMD, kNN-KL and Wasserstein, twice: some 10 shift^2 d multiplications.
        texts: texts for the figures of words.
    """

    nearest: int = 20_000
    cover: int = 5_000
    shift: int = 2_000
    texts: int = 5_000


def subset_diagnostics(
    row_ids: np.ndarray,
    vectors: Vectors,
    chosen: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    sources: np.ndarray | None = None,
    tags: Tags | None = None,
    texts: Sequence[str] | np.ndarray | None = None,
    limits: Limits | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Return every figure of ``MEASURES`` for one subset of a pool; NaN where its input is not given.

    Cost for b chosen of n rows with d dimensions: two passes over the pool and three over the subset, O(b d^2) for
    Vendi, and what ``limits`` allows; of 100,000 rows with 384 dimensions 4.5 CPU seconds for 3,500 chosen ones, 9 for
    20,000. Memory: the vectors of the b chosen rows in float32, some blocks, and d x d; nothing is n x n. Samples are
    chosen by the hashes of the row ids: the order of the rows changes nothing but rounding.

    Shift is measured between chosen and other rows (a chosen row is at distance 0 from the pool that holds it), and
    once more between as many rows drawn at random and the others: ``<name>_random``. What is not well above that is
    the noise of the sample.

    Args:
        row_ids: (n,) distinct ids.
        vectors: n rows; those without a direction have no part in any figure of vectors.
        chosen: (b,) distinct positions.
        clusters: int (n,), negative = none.
        sources: (n,) names or numbers.
        tags: the tags of n rows.
        texts: b texts, those of the chosen rows.
        limits: sizes of the samples.
        seed: chooses them.

    Raises:
        ValueError: lengths do not fit, or a position is chosen twice.
    """
    row_ids, chosen, limits = np.asarray(row_ids), np.asarray(chosen, np.int64), limits or Limits()
    _check(row_ids, vectors, chosen, clusters, sources, tags, texts)
    found = dict.fromkeys(MEASURES, float("nan"))
    mine = SubsetVectors(vectors, chosen)
    found |= _vector_figures(row_ids, vectors, chosen, mine, clusters, limits, seed)
    if clusters is not None:
        found |= _group_figures("cluster", np.asarray(clusters), chosen)
    if sources is not None:
        codes = np.unique(np.asarray(sources), return_inverse=True)[1]
        figures = _group_figures("source", codes, chosen)
        found |= {name: figures[name] for name in figures if name in MEASURES}
    if tags is not None:
        pool, counts = (np.bincount(t.indices, minlength=tags.size) for t in (tags, tags.take(chosen)))
        there = int((pool > 0).sum())
        found |= {"tag_effective": hill(counts), "tag_evenness": evenness(counts, there)}
        found["tag_share"] = int((counts > 0).sum()) / there if there else float("nan")
    if texts is not None:
        words = lexical_diversity(texts, row_ids[chosen], max_rows=limits.texts, seed=seed)
        names = ("distinct_1", "distinct_2", "distinct_3", "self_bleu", "compression")
        found |= {name: getattr(words, name) for name in names}
        found["vocabulary"] = float(words.vocabulary)
        if clusters is not None:
            own = np.asarray(clusters)[chosen]
            found["icd"] = idf_divergence(texts, own, row_ids[chosen], max_rows=limits.texts, seed=seed)
    return found


def _vector_figures(
    row_ids: np.ndarray,
    vectors: Vectors,
    chosen: np.ndarray,
    mine: SubsetVectors,
    clusters: np.ndarray | None,
    limits: Limits,
    seed: int,
) -> dict[str, float]:
    eigenvalues = spectrum(mine)
    spread = dispersion(mine, None if clusters is None else np.asarray(clusters)[chosen])
    cover = reach(vectors, chosen, row_ids, max_rows=limits.cover, seed=seed)
    ids = row_ids[chosen]
    near = rows_with_direction(mine)
    near = near[np.sort(hash_sample(ids[near], limits.nearest, seed))]
    found = {
        "vendi": hill(eigenvalues) or float("nan"),
        "vendi_2": hill(eigenvalues, 2) or float("nan"),
        "mean_nearest": mean_nearest(unit(mine.take(near)), ids[near], max_rows=limits.nearest, seed=seed).mean,
        "pair_distance": spread.pair_distance,
        "radius": spread.radius,
        "mean_distance": spread.mean_distance,
        "inertia": spread.inertia,
        "cluster_inertia": spread.within,
        "facility_location": cover.facility_location,
        "cover_radius": cover.radius,
        "cover_gap": cover.gap,
    }
    usable = rows_with_direction(vectors)
    taken = np.isin(usable, chosen)
    a, b = usable[taken], usable[~taken]
    a = a[hash_sample(row_ids[a], limits.shift, seed + _CHOSEN)]
    b = b[hash_sample(row_ids[b], limits.shift, seed + _OTHERS)]
    both = usable[hash_sample(row_ids[usable], len(a) + len(b), seed + _SPLIT)]
    for suffix, left, right in (("", a, b), ("_random", both[: len(a)], both[len(a) :])):
        found |= {name + suffix: value for name, value in _shift(vectors, left, right, seed).items()}
    return found


def _shift(vectors: Vectors, a: np.ndarray, b: np.ndarray, seed: int) -> dict[str, float]:
    A, B = (unit(vectors.take(rows).astype(np.float64)) for rows in (a, b))
    return {
        "mmd2_linear": mmd2_linear(A, B),
        "mmd2_rbf": mmd2_rbf(A, B),
        "knn_divergence": knn_divergence(A, B),
        "wasserstein": sliced_wasserstein(A, B, seed=seed),
    }


def _group_figures(kind: str, labels: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    size = int(labels.max(initial=-1)) + 1
    pool = np.bincount(labels[labels >= 0], minlength=size)
    mine = labels[chosen]
    counts = np.bincount(mine[mine >= 0], minlength=size)
    return {
        f"{kind}_effective": hill(counts),
        f"{kind}_effective_2": hill(counts, 2),
        f"{kind}_evenness": evenness(counts, int((pool > 0).sum())),
        f"{kind}_js": jensen_shannon(counts, pool),
    }


def _check(
    row_ids: np.ndarray,
    vectors: Vectors,
    chosen: np.ndarray,
    clusters: np.ndarray | None,
    sources: np.ndarray | None,
    tags: Tags | None,
    texts: Sequence[str] | np.ndarray | None,
) -> None:
    n = len(row_ids)
    sizes = {
        "vectors": vectors.n,
        "clusters": n if clusters is None else len(clusters),
        "sources": n if sources is None else len(sources),
        "tags": n if tags is None else tags.n,
    }
    for name, size in sizes.items():
        if size != n:
            raise ValueError(f"{name} has {size} rows for {n} row_ids: all describe the whole pool")
    if texts is not None and len(texts) != len(chosen):
        raise ValueError(f"{len(texts)} texts for {len(chosen)} chosen rows: give the texts of the chosen rows")
    if len(np.unique(chosen)) != len(chosen) or (len(chosen) and (chosen.min() < 0 or chosen.max() >= n)):
        raise ValueError(f"chosen holds a position twice or one outside 0 .. {n - 1}")
