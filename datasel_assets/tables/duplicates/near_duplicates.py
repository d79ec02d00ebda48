"""The table of rows that are almost the same as a row that stays, across all sources; and which tables there are of it.

Belongs here: what the search is given, and what is kept of it for the next one. Does not belong here: the search
(``corpus.near_duplicates``), signatures (``minhash``).
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import polars as pl

from datasel_assets.corpus import near_duplicates as near
from datasel_assets.specs.duplicates import DuplicatesSpec, NearSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables.corpus.conversations import CORPUS
from datasel_assets.tables.duplicates.exact_duplicates import DUPLICATES
from datasel_assets.tables.duplicates.listed_pairs import CHECKS, shown_pairs, stay_checks
from datasel_assets.tables.duplicates.minhash import MINHASH, minhash_table
from datasel_assets.tables.duplicates.near_pairs import Decisions, answers_key, near_pairs_table
from datasel_assets.tables.duplicates.near_search import STATE, search, search_fingerprint
from datasel_assets.tables.duplicates.semantic_duplicates import semantic_duplicates_table
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.table import Built, Check, Kind, Step, Table
from datasel_assets.tables.warehouse import Warehouse

NEAR_DUPLICATES = Kind("near_duplicates", state=(STATE,))
ADJUDICATED = {"pairs_adjudicated": "somebody has decided about every pair that is asked about"}


def duplicate_tables(
    spec: DuplicatesSpec, clustered: str | None, keep_signs: Mapping[str, str] = MappingProxyType({})
) -> list[Table]:
    """Return the tables of near duplicates, and of semantic ones where a representation is clustered."""
    tables = [minhash_table(spec.near), near_duplicates_table(spec.near, keep_signs)]
    if spec.near.adjudicate:
        tables.append(near_pairs_table(spec.near, keep_signs, _search_version(spec.near, keep_signs)))
    return [*tables, semantic_duplicates_table(spec.semantic, clustered)] if clustered else tables


def _search_version(spec: NearSpec, keep_signs: Mapping[str, str]) -> str:
    return search_fingerprint(NEAR_DUPLICATES.version, spec, keep_signs)


def near_duplicates_table(spec: NearSpec, keep_signs: Mapping[str, str]) -> Table:
    """Return the table of near duplicates; ``keep_signs``: score -> which end of it is the better one."""
    scores = [spec.score] if spec.score else []
    fingerprint = _search_version(spec, keep_signs)
    if spec.adjudicate:
        fingerprint = digest([fingerprint, spec.threshold])
    stays = f"that of the best {spec.score}" if spec.score else f"the {spec.keep}"
    asked = f" Pairs from {spec.least:.0%} up are duplicates where answers say so." if spec.adjudicate else ""
    return Table(
        kind=NEAR_DUPLICATES,
        key=(NEAR_DUPLICATES.name,),
        description=(
            f"Rows that share at least {spec.threshold:.0%} of their shingles with a row that stays ({stays}), "
            "across all sources. Candidates come from MinHash bands, every pair is verified by its exact Jaccard "
            f"similarity; after an increment only pairs with a new row are.{asked}"
        ),
        group="duplicates",
        reads=[
            (CORPUS.name,),
            (MINHASH.name,),
            *([(DUPLICATES.name,)] if scores else []),
            *score_deps(scores),
            *([answers_key(spec.adjudicate)] if spec.adjudicate else []),
        ],
        expect=partial(_expect, fingerprint, spec, scores),
        build=partial(_build, spec, keep_signs),
        checks=CHECKS | (ADJUDICATED if spec.adjudicate else {}),
        kinds=frozenset({"parquet", "numpy"}),
        version=fingerprint,
    )


def _expect(fingerprint: str, spec: NearSpec, scores: list[str], warehouse: Warehouse, source: str | None) -> Expected:
    inputs = warehouse.versions(MINHASH.name) | warehouse.versions(CORPUS.name) | score_inputs(warehouse, scores)
    if spec.adjudicate:
        inputs |= warehouse.versions(*answers_key(spec.adjudicate))
    return Expected((NEAR_DUPLICATES.name,), fingerprint, inputs)


def _build(spec: NearSpec, keep_signs: Mapping[str, str], step: Step) -> Built:
    warehouse = step.warehouse
    decisions = Decisions.read(warehouse, spec) if spec.adjudicate else None
    version = _search_version(spec, keep_signs)
    rows, found = search(warehouse, spec, keep_signs, version, decisions.keep if decisions else None)
    table = near.with_exact_kind(found.table, _contents(warehouse, found.table))
    info = warehouse.lake.write(step.expected, table)
    kinds = dict(table.group_by("kind").len().iter_rows())
    least = float(table["similarity"].min() or 1.0)  # type: ignore[arg-type]  # of numbers
    checks = stay_checks(table, {"threshold": spec.threshold}, least, spec.least)
    asked: dict[str, Any] = {}
    if decisions and spec.adjudicate:
        open_pairs = decisions.asked - decisions.decided
        asked = {"pairs_to_adjudicate": decisions.asked, "pairs_adjudicated_the_same": decisions.same}
        checks["pairs_adjudicated"] = Check(
            not open_pairs,
            {"undecided": open_pairs, **({"to do": f"datasel ask {spec.adjudicate.answers}"} if open_pairs else {})},
        )
    return Built(
        info,
        table.height,
        metadata={
            "pool_rows": rows.height,
            "near_copies": kinds.get("near", 0),
            "exact_copies": kinds.get("exact", 0),
            "share_of_pool": round(table.height / max(rows.height, 1), 5),
            "pairs_compared": found.compared,
            "chance_to_be_compared_at_threshold": round(spec.shingles.chance(spec.threshold), 5),
            **asked,
            "pairs": shown_pairs(warehouse, table.filter(pl.col("kind") == "near")),
        },
        checks=checks,
    )


def _contents(warehouse: Warehouse, table: pl.DataFrame) -> pl.DataFrame:
    """Return row_id and content_hash of the rows that a table of duplicates names."""
    named = pl.concat([table["row_id"], table["duplicate_of"]]).unique()
    return pl.concat(
        warehouse.lake.scan((CORPUS.name, source))
        .filter(pl.col("row_id").is_in(named.implode()))
        .select("row_id", "content_hash")
        for source in warehouse.active_sources()
    ).collect()
