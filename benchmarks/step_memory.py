"""Peak memory of the steps that touch every row, at growing sizes of one source: it must not grow with the rows.

The rows are those of ``alpaca_52k`` over and over, each with its number in front, so that none is a copy; their texts
are cut at ``CHARS`` characters, which keeps the time short and changes no batch. Each step is a process of its own and
makes its table from the tables before it. The proxy language model is a small one, trained on the pool.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Measured, Row, isolated, report
from benchmarks.projects import shared_data, write_yaml

SIZES = (10_000, 200_000)
SOURCE = "big"
CHARS = 200
ENCODER = {"max_tokens": 32, "layers": [-1]}
PROXY = {
    "vocabulary": 2000,
    "hidden": 32,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "intermediate": 64,
    "token_budget": 50_000,
    "eval_steps": 2,
}
STEPS = {
    "raw_corpus": None,
    "corpus": None,
    "scores/text": None,
    "embeddings": None,
    "tokens/proxy_lm": "proxy_lm/proxy_lm",
    "scores/proxy_lm": None,
    "representations/rds_plus": "representation_basis/rds_plus",
}
"""Table (or the first parts of its name) -> the table of the pool that has to be made before it."""


def folder_of(place: Path, n: int) -> Path:
    """Write a data folder with one source of ``n`` rows."""
    import polars as pl

    data = place / f"rows_{n}"
    alpaca = pl.read_parquet(shared_data() / "alpaca_52k.parquet").select("instruction", "output")
    texts = pl.concat([alpaca] * -(-n // alpaca.height)).head(n).with_row_index("number")
    said = pl.format("{}. {}", "number", pl.col("instruction").str.slice(0, CHARS))
    (data / "files").mkdir(parents=True)
    texts.select(instruction=said, output=pl.col("output").str.slice(0, CHARS)).filter(
        pl.col("output").str.strip_chars() != ""
    ).write_parquet(data / "files" / "big.parquet")
    write_yaml(data / "sources" / f"{SOURCE}.yaml", {"uri": "files/big.parquet"})
    write_yaml(data / "representations" / "rds_plus.yaml", {"encoder": ENCODER, "compress": {"method": "none"}})
    model = {"causal": {"model": "local:proxy_lm", "max_tokens": 64}, "proxy": PROXY}
    write_yaml(data / "language_models" / "proxy_lm.yaml", model)
    return data


def step(data: str, table: str) -> dict[str, Any]:
    """Make one table from those before it and return its cost."""
    from datasel_assets.tables import make, open_warehouse
    from datasel_assets.tables.graph import all_tables

    warehouse = open_warehouse(data, "cpu")
    every = {found.name: found for found in all_tables(warehouse.registry)}
    names = [name for name in every if name == table or name.startswith(f"{table}/")]
    (name,) = [name for name in names if every[name].per_source]
    return dict(make(warehouse, name, SOURCE).cost)


def prepare(data: str, table: str) -> dict[str, Any]:
    """Make the tables of the pool that a step reads."""
    from datasel_assets.tables import make, open_warehouse

    make(open_warehouse(data, "cpu"), table, upstream=True)
    return {}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--no-record", action="store_true", help="print the table, keep no results")
    arguments = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for n in arguments.sizes:
            data = folder_of(Path(place), n)
            for table, before in STEPS.items():
                if before:
                    isolated("benchmarks.step_memory:prepare", data=str(data), table=before)
                cost = isolated("benchmarks.step_memory:step", data=str(data), table=table)
                measured = Measured(cost["seconds"], cost["cpu_seconds"], cost["peak_rss_mb"])
                rows.append(Row(table, n, measured))
            shutil.rmtree(data)
    report("step_memory", rows, record=not arguments.no_record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
