"""Truth inference on public answers: each method's accuracy on gold and its cost, crowd-kit in the same run.

``barzan``: 5,000 answers of 83 workers to 1,000 tasks. ``hitspam``: 42,762 answers (of a worker's answers to one task
the last), 100 of whose tasks have a known answer. ``made_up``: 24,999 answers of 176 workers to 8,333 tasks, all with
their truth. The objective is the share of tasks told right; ties count in part. crowd-kit is left out where it is not
installed.
"""

import argparse
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data

PREFIX = {"barzan": "crowd_barzan", "hitspam": "crowd_hitspam_crowdflower"}
THEIRS = {
    "crowd-kit MajorityVote": ("MajorityVote", {}),
    "crowd-kit DawidSkene": ("DawidSkene", {"n_iter": 100}),
    "crowd-kit OneCoinDawidSkene": ("OneCoinDawidSkene", {"n_iter": 100}),
    "crowd-kit GLAD": ("GLAD", {"n_iter": 20}),
}


def load(name: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return answers (task, worker, label) and what is known."""
    if name == "made_up":
        draw = np.random.default_rng(0)
        truth, quality = draw.integers(2, size=8333), draw.beta(8, 3, size=176)
        task = np.repeat(np.arange(8333), 3)
        worker = np.concatenate([draw.choice(176, 3, replace=False) for _ in range(8333)])
        label = np.where(draw.random(len(task)) < quality[worker], truth[task], 1 - truth[task])
        frame = pl.DataFrame({"task": task, "worker": worker, "label": label}).cast(pl.String)
        return frame, {str(one): str(right) for one, right in enumerate(truth)}
    frame = pl.read_parquet(shared_data() / f"{PREFIX[name]}_labels.parquet").rename({"object": "task"})
    gold = pl.read_parquet(shared_data() / f"{PREFIX[name]}_gold.parquet")
    known = {task: label for task, label in gold.select("object", "label").iter_rows() if task in set(frame["task"])}
    return frame.unique(["worker", "task"], keep="last", maintain_order=True), known


def run(implementation: str, name: str) -> dict[str, Any]:
    """Run one implementation in this process; loading and numbering are not counted for either."""
    frame, gold = load(name)
    if implementation.startswith("crowd-kit"):
        import crowdkit.aggregation as theirs  # pyright: ignore[reportMissingImports]

        kind, options = THEIRS[implementation]
        data = frame.select("task", "worker", "label").to_pandas()
        with warnings.catch_warnings(), measured() as cost:
            warnings.simplefilter("ignore")
            told = getattr(theirs, kind)(**options).fit_predict(data)
        share = float(np.mean([told[task] == right for task, right in gold.items()]))
    else:
        from datasel_assets.crowd.answers import numbered
        from datasel_assets.crowd.dawid_skene import dawid_skene
        from datasel_assets.crowd.posterior import accuracy
        from datasel_assets.crowd.truth import METHODS

        named = numbered(frame["task"].to_list(), frame["worker"].to_list(), frame["label"].to_list())
        with measured() as cost:
            if implementation == "dawid_skene with prior":
                found = dawid_skene(named.answers, prior_right=2.5, prior_wrong=0.5)
            else:
                found = METHODS[implementation](named.answers)
        known = np.array([named.classes.index(gold[task]) if task in gold else -1 for task in named.tasks])
        share = accuracy(found.posterior, known)
    return {
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_rss_mb": cost.peak_rss_mb,
        "accuracy": share,
        "answers": frame.height,
        "gold": len(gold),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=["barzan", "hitspam", "made_up"])
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    ours = ["majority", "zencrowd", "dawid_skene", "dawid_skene with prior", "glad", "pm", "catd"]
    names = [*ours, *(THEIRS if find_spec("crowdkit") else ())]
    if len(names) == len(ours):
        print("crowd-kit is not installed: it is left out")
    rows: list[Row] = []
    for dataset in options.sets:
        for name in names:
            got = isolated("benchmarks.crowd:run", implementation=name, name=dataset)
            cost = Measured(got["wall_s"], got["cpu_s"], got["peak_rss_mb"])
            rows.append(Row(name, got["answers"], cost, got["accuracy"], {"set": dataset, "gold": got["gold"]}))
    report("crowd", rows, record=not options.no_record)
    return 0


if __name__ == "__main__":
    main()
