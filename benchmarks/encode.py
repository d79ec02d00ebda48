"""Sentence vectors of real rows: ours, sentence-transformers with its defaults, and the bare matrix products.

Rows are conversations of a pool (development datasets needed), model all-MiniLM-L6-v2, at most 256 tokens, mean of
the last layer. Each implementation runs in a process of its own, warmed up on 64 rows; implementations take turns
``--repeats`` times and the fastest turn counts, because other load on the machine only ever adds time. ``objective``
is the mean cosine to the float32 vectors of sentence-transformers. ``--other`` names an interpreter with its compiled
back-ends (see ``encode_backends``), which then take turns with the rest. ``floor`` multiplies as many tokens through
matrices of the model's shapes in bfloat16 and does nothing else; ``of_floor`` is the share of its speed.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Measured, Row, isolated, measured, report
from benchmarks.projects import shared_data

MAX_TOKENS = 256
POOLS = {
    "alpaca_52k": ["instruction", "input", "output"],
    "gsm8k_train": ["question", "answer"],
    "dolly_3k": ["instruction", "input", "output"],
    "t0_train_50k_templates": ["prompt", "completion"],
}
"""Pool -> columns of the prompt, and last that of the response."""
WARM_UP = 64
FLOOR_ROWS = 2048


def conversations(n: int, pool: str) -> list[list[dict[str, str]]]:
    """Return ``n`` conversations of a pool, a fixed random sample."""
    import polars as pl

    frame = pl.read_parquet(shared_data() / f"{pool}.parquet").select(POOLS[pool])
    picked = frame[np.random.default_rng(0).choice(len(frame), min(n, len(frame)), replace=False)]
    rows = []
    for *prompt, response in picked.iter_rows():
        text = "\n\n".join(part for part in prompt if part)
        rows.append([{"role": "user", "content": text}, {"role": "assistant", "content": response or ""}])
    return rows


def datasel(n: int, pool: str, precision: str, out: str) -> dict[str, Any]:
    """Encode with this project."""
    from datasel_assets.models.encoder import Encoder
    from datasel_assets.specs.encoder import EncoderSpec

    rows = conversations(n, pool)
    spec = EncoderSpec(pooling="mean", layers="last", max_tokens=MAX_TOKENS, precision=precision)
    with Encoder(spec, device="cpu") as encoder:
        encoder.encode(rows[:WARM_UP])
        with measured() as cost:
            encoded = encoder.encode(rows)
        np.save(out, encoded.layers[encoder.layers[-1]])
    return {**asdict(cost), "tokens": encoded.stats.tokens, "dtype": encoded.stats.dtype}


def sentence_transformers(n: int, pool: str, out: str) -> dict[str, Any]:
    """Encode with ``SentenceTransformer.encode`` as it comes."""
    from sentence_transformers import SentenceTransformer

    from datasel_assets.models.render import plain
    from datasel_assets.models.resolve import resolve_model
    from datasel_assets.specs.encoder import DEFAULT_MODEL

    texts = [plain(messages) for messages in conversations(n, pool)]
    model = SentenceTransformer(str(resolve_model(DEFAULT_MODEL).path), device="cpu")
    model.max_seq_length = MAX_TOKENS
    model.encode(texts[:WARM_UP])
    with measured() as cost:
        vectors = model.encode(texts)
    np.save(out, vectors)
    return asdict(cost)


def compiled(n: int, pool: str, python: str, folder: str) -> dict[str, Callable[[], dict[str, Any]]]:
    """Prepare the compiled back-ends of sentence-transformers in ``folder``; return what encodes, by name."""
    import json

    from benchmarks.encode_backends import BACKENDS
    from datasel_assets.models.render import plain
    from datasel_assets.models.resolve import resolve_model
    from datasel_assets.specs.encoder import DEFAULT_MODEL

    texts, exported = str(Path(folder, "texts.json")), str(Path(folder, "exported"))
    Path(texts).write_text(json.dumps([plain(messages) for messages in conversations(n, pool)]), encoding="utf-8")
    common = {"folder": exported, "texts": texts, "max_tokens": MAX_TOKENS, "python": python}
    isolated("benchmarks.encode_backends:export", model=str(resolve_model(DEFAULT_MODEL).path), **common)

    def encode(name: str) -> dict[str, Any]:
        out = str(Path(folder, f"{name}.npy"))
        cost = isolated("benchmarks.encode_backends:encode", name=name, out=out, **common)
        return {**cost, "dtype": "int8" if name.endswith("int8") else "float32"}

    return {name: partial(encode, name) for name in BACKENDS}


def floor(tokens: int) -> dict[str, Any]:
    """Multiply ``tokens`` rows through the matrices of the model, each thread alone or all together, whichever wins."""
    import torch

    from datasel_assets.models.packed_linear import pack, packed_linear
    from datasel_assets.models.resolve import resolve_model
    from datasel_assets.specs.encoder import DEFAULT_MODEL

    config = _config(resolve_model(DEFAULT_MODEL).path)
    hidden, inner, blocks = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    shapes = ((3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner))
    weights = [pack(torch.randn(shape).bfloat16()) for shape in shapes]
    inputs = [torch.randn(FLOOR_ROWS, columns).bfloat16() for _, columns in shapes]
    batches = max(1, round(tokens / FLOOR_ROWS))

    def batch(_: int = 0) -> None:
        with torch.inference_mode():
            for _block in range(blocks):
                for weight, x in zip(weights, inputs, strict=True):
                    packed_linear(x, weight, None)

    threads = torch.get_num_threads()

    def together() -> None:
        for i in range(batches):
            batch(i)

    def apart() -> None:
        torch.set_num_threads(1)
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(batch, range(batches)))
        torch.set_num_threads(threads)

    batch()
    costs = []
    for way in (together, apart):
        with measured() as cost:
            way()
        costs.append(asdict(cost))
    best = min(costs, key=lambda cost: cost["wall_s"])
    return {**best, "tokens": batches * FLOOR_ROWS}


def _config(folder: Path) -> dict[str, Any]:
    import json

    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / norms).mean())


def _cost(result: dict[str, Any]) -> Measured:
    return Measured(*(result[key] for key in ("wall_s", "cpu_s", "peak_rss_mb")))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--pool", default="alpaca_52k", choices=sorted(POOLS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--other", metavar="PYTHON", help="an interpreter with sentence-transformers[onnx,openvino]")
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    n, pool = arguments.n, arguments.pool
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder, f"{name}.npy")) for name in ("datasel", "float32", "int8", "opponent")}
        runs: dict[str, Callable[[], dict[str, Any]]] = {
            "datasel": lambda: isolated(
                "benchmarks.encode:datasel", n=n, pool=pool, precision="auto", out=files["datasel"]
            ),
            "datasel float32": lambda: isolated(
                "benchmarks.encode:datasel", n=n, pool=pool, precision="float32", out=files["float32"]
            ),
            "datasel int8": lambda: isolated(
                "benchmarks.encode:datasel", n=n, pool=pool, precision="int8", out=files["int8"]
            ),
            "sentence-transformers": lambda: isolated(
                "benchmarks.encode:sentence_transformers", n=n, pool=pool, out=files["opponent"]
            ),
            "floor": lambda: isolated("benchmarks.encode:floor", tokens=best["datasel"]["tokens"]),
        }
        others = compiled(n, pool, arguments.other, folder) if arguments.other else {}
        runs |= others
        for _ in range(arguments.repeats):
            for name, run in runs.items():
                result = run()
                if name not in best or result["wall_s"] < best[name]["wall_s"]:
                    best[name] = result
        reference = np.load(files["opponent"])
        cosines = {
            "datasel": _cosine(np.load(files["datasel"]), reference),
            "datasel float32": _cosine(np.load(files["float32"]), reference),
            "datasel int8": _cosine(np.load(files["int8"]), reference),
            "sentence-transformers": 1.0,
            **{name: _cosine(np.load(Path(folder, f"{name}.npy")), reference) for name in others},
        }
    tokens = best["datasel"]["tokens"]
    floor_rate = best["floor"]["tokens"] / best["floor"]["wall_s"]
    rows = []
    for name, result in best.items():
        rate = result.get("tokens", tokens) / result["wall_s"]
        extra = {
            "pool": pool,
            "texts_per_s": n / result["wall_s"] if name != "floor" else None,
            "tokens_per_s": rate,
            "of_floor": rate / floor_rate,
            "times_sentence_transformers": best["sentence-transformers"]["wall_s"] / result["wall_s"],
            "dtype": result.get("dtype", "bfloat16" if name == "floor" else "float32"),
        }
        rows.append(Row(name, n, _cost(result), cosines.get(name), extra))
    report("encode", rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
