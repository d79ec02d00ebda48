"""Pairs of rows about which somebody is asked whether they are the same, and what was said.

Belongs here: the table of pairs between the two thresholds, and the decisions read back. Does not: asking
(``tables.answers``), the search (``near_search``), what follows from answers (``crowd.deduction``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl

from datasel_assets.specs.duplicates import AdjudicateSpec, NearSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.exact_duplicates import DUPLICATES
from datasel_assets.tables.duplicates.minhash import MINHASH
from datasel_assets.tables.duplicates.near_search import search
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.table import Built, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

NEAR_PAIRS = Kind("near_pairs")
DECISIONS = "adjudications"
"""The table beside the answers, of what was decided about each pair."""
SCHEMA = {"row_id": pl.String, "other": pl.String, "similarity": pl.Float64, "is_asked": pl.Boolean}


def answers_key(spec: AdjudicateSpec) -> Key:
    """Return the key of the tables of what was answered."""
    return ("answers", spec.answers)


def near_pairs_table(spec: NearSpec, keep_signs: Mapping[str, str], version: str) -> Table:
    """Return the table of pairs that are alike.

    Args:
        spec: of near duplicates, with somebody who adjudicates.
        keep_signs: score -> which end of it is the better one.
        version: hash of what decides the search.
    """
    scores = [spec.score] if spec.score else []
    fingerprint = digest([NEAR_PAIRS.version, version, spec.threshold])

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = warehouse.versions(MINHASH.name) | warehouse.versions(CORPUS.name) | score_inputs(warehouse, scores)
        return Expected((NEAR_PAIRS.name,), fingerprint, inputs)

    return Table(
        kind=NEAR_PAIRS,
        key=(NEAR_PAIRS.name,),
        description=(
            f"Pairs of rows that share at least {spec.least:.0%} of their shingles, the most alike first. Those below "
            f"{spec.threshold:.0%} are asked about."
        ),
        group="duplicates",
        reads=[(CORPUS.name,), (MINHASH.name,), *([(DUPLICATES.name,)] if scores else []), *score_deps(scores)],
        expect=expect,
        build=partial(_build, spec, keep_signs, version),
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
        columns={"other": "The row that would stay.", "is_asked": "Not alike enough to be the same without asking."},
    )


def _build(spec: NearSpec, keep_signs: Mapping[str, str], version: str, step: Step) -> Built:
    pairs: list[pl.DataFrame] = []

    def note(better: pl.Series, worse: pl.Series, similarity: np.ndarray) -> np.ndarray:
        pairs.append(pl.DataFrame({"row_id": worse, "other": better, "similarity": similarity}))
        return np.ones(len(similarity), bool)

    search(step.warehouse, spec, keep_signs, version, note)
    table = pl.concat(pairs).with_columns(is_asked=pl.col("similarity") < spec.threshold)
    table = table.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    table = table.sort("similarity", "row_id", "other", descending=[True, False, False])
    info = step.warehouse.lake.write(step.expected, table)
    return Built(
        info,
        table.height,
        metadata={"pairs": table.height, "pairs_that_are_asked_about": int(table["is_asked"].sum())},
    )


@dataclass
class Decisions:
    """What was said of pairs.

    Attributes:
        threshold: from here a pair is the same whatever anybody says.
        same_of: pair of row ids, sorted -> whether it is the same.
        asked: pairs of the last search below the threshold.
        decided: those of which something was said.
        same: those that are the same.
    """

    threshold: float
    same_of: dict[tuple[str, str], bool] = field(default_factory=dict)
    asked: int = 0
    decided: int = 0
    same: int = 0

    @classmethod
    def read(cls, warehouse: Warehouse, spec: NearSpec) -> "Decisions":
        """Return what the tables of answers say; nothing where nobody was asked."""
        assert spec.adjudicate is not None
        keys = [(DECISIONS, spec.adjudicate.answers, source) for source in warehouse.active_sources()]
        found = cls(spec.threshold)
        for key in keys:
            if warehouse.lake.info(key):
                for row, other, is_same in (
                    warehouse.lake.scan(key).select("row_id", "other", "is_same").collect().rows()
                ):
                    found.same_of[_pair(row, other)] = is_same
        return found

    def keep(self, better: pl.Series, worse: pl.Series, similarity: np.ndarray) -> np.ndarray:
        """Return (p,) whether each pair counts as the same; what nobody decided about does not."""
        kept = similarity >= self.threshold
        said = [self.same_of.get(_pair(*pair)) for pair in zip(better, worse, strict=True)]
        asked = ~kept
        known = np.array([one is not None for one in said], bool)
        same = np.array([one is True for one in said], bool)
        self.asked, self.decided, self.same = (int(mask.sum()) for mask in (asked, asked & known, asked & same))
        return kept | (asked & same)


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)
