"""Read every dataset of a folder as a new user would, with ``format: auto``, and say what became of its rows.

Prints one line for each file: schema, rows in, kept, joined, quarantined by reason, and the columns that hold something
that no conversation was given; or why the file was refused. A traceback is a fault. With ``--cases``, a folder of
``<name>/sources/*.yaml`` with their files is read in the same way.

    python -m benchmarks.ingest_zoo FOLDER [--rows 5000] [--cases FOLDER]
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from datasel_assets.corpus import FormatError, IngestSummary, ingest
from datasel_assets.registry.base import load_folder
from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import SourceError, read_rows, snapshot

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".gz", ".zst")


def sources(folder: Path | None, cases: Path | None) -> Iterator[tuple[str, Path, SourceSpec]]:
    """Yield (name, data folder, spec) of each file and each case."""
    for file in sorted(folder.rglob("*")) if folder else ():
        if file.is_file() and file.name.endswith(SUFFIXES):
            yield str(file.relative_to(folder)), folder, SourceSpec(uri=str(file))  # type: ignore[arg-type]
    for case in sorted(cases.iterdir()) if cases else ():
        if (case / "sources").is_dir():
            for name, spec in load_folder(case / "sources", SourceSpec).specs.items():
                yield f"case {name}", case, spec


def read(folder: Path, spec: SourceSpec, rows: int) -> IngestSummary:
    """Ingest the first rows of a source and return what became of them."""
    with tempfile.TemporaryDirectory() as cache:
        found = read_rows(snapshot(spec, "zoo", folder, Path(cache)), spec)
        run = ingest(islice(found, rows), source="zoo", **spec.ingest_options())
        for _ in run:
            pass
    return run.summary


def listed(counts: Counter[str]) -> str:
    """The counts in words, the commonest first."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common(8)) or "-"


def main() -> None:
    """Read everything and print a Markdown table with its totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--cases", type=Path)
    arguments = parser.parse_args()
    totals: Counter[str] = Counter()
    print("| file | schema | in | kept | joined | quarantined | unmapped |\n|---|---|--:|--:|--:|---|---|")
    for name, folder, spec in sources(arguments.folder, arguments.cases):
        totals["files"] += 1
        try:
            found = read(folder, spec, arguments.rows)
        except (FormatError, SourceError) as error:
            totals["files refused"] += 1
            print(f"| {name} | {str(error).split('. ')[0]:.160} | | | | | |")
            continue
        totals.update({"in": found.rows_in, "kept": found.kept, "joined": found.joined})
        totals["quarantined"] += found.quarantined
        schema = found.detection.format if found.detection else "no rows"
        counts = f"{found.rows_in:,} | {found.kept:,} | {found.joined:,}"
        print(f"| {name} | {schema} | {counts} | {listed(found.reasons)} | {listed(found.unmapped)} |")
    print(f"\n{', '.join(f'{name}: {count:,}' for name, count in totals.items())}")


if __name__ == "__main__":
    main()
