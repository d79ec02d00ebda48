"""Does a wrong sum tell a wrong solution? The check of written sums on solutions of four models to gsm8k (shared data).

``objective``: the chance that a wrong solution has the greater share of wrong sums than a right one, ties counted half
(AUC); solutions without a sum that can be read count as having no wrong one. ``precision`` and ``recall`` are those of
"some sum is wrong" for "the result is wrong".
"""

import argparse
from collections.abc import Sequence

import numpy as np
import polars as pl

from benchmarks.harness import Row, measured, report
from benchmarks.projects import shared_data
from datasel_assets.indicators.verify.arithmetic import arithmetic_wrong
from datasel_assets.indicators.verify.exchange import Exchange

OPERATION = "arithmetic"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def auc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the chance that a positive row scores higher than a negative one, ties counted half."""
    positive, negative = scores[is_positive], np.sort(scores[~is_positive])
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.mean() / 2 / len(negative))


def run() -> list[Row]:
    """Return a row for each model, and one for all of them."""
    table = pl.read_parquet(shared_data() / "gsm8k_model_solutions.parquet")
    rows, shares, wrongs = [], [], []
    for model in MODELS:
        said = table[model].struct.unnest()
        exchanges = [[Exchange(*pair)] for pair in zip(table["question"], said["solution"], strict=True)]
        with measured() as cost:
            share = np.nan_to_num(np.asarray(arithmetic_wrong(exchanges), np.float64))
        wrong = ~said["is_correct"].to_numpy()
        rows.append(line(model, cost, share, wrong))
        shares.append(share)
        wrongs.append(wrong)
    with measured() as cost:
        whole = np.concatenate(shares), np.concatenate(wrongs)
    return [*rows, line("all", cost, *whole)]


def line(name: str, cost, share: np.ndarray, wrong: np.ndarray) -> Row:
    """Return a row of the result."""
    flagged = share > 0
    extra = {
        "wrong": round(float(wrong.mean()), 3),
        "flagged": int(flagged.sum()),
        "precision": round(float(wrong[flagged].mean()), 3),
        "recall": round(float((flagged & wrong).sum() / wrong.sum()), 3),
    }
    return Row(name, len(share), cost, round(auc(share, wrong), 3), extra)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; print and append the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-record", action="store_true", help="print only")
    report(OPERATION, run(), record=not parser.parse_args(argv).no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
