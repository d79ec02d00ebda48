"""Does a score of rows tell what training on some of them does? The linear datamodelling score (Park et al. 2023).

The proxy (as it is shipped, or a ``small`` one) is trained on one part of a mixture of five development datasets
(``DATASEL_SHARED``), and then, from there, further on many random halves of other rows of it, the candidates. Each
training gives a loss of every held-out query row. A score of the candidates toward a query predicts the outcome of a
training by its sum over the rows trained on; ``objective`` is Spearman's correlation of prediction and outcome over the
trainings, the mean over the queries, with the 2.5 and 97.5 % quantiles of 1,000 resamples of the trainings (``low``,
``high``). ``by_task`` is the same for the mean loss of the queries of a dataset.

Gradients are those of the sum loss, under the proxy after a training on all candidates (or ``before`` it); EK-FAC is
estimated from the candidates. ``stored`` reads the table of 1,024 numbers a row instead of whole gradients.

Trainings are kept in ``--cache`` as they end: a run that was stopped goes on with the next. Once the first has begun,
several processes may share them (``--part 0 2`` and ``--part 1 2``); a last call without ``--part`` judges.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import polars as pl

from benchmarks.gradients import POOLS, labelled_mixture
from benchmarks.harness import Measured, Row, measured, report

OPERATION = "influence_lds"
WARM = 2000
RESAMPLES = 1000
SIZES: dict[str, dict[str, int]] = {
    "shipped": {"hidden": 128, "layers": 3, "max_tokens": 256},
    "small": {"hidden": 64, "layers": 2, "max_tokens": 128, "vocabulary": 2000},
}
"""Proxies: the one that is shipped, and one for a tenth of the time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is not trained yet, then judge every score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=48, help="trainings on random halves of the candidates")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--token-budget", type=int, default=200_000, help="of the proxy's first training")
    parser.add_argument("--proxy", default="shipped", choices=SIZES)
    parser.add_argument("--cache", type=Path, default=Path(gettempdir(), "datasel_influence_lds"))
    parser.add_argument(
        "--part", type=int, nargs=2, default=None, metavar=("K", "N"), help="only train every N-th, from K"
    )
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    study = Study(arguments)
    first, step = arguments.part or (0, 1)
    known = study.trained(range(first, study.runs, step))
    if arguments.part is None:
        losses = np.array([known[run] for run in range(study.runs)])
        report(OPERATION, study.judged(losses), record=not arguments.no_record)
    return 0


class Study:
    """Rows, trainings and scores of one protocol, kept in a folder of its own."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.runs, self.epochs, self.budget = arguments.runs, arguments.epochs, arguments.token_budget
        self.proxy, self.size = arguments.proxy, SIZES[arguments.proxy]
        said = [self.proxy, arguments.candidates, arguments.queries, self.epochs, self.budget]
        self.folder = arguments.cache / "_".join(map(str, said))
        self.folder.mkdir(parents=True, exist_ok=True)
        sizes = [arguments.candidates, arguments.queries, WARM]
        # Of every dataset the first rows are queries, so that each has as many.
        every = labelled_mixture(sum(sizes))
        parts = {name: [row for label, row in every if label == name] for name in POOLS}
        each = [size // len(POOLS) for size in sizes]
        stops = np.cumsum([0, each[1], each[0], each[2]])
        queries, self.candidates, self.warm = (
            [(name, row) for name, rows in parts.items() for row in rows[start:stop]] for start, stop in pairwise(stops)
        )
        self.tasks = [name for name, _ in queries]
        self.queries = [row for _, row in queries]

    # ----------------------------------------------------------------------------------------------------- trainings
    def start(self) -> Any:
        """Return the proxy that all trainings start from."""
        from datasel_assets.models.fine_tune import ProxyStart
        from datasel_assets.models.proxy_lm import train_proxy_lm
        from datasel_assets.specs.proxy import ProxySpec

        folder = self.folder / "start"
        if not (folder / "model.safetensors").is_file():
            print("training the proxy", file=sys.stderr, flush=True)
            spec = ProxySpec(**self.size, token_budget=self.budget)
            train_proxy_lm([row for _, row in self.warm], spec, folder)
        return ProxyStart(folder, "cpu")

    def masks(self) -> np.ndarray:
        """Return (runs, candidates) bool: a random half of the candidates for each run, of each dataset as many."""
        names = np.array([name for name, _ in self.candidates])
        found = np.zeros((self.runs, len(names)), bool)
        for run in range(self.runs):
            draw = np.random.default_rng([1, run])
            for name in POOLS:
                own = np.flatnonzero(names == name)
                found[run, draw.choice(own, len(own) // 2, replace=False)] = True
        return found

    def trained(self, wanted: Sequence[int]) -> Mapping[int, list[float]]:
        """Return the losses of the queries after each training that is there; those of ``wanted`` are made if not."""
        from datasel_assets.models.fine_tune import FineTuneSpec

        path = self.folder / "losses.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        known = {line["run"]: line["losses"] for line in map(json.loads, lines)}
        start, spec = self.start(), FineTuneSpec(epochs=self.epochs)
        pool = pl.DataFrame(
            {
                "row_id": [f"{k:06d}" for k in range(len(self.candidates))],
                "content_hash": [f"{k:06d}" for k in range(len(self.candidates))],
                "messages": [row for _, row in self.candidates],
            }
        )
        sets = {f"{k:04d}": [row] for k, row in enumerate(self.queries)}
        masks, began = self.masks(), time.perf_counter()

        def train(rows: pl.DataFrame, keep: Path | None = None) -> list[float]:
            tokens = int(self.epochs * start.row_tokens(rows["messages"]).sum())
            arm = start.measure(rows, tokens, spec, 0, sets, keep=keep)
            return [arm.losses[name] for name in sets]

        if not (self.folder / "after" / "model.safetensors").is_file():
            (self.folder / "after").mkdir(exist_ok=True)
            train(pool, self.folder / "after")
        missing = [run for run in wanted if run not in known]
        for done, run in enumerate(missing, 1):
            known[run] = train(pool.filter(pl.Series(masks[run])))
            with path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps({"run": run, "losses": known[run]}) + "\n")
            left = (time.perf_counter() - began) / done * (len(missing) - done)
            print(f"{done} of {len(missing)} trainings, {left / 60:.0f} min left", file=sys.stderr, flush=True)
        return known

    # -------------------------------------------------------------------------------------------------------- scores
    def judged(self, losses: np.ndarray) -> list[Row]:
        """Return one line for each score, best first."""
        masks, scores = self.masks(), {}
        for made in (self.by_gradients("after"), self.by_gradients("start", " before"), self.by_language_model(),
                     self.by_similarity(), self.by_chance()):  # fmt: skip
            scores |= made
        rows = []
        for name, (score, cost) in scores.items():
            columns = np.broadcast_to(score.T[:, None] if score.ndim == 1 else score, (masks.shape[1], losses.shape[1]))
            figures = judge(columns, masks, -losses, self.tasks)
            rows.append(
                Row(
                    name,
                    masks.shape[1],
                    cost,
                    figures.pop("objective"),
                    {**figures, "runs": self.runs, "proxy": self.proxy, "epochs": self.epochs},
                )
            )
        return sorted(rows, key=lambda row: -(row.objective or 0.0))

    def by_gradients(self, which: str, said: str = "") -> Mapping[str, tuple[np.ndarray, Measured]]:
        """Return scores by gradients under one model."""
        from datasel_assets.models.curvature import divide
        from datasel_assets.models.curvature_fit import fit_curvature
        from datasel_assets.models.gradient_projections import Eigenbasis, Toward, Whole
        from datasel_assets.models.gradients import GradientModel
        from datasel_assets.specs.causal import CausalSpec

        rows = [row for _, row in self.candidates]
        causal = CausalSpec(model=str(self.folder / which), max_tokens=self.size["max_tokens"], template="chat")
        with GradientModel(causal, "cpu") as model:
            with measured() as fitting:
                layers, _ = fit_curvature(model, rows)
            wanted = np.concatenate([model.read([row], Whole(model.shapes)).values for row in self.queries])
            bent = divide(layers, wanted, 0.1)
            found = {}
            for name, directions in (("influence none", wanted), ("influence ekfac", bent)):
                with measured() as cost:
                    made = model.read(rows, Toward(directions, model.shapes))
                if directions is bent:
                    cost = Measured(cost.wall_s + fitting.wall_s, cost.cpu_s + fitting.cpu_s, fitting.peak_rss_mb)
                cosines = made.values / made.norm[:, None] / np.linalg.norm(directions, axis=1)
                found[f"{name}, dot{said}"] = made.values, cost
                found[f"{name}, cosine{said}"] = cosines, cost
            found[f"gradient norm{said}"] = made.norm, cost
            if which == "after":
                basis = Eigenbasis(layers, 1024, model.device)
                with measured() as cost:
                    kept, asked = (model.read(some, basis).values for some in (rows, self.queries))
                unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (kept, asked)]
                found["stored 1,024, cosine"] = unit[0] @ unit[1].T, cost
                # TRAK: the inverse of the Gram matrix of the stored gradients, with the damping of the others.
                gram = kept.T.astype(np.float64) @ kept / len(kept)
                gram[np.diag_indices(len(gram))] += 0.1 * np.trace(gram) / len(gram)
                found["stored 1,024, gram (TRAK)"] = kept @ np.linalg.solve(gram, asked.T), cost
        return found

    def by_language_model(self) -> Mapping[str, tuple[np.ndarray, Measured]]:
        """Return scores that know no query: IFD and the loss under the proxy that all start from, the tokens."""
        from datasel_assets.indicators.tokens import TOKENS
        from datasel_assets.models.causal_lm import CausalLM
        from datasel_assets.specs.causal import CausalSpec

        rows = [row for _, row in self.candidates]
        spec = CausalSpec(
            model=str(self.folder / "start"), max_tokens=self.size["max_tokens"], template="chat", precision="float32"
        )
        with measured() as cost, CausalLM(spec, "cpu") as lm:
            stats = {
                "conditioned": lm.token_stats(lm.conditioned(rows)),
                "unconditioned_bare": lm.token_stats(lm.unconditioned(rows, "bare")),
            }
        tokens = stats["conditioned"].by_row.count.astype(np.float64)
        return {
            "IFD, high": (known(TOKENS["ifd_perplexity_ratio"](stats)), cost),
            "loss, high": (known(TOKENS["nll"](stats)), cost),
            "response tokens": (tokens, Measured()),
        }

    def by_similarity(self) -> Mapping[str, tuple[np.ndarray, Measured]]:
        """Return cosines of the default representation and of RDS+; the basis is fitted on candidates and warm rows."""
        from benchmarks.task_retrieval import shipped, vectors_of
        from datasel_assets.models.encoder import Encoder
        from datasel_assets.specs.encoder import EncoderSpec

        pool, settings, found = [row for _, row in (*self.candidates, *self.warm[::8])], shipped(), {}
        with measured() as cost, Encoder(EncoderSpec.model_validate({"max_tokens": 256})) as encoder:
            layers, asked = (
                np.stack([made.layers[layer] for layer in encoder.layers], axis=1).astype(np.float32)
                for made in (encoder.encode(some) for some in (pool, self.queries))
            )
        for name in ("spectral", "rds_plus"):
            vectors, queries = vectors_of(settings[name], layers, asked)
            found[f"similarity, {name}"] = vectors[: len(self.candidates)] @ queries.T, cost
        return found

    def by_chance(self) -> Mapping[str, tuple[np.ndarray, Measured]]:
        """Return random scores, another for each query."""
        drawn = np.random.default_rng(5).standard_normal((len(self.candidates), len(self.queries)))
        return {"random": (drawn, Measured())}


def known(values: np.ndarray) -> np.ndarray:
    """Return values with their mean where one is missing."""
    return np.where(np.isfinite(values), values, np.nanmean(values))


def judge(scores: np.ndarray, masks: np.ndarray, outcomes: np.ndarray, tasks: Sequence[str]) -> dict[str, float]:
    """Return the score of predictions, with its interval over the trainings.

    Args:
        scores: (n, q) of rows toward queries.
        masks: (m, n) rows of each training.
        outcomes: (m, q), larger is better.
        tasks: (q,) dataset of each query.
    """
    from datasel_assets.diagnostics.lds import lds

    names = sorted(set(tasks))
    member = np.array([[task == name for task in tasks] for name in names], float)
    member /= member.sum(axis=1, keepdims=True)

    def means(some: np.ndarray) -> tuple[float, float]:
        return (
            lds(scores, masks[some], outcomes[some]).mean,
            lds(scores @ member.T, masks[some], outcomes[some] @ member.T).mean,
        )

    draw = np.random.default_rng(0)
    whole = means(np.arange(len(masks)))
    drawn = np.array([means(draw.integers(0, len(masks), len(masks))) for _ in range(RESAMPLES)])
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return {
        "objective": whole[0],
        "low": float(low[0]),
        "high": float(high[0]),
        "by_task": whole[1],
        "by_task_low": float(low[1]),
        "by_task_high": float(high[1]),
    }


if __name__ == "__main__":
    raise SystemExit(main())
