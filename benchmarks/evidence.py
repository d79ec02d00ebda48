"""Whether training on each recipe's selection beats random rows, for the gallery (``docs/gallery.md``).

Brings ``proxy_eval`` of the named recipes up to date as ``make evidence`` does (about 100 s each on the default pool)
and appends one line per recipe and held-out set that is not recorded yet; of another pool it only prints them.
``objective`` is the mean loss of the recipe minus that of random rows with as many tokens, paired by seed, in nats for
a response token: negative is better. Then write the page anew: ``python docs/gallery.py``.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

import polars as pl

from benchmarks import harness
from benchmarks.harness import Measured, Row
from datasel_assets.diagnostics.outcomes import outcomes
from datasel_assets.settings import REPOSITORY, load_settings
from datasel_assets.tables.warehouse import Warehouse

OPERATION = "evidence"


def main(argv: Sequence[str] | None = None) -> int:
    """Try the recipes out and record what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", default="", help='"a b c"; all when left out')
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args(argv)
    names = arguments.recipes.split()
    status = subprocess.run([sys.executable, "-m", "datasel_assets", "evidence", *names], check=False).returncode
    settings = load_settings()
    warehouse = Warehouse(settings)
    file = harness.RESULTS / f"{OPERATION}.jsonl"
    known = {json.loads(line)["evidence"] for line in file.read_text("utf-8").splitlines()} if file.is_file() else set()
    rows = [row for name in names or sorted(warehouse.registry.recipes) for row in evidence_rows(warehouse, name)]
    # The gallery tells of the default pool: what another one shows is printed only.
    record = settings.data == REPOSITORY / "data" and not arguments.no_record
    harness.report(OPERATION, [row for row in rows if row.extra["evidence"] not in known], record=record)
    return status


def evidence_rows(warehouse: Warehouse, recipe: str) -> list[Row]:
    """Return one line per held-out set for a recipe that was tried out as it is now, else none; n = chosen rows."""
    info = warehouse.lake.info(("proxy_eval", recipe))
    chosen = warehouse.lake.info(("selections", recipe))
    # A loss of an earlier selection says nothing about the present file.
    if not (info and chosen) or info.inputs[f"selections/{recipe}"] != chosen.data_version:
        return []
    found = outcomes(warehouse.lake.scan(info.key).collect())
    runs = [run for run in warehouse.lake.runs() if run["stage"] == f"proxy_eval/{recipe}"]
    last = runs[-1] if runs else {"seconds": 0.0, "cpu_seconds": 0.0, "peak_rss_mb": 0.0}
    cost = Measured(last["seconds"], last["cpu_seconds"], last["peak_rss_mb"])
    facts = {"method": warehouse.registry.recipes[recipe].method(), "evidence": info.data_version}
    rows = []
    for line in found.filter(pl.col("arm") == recipe).iter_rows(named=True):
        if line["difference"] is None:
            continue
        part = found.filter(pl.col("set") == line["set"])
        others = {f"loss_{arm.replace(' ', '_')}": loss for arm, loss in part.select("arm", "loss").iter_rows()}
        others = {name: others[name] for name in ("loss_start", "loss_random", "loss_full_pool") if name in others}
        own = {name: line[name] for name in ("set", "loss", "low", "high", "verdict", "runs", "tokens")}
        rows.append(Row(recipe, chosen.rows, cost, line["difference"], {**own, **others, **facts}))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
