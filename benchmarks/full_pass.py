"""The main job over five real pools (about 122k rows): cost of every stage, and what each representation selects.

Efficacy: with 8 rows of gsm8k_test as target, the share of gsm8k_train among the selected 3.5 %; with 8 rows of mbpp,
the share of code rows (rows of new_codealpaca; and rows of any source whose response looks like code). The random and
the longest arm select for no target and stand beside the others.
"""

import argparse
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.harness import Measured, Row, report
from benchmarks.increment import encoder_seconds, increment_rows
from benchmarks.projects import add_recipes, copy_representations, run_log, run_project, shared_data, write_yaml

POOLS = ("alpaca_52k", "gsm8k_train", "t0_train_50k_templates", "dolly_3k", "new_codealpaca")
CODE = re.compile(
    r"```|^\s*(def|class|import|from|public|private|function|var|let|const|#include|<html|<!DOCTYPE|SELECT|CREATE) ?\b",
    re.MULTILINE,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the pass, then append one per cent of the rows and run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=None, help="rows per pool; all when left out")
    parser.add_argument("--data", type=Path, default=None, help="keep the data folder here")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or Path(folder)
        held_back = prepare(data, arguments.n)
        first = run_project(data)
        runs = run_log(data)
        rows = pool_rows(data)
        report("full_pass", [*stage_rows(runs), total_row(rows, first)], record=not arguments.no_record)
        report("selection", efficacy_rows(data), record=not arguments.no_record)
        with (data / "files" / "alpaca_52k.jsonl").open("a", encoding="utf-8") as handle:
            handle.writelines(json.dumps(row) + "\n" for row in held_back)
        second = run_project(data)
        results = [
            (rows, first, encoder_seconds(runs)),
            (pool_rows(data), second, encoder_seconds(run_log(data)[len(runs) :])),
        ]
        report("increment", increment_rows(results), record=not arguments.no_record)
    return 0


def prepare(data: Path, n: int | None) -> list[dict]:
    """Write sources, targets and recipes; return the rows of alpaca_52k that are held back for the increment."""
    shared = shared_data()
    total = 0
    for pool in POOLS:
        if pool == "alpaca_52k":
            continue
        frame = pl.read_parquet(shared / f"{pool}.parquet").head(n or 10**9)
        (data / "files").mkdir(parents=True, exist_ok=True)
        frame.write_parquet(data / "files" / f"{pool}.parquet")
        options = {"strip_suffix": "<|endoftext|>"} if pool.startswith("t0") else {}
        write_yaml(data / "sources" / f"{pool}.yaml", {"uri": f"files/{pool}.parquet", **options})
        total += frame.height
    alpaca = pl.read_parquet(shared / "alpaca_52k.parquet").head(n or 10**9).to_dicts()
    held = (total + len(alpaca)) // 101
    text = "".join(json.dumps(row) + "\n" for row in alpaca[:-held])
    (data / "files" / "alpaca_52k.jsonl").write_text(text, encoding="utf-8")
    write_yaml(data / "sources" / "alpaca_52k.yaml", {"uri": "files/alpaca_52k.jsonl"})
    for target, file in (("gsm8k", "gsm8k_test"), ("mbpp", "mbpp")):
        write_yaml(data / "targets" / f"{target}.yaml", {"uri": str(shared / f"{file}.parquet"), "rows": 8, "seed": 0})
    add_recipes(data, copy_representations(data), ["gsm8k", "mbpp"])
    return alpaca[-held:]


def pool_rows(data: Path) -> int:
    """Return the rows of the pool."""
    files = sorted((data / "warehouse" / "corpus").glob("*.parquet"))
    return sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files)


def stage_rows(runs: list[dict]) -> list[Row]:
    """Return one row per stage, families of one asset together."""
    stages: dict[str, list[dict]] = defaultdict(list)
    for run in runs:
        stages[run["stage"].split("/")[0]].append(run)
    found = []
    for stage, entries in stages.items():
        seconds = sum(e["seconds"] for e in entries)
        n = sum(e["rows_new"] for e in entries)
        cost = Measured(seconds, sum(e["cpu_seconds"] for e in entries), max(e["peak_rss_mb"] for e in entries))
        found.append(Row(stage, n, cost, None, {"rows_per_s": n / max(seconds, 1e-3), "tables": len(entries)}))
    return found


def total_row(rows: int, cost: dict[str, float]) -> Row:
    """Return the whole pass."""
    return Row("datasel", rows, Measured(**cost), None, {"rows_per_s": rows / cost["wall_s"]})


def efficacy_rows(data: Path) -> list[Row]:
    """Return the share of wanted rows in each selection; objective is the share by source."""
    warehouse = data / "warehouse"
    pool = pl.concat(
        pl.read_parquet(file, columns=["row_id", "source", "response"])
        for file in sorted((warehouse / "corpus").glob("*.parquet"))
    )
    code = [bool(CODE.search(text)) for text in pool["response"]]
    pool = pool.drop("response").with_columns(code=pl.Series(code))
    found = [_share("pool", pool, "gsm8k"), _share("pool", pool, "mbpp")]
    for file in sorted((warehouse / "selections").glob("*.parquet")):
        chosen = pool.filter(pl.col("row_id").is_in(pl.read_parquet(file)["row_id"].implode()))
        targets = [t for t in ("gsm8k", "mbpp") if file.stem.endswith(f"_{t}")] or ["gsm8k", "mbpp"]
        found += [_share(file.stem.removesuffix(f"_{target}"), chosen, target) for target in targets]
    return sorted(found, key=lambda row: (row.extra["target"], row.objective or 0.0))


def _share(name: str, rows: pl.DataFrame, target: str) -> Row:
    wanted = "gsm8k_train" if target == "gsm8k" else "new_codealpaca"
    share = float((rows["source"] == wanted).mean() or 0.0)
    extra = {"target": target} | ({"looks_like_code": float(rows["code"].mean() or 0.0)} if target == "mbpp" else {})
    return Row(name, rows.height, Measured(), share, extra)


if __name__ == "__main__":
    raise SystemExit(main())
