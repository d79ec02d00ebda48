"""DSIR weights of a pool toward a target: ours beside data-selection on the same texts.

The pool is real instruction data; the target is a tenth as many grade-school maths problems. Everybody counts n-grams
of target and pool (10,000 buckets, 1- and 2-grams) and weighs every row of the pool. data-selection takes its rows from
a function that returns a list in memory, writes its weights to files as it does, and runs in one process and in two;
CPU seconds are those of its workers too. Ours is one thread: once as a function that hashes the pool once, once as the
assets do it (a count of the pool, then weights from the stored counts, which hashes it twice), and with 1 % new rows,
where the counts stand and only new rows are weighed. The objective is the rank correlation with data-selection's
weights. Imports, and compiling where it comes to that, are done on 300 rows before the clock starts (``ready_cpu_s``).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data

POOLS = ("alpaca_52k", "dolly_3k", "new_codealpaca", "code_alpaca_2k")
TARGET = "gsm8k_train"
OPPONENT = "data-selection, 1 process"


def texts_of(name: str) -> pl.Series:
    """Return the rows of a development dataset, each as one text."""
    frame = pl.read_parquet(shared_data() / f"{name}.parquet")
    columns = [c for c in ("instruction", "question", "input", "output", "answer") if c in frame.columns]
    joined = pl.concat_str(pl.col(columns).replace("", None), separator="\n", ignore_nulls=True)
    return frame.select(text=joined.fill_null(""))["text"]


def run(implementation: str, pool: str, target: str, weights: str) -> dict[str, Any]:
    """Weigh the pool once in this process, and leave the weights in a file."""
    texts, aim = (pl.read_parquet(path)["text"] for path in (pool, target))
    prepare, arguments = _IMPLEMENTED[implementation]
    started = time.process_time()
    prepare(texts[:300], aim[:30], **arguments)()
    ready = time.process_time() - started
    weigh = prepare(texts, aim, **arguments)
    workers = _worker_seconds()
    with measured() as cost:
        found = weigh()
    cost.cpu_s += _worker_seconds() - workers
    np.save(weights, found)
    return {**asdict(cost), "ready_cpu_s": ready}


def _worker_seconds() -> float:
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children(recursive=True))


def _datasel(texts: pl.Series, aim: pl.Series) -> Callable[[], np.ndarray]:
    from datasel_assets.indicators.text.dsir import Importance, bucket_counts, hashed_ngrams, weigh
    from datasel_assets.specs.score import BUCKETS

    def search() -> np.ndarray:
        features = hashed_ngrams(texts)
        pool = np.bincount(features.ids, minlength=BUCKETS)
        return weigh(features, Importance(bucket_counts(aim), pool))

    return search


def _datasel_twice(texts: pl.Series, aim: pl.Series) -> Callable[[], np.ndarray]:
    from datasel_assets.indicators.text.dsir import Importance, bucket_counts, log_importance

    return lambda: log_importance(texts, Importance(bucket_counts(aim), bucket_counts(texts)))


def _datasel_update(texts: pl.Series, aim: pl.Series, new: float, sample: int) -> Callable[[], np.ndarray]:
    from datasel_assets.arrays.drift import drift
    from datasel_assets.indicators.text.dsir import Importance, bucket_counts, log_importance

    old = len(texts) - max(1, round(new * len(texts)))
    importance = Importance(bucket_counts(aim), bucket_counts(texts[:old]))
    kept, seen = log_importance(texts[:old], importance), bucket_counts(texts[:sample])

    def search() -> np.ndarray:
        assert drift(seen, bucket_counts(texts[:sample])) < 0.02
        return np.concatenate([kept, log_importance(texts[old:], importance)])

    return search


def _opponent(texts: pl.Series, aim: pl.Series, processes: int) -> Callable[[], np.ndarray]:
    from data_selection import HashedNgramDSIR

    rows = {"pool": [{"text": text} for text in texts], "target": [{"text": text} for text in aim]}

    def search() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            made = HashedNgramDSIR(
                ["pool"],
                ["target"],
                folder,
                raw_load_dataset_fn=rows.__getitem__,
                target_load_dataset_fn=rows.__getitem__,
                num_proc=processes,
                min_example_length=0,
            )
            made.fit_importance_estimator(num_tokens_to_fit="all")
            made.compute_importance_weights()
            parts = sorted(Path(made.log_importance_weights_dir).glob("*.npy"), key=lambda path: int(path.stem))
            # Shards take every k-th row in turn.
            found = np.empty(len(texts))
            for k, part in enumerate(parts):
                found[k :: len(parts)] = np.load(part)
            return found

    return search


_IMPLEMENTED: dict[str, tuple[Callable[..., Callable[[], np.ndarray]], dict[str, Any]]] = {
    OPPONENT: (_opponent, {"processes": 1}),
    "data-selection, 2 processes": (_opponent, {"processes": 2}),
    "datasel": (_datasel, {}),
    "datasel, as the assets do": (_datasel_twice, {}),
    "datasel, 1 % new": (_datasel_update, {"new": 0.01, "sample": 4000}),
}


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in _IMPLEMENTED}
    weights: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(Path(folder) / f"{name}.parquet") for name in ("pool", "target")}
        pool = pl.concat([texts_of(name) for name in POOLS])
        if options.n > len(pool):
            raise SystemExit(f"the pools have {len(pool)} texts: choose a smaller --n")
        order = np.random.default_rng(0).permutation(len(pool))[: options.n]
        pl.DataFrame({"text": pool.gather(order)}).write_parquet(paths["pool"])
        target = texts_of(TARGET)[: max(1, options.n // 10)]
        pl.DataFrame({"text": target}).write_parquet(paths["target"])
        # Round by round, so that other work on the machine meets everyone alike.
        for _ in range(options.rounds):
            for name in _IMPLEMENTED:
                made = str(Path(folder) / "weights.npy")
                found[name].append(isolated("benchmarks.dsir:run", implementation=name, weights=made, **paths))
                weights[name] = np.load(made)
    rows = []
    theirs = _ranks(weights[OPPONENT])
    for name, rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in ("wall_s", "cpu_s", "peak_rss_mb")}
        extra = {"ready_cpu_s": round(statistics.median(each["ready_cpu_s"] for each in rounds), 2)}
        extra["largest_difference"] = float(np.abs(weights[name] - weights[OPPONENT]).max())
        agreement = float(np.corrcoef(_ranks(weights[name]), theirs)[0, 1])
        rows.append(Row(name, options.n, Measured(**middle), round(agreement, 6), extra))
    report("dsir", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
