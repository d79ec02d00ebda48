"""One table per recipe: the selection, a decision for every row of the pool, the report and the release.

Belongs here: what a selection is made from, and publishing it. Does not belong here: choosing rows and what is said of
them (``recipes``), reading the pool (``recipe_inputs``).
"""

import shlex
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from datasel_assets.diagnostics.pictures import selection_pictures
from datasel_assets.recipes import report, verify
from datasel_assets.recipes.inputs import category_column
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.sticky import changes
from datasel_assets.registry.registry import Registry
from datasel_assets.settings import DEFAULT_DATA, Settings
from datasel_assets.specs.recipe import RecipeSpec
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, TableInfo
from datasel_assets.storage.release import PART_OF_CONVERSATION, Release, write_release
from datasel_assets.tables.corpus.raw_corpus import licences
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.selections.from_ratio import ratio_key, settled
from datasel_assets.tables.selections.recipe_inputs import (
    PoolInputs,
    candidate_pool,
    previous_rows,
    recipe_reads,
    stored,
    with_columns_of_corpus,
)
from datasel_assets.tables.shown import FilePath, picture, sample_table
from datasel_assets.tables.table import Built, Check, Graph, Kind, Step, Table
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.vectors.representations import basis_fingerprint
from datasel_assets.tables.warehouse import Warehouse

SELECTIONS = Kind("selections", version="2", per="recipe", companions=("decisions", "changes"))

PACKAGES = ("datasel_assets", "numpy", "polars", "pyarrow", "torch", "transformers", "faiss-cpu", "dagster")
EXPORTED = (
    *("source", "messages", "prompt", "response", "n_tokens", "n_response_tokens", "extra"),
    *PART_OF_CONVERSATION,
)

Pictures = Sequence[tuple[bytes, str]]


def selection_tables(registry: Registry, graph: Graph) -> list[Table]:
    """Return the selection of every recipe."""
    return [_selection(name, spec, registry, graph) for name, spec in sorted(registry.recipes.items())]


def _selection(name: str, spec: RecipeSpec, registry: Registry, graph: Graph) -> Table:
    """Return the selection of one recipe; it is made from just the tables that the recipe reads."""
    scores = spec.requires().scores
    reads = [*recipe_reads(spec, registry), *([ratio_key(name)] if spec.budget.from_ratio else [])]
    fingerprint = _fingerprint(spec, registry)
    scored = score_deps(scores)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        settled(name, spec, warehouse)  # refuses before anything is computed
        inputs = score_inputs(warehouse, scores)
        inputs |= {f"licence/{source}": licence for source, licence in licences(warehouse).items()}
        inputs |= input_versions(warehouse, [key for key in reads if key not in scored], graph)
        return Expected((SELECTIONS.name, name), fingerprint, inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = candidate_pool(warehouse, spec, graph)
        held = previous_rows(warehouse, name, spec)
        selection = run_recipe(
            settled(name, spec, warehouse), pool, PoolInputs(warehouse, pool), registry.score_keep(), held
        )
        verify.refuse_flawed(selection, pool)
        pictures = _pictures(warehouse, spec, pool, selection)
        release = _release(step, name, spec, selection, pictures)
        info, changed = _publish(step, name, selection, release)
        outcomes = verify.outcomes(selection, pool, registry.evaluations)
        shown = _shown(warehouse, selection, release, pictures) | _changes_shown(changed)
        checks = {check: Check(*outcome) for check, outcome in outcomes.items()}
        return Built(info, selection.selected.height, metadata=shown, checks=checks)

    return Table(
        kind=SELECTIONS,
        key=(SELECTIONS.name, name),
        description="\n\n".join(filter(None, [spec.doc, f"Source: {spec.paper}" if spec.paper else ""])),
        group="selections",
        reads=reads,
        expect=expect,
        build=build,
        checks={
            "budget_respected": "the selection is within its budget and the per-source limits",
            "unique_ids": "no row is selected twice",
            "no_evaluation_items": "no selected row holds an item of a registered evaluation, by the tiers that block",
            "ledger_complete": "every row of the pool has exactly one decision",
        },
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint,
    )


def _fingerprint(spec: RecipeSpec, registry: Registry) -> str:
    needs = spec.requires()
    clustered = registry.clustered if needs.clusters else None
    blocks = {name: evaluation.blocking for name, evaluation in sorted(registry.evaluations.items())}
    parts: list[Any] = [SELECTIONS.version, spec.model_dump(mode="json"), clustered, blocks]
    if needs.scores:
        keep = registry.score_keep()
        parts.append({score: keep[score] for score in sorted(needs.scores)})
    parts += [] if spec.weights is None else [{"weights": spec.weights}]
    parts += [basis_fingerprint(registry.representations[name]) for name in sorted(needs.representations)]
    return digest(parts)


def _publish(step: Step, name: str, selection: Selection, release: Release) -> tuple[TableInfo, pl.DataFrame]:
    """Publish changes, decisions and, last, the selection; return the selection and the changes."""
    lake = step.warehouse.lake
    decided, changed = (
        Expected((table, name), step.expected.fingerprint, step.expected.inputs) for table in ("decisions", "changes")
    )
    if not lake.is_current(changed):  # after a crash the decisions may be new and the changes right
        lake.write(changed, changes(stored(step.warehouse, decided.key), selection.decisions))
    lake.write(decided, selection.decisions)
    meta = {"release": f"{name}/{release.version}", "rows": release.rows}
    info = lake.write(step.expected, selection.selected, meta=meta)
    return info, lake.scan(changed.key).collect()


def _release(step: Step, name: str, spec: RecipeSpec, selection: Selection, pictures: Pictures) -> Release:
    """Export the selected conversations with report, card, manifest and trainer configs."""
    warehouse = step.warehouse
    weight = [] if spec.weights is None else ["weight"]
    ranked = selection.selected.select("row_id", "rank", "score", *weight)
    rows = with_columns_of_corpus(warehouse, ranked, EXPORTED)
    dropped = with_columns_of_corpus(warehouse, report.dropped_rows(selection), ("prompt", "response"))
    best = rows.sort("rank").head(report.SHOWN_ROWS)
    specs = warehouse.registry.sources
    sources = {
        source: {"licence": licence}
        | ({"uri": ", ".join(specs[source].uris), "doc": specs[source].doc} if source in specs else {})
        for source, licence in licences(warehouse).items()
    }
    return write_release(
        warehouse.settings.releases,
        name,
        rows,
        spec=spec.model_dump(mode="json"),
        formats=spec.release.formats,
        weights=spec.release.weights,
        validation=spec.release.validation,
        seed=spec.seed,
        inputs=step.expected.inputs,
        sources=sources,
        versions={package: metadata.version(package) for package in PACKAGES},
        reproduce=command_again(warehouse.settings),
        pool_rows=selection.decisions.height,
        report_html=report.release_report(name, spec, selection, best, dropped, pictures).encode(),
    )


def command_again(settings: Settings) -> str:
    """Return what the user types to make a release again; cards are published, so a home folder is not named."""
    if settings.data == DEFAULT_DATA:
        return "make run"
    data = settings.data
    if data.is_relative_to(Path.home()):
        return f"datasel --data ~/{shlex.quote(str(data.relative_to(Path.home())))} run"
    return f"datasel --data {shlex.quote(str(data))} run"


def _pictures(warehouse: Warehouse, spec: RecipeSpec, pool: pl.DataFrame, selection: Selection) -> Pictures:
    clustered = warehouse.registry.clustered if spec.requires().clusters else None
    categories = sorted(name for name in pool.columns if name.startswith(category_column("")))
    return selection_pictures(
        pool,
        selection.selected["row_id"],
        selection.decisions["score"].drop_nulls().to_numpy(),
        {column: column.replace(".", " of ") for column in categories},
        cluster_titles(warehouse, clustered) if clustered else None,
    )


def _shown(warehouse: Warehouse, selection: Selection, release: Release, pictures: Pictures) -> dict[str, Any]:
    """Return what the page of a recipe shows of its selection."""
    pool_rows = selection.decisions.height
    tokens, response_tokens = report.tokens(selection)
    size = report.effective_size(selection)
    best = with_columns_of_corpus(warehouse, report.best_rows(selection), ("prompt", "response"))
    return {
        "pool_rows": pool_rows,
        "selected_share": round(selection.selected.height / pool_rows, 5),
        "tokens": tokens,
        "response_tokens": response_tokens,
        **({} if size is None else {"effective_sample_size": size}),
        **{f"plot: {caption}": picture(png, caption) for png, caption in pictures},
        "release": FilePath(release.path),
        "release_version": release.version,
        "release_is_new": release.created,
        "report": FilePath(release.path / "report.html"),
        "budget": report.budget_used(selection),
        "notes": " ".join(selection.notes) or "none",
        "decisions": sample_table(report.stages(selection.decisions), ["stage", "kept", "rows"], rows=20),
        "selected": sample_table(best, ["rank", "score", "source", "prompt", "response"], rows=report.SHOWN_ROWS),
    }


def _changes_shown(changed: pl.DataFrame) -> dict[str, Any]:
    """Return what the page of a recipe shows of the step from the previous selection to this one."""
    columns = ["change", "source", "row_id", "reason_before", "reason_now"]
    return {
        "rows_entered": changed.filter(pl.col("change") == "entered").height,
        "rows_left": changed.filter(pl.col("change") == "left").height,
        "changes": sample_table(report.some_changes(changed), columns, rows=2 * report.SHOWN_ROWS),
    }
