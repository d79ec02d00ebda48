"""Readable names of clusters. Belongs here: class-based TF-IDF over words and word pairs. Not: clustering."""

import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from datasel_assets.words.terms import IDEOGRAPH, MAX_WORD, STOP_WORDS, TOKEN, WORD

# A pair replaces a word when it stands in this share of the texts that hold the word.
_PAIR_SHARE = 0.5


def titles(
    labels: np.ndarray,
    texts: Sequence[str],
    terms: int = 3,
    *,
    k: int | None = None,
    per_cluster: int = 200,
    max_chars: int = 1000,
) -> list[str]:
    """Name each cluster by the words and word pairs that set its texts apart.

    Class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794, eq. 2) counted in texts instead of occurrences, so that
    a text which repeats a variable name a hundred times counts once. With p(t, c) the share of the cluster's texts
    that hold the term t: W(t, c) = p(t, c) (1/2 + log(1 + 1 / mean_c p(t, c)))^2. The square keeps the verbs of every
    instruction ("describe", "generate") behind the subject; the half makes W grow with p even among two clusters.
    A pair takes the place of a word where it explains half of its texts; a word that shares its stem with a chosen
    term is skipped. Works on any script that Unicode knows: words are runs of letters and marks, ideographs pair up,
    code splits at its operators.

    Args:
        labels: int (n,), -1 for rows without a cluster.
        texts: n texts; prompts say what a row is about better than answers.
        terms: terms in a title.
        k: number of clusters; default: the highest label + 1.
        per_cluster: texts read per cluster (those with the smallest checksum, so that row order does not matter).
        max_chars: characters read per text.

    Returns:
        k titles such as ``"interest rate · loan · bank"``, all different; ``"cluster 7"`` where no term stands in
        two texts. A title holds letters, digits, spaces, ``'+#·`` only.

    Raises:
        ValueError: labels and texts differ in length.
    """
    labels = np.asarray(labels)
    if len(labels) != len(texts):
        raise ValueError(f"{len(labels)} labels for {len(texts)} texts: give one text per label")
    count = int(labels.max(initial=-1)) + 1 if k is None else k
    sample = _bounded(labels, texts, per_cluster, max_chars)
    weights = _weights(sample)
    ranked: dict[int, list[tuple[str, int]]] = {}
    for cluster, term, holding in weights.select("label", "term", "holding").iter_rows():
        ranked.setdefault(cluster, []).append((term, holding))
    named: list[str] = []
    taken: set[str] = set()
    for cluster in range(count):
        chosen = _choose(ranked.get(cluster, []), terms + 2)
        title = " · ".join(chosen[:terms]) or f"cluster {cluster}"
        # Two clusters about the same thing differ in the next terms, or at last in their number.
        for extra in chosen[terms:]:
            if title not in taken:
                break
            title = f"{title} · {extra}"
        if title in taken:
            title = f"{title} · {cluster}"
        taken.add(title)
        named.append(title)
    return named


def _bounded(labels: np.ndarray, texts: Sequence[str], per_cluster: int, max_chars: int) -> pl.DataFrame:
    # Lone surrogates (broken JSON escapes) are no UTF-8.
    heads = [text[:max_chars].encode("utf-8", "replace") for text in texts]
    return (
        pl.DataFrame(
            {
                "label": labels.astype(np.int64),
                "check": np.fromiter(map(zlib.crc32, heads), np.uint32, len(heads)),
                "text": [head.decode() for head in heads],
            },
            schema_overrides={"text": pl.String},
        )
        .filter(pl.col("label") >= 0)
        .sort("label", "check", "text")
        .group_by("label", maintain_order=True)
        .head(per_cluster)
        .with_row_index("row")
    )


def _weights(sample: pl.DataFrame) -> pl.DataFrame:
    """Return label, term, holding (texts of the cluster with the term), weight: best term of a cluster first."""
    tokens = (
        sample.lazy()
        .select(
            "row",
            "label",
            token=pl.col("text")
            .str.normalize("NFKC")
            .str.to_lowercase()
            .str.replace_all("’", "'")
            .str.extract_all(TOKEN),
        )
        .explode("token", empty_as_null=False)
        .with_columns(pl.col("token").str.strip_suffix("'s"))
        .with_columns(
            usable=pl.col("token").str.contains(WORD)
            & (pl.col("token").str.len_chars() <= MAX_WORD)
            & ~pl.col("token").is_in(STOP_WORDS),
            ideograph=pl.col("token").str.contains(IDEOGRAPH),
        )
        .with_columns(
            after=pl.col("token").shift(-1).over("row"),
            after_usable=pl.col("usable").shift(-1).over("row"),
            after_ideograph=pl.col("ideograph").shift(-1).over("row"),
        )
    )
    words = tokens.filter("usable", ~pl.col("ideograph"), pl.col("token").str.len_chars() > 1)
    pairs = tokens.filter("usable", "after_usable", pl.col("token") != pl.col("after")).select(
        "row",
        "label",
        term=pl.when(pl.col("ideograph") & pl.col("after_ideograph"))
        .then(pl.col("token") + pl.col("after"))
        .otherwise(pl.col("token") + " " + pl.col("after")),
    )
    sizes = sample.lazy().group_by("label").agg(texts=pl.len())
    clusters = max(1, sample["label"].n_unique())
    return (
        pl.concat([words.select("row", "label", term="token"), pairs])
        .unique()
        .group_by("label", "term")
        .agg(holding=pl.len())
        .join(sizes, on="label")
        .with_columns(share=pl.col("holding") / pl.col("texts"))
        .with_columns(mean_share=pl.col("share").sum().over("term") / clusters)
        # A term of one text says nothing about a cluster, unless the cluster is that text.
        .filter(pl.col("holding") >= pl.min_horizontal("texts", 2))
        .with_columns(weight=(pl.col("share") * (0.5 + (1 + 1 / pl.col("mean_share")).log()) ** 2).round(12))
        .sort(["label", "weight", "term"], descending=[False, True, False])
        .group_by("label", maintain_order=True)
        .head(200)
        .collect()
    )


def _choose(ranked: list[tuple[str, int]], wanted: int) -> list[str]:
    holding = dict(ranked)
    chosen: list[str] = []
    for term, texts in ranked:
        if len(chosen) == wanted:
            break
        if " " not in term:
            pairs = [t for t, h in ranked if " " in t and term in t.split(" ") and h >= _PAIR_SHARE * texts]
            term = max(pairs, key=lambda pair: holding[pair]) if pairs else term
        if not any(_same(a, b) for done in chosen for a in done.split(" ") for b in term.split(" ")):
            chosen.append(term)
    return chosen


def _same(a: str, b: str) -> bool:
    """Whether two words tell a reader the same: equal, alike up to a short ending, or overlapping ideographs."""
    short, long = sorted((a, b), key=len)
    if short[0] >= "\u2e80":
        return short == long or (len(long) == 2 and (a[-1] == b[0] or b[-1] == a[0]))
    if len(short) <= 3:
        return short == long
    return long.startswith(short[: max(4, len(short) - 1)]) and len(long) - len(short) <= 3
