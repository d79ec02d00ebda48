"""Which numbers find wrong rows: labels of a classifier, responses under a language model.

``labels``: ``banking77_train`` (development datasets, ``DATASEL_SHARED``; 10,003 questions of 77 intents) by vectors
of the bundled encoder, with a share of the labels replaced: ``symmetric`` by any other, ``confusion`` by that of the
nearest other intent. A line for each number, ``objective`` is its AUC for the replaced labels, ``error`` its standard
error: ``neighbour_disagreement`` needs no training, ``last_loss`` is that of the tenth epoch, ``p_clean`` that of both
stages of IDO. The published labels hold some errors of their own, which count as right here. ``accuracy`` on
``banking77_test``: a plain training of as many epochs as both stages, and IDO.

``proxy``: rows of four development datasets under a small model that was trained on others of them, a tenth with the
response of another row; five epochs further.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gradients import cost_of, mixture
from benchmarks.harness import Row, isolated, measured, report
from benchmarks.projects import shared_data

OPERATION = "dynamics"
NOISE = ("symmetric", "confusion")
SHARES = (0.2, 0.4)
EPOCHS, SECOND = 10, 10


def encoded(folder: str) -> dict[str, Any]:
    """Write vectors and labels of both parts of banking77."""
    import polars as pl

    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    spec = EncoderSpec(layers="last", template="plain", max_tokens=64)
    found = {}
    with Encoder(spec, "cpu") as encoder:
        for part in ("train", "test"):
            rows = pl.read_parquet(shared_data() / f"banking77_{part}.parquet")
            texts = [[{"role": "user", "content": text.strip()}] for text in rows["text"]]
            (vectors,) = encoder.encode(texts).layers.values()
            found[part] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            found[f"{part}_label"] = rows["category"].to_numpy().astype(np.str_)
    np.savez(Path(folder, "banking77.npz"), **found)
    return {}


def wrong_labels(x: np.ndarray, y: np.ndarray, k: int, noise: str, share: float) -> np.ndarray:
    """Return labels of which a share is replaced."""
    random = np.random.default_rng(0)
    given = y.copy()
    bad = random.permutation(len(y))[: int(share * len(y))]
    if noise == "symmetric":
        given[bad] = (y[bad] + random.integers(1, k, len(bad))) % k
        return given
    centres = np.stack([x[y == c].mean(axis=0) for c in range(k)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = centres @ centres.T
    np.fill_diagonal(alike, -1)
    given[bad] = alike.argmax(axis=1)[y[bad]]
    return given


def labels(folder: str, noise: str, share: float) -> dict[str, Any]:
    """Return the AUC of every number, and accuracies, for one kind of noise."""
    from datasel_assets.arrays.nearest_neighbours import nearest_neighbours
    from datasel_assets.diagnostics.auc import auc
    from datasel_assets.diagnostics.planted import WRONG_IF_HIGH
    from datasel_assets.indicators.dynamics import History, family
    from datasel_assets.models.label_noise import learn_labels
    from datasel_assets.specs.dynamics import ClassifierSpec

    with np.load(Path(folder, "banking77.npz")) as held:
        x, other = held["train"].astype(np.float32), held["test"].astype(np.float32)
        names, y = np.unique(held["train_label"], return_inverse=True)
        truth = np.searchsorted(names, held["test_label"])
    k = len(names)
    given = wrong_labels(x, y, k, noise, share)
    wrong = given != y
    with measured() as cost:
        learned = learn_labels(x, given, k, ClassifierSpec(epochs=EPOCHS, second_epochs=SECOND, batch_rows=64), 0)
    plain = learn_labels(x, given, k, ClassifierSpec(epochs=EPOCHS + SECOND, second_epochs=0, batch_rows=64), 0)
    own = learned.probabilities[np.arange(len(y)), given]
    others = learned.probabilities.copy()
    others[np.arange(len(y)), given] = -1
    nearest = nearest_neighbours(x).index
    said = {
        "p_clean": learned.p_clean,
        "difficulty": learned.difficulty,
        "label_margin": own - others.max(axis=1),
        "neighbour_disagreement": (given[nearest] != given[:, None]).mean(axis=1),
    }
    history = History(learned.losses, learned.right.astype(float), learned.confidence, learned.el2n, given=said)
    values = {name: found(history) for name, found in family(labels=True, split=False).items() if name in WRONG_IF_HIGH}
    signed = {name: found if WRONG_IF_HIGH[name] else -found for name, found in values.items()}
    signed["last_loss"] = learned.losses[:, -1]
    signed["last_loss, twice the epochs"] = plain.losses[:, -1]

    def right(classifier: Any) -> float:
        return float((classifier(other).argmax(axis=1) == truth).mean())

    return {
        "auc": {name: auc(found, wrong) for name, found in signed.items()},
        "accuracy": {"plain": right(plain.first), "IDO": right(learned.classifier)},
        "estimated_share": float((1 - learned.p_clean).mean()),
        "rows": len(y),
        "cost": {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_rss_mb": cost.peak_rss_mb},
    }


def proxy(folder: str, rows: int, budget: int) -> dict[str, Any]:
    """Return the AUC of every number for planted responses under a small language model."""
    from datasel_assets.diagnostics.planted import planted_figures
    from datasel_assets.indicators.dynamics import family
    from datasel_assets.models.dynamics import plant, watch
    from datasel_assets.models.proxy_lm import train_proxy_lm
    from datasel_assets.specs.causal import CausalSpec
    from datasel_assets.specs.dynamics import DynamicsSpec
    from datasel_assets.specs.proxy import ProxySpec
    from datasel_assets.specs.training import TrainingSpec
    from datasel_assets.tables.dynamics.text import with_mixture

    every = mixture(4000)
    model = Path(folder, "proxy")
    train_proxy_lm(every[rows:], ProxySpec(hidden=128, layers=3, max_tokens=256, token_budget=budget), model)
    ids = np.array([f"{i:05d}" for i in range(rows)])
    wrong, marked = plant(ids, every[:rows], 0.1, 0)
    spec = DynamicsSpec(model="proxy", epochs=5, training=TrainingSpec())
    causal = CausalSpec(model=str(model), max_tokens=256, template="chat")
    with measured() as cost:
        found = watch(causal, spec, ids, wrong, Path(folder, "training"), "once", device="cpu")
    history = with_mixture(found.history)
    figures = planted_figures({n: f(history) for n, f in family(labels=False, split=False).items()}, marked)
    return {
        "auc": {row["column"]: (row["auc"], row["error"]) for row in figures.to_dicts()},
        "rows": rows,
        "planted": int(marked.sum()),
        "loss": [float(np.nanmean(column)) for column in history.losses.T],
        "cost": {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_rss_mb": cost.peak_rss_mb},
    }


def lines(title: str, found: dict[str, Any], more: dict[str, Any]) -> list[Row]:
    """Return a line for every number, the best first, and the cost of the training on the first."""
    cost, rows = cost_of(found["cost"]), []
    known = {name: pair for name, pair in found["auc"].items() if pair[0] is not None and np.isfinite(pair[0])}
    for name, (area, error) in sorted(known.items(), key=lambda item: -item[1][0]):
        extra = {**more, "error": round(error, 4)}
        rows.append(Row(f"{title}: {name}", found["rows"], cost, area, extra))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["labels", "proxy"], choices=["labels", "proxy"])
    parser.add_argument("--noise", nargs="+", default=list(NOISE), choices=NOISE)
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--rows", type=int, default=1200, help="under the language model")
    parser.add_argument("--token-budget", type=int, default=400_000, help="of the language model's first training")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if "labels" in arguments.parts:
            isolated("benchmarks.dynamics:encoded", folder=folder)
            for noise in arguments.noise:
                for share in arguments.shares:
                    found = isolated("benchmarks.dynamics:labels", folder=folder, noise=noise, share=share)
                    more = {f"accuracy_{name}": round(value, 4) for name, value in found["accuracy"].items()}
                    more["estimated_share"] = round(found["estimated_share"], 4)
                    rows += lines(f"labels, {noise} {share:g}", found, more)
        if "proxy" in arguments.parts:
            options = {"rows": arguments.rows, "budget": arguments.token_budget}
            found = isolated("benchmarks.dynamics:proxy", folder=folder, **options)
            losses = " ".join(f"{loss:.3f}" for loss in found["loss"])
            rows += lines("responses of another row, proxy", found, {"planted": found["planted"], "losses": losses})
    report(OPERATION, rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
