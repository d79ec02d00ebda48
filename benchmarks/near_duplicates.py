"""Near duplicates with planted truth: ours beside rensa and datasketch on the same texts.

85 % of the texts are real, from the instruction pools of the development datasets. 5 % are exact copies of some of
them, 10 % are copies with 3 % of the words swapped for other words of the pool (of texts with at least 17 words, so
that one swap is 3 %). All are shuffled. Everybody gets them in memory and says which rows to drop; a planted copy is
caught when it or its original is dropped. Natural duplicates are dropped as well, so recall must be read beside the
rows removed: ``ours_at_same`` is our recall (3 words) when only as many rows are dropped as there, the most similar.

Opponents shingle in Python, as their documentation does (``text.lower().split()``, runs of n words), and run with 128
slots. The search of datasketch is unverified; rensa's deduplicator verifies by the estimate of the signatures; ours
by the shingle sets. "1 % new" has the signatures and pairs of the other 99 % and does what is left to do. Imports, and
compiling where it comes to that, are done on 300 rows before the clock starts (``ready_cpu_s``).
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data

POOLS = ("dolly_3k", "gsm8k_train", "new_codealpaca", "code_alpaca_2k", "alpaca_52k")
EXACT, NEAR, SWAPPED = 0.05, 0.10, 0.03
THRESHOLD = 0.7
SLOTS = 128


def planted(n: int, seed: int = 0) -> pl.DataFrame:
    """Return n rows: text, and for planted copies kind ("exact", "near") and the position of the original."""
    parts = []
    for name in POOLS:
        frame = pl.read_parquet(shared_data() / f"{name}.parquet")
        columns = [c for c in ("instruction", "question", "input", "output", "answer") if c in frame.columns]
        parts.append(
            frame.select(text=pl.concat_str(pl.col(columns).replace("", None), separator="\n\n", ignore_nulls=True))
        )
    pool = pl.concat(parts)["text"]
    generator = np.random.default_rng(seed)
    exact, near = round(n * EXACT), round(n * NEAR)
    base = pool.gather(generator.permutation(len(pool))[: n - exact - near])
    if len(base) < n - exact - near:
        raise SystemExit(f"the pools have {len(pool)} texts: choose a smaller --n")
    texts = base.to_list()
    vocabulary = np.array(sorted({word for text in texts for word in text.split()}), dtype=object)
    originals = [generator.integers(0, len(texts), exact)]
    copies = [texts[i] for i in originals[0]]
    long = [i for i, text in enumerate(texts) if len(text.split()) >= 0.5 / SWAPPED]
    originals.append(generator.choice(long, near, replace=False))
    for i in originals[1]:
        words = re.split(r"(\s+)", texts[i])
        places = [place for place in range(0, len(words), 2) if words[place]]
        for place in generator.choice(places, round(SWAPPED * len(places)), replace=False):
            words[place] = generator.choice(vocabulary)
        copies.append("".join(words))
    kinds = [None] * len(texts) + ["exact"] * exact + ["near"] * near
    order = generator.permutation(n)
    place = np.argsort(order)
    of = np.concatenate([np.full(len(texts), -1), place[np.concatenate(originals)]])
    return pl.DataFrame(
        {"text": [*texts, *copies], "kind": pl.Series(kinds, dtype=pl.String), "original": of},
    )[order]


def run(implementation: str, path: str) -> dict[str, Any]:
    """Find the rows to drop once in this process, and compare with the truth."""
    rows = pl.read_parquet(path)
    prepare, arguments = _IMPLEMENTED[implementation]
    started = time.process_time()
    prepare(rows["text"][:300], **arguments)()
    ready = time.process_time() - started
    search = prepare(rows["text"], **arguments)
    with measured() as cost:
        dropped = search()
    caught = _caught(rows, pl.Series(dropped))
    planted_or_copied = np.union1d(
        np.flatnonzero(rows["kind"].is_not_null()), rows["original"].filter(rows["original"] >= 0)
    )
    return {
        **asdict(cost),
        "objective": caught["near"],
        "exact_caught": caught["exact"],
        "removed": int(dropped.sum()),
        "not_planted": int(dropped.sum() - dropped[planted_or_copied].sum()),
        "ready_cpu_s": ready,
    }


def _caught(rows: pl.DataFrame, dropped: pl.Series) -> dict[str, float]:
    truth = rows.with_columns(dropped=dropped).filter(pl.col("kind").is_not_null())
    caught = truth.with_columns(caught=pl.col("dropped") | dropped.gather(truth["original"]))
    return dict(caught.group_by("kind").agg(pl.col("caught").mean()).iter_rows())


def ours_at(path: str, limits: Sequence[int]) -> dict[str, Any]:
    """Return our recall when only so many rows are dropped, those most similar to their representative; not timed."""
    from datasel_assets.corpus.minhash import signatures
    from datasel_assets.corpus.near_duplicates import find_near_duplicates
    from datasel_assets.specs.minhash import MinHashSpec

    rows = pl.read_parquet(path)
    spec, texts, n = MinHashSpec(), rows["text"], rows.height
    found = find_near_duplicates(_names(n), np.arange(n), signatures(texts, spec), texts, spec, THRESHOLD)
    table = found.table.sort("similarity", "row_id", descending=[True, False])
    recalls = [_caught(rows, pl.Series(_flags(table.head(limit), n)))["near"] for limit in limits]
    return {"recall": recalls}


def _names(n: int) -> pl.Series:
    return pl.Series([f"{i:08}" for i in range(n)])


def _flags(table: pl.DataFrame, n: int) -> np.ndarray:
    dropped = np.zeros(n, bool)
    dropped[table["row_id"].cast(pl.Int64).to_numpy()] = True
    return dropped


def _datasel(texts: pl.Series, n: int, threshold: float) -> Callable[[], np.ndarray]:
    from datasel_assets.corpus.minhash import signatures
    from datasel_assets.corpus.near_duplicates import find_near_duplicates
    from datasel_assets.specs.minhash import MinHashSpec

    spec, names, ranks = MinHashSpec(n=n), _names(len(texts)), np.arange(len(texts))

    def search() -> np.ndarray:
        found = find_near_duplicates(names, ranks, signatures(texts, spec), texts, spec, threshold)
        return _flags(found.table, len(texts))

    return search


def _datasel_update(texts: pl.Series, n: int, threshold: float, new: float) -> Callable[[], np.ndarray]:
    from datasel_assets.corpus.minhash import Signatures, signatures
    from datasel_assets.corpus.near_duplicates import find_near_duplicates
    from datasel_assets.specs.minhash import MinHashSpec

    spec, names, ranks = MinHashSpec(n=n), _names(len(texts)), np.arange(len(texts))
    old = len(texts) - round(new * len(texts))
    signed = signatures(texts[:old], spec)
    known = find_near_duplicates(names[:old], ranks[:old], signed, texts[:old], spec, threshold).verified

    def search() -> np.ndarray:
        both = Signatures.concat([signed, signatures(texts[old:], spec)])
        found = find_near_duplicates(names, ranks, both, texts, spec, threshold, known)
        return _flags(found.table, len(texts))

    return search


def _shingles(texts: Sequence[str], n: int) -> list[list[str]]:
    found = []
    for text in texts:
        words = text.lower().split()
        found.append([" ".join(words[i : i + n]) for i in range(max(len(words) - n + 1, 1))])
    return found


def _rensa(series: pl.Series, n: int, threshold: float) -> Callable[[], np.ndarray]:
    from rensa import RMinHashDeduplicator

    texts = series.to_list()

    def search() -> np.ndarray:
        index = RMinHashDeduplicator(threshold=threshold, num_perm=SLOTS, use_lsh=True)
        return ~np.array(index.add_pairs(zip(map(str, range(len(texts))), _shingles(texts, n), strict=True)))

    return search


def _datasketch(series: pl.Series, n: int, threshold: float) -> Callable[[], np.ndarray]:
    from datasketch import MinHash, MinHashLSH

    texts = series.to_list()

    def search() -> np.ndarray:
        index = MinHashLSH(threshold=threshold, num_perm=SLOTS)
        dropped = np.zeros(len(texts), bool)
        encoded = ([shingle.encode() for shingle in row] for row in _shingles(texts, n))
        for i, signature in enumerate(MinHash.generator(encoded, num_perm=SLOTS)):
            if index.query(signature):
                dropped[i] = True
            else:
                index.insert(i, signature)
        return dropped

    return search


_IMPLEMENTED: dict[str, tuple[Callable[..., Callable[[], np.ndarray]], dict[str, Any]]] = {
    "rensa, 5 words": (_rensa, {"n": 5, "threshold": THRESHOLD}),
    "rensa, 3 words": (_rensa, {"n": 3, "threshold": THRESHOLD}),
    "datasketch, 5 words": (_datasketch, {"n": 5, "threshold": THRESHOLD}),
    "datasketch, 3 words": (_datasketch, {"n": 3, "threshold": THRESHOLD}),
    "datasel, 5 words": (_datasel, {"n": 5, "threshold": THRESHOLD}),
    "datasel, 3 words (default)": (_datasel, {"n": 3, "threshold": THRESHOLD}),
    "datasel, 3 words, 1 % new": (_datasel_update, {"n": 3, "threshold": THRESHOLD, "new": 0.01}),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _IMPLEMENTED}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        planted(options.n).write_parquet(path)
        # Round by round, so that other work on the machine meets everyone alike.
        for _ in range(options.rounds):
            for name in _IMPLEMENTED:
                found[name].append(isolated("benchmarks.near_duplicates:run", implementation=name, path=str(path)))
        limits = [rounds[0]["removed"] for rounds in found.values()]
        ours = isolated("benchmarks.near_duplicates:ours_at", path=str(path), limits=limits)
    same = dict(zip(found, ours["recall"], strict=True))
    rows = []
    for name, rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        extra = {key: rounds[0][key] for key in ("removed", "not_planted", "exact_caught")}
        extra["ready_cpu_s"] = round(statistics.median(each["ready_cpu_s"] for each in rounds), 2)
        if not name.startswith("datasel"):
            extra["ours_at_same"] = round(same[name], 4)
        rows.append(Row(name, options.n, Measured(**middle), round(rounds[0]["objective"], 4), extra))
    report("near_duplicates", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
