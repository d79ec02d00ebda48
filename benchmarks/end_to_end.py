"""D4, LASER and QDIT from the file to the release: the main job over alpaca_52k, and what each of its stages cost.

The recipes are the shipped ones. LASER's difficulty is the reading difficulty of the response (Dale-Chall) in place of
a language model's score, and quality is in both the blend of surface scores, so nothing but the encoder is a model. A
stage is a row; selections are told by recipe: ``<recipe>, all it needs`` adds up the stages that a run of this recipe
alone goes through, the shared ones too, and its peak is the largest of theirs. The control arms, the near duplicates,
the fidelity and the comparison belong to none. Peak memory of a stage is the largest resident one, while it ran, of the
one process that runs them all; ``datasel`` is that process, with its start.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import yaml

from benchmarks.full_pass import pool_rows, stage_rows, total_row
from benchmarks.harness import Measured, Row, report
from benchmarks.projects import REPOSITORY, run_log, run_project, shared_data, write_yaml

SHIPPED = (
    "recipes/d4.yaml",
    "gallery/laser.yaml",
    "gallery/qdit.yaml",
    "representations/rds_plus.yaml",
    "representations/crds_r.yaml",
    "representations/spectral.yaml",
    "categories/laser.yaml",
    "targets/laser_seeds.yaml",
    "scores/plain_quality.yaml",
)
DIFFICULTY = {"score": "text.response_dale_chall", "keep": "high", "scale": "clipped"}

_SHARED = ("raw_corpus", "corpus", "duplicates", "embeddings/*")
_COSINE = ("representation_basis/rds_plus", "representations/rds_plus")
_QUALITY = ("scores/text", "blend/plain_quality")
NEEDS = {
    "d4": (
        *_SHARED,
        *_COSINE,
        *(f"{stage}/spectral" for stage in ("representation_moments", "representation_basis", "representations")),
        "cluster_models/spectral",
        "clusters/spectral",
        "semantic_duplicates",
        "selections/d4",
    ),
    "laser": (
        *_SHARED,
        *_COSINE,
        *_QUALITY,
        "representation_basis/crds_r",
        "representations/crds_r",
        "targets/laser_seeds",
        "target_embeddings/*/laser_seeds",
        "category_models/laser",
        "categories/laser",
        "selections/laser",
    ),
    "qdit": (*_SHARED, *_COSINE, *_QUALITY, "selections/qdit"),
}
"""Recipe -> the stages that a run of it alone goes through, as patterns."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the main job once over the first ``n`` rows and report what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=None, help="rows; all when left out")
    parser.add_argument("--data", type=Path, default=None, help="keep the data folder here")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        prepare(data, options.n)
        whole = run_project(data)
        runs, rows = run_log(data), pool_rows(data)
        table = [row for row in stage_rows(runs) if row.implementation != "selections"]
        table += [recipe_row(recipe, runs, rows) for recipe in NEEDS]
        report("end_to_end", [*table, total_row(rows, whole)], record=not options.no_record)
    return 0


def prepare(data: Path, n: int | None) -> None:
    """Write the source and the shipped files that the three recipes need."""
    for name in SHIPPED:
        file = data / name.replace("gallery/", "recipes/")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / "data" / name, file)
    laser = yaml.safe_load((data / "recipes" / "laser.yaml").read_text(encoding="utf-8"))
    laser["scores"]["laser"]["inputs"][-1] = DIFFICULTY
    write_yaml(data / "recipes" / "laser.yaml", laser)
    (data / "files").mkdir(exist_ok=True)
    frame = pl.read_parquet(shared_data() / "alpaca_52k.parquet")
    frame.head(n or frame.height).write_parquet(data / "files" / "alpaca_52k.parquet")
    write_yaml(data / "sources" / "alpaca_52k.yaml", {"uri": "files/alpaca_52k.parquet"})


def recipe_row(recipe: str, runs: list[dict], rows: int) -> Row:
    """Return the sum of the stages that ``recipe`` needs, with what its selection alone took."""
    found = [run for run in runs if any(fnmatch(run["stage"], pattern) for pattern in NEEDS[recipe])]
    (own,) = (run for run in found if run["stage"] == f"selections/{recipe}")
    encoder = sum(run["seconds"] for run in found if run["stage"].startswith("embeddings/"))
    seconds = sum(run["seconds"] for run in found)
    cost = Measured(seconds, sum(run["cpu_seconds"] for run in found), max(run["peak_rss_mb"] for run in found))
    extra = {
        "selected": own["rows_new"],
        "selection_s": own["seconds"],
        "selection_cpu_s": own["cpu_seconds"],
        "encoder_share": encoder / seconds,
    }
    return Row(f"{recipe}, all it needs", rows, cost, None, extra)


if __name__ == "__main__":
    raise SystemExit(main())
