"""The page over rows: how long each question to it takes, from the request to the last byte of the answer.

``python -m benchmarks.explore [rows]`` writes the tables of a made-up pool (texts of some 150 words, 60 scores, 200
clusters, tags, 20 recipes, vectors of 96 dimensions) into a temporary folder and asks for each view five times, the
filters new each time, so that nothing is remembered.
"""

import http.client
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.harness import Measured, Row, measured, report
from datasel_assets.cli.explore_server import Rows, serve_rows
from datasel_assets.cli.page_server import TOKEN
from datasel_assets.indicators import FAMILIES
from datasel_assets.recipes.ledger import DECISIONS_SCHEMA
from datasel_assets.storage.lake import Expected
from datasel_assets.storage.vectors import vector_array
from datasel_assets.tables import Warehouse, open_warehouse

SOURCES, RECIPES, CLUSTERS, DIMS, WORDS, SCORES = 4, 20, 200, 96, 150, 60
TIMES = 5


def write(warehouse: Warehouse, key: tuple[str, ...], frame: pl.DataFrame, **meta: Any) -> None:
    warehouse.lake.write(Expected(key, "made-up"), frame, meta=meta)


def made_up_pool(data: Path, n: int) -> Warehouse:
    """Write the registry and the tables of a pool of ``n`` rows."""
    rng = np.random.default_rng(0)
    names = [f"source_{i}" for i in range(SOURCES)]
    files = {f"sources/{name}": {"uri": "rows.jsonl"} for name in names}
    files["representations/made"] = {"compress": {"method": "none"}, "clusters": {"k": CLUSTERS}, "neighbours": True}
    files["tags/phrases"] = {"phrases": {"max_tags": 4}}
    for i in range(RECIPES):
        files[f"recipes/recipe_{i:02}"] = {"select": {"sampler": "random"}, "budget": {"fraction": 0.05}}
    for name, content in files.items():
        path = data / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    warehouse = open_warehouse(data, device="cpu")
    assert not warehouse.registry.errors, warehouse.registry.errors
    vocabulary = np.array([f"word{i}" for i in range(20_000)])
    ids = np.array([f"{i:032x}" for i in rng.permutation(n)])
    columns = [f"{c}" for indicator in FAMILIES["text"].values() for c in indicator.columns][:SCORES]
    for number, name in enumerate(names):
        own = np.sort(ids[number::SOURCES])
        m = len(own)
        words = vocabulary[np.minimum(rng.zipf(1.3, (m, WORDS)), len(vocabulary)) - 1]
        prompts = [" ".join(line[:40]) for line in words]
        responses = [" ".join(line[40:]) for line in words]
        counts = {name: np.full(m, WORDS) for name in ("n_tokens", "n_response_tokens", "n_chars", "n_turns")}
        corpus = pl.DataFrame(
            {
                **{"row_id": own, "source": name, "position": np.arange(m), **counts},
                **{"prompt": prompts, "response": responses, "content_hash": own, "extra": "{}", "tools": None},
            }
        ).with_columns(
            n_tokens=pl.Series(rng.integers(20, 900, m)),
            untrained=pl.lit(None, pl.List(pl.Int32)),
            messages=pl.concat_list(
                pl.struct(role=pl.lit("user"), content="prompt"),
                pl.struct(role=pl.lit("assistant"), content="response"),
            ),
        )
        write(warehouse, ("corpus", name), corpus)
        scores = {column: rng.gamma(2, 1, m).astype(np.float32) for column in columns}
        write(warehouse, ("scores", "text", name), pl.DataFrame({"row_id": own, **scores}))
        labels = rng.integers(0, CLUSTERS, m)
        write(warehouse, ("clusters", "made", name), pl.DataFrame({"row_id": own, "cluster": labels.astype(np.int32)}))
        vectors = np.random.default_rng(1).normal(size=(CLUSTERS, DIMS))[labels] + rng.normal(size=(m, DIMS))
        table = pl.DataFrame({"row_id": own, "is_zero": np.zeros(m, bool)}).to_arrow()
        table = table.append_column("vector", vector_array(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
        warehouse.lake.write(Expected(("representations", "made", name), "made-up"), table, meta={"dim": DIMS})
        tags = [list(line) for line in vocabulary[np.minimum(rng.zipf(1.5, (m, 4)), 3000) - 1]]
        write(warehouse, ("tags", "phrases", name), pl.DataFrame({"row_id": own, "tags": tags}))
    titles = [f"title {i}" for i in range(CLUSTERS)]
    sizes = np.ones(CLUSTERS)
    warehouse.lake.write_arrays(
        Expected(("cluster_models", "made"), "made-up"), {"sizes": sizes}, meta={"titles": titles}
    )
    ordered = np.sort(ids)
    near = {"neighbours": rng.integers(0, n, (n, 10)).tolist(), "distances": np.sort(rng.random((n, 10))).tolist()}
    write(warehouse, ("neighbours",), pl.DataFrame({"row_id": ordered, **near}))
    copies = {"row_id": ordered[::50], "duplicate_of": ordered[1::50], "similarity": 1.0}
    write(warehouse, ("duplicates",), pl.DataFrame(copies))
    for i in range(RECIPES):
        kept = rng.random(n) < 0.05
        stage = np.where(kept, "kept", np.where(rng.random(n) < 0.1, "rule:1", "budget"))
        decided = {"row_id": ordered, "kept": kept, "stage": stage, "reason": "ranked somewhere among all others"}
        lacking = {k: pl.lit(None, t) for k, t in DECISIONS_SCHEMA.items() if k not in decided}
        frame = (
            pl.DataFrame(decided)
            .with_columns(**lacking)
            .with_columns(margin=pl.Series(rng.normal(size=n)), rank=pl.Series(rng.permutation(n) + 1))
        )
        write(warehouse, ("decisions", f"recipe_{i:02}"), frame.select(DECISIONS_SCHEMA.names()).cast(DECISIONS_SCHEMA))
    return warehouse


def questions(i: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what is asked, by name; another ``i`` asks for something else."""
    view = {"column": "text.response_words", "beside": "random", "sort": "text.response_words", "start": 0}
    low = 0.5 + 0.01 * i
    everything = {
        "text": f"word{2 + i}",
        "sources": ["source_0", "source_1"],
        "bounds": {"text.response_words": {"low": low}},
        "decisions": {f"recipe_{i:02}": "dropped"},
    }
    return {
        "the whole pool": (
            "/view",
            {"filter": {}, **view, "column": f"text.{'prompt' if i % 2 else 'response'}_words"},
        ),
        "a rare word": ("/view", {"filter": {"text": f"word{15_000 + i}"}, **view}),
        "a common word": ("/view", {"filter": {"text": f"word{3 + i} "}, **view}),
        "a score range": ("/view", {"filter": {"bounds": {"text.response_words": {"low": low, "high": 3}}}, **view}),
        "a cluster": ("/view", {"filter": {"clusters": [i, 50 + i]}, **view}),
        "a tag": ("/view", {"filter": {"tags": {"tags.phrases": [f"word{i}"]}}, **view}),
        "only one of two recipes": (
            "/view",
            {
                "filter": {"decisions": {f"recipe_{i:02}": "kept", f"recipe_{10 + i}": "dropped"}},
                "compare": [f"recipe_{i:02}", f"recipe_{10 + i}"],
                **view,
            },
        ),
        "a part of the map": ("/view", {"filter": {"box": {"x": [-0.1 - 0.01 * i, 0.1], "y": [-0.1, 0.1]}}, **view}),
        "four of these at once": ("/view", {"filter": everything, **view}),
        "the map": ("/map", {}),
        "a row": ("/row", {"i": 1000 * i + 7}),
    }


def main(n: int = 100_000) -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = made_up_pool(Path(folder) / "data", n)
        with measured() as opened:
            explored = Rows(warehouse.settings)
            explored.now()
        rows = [Row("reading the pool", n, opened)]
        with serve_rows(explored, 0) as address:
            host, port = address.removeprefix("http://").split(":")
            asking = http.client.HTTPConnection(host, int(port))
            asking.request("GET", "/")
            token = re.search(r'content="([^"]+)">\n<title>', asking.getresponse().read().decode())[1]
            for name in questions(0):
                took = [_asked(host, int(port), token, *questions(i)[name]) for i in range(TIMES)]
                wall, cpu = zip(*took, strict=True)
                median = Measured(wall_s=statistics.median(wall), cpu_s=statistics.median(cpu))
                rows.append(Row(name, n, median, extra={"slowest_ms": 1e3 * max(wall)}))
    report("explore", rows)


def _asked(host: str, port: int, token: str, path: str, body: dict[str, Any]) -> tuple[float, float]:
    """Return wall seconds and CPU seconds, those of the server and of this client together."""
    started, before = time.perf_counter(), time.process_time()
    asking = http.client.HTTPConnection(host, port)
    asking.request("POST", path, json.dumps(body), {TOKEN: token})
    answer = asking.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return time.perf_counter() - started, time.process_time() - before


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
