"""LEAD beside random rows and static rankings: the loss that each leaves on held-out rows after as many training rows.

Rows of five development datasets (``DATASEL_SHARED``). A small model is trained on some of them; 1,200 others are the
pool, 200 more are held out. ``clean``: the pool as it is; ``shuffled``: a fifth of its rows have the response of
another. Every arm goes on from the same model and trains on as many rows, in rounds of about as many.

``random``: distinct rows. ``highest loss`` and ``IFD below 1``: static rankings by the first model. ``highest loss,
scored anew``: by the model as it is, which reads the whole pool five times on the way. ``LEAD as published``:
highest utility first, each row up to four times, change from two gradients, no row given up; ``LEAD``: the default of
``kind: lead``; the others change one thing of it. ``random, all passes``: random rows, as many
more as reading the pool twice costs (a step counts as three passes).

``objective`` is the held-out loss minus that of ``random`` with the same seed, mean over seeds; ``error`` its standard
error; ``noise`` the share of presentations with a wrong response; ``distinct`` rows; ``tokens`` that were learned;
``passes`` over rows, three for a step and those before the training included.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.gradients import labelled_mixture
from benchmarks.harness import Row, isolated, measured, report

OPERATION = "lead"
TRAINED, POOL, HELD_OUT = 2600, 1200, 200
TOKENS, HIDDEN, LAYERS = 128, 64, 2
ROUNDS, PRESENTED, RATE = 30, 300, 0.05
STEP, ANEW = 3, 5
PUBLISHED = {
    "pick": {"rate": RATE, "most_uses": 4, "order": "highest"},
    "utility": {"delta": "minnorm", "least_fall": None},
    "bandit": {"eta": "published"},
}
LEAD: dict[str, dict[str, Any]] = {
    "LEAD as published": PUBLISHED,
    "LEAD": {"pick": {"rate": RATE}},
    "LEAD, highest first": {"pick": {"rate": RATE, "order": "highest"}},
    "LEAD, highest first, twice": {"pick": {"rate": RATE, "order": "highest", "most_uses": 2}},
    "LEAD, middle first": {"pick": {"rate": RATE, "order": "middle"}},
    "LEAD, eta 0.3": {"pick": {"rate": RATE}, "bandit": {"eta": 0.3}},
}
STATIC = ("random", "highest loss", "IFD below 1", "highest loss, scored anew", "random, all passes")


def start(folder: str, budget: int) -> dict[str, Any]:
    """Train the first model."""
    from datasel_assets.models.proxy_lm import train_proxy_lm
    from datasel_assets.specs.proxy import ProxySpec

    rows = [row for _, row in labelled_mixture(TRAINED + POOL + HELD_OUT)[POOL + HELD_OUT :]]
    size = {"hidden": HIDDEN, "layers": LAYERS, "max_tokens": TOKENS, "token_budget": budget}
    spec = ProxySpec.model_validate(size)
    train_proxy_lm(rows, spec, Path(folder))
    return {}


class Pool:
    """A pool, its scores under the first model, and a training that goes on from it."""

    def __init__(self, folder: str, shuffled: bool, seed: int) -> None:
        """Plant wrong responses where they are asked for, and score the rows."""
        from datasel_assets.models.causal_lm import CausalLM
        from datasel_assets.models.dynamics import plant
        from datasel_assets.specs.causal import CausalSpec

        found = labelled_mixture(TRAINED + POOL + HELD_OUT)
        self.sources = [name for name, _ in found[:POOL]]
        self.rows = [row for _, row in found[:POOL]]
        self.held_out = [row for _, row in found[POOL : POOL + HELD_OUT]]
        ids = np.array([f"{i:05d}" for i in range(POOL)])
        self.wrong = np.zeros(POOL, bool)
        if shuffled:
            self.rows, self.wrong = plant(ids, self.rows, 0.2, seed)
        self.causal, self.seed = CausalSpec(model=folder, max_tokens=TOKENS, template="chat"), seed
        with CausalLM(self.causal, device="cpu") as lm:
            nll = [-s.sum_logp / s.count for s in (lm.token_stats(r) for r in self._contexts(lm))]
        self.frame = pl.DataFrame({"row_id": ids, "source": self.sources, "m.nll": nll[0]})
        self.frame = self.frame.with_columns(pl.Series("m.ifd_loss_ratio", nll[0] / nll[1]))
        self.steps, self.tokens = 0, 0

    def _contexts(self, lm: Any) -> list[Any]:
        return [lm.conditioned(self.rows), lm.unconditioned(self.rows, "header")]

    def begin(self, *, change: bool, gradients: bool) -> None:
        """Load the first model anew."""
        from datasel_assets.models.train.round_training import RoundTraining
        from datasel_assets.models.train.row_model import RowModel
        from datasel_assets.specs.training import TrainingSpec

        self.model = RowModel(self.causal, TrainingSpec(seed=self.seed), "cpu")
        self.training = RoundTraining(self.model, change=change, gradients=gradients)
        self.unseen = self.model.texts(self.held_out)
        self.tokens, self.shown = 0, []

    def train(self, rows: np.ndarray, done: float) -> Any:
        """Train once on each of some rows."""
        own = [self.rows[row] for row in rows]
        found = self.training.train(own, done)
        self.tokens += int(self.model.texts(own).tokens.sum())
        self.shown += rows.tolist()
        self.steps = self.training.steps
        return found


def parts(order: np.ndarray, rounds: int) -> Iterator[tuple[np.ndarray, float]]:
    """Yield rows in rounds, with the share that lies behind."""
    for k, rows in enumerate(np.array_split(order, rounds)):
        yield rows, k / rounds


def static(pool: Pool, arm: str, seed: int) -> int:
    """Train on rows of a ranking; return the passes over the pool that it took."""
    from datasel_assets.models.train.training import evaluate

    pool.begin(change=False, gradients=False)
    nll, ifd = pool.frame["m.nll"].to_numpy(), pool.frame["m.ifd_loss_ratio"].to_numpy()
    order = np.random.default_rng(seed).permutation(POOL)
    if arm == "highest loss, scored anew":
        used, losses, passes = np.zeros(POOL, bool), nll, 0
        for rows, done in parts(order[:PRESENTED], ROUNDS):
            if passes <= done * ANEW * POOL:
                losses = evaluate(pool.model, pool.model.texts(pool.rows)).values["loss"][0]
                passes += POOL
            chosen = np.argsort(np.where(used, np.inf, -losses), kind="stable")[: len(rows)]
            used[chosen] = True
            pool.train(chosen, done)
        return passes
    count, passes = PRESENTED, 0
    if arm == "highest loss":
        order, passes = np.argsort(-nll, kind="stable"), POOL
    elif arm == "IFD below 1":
        order, passes = np.argsort(-np.where(ifd < 1, ifd, -1), kind="stable"), 2 * POOL
    elif arm == "random, all passes":
        count = PRESENTED + 2 * POOL // STEP
    # What comes first in a ranking is not trained on first.
    order = np.random.default_rng([seed, 1]).permutation(order[:count])
    for rows, done in parts(order, round(ROUNDS * count / PRESENTED)):
        pool.train(rows, done)
    return passes


def led(pool: Pool, settings: dict[str, Any], seed: int) -> int:
    """Train as LEAD does; return the passes over the pool that it took."""
    from datasel_assets.bandits.loss_change import LossChange
    from datasel_assets.clusters.line import split_line
    from datasel_assets.specs.loop import LeadSpec
    from datasel_assets.tables.loops.lead import begin, take_round

    spec = LeadSpec.model_validate({"kind": "lead", "model": "m", "budget": {"rows": POOL}, "seed": seed, **settings})
    ifd = pool.frame["m.ifd_loss_ratio"].to_numpy()
    groups = np.full(POOL, -1, np.int64)
    groups[ifd <= 1] = split_line(ifd[ifd <= 1], spec.groups.k)
    arms = int(groups.max()) + 1
    rounds, change = begin(spec, pool.frame, groups, arms), LossChange(spec.utility.delta, arms)
    pool.begin(change=change.delta == "own", gradients=change.delta == "minnorm")
    while len(pool.shown) < PRESENTED and (proposed := rounds.propose()) is not None:
        take_round(rounds, change, pool, proposed, len(pool.shown) / PRESENTED)
    return 2 * POOL


def several(folder: str, arms: Sequence[str], shuffled: bool, seed: int, lines: str) -> dict[str, Any]:
    """Carry out arms on one pool; one that stands in the file ``lines`` is not carried out again."""
    there = [json.loads(line) for line in Path(lines).read_text("utf-8").splitlines()] if Path(lines).is_file() else []
    found = {run["arm"]: run for run in there if (run["shuffled"], run["seed"]) == (shuffled, seed)}
    left = [arm for arm in arms if arm not in found]
    pool = Pool(folder, shuffled, seed) if left else None
    for arm in left:
        assert pool is not None
        with measured() as cost:
            passes = led(pool, LEAD[arm], seed) if arm in LEAD else static(pool, arm, seed)
        shown = np.array(pool.shown)
        found[arm] = {
            "loss": pool.training.held_out_loss(pool.unseen),
            "noise": float(pool.wrong[shown].mean()),
            "distinct": len(set(pool.shown)),
            "presented": len(shown),
            "tokens": pool.tokens,
            "passes": passes + STEP * len(shown),
            "cost": {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_rss_mb": cost.peak_rss_mb},
        }
        if lines:
            with Path(lines).open("a", encoding="utf-8") as handle:
                handle.write(json.dumps({"shuffled": shuffled, "arm": arm, "seed": seed, **found[arm]}) + "\n")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    from benchmarks.gradients import cost_of

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", nargs="+", default=["clean", "shuffled"], choices=["clean", "shuffled"])
    parser.add_argument("--arms", nargs="+", default=[*STATIC, *LEAD], choices=[*STATIC, *LEAD])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--token-budget", type=int, default=300_000, help="of the first model's training")
    parser.add_argument("--model", type=Path, help="the first model, trained where it is not there; None: each time")
    parser.add_argument("--lines", type=Path, help="a file that every run is written to, and taken from")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    rows: list[Row] = []
    arms = ["random", *(arm for arm in arguments.arms if arm != "random")]
    with tempfile.TemporaryDirectory() as folder:
        model = str(arguments.model or Path(folder, "proxy"))
        if not Path(model).exists():
            isolated("benchmarks.lead:start", folder=model, budget=arguments.token_budget)
        for name in arguments.pools:
            options = {
                "folder": model,
                "arms": arms,
                "shuffled": name == "shuffled",
                "lines": str(arguments.lines or ""),
            }
            each = [isolated("benchmarks.lead:several", seed=seed, **options) for seed in range(arguments.seeds)]
            found = {arm: [runs[arm] for runs in each] for arm in arms}
            for arm in arms:
                apart = np.array([a["loss"] - b["loss"] for a, b in zip(found[arm], found["random"], strict=True)])
                mean = {
                    key: round(float(np.mean([run[key] for run in found[arm]])), 3)
                    for key in ("loss", "noise", "distinct", "presented", "tokens", "passes")
                }
                error = float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else 0.0
                extra = {"error": round(error, 4), **mean}
                rows.append(Row(f"{name}: {arm}", POOL, cost_of(found[arm][0]["cost"]), float(apart.mean()), extra))
    report(OPERATION, rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
