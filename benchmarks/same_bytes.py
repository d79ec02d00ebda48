"""Do the same inputs give the same bytes on any number of threads, and with another kernel of matrix products?

A data folder is run from nothing once for each setting, in processes of their own, and every table and every released
file is compared with that of the first. The line of a setting counts the files and those that differ, and names some.
``raw_corpus`` and ``catalog`` hold paths and are left out.

On the small pool of the tests no number of threads changes any of 85 files. The kernels of Haswell change last digits
of similarities: the ledgers and releases of recipes toward a target, figures of redundancy, the comparison (8 tables).

    python -m benchmarks.same_bytes                 the shipped pool: four runs of some minutes
    python -m benchmarks.same_bytes --data FOLDER
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from datasel_assets.settings import DEFAULT_DATA

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
SETTINGS: Mapping[str, Mapping[str, str]] = {
    **{f"{count} threads": dict.fromkeys(THREADS, str(count)) for count in (1, 2, 4)},
    "kernels of Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
}
WITH_PATHS = ("raw_corpus", "catalog")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the folder under every setting; return 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder whose registry files and data are run")
    arguments = parser.parse_args(argv)
    differing = 0
    with TemporaryDirectory() as scratch:
        for name, found in compared(arguments.data, Path(scratch)).items():
            files, others = found
            differing += len(others)
            print(f"{name:20} {files:5} files, {len(others)} differ {' '.join(others[:5])}", flush=True)
    return 1 if differing else 0


def compared(data: Path, scratch: Path, settings: Mapping[str, Mapping[str, str]] = SETTINGS) -> dict:
    """Return for each setting but the first how many files there are, and which are not those of the first.

    Raises:
        CalledProcessError: a run failed.
    """
    first: Path | None = None
    found = {}
    for name, variables in settings.items():
        folder = scratch / name.replace(" ", "_")
        shutil.copytree(data, folder, ignore=shutil.ignore_patterns("warehouse", "releases"))
        command = [sys.executable, "-m", "datasel_assets", "--data", str(folder), "run"]
        subprocess.run(command, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)
        if first is None:
            first = folder
            continue
        names = sorted({*results(first), *results(folder)})
        _, other, absent = filecmp.cmpfiles(first, folder, names, shallow=False)
        found[name] = (len(names), sorted([*other, *absent]))
    return found


def results(folder: Path) -> list[str]:
    """Return the tables of a data folder, and what trainers read of its releases, relative to it."""
    tables = (folder / "warehouse").rglob("*.parquet")
    released = (folder / "releases").rglob("train.*")
    places = [path.relative_to(folder) for path in (*tables, *released) if not path.parent.is_symlink()]
    return [str(p) for p in places if p.parts[1] not in WITH_PATHS and not p.stem.startswith(WITH_PATHS)]


if __name__ == "__main__":
    sys.exit(main())
