"""Do trainings on parts of a pool find a part that harms and one that helps, and what do scores say of the outcomes?

The pool: rows of four development datasets (``DATASEL_SHARED``) in 38 clusters by the bundled encoder, of 25 to 50
rows, and beside them a ``copied`` cluster (50 rows of gsm8k, which is the target) and a ``poisoned`` one (50 other
questions of gsm8k with the answers of rows of other datasets). The outcome is the loss on the answers of 100 further
rows of gsm8k after a training from a small model of the pool.

One series for each design, of about as many trainings each: a line for each design and estimator. ``objective``:
Spearman of outcomes foretold by effects (five folds over subsets); ``rank_copied`` and ``rank_poisoned`` of 40 (1 is
right for both); ``believed``: which effects may be believed, the planted ones first; ``seed_noise``: of one training.

``score``: means of scores over clusters as foretellers of the outcomes of the random halves (``objective``: the linear
datamodelling score, which needs no training), with 95 % intervals over 1,000 resamples of subsets.

Trainings are kept in ``--cache`` as they end: a run that was stopped goes on with the next.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.gradients import labelled_mixture
from benchmarks.harness import Measured, Row, measured, report

OPERATION = "runs"
UNITS, ROWS, TARGET = 38, 50, "gsm8k_train"
PROXY = {"hidden": 64, "layers": 2, "max_tokens": 128, "vocabulary": 2000, "token_budget": 200_000}
DESIGNS: Mapping[str, dict[str, Any]] = {
    "random halves": {"design": {"kind": "random", "subsets": 64, "share": 0.5}, "seeds": 2},
    "several shares": {"design": {"kind": "random", "subsets": 64, "share": [0.2, 0.4, 0.6, 0.8]}, "seeds": 2},
    "uniform share": {"design": {"kind": "random", "subsets": 128, "share": "uniform"}, "seeds": 1},
    "dirichlet": {"design": {"kind": "dirichlet", "subsets": 64, "concentration": 1.0}, "seeds": 2},
    "leave one out": {"design": {"kind": "leave_one_out"}, "seeds": 3},
}
ESTIMATORS = {
    "random halves": ["ols", "lasso", "difference_of_means", "ame", "banzhaf"],
    "several shares": ["ols", "lasso", "ame", "banzhaf", "shapley", "beta_shapley"],
    "uniform share": ["ols", "lasso", "ame", "banzhaf", "shapley", "beta_shapley"],
    "dirichlet": ["ols", "lasso"],
    "leave one out": ["ols"],
}
RESAMPLES = 1000


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out every design, then judge estimators and scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=20_000, help="of one training")
    parser.add_argument("--seeds", type=int, default=None, help="trainings of each subset, instead of the design's")
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=DESIGNS)
    parser.add_argument("--cache", type=Path, default=Path(gettempdir(), "datasel_runs"))
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    from datasel_assets.tables import make, open_warehouse

    data = arguments.cache / "data"
    if not (data / "sources").is_dir():
        write_pool(data)
    for design in arguments.designs:
        write_series(data, design, arguments.tokens, arguments.seeds)
    warehouse = open_warehouse(data, device="cpu")
    rows: list[Row] = []
    for design in arguments.designs:
        slug = design.replace(" ", "_")
        with measured() as cost:
            made = make(warehouse, f"run_effects/{slug}", upstream=True)
        rows += judged(warehouse, design, slug, cost, made.built.metadata)
    if "random halves" in arguments.designs:
        rows += scored(warehouse)
    report(OPERATION, rows, record=not arguments.no_record)
    return 0


# --------------------------------------------------------------------------------------------------------------- pool
def write_pool(data: Path) -> None:
    """Write the sources, the target and the small model."""
    every = labelled_mixture(3600)
    of_target = [row for name, row in every if name == TARGET]
    others = [row for name, row in every if name != TARGET]
    for number, rows in enumerate(clusters(others)):
        write_source(data, f"cluster_{number:02d}", rows)
    write_source(data, "copied", of_target[:ROWS])
    asked, answered = of_target[ROWS : 2 * ROWS], others[-ROWS:]
    write_source(data, "poisoned", [[ask[0], answer[-1]] for ask, answer in zip(asked, answered, strict=True)])
    examples = [{"messages": row} for row in of_target[2 * ROWS : 4 * ROWS]]
    write(data / "targets" / "sums.yaml", {"doc": "word problems", "examples": examples})
    causal = {"model": "local:proxy_lm", "max_tokens": PROXY["max_tokens"], "template": "chat"}
    model = {"causal": causal, "contexts": ["unconditioned_bare"], "proxy": PROXY, "retrain": {"drift": 0.9}}
    write(data / "language_models" / "small.yaml", model)


def clusters(rows: list[list[dict[str, str]]]) -> list[list[list[dict[str, str]]]]:
    """Return rows of the same meaning together: as many clusters as wanted, as many rows of each."""
    from datasel_assets.clusters import assign, fit_clusters

    vectors = embedded(rows)
    model = fit_clusters(vectors, UNITS + 4, seed=0)
    labels, _ = assign(model, vectors)
    large = [np.flatnonzero(labels == cluster) for cluster in range(UNITS + 4)]
    large = sorted((own for own in large if len(own) >= ROWS // 2), key=len, reverse=True)[:UNITS]
    return [[rows[i] for i in own[:ROWS]] for own in large]


def embedded(rows: list[list[dict[str, str]]]) -> np.ndarray:
    """Return (n, 384) unit vectors of the bundled encoder."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    with Encoder(
        EncoderSpec.model_validate({"layers": "last", "template": "plain", "max_tokens": 64}), "cpu"
    ) as encoder:
        (vectors,) = encoder.encode(rows).layers.values()
    found = np.asarray(vectors, np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def write_source(data: Path, name: str, rows: Sequence[Any]) -> None:
    """Write a source and its registry file."""
    file = data / "files" / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows), encoding="utf-8")
    write(data / "sources" / f"{name}.yaml", {"uri": f"files/{name}.jsonl"})


def write_series(data: Path, design: str, tokens: int, seeds: int | None) -> None:
    """Write the file of one design."""
    own = {**DESIGNS[design], **({} if seeds is None else {"seeds": seeds})}
    file = {
        "model": "small",
        "units": "source",
        "tokens": tokens,
        "outcomes": {"targets": ["sums"], "held_out": 0},
        "estimators": ESTIMATORS[design],
        "training": {"batch_tokens": 2048, "learning_rate": 1e-3},
        "max_minutes": 600,
    }
    write(data / "runs" / f"{design.replace(' ', '_')}.yaml", {**file, **own})


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a registry file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True), encoding="utf-8")


# -------------------------------------------------------------------------------------------------------------- lines
def judged(warehouse: Any, design: str, slug: str, cost: Measured, shown: Mapping[str, Any]) -> list[Row]:
    """Return a line for each estimator of one design."""
    lake = warehouse.lake
    names = lake.scan(("run_units", slug)).collect().sort("unit")["name"].to_list()
    seconds = float(lake.scan(("run_costs", slug)).collect()["seconds"].sum())
    effects = lake.scan(("run_effects", slug)).collect().filter(pl.col("set") == "target: sums")
    foretold = {
        each[1]: each[2] for each in shown["how well effects foretell subsets left out"].cells if each[0] != "all"
    }
    rows = []
    for (estimator,), part in effects.group_by("estimator", maintain_order=True):
        own = part.sort("unit")
        values = own["effect"].to_numpy()
        order = np.argsort(-values, kind="stable")
        ranks = {name: int(np.flatnonzero(order == names.index(name))[0]) + 1 for name in ("copied", "poisoned")}
        believed = [names[unit] for unit in own.filter("believed")["unit"]]
        planted = [name for name in ("copied", "poisoned") if name in believed]
        extra = {
            "design": design,
            "trainings": lake.require(("runs", slug)).rows - 1,
            "tokens": int(lake.scan(("runs", slug)).collect()["tokens"][1:].mean()),  # type: ignore[arg-type]
            "rank_copied": ranks["copied"],
            "rank_poisoned": len(names) + 1 - ranks["poisoned"],
            "effect_copied": float(values[names.index("copied")]),
            "effect_poisoned": float(values[names.index("poisoned")]),
            "error": known(float(np.median(own["error"].fill_null(np.nan).to_numpy()))),
            "believed": ", ".join(planted) or "none",
            "believed_others": len(believed) - len(planted),
            "seed_noise": known(shown["noise_of_seeds"]),
            "training_seconds": seconds,
        }
        rows.append(Row(f"{design}: {estimator}", len(names), cost, foretold.get(estimator), extra))
    return rows


def known(value: float) -> float | str:
    """Return a number, or a word for none, which JSON has no number for."""
    return value if np.isfinite(value) else "unknown"


def scored(warehouse: Any) -> list[Row]:
    """Return a line for each score as a foreteller of the outcomes of the random halves."""
    from datasel_assets.diagnostics.lds import lds
    from datasel_assets.tables.runs.series import read_observed

    observed = read_observed(warehouse, "random_halves", ["target: sums"])
    draw, rows = np.random.default_rng(0), []
    for name, (score, cost) in scores_of_units(warehouse).items():
        whole = lds(score, observed.shares > 0, observed.outcomes[:, 0]).mean
        some = draw.integers(0, len(observed.shares), (RESAMPLES, len(observed.shares)))
        again = [lds(score, observed.masks[each], observed.outcomes[each, 0]).mean for each in some]
        low, high = np.nanquantile(again, [0.025, 0.975])
        extra = {"design": "random halves", "low": float(low), "high": float(high), "subsets": len(observed.shares)}
        rows.append(Row(f"score: {name}", len(score), cost, whole, extra))
    return sorted(rows, key=lambda row: -(row.objective or 0.0))


def scores_of_units(warehouse: Any) -> Mapping[str, tuple[np.ndarray, Measured]]:
    """Return the mean score of each unit, by the name of the score."""
    from datasel_assets.indicators.tokens import TOKENS
    from datasel_assets.models.causal_lm import CausalLM
    from datasel_assets.models.gradient_projections import Toward, Whole
    from datasel_assets.models.gradients import GradientModel
    from datasel_assets.specs.causal import CausalSpec
    from datasel_assets.tables.trained_models import trained_folder

    lake = warehouse.lake
    names = lake.scan(("run_units", "random_halves")).collect().sort("unit")["name"].to_list()
    rows = [row for name in names for row in lake.scan(("corpus", name)).collect()["messages"].to_list()]
    place = np.repeat(np.arange(len(names)), [lake.require(("corpus", name)).rows for name in names])
    asked = lake.scan(("targets", "sums")).collect()["messages"].to_list()

    def mean(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        return np.bincount(place[known], values[known], len(names)) / np.bincount(place[known], minlength=len(names))

    found: dict[str, tuple[np.ndarray, Measured]] = {}
    with measured() as cost:
        vectors, queries = embedded(rows), embedded(asked)
    found["similarity to the target"] = mean(vectors @ queries.mean(axis=0)), cost
    folder = str(trained_folder(warehouse, "small"))
    causal = CausalSpec(model=folder, max_tokens=PROXY["max_tokens"], template="chat", precision="float32")
    with measured() as cost, CausalLM(causal, "cpu") as lm:
        stats = {
            "conditioned": lm.token_stats(lm.conditioned(rows)),
            "unconditioned_bare": lm.token_stats(lm.unconditioned(rows, "bare")),
        }
    found["IFD, high"] = mean(TOKENS["ifd_perplexity_ratio"](stats)), cost
    found["loss, high"] = mean(TOKENS["nll"](stats)), cost
    found["response tokens"] = mean(stats["conditioned"].by_row.count.astype(np.float64)), Measured()
    with measured() as cost, GradientModel(causal, "cpu") as model:
        wanted = np.concatenate([model.read([row], Whole(model.shapes)).values for row in asked])
        direction = wanted.mean(axis=0, keepdims=True)
        made = model.read(rows, Toward(direction, model.shapes))
    found["influence, dot"] = mean(made.values[:, 0]), cost
    norm = np.where(made.norm > 0, made.norm, np.nan)
    found["influence, cosine"] = mean(made.values[:, 0] / norm), cost
    found["gradient norm"] = mean(norm), cost
    found["random"] = np.random.default_rng(5).standard_normal(len(names)), Measured()
    return found


if __name__ == "__main__":
    sys.exit(main())
