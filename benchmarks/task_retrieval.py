"""Task retrieval: how many rows of a task does round-robin find, given 8 of them? One figure per representation.

Pool: t0_train_50k_templates, the first 48 distinct rows of each template file, 256 tokens. For each template 8 random
rows are the queries and the R remaining rows are wanted; recall is the share of them among the R rows that round-robin
selects from the whole pool, averaged over templates.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from benchmarks.harness import Row, measured, report
from benchmarks.projects import REPOSITORY, shared_data
from datasel_assets.models.encoder import Encoder
from datasel_assets.registry.base import load_folder
from datasel_assets.registry.encoder import EncoderSpec
from datasel_assets.registry.representation import RepresentationSpec
from datasel_assets.representations import CompressSpec, compress, fit_basis, moments, needs_fit, prepare
from datasel_assets.samplers import SAMPLERS, ArrayVectors, Candidates

PER_TEMPLATE = 48
QUERIES = 8
PROTOTYPE: dict[str, tuple[list[int], dict]] = {
    "last layer, k=32 whitened": ([6], {"method": "whiten", "dims": 32}),
    "last layer, k=128 whitened": ([6], {"method": "whiten", "dims": 128}),
    "layer 4 alone": ([4], {"method": "none"}),
    "layer 5, k=32 whitened": ([5], {"method": "whiten", "dims": 32}),
    "layers 4 and 6, uncompressed": ([4, 6], {"method": "none"}),
    "layers 4 and 6, PCA-96": ([4, 6], {"method": "whiten", "dims": 96, "alpha": 0.0}),
    "layers 4 and 6, k=96 whitened": ([4, 6], {"method": "whiten", "dims": 96}),
}
"""Further settings besides the shipped representations: layers and compression."""


def main(argv: Sequence[str] | None = None) -> int:
    """Encode the pool once, then score every representation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, default=None, help="only so many templates")
    parser.add_argument("--seeds", type=int, default=3, help="draws of queries")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    pool = task_pool(arguments.templates)
    labels = pool["label"].to_numpy()
    with Encoder(EncoderSpec.model_validate({"max_tokens": 256})) as encoder:
        messages = [
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
            for prompt, completion in pool.select("prompt", "completion").iter_rows()
        ]
        encoded = encoder.encode(messages, dtype=np.float16)
    stored = np.stack([encoded.layers[layer] for layer in encoder.layers], axis=1)
    settings = dict(PROTOTYPE)
    for name, spec in load_folder(REPOSITORY / "data" / "representations", RepresentationSpec).specs.items():
        settings[name] = (list(spec.encoder.resolve_layers(6)), spec.compress.model_dump(exclude_unset=True))
    rows = []
    for name, (layers, options) in settings.items():
        with measured() as cost:
            found = recall(vectors(stored[:, layers], options), labels, range(arguments.seeds))
        rows.append(Row(name, pool.height, cost, float(found.mean()), {"se": standard_error(found)}))
    with measured() as cost:
        found = recall(np.random.default_rng(0).standard_normal((pool.height, 32)), labels, range(arguments.seeds))
    rows.append(Row("random vectors", pool.height, cost, float(found.mean()), {"se": standard_error(found)}))
    rows.sort(key=lambda row: row.objective or 0.0)
    report("task_retrieval", rows, record=not arguments.no_record)
    return 0


def task_pool(templates: int | None) -> pl.DataFrame:
    """Return columns prompt, completion, label: distinct rows, at most 48 per template file."""
    frame = pl.read_parquet(shared_data() / "t0_train_50k_templates.parquet").select(
        "prompt", completion=pl.col("completion").str.strip_suffix("<|endoftext|>"), label="_source_file"
    )
    frame = frame.unique(["prompt", "completion"], keep="first", maintain_order=True)
    frame = frame.group_by("label", maintain_order=True).head(PER_TEMPLATE)
    names = frame["label"].unique(maintain_order=True)[:templates]
    return frame.filter(pl.col("label").is_in(names.implode()))


def vectors(layers: np.ndarray, options: dict) -> np.ndarray:
    """Return unit vectors of (n, layers, dim) states, the basis fitted on the same pool."""
    spec = CompressSpec.model_validate(options)
    fitted = moments(prepare(spec, layers)) if needs_fit(spec) else None
    return compress(spec, fit_basis(spec, fitted, *layers.shape[1:]), layers).vectors


def recall(found: np.ndarray, labels: np.ndarray, seeds: Sequence[int] | range) -> np.ndarray:
    """Return (seeds,) mean recall over the templates that have at least twice as many rows as queries."""
    sampler = SAMPLERS["round_robin"]
    select: Callable = sampler.sample
    ids = np.array([f"{i:08}" for i in range(len(found))])
    candidates = ArrayVectors(found.astype(np.float32))
    means = []
    for seed in seeds:
        shares = []
        for index, label in enumerate(np.unique(labels)):
            rows = np.flatnonzero(labels == label)
            if len(rows) < 2 * QUERIES:
                continue
            queries = np.random.default_rng([seed, index]).choice(rows, QUERIES, replace=False)
            eligible = np.ones(len(found), bool)
            eligible[queries] = False
            pool = Candidates(ids, eligible, vectors=candidates, queries=candidates.take(queries))
            chosen = select(pool, len(rows) - QUERIES, sampler.Params(), seed).order
            shares.append(np.isin(chosen, rows).mean())
        means.append(np.mean(shares))
    return np.array(means)


def standard_error(means: np.ndarray) -> float:
    """Return the standard error over the draws of queries."""
    return float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("nan")


if __name__ == "__main__":
    raise SystemExit(main())
