"""One per cent more rows: what the second run costs, beside the first, over the whole product.

The bar: at most 3 % of the encoder's time and 15 % of the wall time of the first run.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.harness import Measured, Row, report
from benchmarks.projects import add_recipes, copy_representations, run_log, run_project, shared_data, write_yaml


def main(argv: Sequence[str] | None = None) -> int:
    """Run over the first ``n`` rows of alpaca_52k, append one per cent, run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    rows = pl.read_parquet(shared_data() / "alpaca_52k.parquet").to_dicts()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_yaml(data / "sources" / "alpaca.yaml", {"uri": "alpaca.jsonl"})
        example = {"prompt": "What is 12 times 7?", "response": "12 times 7 is 84."}
        write_yaml(data / "targets" / "sums.yaml", {"examples": [example]})
        add_recipes(data, copy_representations(data), ["sums"])
        results = []
        for n in (arguments.n, arguments.n + arguments.n // 100):
            (data / "alpaca.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:n]), encoding="utf-8")
            before = len(run_log(data))
            cost = run_project(data)
            results.append((n, cost, encoder_seconds(run_log(data)[before:])))
    report("increment", increment_rows(results), record=not arguments.no_record)
    return 0


def encoder_seconds(runs: list[dict]) -> float:
    """Return the seconds spent in embedding steps."""
    return sum(run["seconds"] for run in runs if run["stage"].startswith("embeddings/"))


def increment_rows(results: list[tuple[int, dict[str, float], float]]) -> list[Row]:
    """Return the first run, and the second with its shares of the first."""
    (_, full, full_encoder), _ = results
    return [
        Row(
            "datasel" if i else "datasel (first run)",
            n,
            Measured(**cost),
            None if not i else cost["wall_s"] / full["wall_s"],
            {
                "encoder_s": encoder,
                "encoder_share": encoder / full_encoder,
                "wall_share": cost["wall_s"] / full["wall_s"],
            },
        )
        for i, (n, cost, encoder) in enumerate(results)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
