"""Key phrases of instructions as tags: what a pool talks about, from its own words.

Belongs here: words of a text, which phrases of a pool become labels, which labels a row gets. Does not: tags that come
from a column or a model (``tag_lists``), how labels resemble each other, files.

A vocabulary is a frame with the columns ``kind`` (``word``: a form and its base; ``label``: a phrase of base words and
the label it counts as, which is the phrase as it is said most often), ``form``, ``label`` and ``rows``.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from datasel_assets.corpus.lemmas import base_words
from datasel_assets.specs.phrases import PhraseSpec
from datasel_assets.words.terms import IDEOGRAPH, MAX_WORD, STOP_WORDS, TOKEN, WORD

VOCABULARY = {"kind": pl.String, "form": pl.String, "label": pl.String, "rows": pl.Int64}
_LONGEST = 3
_PIECE = rf"{TOKEN}|\p{{N}}[\p{{L}}\p{{N}}]*"


def words(texts: pl.Series, max_chars: int) -> pl.Series:
    """Return the words of each text in order, lower case; an empty string where a phrase cannot go on.

    Phrases end at punctuation, at numbers and at stop words. Ideographs are words of their own, so two or three
    neighbours make a phrase.

    Args:
        texts: (n,) strings; null counts as empty.
        max_chars: characters that are read.

    Returns:
        (n,) lists of strings.
    """
    token = pl.element().str.strip_suffix("'s")
    usable = token.str.contains(WORD) & (token.str.len_chars() <= MAX_WORD) & ~token.is_in(STOP_WORDS)
    found = (
        texts.fill_null("")
        .str.slice(0, max_chars)
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all("’", "'", literal=True)
        .str.extract_all(_PIECE)
    )
    return found.to_frame("words").select(pl.col("words").list.eval(pl.when(usable).then(token).otherwise(pl.lit(""))))[
        "words"
    ]


def fit_phrases(lists: pl.Series, spec: PhraseSpec, min_rows: int, max_labels: int) -> pl.DataFrame:
    """Return the vocabulary of a pool.

    Candidates are phrases of one to three words, in base form, that stand in ``min_rows`` rows and at most
    ``max_share`` of them; a phrase of several words also needs cohesion: ln(p(xy) / (p(x) p(y))) / -ln p(xy) of its two
    parts, with p the share of the rows (Bouma 2009). Where phrases overlap in a text the longest counts, and what then
    is left with fewer than ``min_rows`` rows is dropped: a word that only lives inside one phrase is no label of its
    own, and a rare phrase leaves its row to the words in it.

    Args:
        lists: (n,) from :func:`words`; null counts as a row without words.
        spec: which phrases.
        min_rows: rows that a label needs (the frequency filter of InsTag, arXiv 2308.07074, section 3.2).
        max_labels: the most frequent ones are kept.
    """
    row, word = _flat(lists)
    known = pl.DataFrame({"row": row, "word": word}).filter(pl.col("word") != "")
    counts = dict(known.unique().group_by("word").agg(rows=pl.len()).sort("word").iter_rows())
    bases = base_words(counts, min_rows)
    text = _Text.of(row, word, bases)
    phrases = text.frequent(min_rows, spec.cohesion, len(lists))
    # A phrase of half the pool can still be part of a longer one, so the common ones are taken out last.
    most = max(min_rows, spec.max_share * len(lists))
    kept = {n: keys[(rows <= most) & text.sayable(keys, n)] for n, (keys, rows) in phrases.items()}
    labels = np.concatenate([text.named(keys, n) for n, keys in kept.items()])
    for _ in range(2):
        used = _matched(text, kept, labels).select("row", "label").unique().group_by("label").agg(rows=pl.len())
        best = used.filter(pl.col("rows") >= min_rows).sort(["rows", "label"], descending=[True, False])
        allowed = set(best["label"].head(max_labels))
        places = np.cumsum([0, *(len(keys) for keys in kept.values())])
        stays = np.array([label in allowed for label in labels], bool)
        kept = {n: keys[stays[places[i] : places[i + 1]]] for i, (n, keys) in enumerate(kept.items())}
        labels = labels[stays]
    said = _surfaces(text, word, kept, labels)
    chosen = best.filter(pl.col("label").is_in(list(allowed))).select(
        kind=pl.lit("label"), form="label", label=pl.col("label").replace(said), rows=pl.col("rows").cast(pl.Int64)
    )
    wanted = {part for form in chosen["form"] for part in form.split(" ")}
    of_words = [("word", form, base, counts[form]) for form, base in sorted(bases.items()) if base in wanted]
    return pl.concat([pl.DataFrame(of_words, schema=VOCABULARY, orient="row"), chosen.sort("form")])


def assign_phrases(lists: pl.Series, vocabulary: pl.DataFrame, max_tags: int, pool_rows: int) -> pl.Series:
    """Return the labels of each row, those that say most first: (1 + ln occurrences) * ln(pool rows / label's rows).

    Args:
        lists: (n,) from :func:`words`; null, where a row could not be read, stays null.
        vocabulary: from :func:`fit_phrases`.
        max_tags: labels per row.
        pool_rows: rows of the pool that the vocabulary was fitted on.
    """
    of_words = vocabulary.filter(pl.col("kind") == "word")
    of_labels = vocabulary.filter(pl.col("kind") == "label")
    row, word = _flat(lists)
    forms = of_labels["form"].to_list()
    text = _Text.of(row, word, dict(zip(of_words["form"], of_words["label"], strict=True)), forms)
    keys, labels = {}, []
    for n in range(1, _LONGEST + 1):
        pairs = [
            (form, label) for form, label in zip(forms, of_labels["label"], strict=True) if form.count(" ") == n - 1
        ]
        made = text.keys_of([form for form, _ in pairs], n)
        order = np.argsort(made, kind="stable")
        keys[n] = made[order]
        labels += [pairs[i][1] for i in order]
    rows_of = of_labels.select("label", idf=(max(pool_rows, 1) / pl.col("rows")).log())
    ranked = (
        _matched(text, keys, np.array(labels, dtype=object))
        .group_by("row", "label")
        .agg(occurrences=pl.len())
        .join(rows_of, on="label", how="left")
        .with_columns(weight=((1 + pl.col("occurrences").log()) * pl.col("idf")).round(9))
        .sort(["row", "weight", "label"], descending=[False, True, False])
        .group_by("row", maintain_order=True)
        .agg(pl.col("label").head(max_tags))
    )
    known = pl.DataFrame({"row": np.arange(len(lists), dtype=np.int64), "known": lists.is_not_null()})
    every = known.join(ranked, on="row", how="left").sort("row")
    empty = pl.lit([], dtype=pl.List(pl.String))
    return every.select(label=pl.when("known").then(pl.col("label").fill_null(empty)))["label"]


def _flat(lists: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Return the row of each word, and the words; null has none."""
    counts = lists.list.len().fill_null(0).to_numpy()
    flat = lists.filter(pl.Series(counts > 0)).explode() if counts.sum() else pl.Series([], dtype=pl.String)
    return np.repeat(np.arange(len(lists), dtype=np.int64), counts), flat.cast(pl.String)


class _Text:
    """The words of many texts as numbers, and the phrases at each place as keys (base-V numbers of their words)."""

    def __init__(self, row: np.ndarray, word: np.ndarray, names: np.ndarray) -> None:
        self.row, self.word, self.names = row, word, names
        self.base = np.int64(len(names) + 1)

    @classmethod
    def of(
        cls, row: np.ndarray, words: pl.Series, bases: dict[str, str], forms: Sequence[str] | None = None
    ) -> "_Text":
        """Number the base forms; ``forms``: phrases outside whose words nothing matters."""
        based = words.replace(bases) if bases else words
        names = sorted({part for form in forms for part in form.split(" ")} if forms is not None else set(based) - {""})
        if len(names) ** _LONGEST >= 2**62:
            names = names[: int(2 ** (62 / _LONGEST)) - 1]
        number = based.replace_strict(names, np.arange(len(names), dtype=np.int64), default=-1, return_dtype=pl.Int64)
        return cls(row, number.to_numpy() if len(words) else np.empty(0, np.int64), np.array(names, dtype=object))

    def keys(self, n: int) -> np.ndarray:
        """Return the key of the phrase of ``n`` words that starts at each place, -1 where there is none."""
        size = len(self.word)
        keys = np.full(size, -1, np.int64)
        last = size - n + 1
        if last <= 0:
            return keys
        made = np.zeros(last, np.int64)
        good = self.row[:last] == self.row[n - 1 :]
        for i in range(n):
            part = self.word[i : i + last]
            made = made * self.base + part
            good &= part >= 0
        keys[:last] = np.where(good, made, -1)
        return keys

    def frequent(self, min_rows: int, cohesion: float, total: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Return for 1, 2 and 3 words the keys (sorted) and rows of the phrases that are frequent and hold together."""
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for n in range(1, _LONGEST + 1):
            keys = self.keys(n)
            if n > 1:  # a phrase is no more frequent than its parts
                for part in (keys // self.base, keys % self.base ** (n - 1)):
                    keys = np.where((keys >= 0) & _inside(part, found[n - 1][0]), keys, -1)
            at = np.flatnonzero(keys >= 0)
            table = pl.DataFrame({"key": keys[at], "row": self.row[at]}).unique().group_by("key").agg(rows=pl.len())
            table = table.filter(pl.col("rows") >= min_rows).sort("key")
            key, rows = table["key"].to_numpy(), table["rows"].to_numpy().astype(np.int64)
            if n > 1:
                splits = [(key // self.base, n - 1, key % self.base, 1)]
                splits += [(key // self.base ** (n - 1), 1, key % self.base ** (n - 1), n - 1)] if n > 2 else []
                least = np.min(
                    [_npmi(rows, _rows(a, found[i]), _rows(b, found[j]), total) for a, i, b, j in splits], axis=0
                )
                key, rows = key[least >= cohesion], rows[least >= cohesion]
            found[n] = key, rows
        return found

    def named(self, keys: np.ndarray, n: int) -> np.ndarray:
        """Return the words of keys, joined by spaces."""
        parts = [self.names[keys // self.base ** (n - 1 - i) % self.base] for i in range(n)]
        return np.array([" ".join(words) for words in zip(*parts, strict=True)], dtype=object)

    def sayable(self, keys: np.ndarray, n: int) -> np.ndarray:
        """Return which phrases can be labels: a single letter or a single ideograph says nothing."""
        if n > 1:
            return np.ones(len(keys), bool)
        ideograph = pl.Series(self.names, dtype=pl.String).str.contains(IDEOGRAPH).to_numpy()
        short = np.array([len(name) < 2 for name in self.names], bool)
        return ~(ideograph | short)[keys]

    def keys_of(self, forms: Sequence[str], n: int) -> np.ndarray:
        """Return the keys of phrases of ``n`` words."""
        place = {name: i for i, name in enumerate(self.names)}
        keys = np.zeros(len(forms), np.int64)
        for i in range(n):
            keys = keys * self.base + np.array([place[form.split(" ")[i]] for form in forms], np.int64)
        return keys


def _inside(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    if not len(known):
        return np.zeros(len(keys), bool)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def _rows(keys: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return known[1][np.searchsorted(known[0], keys)] if len(keys) else np.empty(0, np.int64)


def _npmi(both: np.ndarray, first: np.ndarray, second: np.ndarray, total: int) -> np.ndarray:
    """Return the normalised pointwise mutual information; 1 where all rows hold both parts."""
    p = both / max(total, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(both * total / (first * second)) / -np.log(p)
    return np.where(p >= 1, 1.0, value)


def _surfaces(text: _Text, word: pl.Series, keys: dict[int, np.ndarray], labels: np.ndarray) -> dict[str, str]:
    """Return how each label is said most often, in the words of the texts; ideographs stand without spaces."""
    parts = [word, word.shift(-1), word.shift(-2)]
    table = pl.concat(
        found.with_columns(said=pl.concat_str([part.gather(found["place"]) for part in parts[:n]], separator=" "))
        for n in keys
        if (found := _matched(text, keys, labels).filter(pl.col("words") == n)).height
    ) if len(labels) else None  # fmt: skip
    if table is None:
        return {}
    best = (
        table.group_by("label", "said")
        .agg(times=pl.len())
        .sort(["label", "times", "said"], descending=[False, True, False])
        .group_by("label", maintain_order=True)
        .first()
    )
    for _ in range(2):  # neighbouring pairs overlap, so one replacement leaves every other space
        best = best.with_columns(pl.col("said").str.replace_all(r"(\p{Han}) (\p{Han})", "$1$2"))
    return dict(zip(best["label"], best["said"], strict=True))


def _matched(text: _Text, keys: dict[int, np.ndarray], labels: np.ndarray) -> pl.DataFrame:
    """Return every match, longest phrases first: row, label, place of its first word, number of words.

    ``labels`` belong to the keys, those of one word first.
    """
    starts = dict(zip(keys, np.cumsum([0, *(len(known) for known in keys.values())]), strict=False))
    covered = np.zeros(len(text.word), bool)
    parts = []
    for n in sorted(keys, reverse=True):
        at = text.keys(n)
        here = _inside(at, keys[n])
        for i in range(n):
            here[: len(here) - i] &= ~covered[i:]
        places = np.flatnonzero(here)
        for i in range(n):
            covered[places + i] = True
        which = starts[n] + np.searchsorted(keys[n], at[places])
        names = pl.Series("label", labels[which].tolist(), dtype=pl.String)
        parts.append(pl.DataFrame({"row": text.row[places], "place": places}).with_columns(names, words=pl.lit(n)))
    return pl.concat(parts)
