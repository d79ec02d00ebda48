"""Every dataset at hand through the door and out again: rows in, kept, refused and why, not mapped, released.

The datasets are those of the development folder, the originals beside them (``raw``), and inputs of public bug reports
(``--cases``: folders with ``files`` and ``sources``). Each is a source of its own, of which nothing is said but where
it is. What is kept is released in every format and read back. For each it is checked that no row is lost on the way:
rows in are rows kept, rows refused, and single messages that were joined to a row of another one; the files that hold
every row do. What the other files cannot hold is counted.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from benchmarks.projects import shared_data, write_yaml

NO_POOLS = ("alpaca_eval_leaderboard", "crowd_", "er_", "stackexchange_")
"""Tables of labels and of pairs, boards of results, posts beside their answers: nobody would make them a source."""
FORMATS = ("messages", "alpaca", "sharegpt")


def write_sources(data: Path, cases: Path | None) -> list[str]:
    """Write a file in ``sources/`` for every dataset and case; return their names."""
    shared, names = shared_data(), []
    for file in [*sorted(shared.glob("*.parquet")), *sorted((shared / "raw").glob("*"))]:
        if not file.name.startswith(NO_POOLS):
            name = f"{'raw_' if file.parent.name == 'raw' else ''}{file.name.split('.')[0].lower()}"
            names.append(name)
            # However many are refused: here they are to be counted.
            write_yaml(data / "sources" / f"{name}.yaml", {"uri": str(file), "max_quarantined_share": 1.0})
    for case in sorted(cases.glob("*/sources/*.yaml")) if cases else ():
        folder = case.parents[1].name
        shutil.copytree(case.parents[1] / "files", data / "files" / folder, dirs_exist_ok=True)
        spec = yaml.safe_load(case.read_text("utf-8"))
        spec["uri"] = str(spec["uri"]).replace("files/", f"files/{folder}/", 1)
        names.append(f"case_{folder.replace('-', '_')}")
        write_yaml(data / "sources" / f"{names[-1]}.yaml", {**spec, "max_quarantined_share": 1.0})
    return names


def through(data: Path, name: str) -> dict[str, Any]:
    """Return what became of one source; ``error`` where it cannot be read as a whole."""
    from datasel_assets.tables import make, open_warehouse

    warehouse = open_warehouse(data, "cpu")
    try:
        made = make(warehouse, "corpus", name, upstream=True)
    except Exception as error:  # a source that nobody can read is one of the results
        return {"source": name, "error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    kept = warehouse.lake.scan(("corpus", name)).collect()
    refused = warehouse.lake.scan(("quarantine", name)).collect()
    rows_in = made.built.metadata["rows_in"]
    assert made.built.checks["rows_accounted"].passed, name
    reasons = Counter(reason.split(":", 1)[0] for reason in refused["reason"])
    lines, lacks = released(data / "out", name, kept) if kept.height else ({}, {})
    return {
        "source": name,
        "rows_in": rows_in,
        "kept": kept.height,
        "joined": rows_in - kept.height - refused.height,
        "refused": dict(reasons.most_common()),
        "unmapped": dict(made.built.info.meta.get("unmapped", {})),
        "released": lines,
        "not_expressible": lacks,
    }


def released(out: Path, name: str, kept: pl.DataFrame) -> tuple[dict[str, int], dict[str, Any]]:
    """Release all rows in every format; return rows by file, and what formats say that they cannot hold."""
    from datasel_assets.storage.release.write import write_release

    rows = kept.sort("position").with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64), score=pl.lit(0.0))
    release = write_release(
        out,
        name,
        rows.select("row_id", "source", "messages", "rank", "score", "n_tokens", "n_response_tokens", "extra", *PARTS),
        spec={"recipe": "everything"},
        formats=FORMATS,
        inputs={},
        sources={name: {"licence": "CC0-1.0", "uri": name, "doc": name}},
        versions={},
        reproduce="python -m benchmarks.ingest_zoo",
    )
    manifest = json.loads((release.path / "manifest.json").read_text("utf-8"))
    counts = {path.name: sum(1 for _ in path.open("rb")) for path in sorted(release.path.glob("*.jsonl"))}
    counts["train.parquet"] = pl.read_parquet(release.path / "train.parquet", glob=False).height
    lacks = {
        form: {why: len(rows) for why, rows in reasons.items()} for form, reasons in manifest["not_expressible"].items()
    }
    assert counts["train.jsonl"] == counts["train.parquet"] == kept.height, name
    return counts, lacks


PARTS = ("tools", "untrained", "images")


def table(found: Sequence[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = ["| source | rows in | kept | refused | not mapped | not in a file |", "|---|---|---|---|---|---|"]
    for each in found:
        if "error" in each:
            lines.append(f"| {each['source']} | - | - | {each['error']} | | |")
            continue
        joined = f", {each['joined']:,} joined" if each["joined"] else ""
        refused = ", ".join(f"{rows:,} {why}" for why, rows in each["refused"].items()) or "0"
        unmapped = ", ".join(f"{column} ({rows:,})" for column, rows in each["unmapped"].items()) or "-"
        lacks = "; ".join(
            f"{form}: {sum(reasons.values()):,} ({', '.join(reasons)})"
            for form, reasons in each["not_expressible"].items()
        )
        cells = (each["source"], f"{each['rows_in']:,}", f"{each['kept']:,}{joined}", refused, unmapped, lacks or "-")
        lines.append(f"| {' | '.join(cells)} |")
    read = [each for each in found if "error" not in each]
    total, kept = (sum(each[key] for each in read) for key in ("rows_in", "kept"))
    lines.append(f"| **{len(read)} sources** | **{total:,}** | **{kept:,}** | **{total - kept:,}** | | |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, help="a folder of inputs, each with `files` and `sources`")
    parser.add_argument("--only", nargs="*", help="names of sources")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        names = write_sources(data, arguments.cases)
        found = [through(data, name) for name in names if not arguments.only or name in arguments.only]
    print(table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
