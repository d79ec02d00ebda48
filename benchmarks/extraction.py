"""Rows drawn out of documents toward a target: what share of them is of use, and what the warm-up and the bandit add.

Eight collections of documents of the development datasets (``DATASEL_SHARED``), at most 300 documents of each by
default; the target is 50 rows of ``gsm8k_train`` or of ``mbpp``; of use are documents of the two mathematics books, or
the Python enhancement proposals. Every arm reads a tenth of the documents through the tables of a data folder, five
documents a try, five seeds. ``random`` and ``nearest`` (documents by the similarity of their vectors to the mean of the
target) draw rows by the same rules out of as many documents. ``objective``: share of the drawn rows that come from
documents of use; ``documents`` that of the documents that gave rows; ``calls`` how many were read, those of the warm-up
included.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Row, measured, report
from benchmarks.projects import shared_data, write_yaml
from datasel_assets.documents.document import Document
from datasel_assets.documents.rules import draw
from datasel_assets.tables import Warehouse, make, open_warehouse
from datasel_assets.tables.documents.extractions import read_documents
from datasel_assets.tables.vectors.embeddings import load_encoder

OPERATION = "extraction"
MATHS, PYTHON = ("openstax_prealgebra", "openstax_statistics_cnxml"), ("python_peps",)
OTHERS = ("rust_book", "rust_rfcs", "c4_demo_300", "wiki_demo", "h2o_dai")
TARGETS = {
    "gsm8k": ({"uri": "gsm8k_train", "format": "qa", "rows": 50}, MATHS),
    "mbpp": ({"uri": "mbpp", "columns": {"prompt": "text", "response": "code"}, "rows": 50}, PYTHON),
}
BUDGET, PROBE = 0.1, 5
ARMS: dict[str, dict[str, Any]] = {
    "datasel": {},
    "no warm-up": {"warm_up": False},
    "neither warm-up nor neighbours": {"warm_up": False, "bandit": {"neighbours": 0}},
}


def lay(data: Path, most: int) -> list[str]:
    """Write the data folder with at most so many documents of each collection; return the names of the collections."""
    names = [*MATHS, *PYTHON, *OTHERS]
    (data / "files").mkdir(parents=True)
    for name in names:
        fields = {"text": "output"} if name == "h2o_dai" else {}
        table = pl.read_parquet(shared_data() / f"docs_{name}.parquet").drop("cnxml", strict=False)
        table.sample(min(most, table.height), seed=0).write_parquet(data / "files" / f"{name}.parquet")
        write_yaml(data / "documents" / f"{name}.yaml", {"uri": f"files/{name}.parquet", **fields})
    (data / "sources").mkdir(parents=True)
    for target, (spec, _) in TARGETS.items():
        uri = str(shared_data() / f"{spec['uri']}.parquet")
        write_yaml(data / "targets" / f"{target}.yaml", {**spec, "uri": uri})
    return names


def arm(data: Path, names: Sequence[str], target: str, options: dict[str, Any], seed: int) -> tuple[Warehouse, str]:
    """Write the extraction of an arm; return the opened folder and its name."""
    spec = {"documents": list(names), "target": target, "budget": BUDGET, "probe": PROBE, "seed": seed, **options}
    write_yaml(data / "extractions" / "arm.yaml", spec)
    return open_warehouse(data, device="cpu"), "extractions/arm"


def baselines(data: Path, names: Sequence[str], target: str, useful: Sequence[str], seeds: int) -> list[Row]:
    """Return what random and the nearest documents give."""
    warehouse, _ = arm(data, names, target, {}, 0)
    spec = warehouse.registry.extractions["arm"]
    documents, vectors = read_documents(spec, warehouse)
    with load_encoder(warehouse, spec.encoder.model_dump(mode="json")) as encoder:
        examples = warehouse.lake.scan(("targets", target)).collect()["messages"].to_list()
        aims = np.asarray(encoder.encode(examples).layers[encoder.layers[-1]], np.float64)
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (vectors, aims)]
    nearest = np.argsort(-(unit[0] @ unit[1].mean(axis=0)), kind="stable")
    most, rows = int(BUDGET * documents.height), []
    orders = {"random": [np.random.default_rng(seed).permutation(documents.height) for seed in range(seeds)]}
    for policy, tried in {**orders, "nearest": [nearest]}.items():
        shares, read = [], []
        with measured() as cost:
            for order in tried:
                chosen = documents[order[:most]]
                drawn = [len(draw(Document(*of))) for of in chosen.select("title", "text").iter_rows()]
                of_use = chosen["documents"].is_in(list(useful)).to_numpy()
                shares.append(float(np.array(drawn)[of_use].sum() / max(sum(drawn), 1)))
                read.append(float(of_use.mean()))
        rows.append(line(policy, documents.height, cost, shares, read, target, most))
    return rows


def line(name: str, n: int, cost: Any, shares: list[float], read: list[float], target: str, calls: int) -> Row:
    """Return a row of the result."""
    extra = {"target": target, "documents": round(float(np.mean(read)), 3), "calls": calls}
    return Row(name, n, cost, float(np.mean(shares)), {**extra, "sd": round(float(np.std(shares)), 3)})


def run(data: Path, names: Sequence[str], target: str, seeds: int) -> list[Row]:
    """Return a row for each arm toward one target."""
    rows, (_, useful) = [], TARGETS[target]
    for place, (name, options) in enumerate(ARMS.items()):
        shares, read, calls, total = [], [], 0, 0
        for seed in range(seeds):
            warehouse, table = arm(data, names, target, options, seed)
            if place == 0 and seed == 0:
                make(warehouse, table, upstream=True)
            with measured() as cost:
                made = make(warehouse, table).built
            found = warehouse.lake.scan(("extractions", "arm")).collect()
            of_use = pl.col("documents").is_in(list(useful))
            shares.append(float(found.select(of_use.mean()).item()))
            read.append(float(found.unique("document").select(of_use.mean()).item()))
            calls, total = made.metadata["documents_read"], made.metadata["documents"]
        rows.append(line(name, total, cost, shares, read, target, calls))
        print(rows[-1], flush=True)
    return [*rows, *baselines(data, names, target, useful, seeds)]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; print and append the figures, those of a target as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=300, help="of a collection at most")
    parser.add_argument("--target", choices=TARGETS, help="this one only")
    parser.add_argument("--no-record", action="store_true", help="print only")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        names = lay(data, arguments.documents)
        for target in [arguments.target] if arguments.target else TARGETS:
            rows = run(data, names, target, arguments.seeds)
            report(OPERATION, rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
