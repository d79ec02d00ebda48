"""What the selection step of every shipped recipe costs at growing pools, for the gallery: ``docs/gallery.md``.

The pool is made up: unit vectors of 384 dimensions around 1,000 topics, half of them near copies, Zipf tags (4,531
labels), 100 clusters, uniform scores, 8 queries per target. Measured is ``run_recipe`` with its ledger, in a fresh
process with one thread after a small pool that compiles; not measured is what the recipe needs (embeddings, scores,
clusters), nor the release. A recipe grows no further when a size took more than ``--limit`` CPU seconds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import REPOSITORY

SIZES = (10_000, 100_000, 1_000_000)
DIM = 384
SOURCES = 5
CLUSTERS = 100
QUERIES = 8
WORDS = 5_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every recipe at every size that it can afford."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", default="", help='"a b c"; all when left out')
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--limit", type=float, default=5.0)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    names = arguments.recipes.split()
    files = [
        path for folder in ("recipes", "gallery") for path in sorted((REPOSITORY / "data" / folder).glob("*.yaml"))
    ]
    for file in files:
        if names and file.stem not in names:
            continue
        sizes = [n for n in SIZES if n <= arguments.largest]
        found = isolated("benchmarks.recipe_cost:run", file=str(file), sizes=sizes, limit=arguments.limit)
        rows = []
        for n, line in zip(sizes, found["sizes"], strict=False):
            cost = Measured(*(line.pop(key) for key in ("wall_s", "cpu_s", "peak_rss_mb")))
            rows.append(Row(file.stem, n, cost, None, {"dim": DIM, **line, "method": found["method"]}))
        report("recipe_cost", rows, record=not arguments.no_record)
    return 0


def run(file: str, sizes: Sequence[int], limit: float) -> dict[str, Any]:
    """Carry out one recipe in this process over as many rows as each of ``sizes``, until one takes too long."""
    from threadpoolctl import threadpool_limits

    from datasel_assets.models.device import return_free_memory
    from datasel_assets.recipes.interpreter import run_recipe
    from datasel_assets.specs.recipe import RecipeSpec

    spec = RecipeSpec.model_validate(yaml.safe_load(Path(file).read_text("utf-8")))
    found: list[dict[str, Any]] = []
    with threadpool_limits(1):
        run_recipe(spec, *make(spec, 1_000))
        for n in sizes:
            if found and found[-1]["cpu_s"] > limit:
                break
            pool, inputs = make(spec, n)
            return_free_memory()
            with measured() as cost:
                selection = run_recipe(spec, pool, inputs)
            counts = {"chosen": selection.selected.height, "eligible": selection.budget["eligible_rows"]}
            found.append({**asdict(cost), **counts})
    return {"sizes": found, "method": spec.method()}


def make(spec: Any, n: int, seed: int = 0) -> tuple[Any, Any]:
    """Return a pool of ``n`` rows with every column that the recipe reads, and its inputs."""
    import polars as pl

    from benchmarks import mig, thin
    from datasel_assets.arrays.vectors import ArrayVectors
    from datasel_assets.recipes.inputs import GivenInputs, Queries, category_column

    rng = np.random.default_rng(seed)
    # Rules that drop rows below a value must not drop all of them.
    raised = {
        rule.score: rule.below for rule in spec.drop if rule.score and rule.below is not None and rule.below >= 0.2
    }
    needs = spec.requires()
    copies = pl.Series(np.where(rng.random(n) < 0.03, 0, None).tolist(), dtype=pl.Int8).cast(pl.String)
    lengths = rng.integers(20, 1500, n)
    columns: dict[str, Any] = {
        "row_id": np.char.mod("%032x", np.arange(n)),
        "source": np.char.mod("source_%d", rng.integers(0, SOURCES, n)),
        "n_turns": np.ones(n, np.int64),
        "n_chars": 5 * lengths,
        "n_tokens": lengths,
        "n_response_tokens": lengths - 10,
        "response_chars": 4 * lengths,
        "prompt_chars": lengths,
        "cluster": rng.integers(0, CLUSTERS, n),
        **dict.fromkeys(("duplicate_of", *(f"{kind}_of" for kind in needs.duplicates)), copies),
        # Below every upper bound that a shipped recipe has, so that all rows stay in play.
        **{name: rng.uniform(0, 0.2, n) + raised.get(name, 0.0) for name in sorted(needs.scores)},
    }
    for name in needs.categories:
        weights = next(stage.params.weights for stage in spec.stages if stage.groups == name)
        columns[category_column(name)] = rng.choice(sorted(weights), n)
    pool = pl.DataFrame(columns)
    vectors, queries, tagged, texts = None, None, None, None
    if needs.representations:
        found = thin.make(n, DIM, 1_000, max(n // 2, 1))
        vectors = ArrayVectors(found)
        queries = Queries(found[rng.choice(n, QUERIES, replace=False)].copy())
    if needs.tags:
        tagged = mig.make(n, 2.0)
    if needs.texts:
        words = np.char.mod("word%d", np.arange(WORDS))
        drawn = np.minimum(rng.zipf(1.3, (n, 40)), WORDS) - 1
        texts = np.array([" ".join(line) for line in words[drawn]], dtype=object)
    return pool, GivenInputs(
        by_representation={} if vectors is None else dict.fromkeys(needs.representations, vectors),
        by_target={} if queries is None else {target: queries for _, target in needs.targets},
        by_tags={} if tagged is None else dict.fromkeys(needs.tags, tagged.tags),
        graphs={} if tagged is None else dict.fromkeys(needs.tags, tagged.label_graph),
        all_texts=texts,
    )


if __name__ == "__main__":
    raise SystemExit(main())
