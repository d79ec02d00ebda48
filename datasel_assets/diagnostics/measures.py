"""What is measured of a subset: names, words, and which way is better. Belongs here: no arithmetic."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """One figure of a set of rows.

    Attributes:
        name: its column.
        title: a few words for a heading.
        better: whether more or less of it is better; None where it only describes, because a subset that differs from
            its pool may do so on purpose.
        doc: what it says, its range, its source.
        group: the table it stands in.
        judged: whether it counts when a recipe is held against random rows; False for a second figure of one thing.
    """

    name: str
    title: str
    better: Literal["high", "low"] | None
    doc: str
    group: str = "other"
    judged: bool = True


_DIVERSITY = (
    Measure("vendi", "Vendi", "high", "effective number of different rows, 1 .. min(rows, dimensions); Friedman 2023"),
    Measure("vendi_2", "Vendi q=2", "high", "the same at order 2: 1 / mean squared cosine of all pairs"),
    Measure("mean_nearest", "spread", "high", "mean 1 - cosine to the nearest other row of the subset, 0 .. 2"),
    Measure("pair_distance", "pair distance", "high", "mean 1 - cosine of all pairs of rows, 0 .. 2"),
    Measure("radius", "radius", None, "geometric mean of the coordinates' standard deviations, 0 .. 1; Lai 2020"),
    Measure("mean_distance", "mean distance", None, "mean distance to the mean of the subset, 0 .. 2"),
    Measure("inertia", "inertia", None, "mean squared distance to the mean of the subset, 0 .. 1"),
    Measure("cluster_inertia", "inertia in clusters", None, "mean squared distance to the mean of the row's cluster"),
    Measure("cluster_effective", "eff. clusters", "high", "equally filled clusters with the same entropy (Hill, q=1)"),
    Measure("cluster_effective_2", "eff. clusters q=2", "high", "1 / Simpson's concentration (Hill, q=2)"),
    Measure("cluster_evenness", "cluster entropy", "high", "entropy over clusters / its largest value, 0 .. 1"),
    Measure("source_effective", "eff. sources", None, "equally filled sources with the same entropy (Hill, q=1)"),
    Measure("tag_effective", "eff. tags", "high", "equally used tags with the same entropy (Hill, q=1)"),
    Measure("tag_evenness", "tag entropy", "high", "entropy over tags / its largest value, 0 .. 1"),
    Measure("tag_share", "tags covered", "high", "tags of the pool that the subset has, 0 .. 1"),
)
_COVERAGE = (
    Measure(
        "facility_location", "coverage", "high", "mean cosine of each row of the pool to the nearest chosen, 0 .. 1"
    ),
    Measure("cover_radius", "cover radius", "low", "largest distance of a row of the pool to the subset, 0 .. 2"),
    Measure("cover_gap", "cover gap", "low", "mean distance of the pool's rows to the subset, 0 .. 2"),
)
_WORDS = (
    Measure("vocabulary", "vocabulary", "high", "distinct words of the sampled texts"),
    Measure("distinct_1", "distinct-1", "high", "distinct words / words, 0 .. 1; Li 2016"),
    Measure("distinct_2", "distinct-2", "high", "distinct pairs of words / pairs, 0 .. 1"),
    Measure("distinct_3", "distinct-3", "high", "distinct runs of three words / runs, 0 .. 1"),
    Measure("self_bleu", "self-BLEU", "low", "mean BLEU of pairs of texts, 0 .. 1; Zhu 2018"),
    Measure("icd", "ICD", None, "mean Jensen-Shannon divergence of a cluster's IDF from the others', 0 .. 1 bit"),
    Measure("compression", "compression", "low", "bytes / bytes compressed by zlib; Shaib 2024"),
)
_SHIFT = (
    Measure("cluster_js", "JS of clusters", None, "Jensen-Shannon divergence to the pool's clusters, 0 .. 1 bit"),
    Measure("source_js", "JS of sources", None, "Jensen-Shannon divergence to the pool's sources, 0 .. 1 bit"),
    Measure("mmd2_linear", "MMD² linear", None, "squared distance of the means of chosen and other rows, unbiased"),
    Measure("mmd2_rbf", "MMD² RBF", None, "unbiased MMD² of chosen and other rows, bandwidth = median distance"),
    Measure("knn_divergence", "kNN-KL", None, "nats from chosen to other rows; Perez-Cruz 2008"),
    Measure("wasserstein", "sliced W2", None, "sliced 2-Wasserstein distance of chosen and other rows"),
    Measure("mmd2_linear_random", "random MMD² linear", None, "the same between random rows and the others"),
    Measure("mmd2_rbf_random", "random MMD² RBF", None, "the same between random rows and the others"),
    Measure("knn_divergence_random", "random kNN-KL", None, "the same between random rows and the others"),
    Measure("wasserstein_random", "random sliced W2", None, "the same between random rows and the others"),
)

_SECOND = {
    *("vendi_2", "cluster_effective_2", "cluster_evenness", "tag_effective", "tag_evenness"),
    *("cover_gap", "distinct_1", "distinct_3"),
}
_GROUPS = {"diversity": _DIVERSITY, "coverage of the pool": _COVERAGE, "words": _WORDS, "shift from the pool": _SHIFT}

MEASURES: dict[str, Measure] = {
    measure.name: replace(measure, group=group, judged=measure.name not in _SECOND)
    for group, measures in _GROUPS.items()
    for measure in measures
}
"""Every figure of ``subset.subset_diagnostics``, in the order of its result."""
