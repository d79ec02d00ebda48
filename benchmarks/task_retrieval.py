"""Task retrieval: how many rows of a task does round-robin find, given 8 of them? One figure per representation.

Three tables, all over 256 tokens with the default encoder; the queries themselves cannot be selected.

- ``t0``: t0_train_50k_templates alone, the first 48 distinct rows of each template file. Recall is the share of the R
  remaining rows of a template among the R rows selected from the whole pool, averaged over templates. The extra figure
  ``queries_kept`` leaves the queries in the pool, where they use up part of the budget.
- ``pools``: nine labelled pools put together (templates, intents, exam subjects, services, categories, documents), the
  same recall for each pool, averaged over pools. The default was chosen on ``dev``: half the labels of four pools; the
  objective is over the other half and five pools that had no part in it.
- ``targets``: a pool of five sources, 3.5 % selected toward 8 rows of another dataset (gsm8k_test, mbpp); the share of
  the wanted source (gsm8k_train, code) among the selected.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.harness import Row, measured, report
from benchmarks.projects import REPOSITORY, shared_data
from datasel_assets.arrays.vectors import ArrayVectors
from datasel_assets.models.encoder import Encoder
from datasel_assets.registry.base import load_folder
from datasel_assets.representations import compress, fit_basis, moments, needs_fit, prepare
from datasel_assets.samplers import SAMPLERS, Candidates
from datasel_assets.specs.compress import CompressSpec
from datasel_assets.specs.encoder import EncoderSpec
from datasel_assets.specs.representation import RepresentationSpec

PER_TEMPLATE = 48
QUERIES = 8
LABELS_PER_POOL = 40
TARGET_SHARE = 0.035
TARGET_DRAWS = 12
DEV_POOLS = ("t0", "banking77", "bbh", "mmlu")
LAST_FOUR = [3, 4, 5, 6]
ARMS: dict[str, tuple[list[int], dict]] = {
    "last layer, whitened k=32": ([6], {"method": "whiten", "dims": 32}),
    "last layer, whitened k=128": ([6], {"method": "whiten", "dims": 128}),
    "layer 4": ([4], {}),
    "layer 4, k=32 alpha=0.25": ([4], {"method": "whiten", "dims": 32, "alpha": 0.25}),
    "layer 5, whitened k=32": ([5], {"method": "whiten", "dims": 32}),
    "last four": (LAST_FOUR, {}),
    "last four, l2": (LAST_FOUR, {"layer_norm": "l2"}),
    "last four, k=256 alpha=0": (LAST_FOUR, {"method": "whiten", "dims": 256, "alpha": 0.0}),
    "last four, k=256 alpha=0.5": (LAST_FOUR, {"method": "whiten", "dims": 256, "alpha": 0.5}),
    "last four, k=256 alpha=1": (LAST_FOUR, {"method": "whiten", "dims": 256}),
    "last four, k=96 alpha=0.25": (LAST_FOUR, {"method": "whiten", "dims": 96, "alpha": 0.25}),
    "last four, rms, k=256 alpha=0.25": (
        LAST_FOUR,
        {"method": "whiten", "dims": 256, "alpha": 0.25, "layer_norm": "rms"},
    ),
    "layers 4+6, k=96 alpha=0.25": ([4, 6], {"method": "whiten", "dims": 96, "alpha": 0.25}),
    "layers 4+6, k=256 alpha=0.25": ([4, 6], {"method": "whiten", "dims": 256, "alpha": 0.25}),
    "all layers, k=256 alpha=0.25": (list(range(7)), {"method": "whiten", "dims": 256, "alpha": 0.25}),
}
"""Settings besides the shipped representations: layers and compression. Losers are kept in the table."""

Task = tuple[str, str, np.ndarray, np.ndarray]
"""Pool, label, rows of the queries, rows of the label."""


def main(argv: Sequence[str] | None = None) -> int:
    """Encode each table once, then score every representation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=["t0"], choices=["t0", "pools", "targets"])
    parser.add_argument("--n", type=int, default=None, help="only about so many rows of a table (smoke run)")
    parser.add_argument("--seeds", type=int, default=3, help="draws of queries")
    parser.add_argument("--pooling", default="weighted_mean", help="pooling of the encoder")
    parser.add_argument("--arms", nargs="+", default=None, help="only these; default all")
    parser.add_argument("--cache", type=Path, default=None, help="folder to keep and reuse embeddings in")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    settings = {"random vectors": None, **shipped(), **ARMS}
    if arguments.arms:
        settings = {name: settings[name] for name in arguments.arms}
    encode = Embedder(arguments.pooling, arguments.cache, arguments.n)
    rows = []
    for table in arguments.tables:
        found = TABLES[table](encode, settings, arguments.seeds)
        for row in found:
            row.extra |= {"table": table, "pooling": arguments.pooling}
        rows += sorted(found, key=lambda row: row.objective or 0.0)
    report("task_retrieval", rows, record=not arguments.no_record)
    return 0


def t0_table(encode: "Embedder", settings: dict, seeds: int) -> list[Row]:
    """Score every setting on the template pool alone."""
    pool = encode.thin(t0_rows())
    layers = encode(pool, "t0")
    tasks = [list(draw("t0", pool["label"].to_numpy(), seed, labels=None)) for seed in range(seeds)]
    rows = []
    for name, setting in settings.items():
        with measured() as cost:
            vectors = vectors_of(setting, layers)
            means = [np.mean([recall(vectors, task) for task in drawn]) for drawn in tasks]
        kept = np.mean([recall(vectors, task, queries_kept=True) for drawn in tasks for task in drawn])
        extra = {"se": standard_error(means), "queries_kept": float(kept), "dim": vectors.shape[1]}
        rows.append(Row(name, len(layers), cost, float(np.mean(means)), extra))
    return rows


def pools_table(encode: "Embedder", settings: dict, seeds: int) -> list[Row]:
    """Score every setting on all labelled pools put together; fitted on their union."""
    parts = {name: encode.thin(make()) for name, make in POOLS.items()}
    layers = np.concatenate([encode(part, name) for name, part in parts.items()])
    dev, test = ([list(split_tasks(parts, seed, dev=dev)) for seed in range(seeds)] for dev in (True, False))
    rows = []
    for name, setting in settings.items():
        with measured() as cost:
            vectors = vectors_of(setting, layers)
            chosen_on, held_out = (
                [by_pool(drawn, [recall(vectors, task) for task in drawn]) for drawn in split] for split in (dev, test)
            )
        means = [np.mean(list(found.values())) for found in held_out]
        extra = {"se": standard_error(means), "dim": vectors.shape[1]}
        extra |= {"dev": float(np.mean([np.mean(list(found.values())) for found in chosen_on]))}
        extra |= {pool: float(np.mean([found[pool] for found in held_out])) for pool in held_out[0]}
        rows.append(Row(name, len(layers), cost, float(np.mean(means)), extra))
    return rows


def targets_table(encode: "Embedder", settings: dict, seeds: int) -> list[Row]:
    """Score every setting by the share of the wanted source among 3.5 % of a mixed pool."""
    pool, questions = encode.thin(mixed_rows()), target_rows()
    labels, wanted = pool["label"].to_numpy(), questions["label"].to_numpy()
    layers, queries = encode(pool, "mixed"), encode(questions, "questions")
    draws = TARGET_DRAWS * seeds // 3 or 1
    rows = []
    for name, setting in settings.items():
        with measured() as cost:
            vectors, asked = vectors_of(setting, layers, queries)
            shares = {
                source: [
                    target_share(vectors, asked[drawn], labels == source)
                    for drawn in np.random.default_rng(0)
                    .permutation(np.flatnonzero(wanted == source))[: draws * QUERIES]
                    .reshape(draws, QUERIES)
                ]
                for source in ("gsm8k_train", "code")
            }
        extra = {f"{source}_share": float(np.mean(found)) for source, found in shares.items()}
        extra |= {f"{source}_se": standard_error(found) for source, found in shares.items()}
        rows.append(Row(name, len(layers), cost, float(np.mean(list(extra.values())[:2])), extra))
    return rows


TABLES: dict[str, Callable[["Embedder", dict, int], list[Row]]] = {
    "t0": t0_table,
    "pools": pools_table,
    "targets": targets_table,
}


class Embedder:
    """All layers of the default encoder, (n, layers, dim) float16, kept on disk where a cache folder is given."""

    def __init__(self, pooling: str, cache: Path | None, n: int | None) -> None:
        self.spec = EncoderSpec.model_validate({"max_tokens": 256, "pooling": pooling})
        self.cache, self.n = cache, n

    def thin(self, pool: pl.DataFrame) -> pl.DataFrame:
        """Keep whole labels until about ``n`` rows are reached (for a smoke run)."""
        if self.n is None or pool.height <= self.n:
            return pool
        if pool["label"].n_unique() < 2 * QUERIES:
            return pool.gather_every(-(-pool.height // self.n))
        labels = pool["label"].unique(maintain_order=True)
        return pool.filter(pl.col("label").is_in(labels[: max(2, self.n * len(labels) // pool.height)].implode()))

    def __call__(self, pool: pl.DataFrame, name: str) -> np.ndarray:
        """Encode the texts of ``pool``."""
        digest = hashlib.blake2b(repr((self.spec, pool["text"].to_list())).encode(), digest_size=8).hexdigest()
        path = None if self.cache is None else self.cache / f"{name}_{digest}.npy"
        if path is not None and path.exists():
            return np.load(path, mmap_mode="r")
        with Encoder(self.spec) as encoder:
            encoded = encoder.encode([[{"role": "user", "content": text}] for text in pool["text"]], dtype=np.float16)
            layers = np.stack([encoded.layers[layer] for layer in encoder.layers], axis=1)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, layers)
        return layers


def shipped() -> dict[str, tuple[list[int], dict]]:
    """Return layers and compression of every file in data/representations."""
    specs = load_folder(REPOSITORY / "data" / "representations", RepresentationSpec).specs
    return {
        name: (list(spec.encoder.resolve_layers(6)), spec.compress.model_dump(exclude_unset=True))
        for name, spec in specs.items()
    }


def vectors_of(
    setting: tuple[list[int], dict] | None, layers: np.ndarray, queries: np.ndarray | None = None
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of the pool, and of the queries where given; the basis is fitted on the pool alone."""
    if setting is None:
        generator = np.random.default_rng(0)
        drawn = [
            generator.standard_normal((len(part), 32), dtype=np.float32)
            for part in (layers, () if queries is None else queries)
        ]
        made = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in drawn]
    else:
        used, spec = setting[0], CompressSpec.model_validate(setting[1])
        pool = layers[:, used]
        fitted = moments(prepare(spec, pool)) if needs_fit(spec) else None
        basis = fit_basis(spec, fitted, *pool.shape[1:])
        made = [
            compress(spec, basis, part).vectors for part in (pool, *([] if queries is None else [queries[:, used]]))
        ]
    return made[0] if queries is None else (made[0], made[1])


def select(vectors: np.ndarray, queries: np.ndarray, budget: int, barred: np.ndarray | None = None) -> np.ndarray:
    """Return the rows that the product's round-robin selects."""
    eligible = np.ones(len(vectors), bool)
    if barred is not None:
        eligible[barred] = False
    sampler = SAMPLERS["round_robin"]
    ids = np.char.zfill(np.arange(len(vectors)).astype(str), 8)
    candidates = Candidates(ids, eligible, vectors=ArrayVectors(vectors), queries=queries)
    return sampler.sample(candidates, budget, sampler.Params(), 0).order


def recall(vectors: np.ndarray, task: Task, *, queries_kept: bool = False) -> float:
    """Return the share of the remaining rows of a label that a selection of as many rows finds."""
    _, _, queries, rows = task
    chosen = select(vectors, vectors[queries], len(rows) - QUERIES, None if queries_kept else queries)
    return np.isin(chosen, np.setdiff1d(rows, queries)).sum() / (len(rows) - QUERIES)


def target_share(vectors: np.ndarray, queries: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of the wanted source among the selected."""
    return float(wanted[select(vectors, queries, int(TARGET_SHARE * len(vectors)))].mean())


def draw(pool: str, names: np.ndarray, seed: int, labels: Iterable[str] | None, offset: int = 0) -> Iterable[Task]:
    """Yield one task for each label with at least 16 rows."""
    for label in np.unique(names) if labels is None else labels:
        rows = np.flatnonzero(names == label)
        if len(rows) >= 2 * QUERIES:
            generator = np.random.default_rng([seed, hash_of(f"{pool}:{label}") % 2**32])
            yield pool, str(label), offset + generator.choice(rows, QUERIES, replace=False), offset + rows


def split_tasks(parts: dict[str, pl.DataFrame], seed: int, *, dev: bool) -> Iterable[Task]:
    """Yield the tasks of one side of the split: half the labels of four pools, or everything else."""
    offset = 0
    for name, part in parts.items():
        names = part["label"].to_numpy()
        labels = [label for label in np.unique(names) if (name in DEV_POOLS and hash_of(label) % 2 == 0) == dev]
        yield from draw(name, names, seed, sorted(labels, key=hash_of)[:LABELS_PER_POOL], offset)
        offset += part.height


def by_pool(tasks: Sequence[Task], values: Sequence[float]) -> dict[str, float]:
    """Return the mean of each pool."""
    frame = pl.DataFrame({"pool": [task[0] for task in tasks], "value": values})
    return dict(frame.group_by("pool", maintain_order=True).mean().iter_rows())


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error over the draws of queries."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def hash_of(text: str) -> int:
    """Return a number that depends on nothing but the text."""
    return int.from_bytes(hashlib.blake2b(str(text).encode(), digest_size=8).digest(), "little")


def read(name: str) -> pl.DataFrame:
    """Read one development dataset."""
    return pl.read_parquet(shared_data() / f"{name}.parquet")


def joined(*columns: str) -> pl.Expr:
    """Return the columns joined by blank lines."""
    return pl.concat_str([pl.col(name).fill_null("") for name in columns], separator="\n\n").str.strip_chars()


def rows_per_label(frame: pl.DataFrame, text: pl.Expr, label: str | pl.Expr, most: int) -> pl.DataFrame:
    """Return columns text and label: distinct texts, at most so many of a label, in an order drawn with seed 0."""
    frame = frame.select(text=text, label=label).unique("text", keep="first", maintain_order=True)
    order = np.random.default_rng(0).permutation(frame.height)
    return frame[order.tolist()].group_by("label", maintain_order=True).head(most)


def t0_rows() -> pl.DataFrame:
    """Return the first 48 distinct rows of each template file; the end-of-text mark of completions is taken off."""
    completion = pl.col("completion").str.strip_suffix("<|endoftext|>")
    frame = read("t0_train_50k_templates").select(
        text=(pl.col("prompt") + "\n\n" + completion).str.strip_chars(), label="_source_file"
    )
    frame = frame.unique("text", keep="first", maintain_order=True)
    return frame.group_by("label", maintain_order=True).head(PER_TEMPLATE)


def mmlu_rows() -> pl.DataFrame:
    """Return exam questions with their subject."""
    text = pl.format("{}\nA. {}\nB. {}\nC. {}\nD. {}\n\n{}", "question", "A", "B", "C", "D", "answer")
    return rows_per_label(read("mmlu_test"), text, "_subject", 50)


def sgd_rows() -> pl.DataFrame:
    """Return dialogues about one service each."""
    frame = read("sgd_dialogues_train60").filter(pl.col("services").list.len() == 1)
    said = pl.col("turns").list.eval(pl.element().struct.field("utterance")).list.join("\n")
    return rows_per_label(frame, said, pl.col("services").list.first(), 80)


def docs_rows() -> pl.DataFrame:
    """Return documents with the collection they come from."""
    columns = {
        "docs_h2o_dai": "output",
        "docs_openstax_prealgebra": "text",
        "docs_openstax_statistics_cnxml": "text",
        "docs_python_peps": "text",
        "docs_rust_book": "text",
        "docs_rust_rfcs": "text",
        "docs_tldr_pages_en": "text",
        "docs_c4_demo_300": "text",
        "stackexchange_beer_posts": "Body",
        "stackexchange_coffee_posts": "Body",
    }
    frames = [
        read(name).select(text=pl.col(column).str.strip_chars(), label=pl.lit(name)) for name, column in columns.items()
    ]
    frame = pl.concat(frames).filter(pl.col("text").str.len_chars() > 20)
    return rows_per_label(frame, pl.col("text"), "label", 100)


POOLS: dict[str, Callable[[], pl.DataFrame]] = {
    "t0": t0_rows,
    "banking77": lambda: rows_per_label(read("banking77_train"), pl.col("text").str.strip_chars(), "category", 64),
    "bbh": lambda: rows_per_label(read("bbh"), joined("input", "target"), "_task", 100),
    "mmlu": mmlu_rows,
    "clinc": lambda: rows_per_label(
        read("clinc_oos_full").filter(pl.col("intent") != "oos"), pl.col("text"), "intent", 33
    ),
    "dolly": lambda: rows_per_label(read("dolly_3k"), joined("instruction", "input", "output"), "category", 250),
    "sgd": sgd_rows,
    "math": lambda: rows_per_label(read("math_test_5000"), joined("problem", "solution"), "type", 250),
    "docs": docs_rows,
}


def mixed_rows() -> pl.DataFrame:
    """Return one row in twenty of the five sources of the full pass, labelled by source."""
    alpaca = joined("instruction", "input", "output")
    completion = pl.col("completion").str.strip_suffix("<|endoftext|>")
    texts = {
        "alpaca": read("alpaca_52k").select(text=alpaca),
        "gsm8k_train": read("gsm8k_train").select(text=joined("question", "answer")),
        "t0": read("t0_train_50k_templates").select(text=(pl.col("prompt") + "\n\n" + completion).str.strip_chars()),
        "dolly": read("dolly_3k").select(text=alpaca),
        "code": read("new_codealpaca").select(text=alpaca),
    }
    parts = [rows_per_label(frame, pl.col("text"), pl.lit(name), frame.height // 20) for name, frame in texts.items()]
    return pl.concat(parts)


def target_rows() -> pl.DataFrame:
    """Return 300 rows of each target, labelled by the source that it asks for."""
    return pl.concat(
        [
            rows_per_label(read("gsm8k_test"), joined("question", "answer"), pl.lit("gsm8k_train"), 300),
            rows_per_label(read("mbpp"), joined("text", "code"), pl.lit("code"), 300),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
