"""One asset per recipe: the selection, a decision for every row of the pool, the report and the release."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import polars as pl
import yaml

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.report import html_report
from datasel_assets.recipes.inputs import category_column
from datasel_assets.recipes.interpreter import Selection, run_recipe
from datasel_assets.recipes.schema import RecipeSpec
from datasel_assets.recipes.sticky import changes
from datasel_assets.registry.load import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.storage.release import Release, write_release
from datasel_assets.tables import versions
from datasel_assets.tables.contamination.contamination import blocked_rows
from datasel_assets.tables.corpus.raw_corpus import licences
from datasel_assets.tables.pool import read_pool
from datasel_assets.tables.scores.scores import score_deps, score_inputs
from datasel_assets.tables.selections.recipe_inputs import PoolInputs
from datasel_assets.tables.shown import FilePath, picture, sample_table
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.vectors.representations import basis_fingerprint
from datasel_assets.tables.warehouse import Warehouse

PACKAGES = ("datasel_assets", "numpy", "polars", "pyarrow", "torch", "transformers", "faiss-cpu", "dagster")
PER_SOURCE = frozenset({"corpus", "representations", "clusters", "categories", "contamination", "tags"})
SAMPLE_ROWS = 8
EXPORTED = ("row_id", "source", "messages", "prompt", "response", "n_tokens", "n_response_tokens", "extra")


def selection_asset(name: str, spec: RecipeSpec, registry: Registry) -> Table:
    """Return the asset of one recipe; it depends on just the tables that the recipe reads."""
    needs = spec.requires()
    clustered = registry.clustered if needs.clusters else None
    deps: list[tuple[str, ...]] = [("corpus",), ("duplicates",)]
    deps += [("representations", name) for name in sorted(needs.representations)]
    deps += [
        ("target_embeddings", *key)
        for key in sorted({(registry.representations[name].encoder.slug, target) for name, target in needs.targets})
    ]
    # The examples as well as their vectors: a task that is named anew leaves the vectors as they were.
    deps += [("targets", name) for name in sorted({name for _, name in needs.targets})]
    deps += [("representation_basis", name) for name in sorted({name for name, _ in needs.targets})]
    deps += [("categories", name) for name in sorted(needs.categories)]
    for tagged in sorted(needs.tags):
        deps += [("tags", tagged), ("tag_vocabulary", tagged)]
    deps += [("label_graph", tagged) for tagged in sorted(needs.label_graphs)]
    scored = score_deps(needs.scores)
    deps += scored
    deps += [(f"{kind}s",) for kind in needs.duplicates]
    deps += [("contamination",)] if registry.evaluations else []
    if clustered:
        deps += [("clusters", clustered), ("cluster_models", clustered)]

    def fingerprint() -> str:
        blocks = {name: evaluation.blocking for name, evaluation in sorted(registry.evaluations.items())}
        parts: list[Any] = [versions.SELECTIONS, spec.model_dump(mode="json"), clustered, blocks]
        if needs.scores:
            keep = registry.score_keep()
            parts.append({score: keep[score] for score in sorted(needs.scores)})
        parts += [basis_fingerprint(registry.representations[name]) for name in sorted(needs.representations)]
        return digest(parts)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = score_inputs(warehouse, needs.scores)
        inputs |= {f"licence/{source}": licence for source, licence in licences(warehouse).items()}
        for dep in deps:
            if dep in scored:
                continue
            partitioned = dep[0] in PER_SOURCE
            inputs |= warehouse.versions(*dep) if partitioned else {"/".join(dep): warehouse.lake.version(dep)}
        return Expected(("selections", name), fingerprint(), inputs)

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = candidate_pool(warehouse, spec)
        held = previous_rows(warehouse, name, spec)
        selection = run_recipe(spec, pool, PoolInputs(warehouse, pool), registry.score_keep(), held)
        _check(selection, pool)
        leaks = pool.filter(pl.col("contaminated").is_not_null())["row_id"]
        pictures = _pictures(warehouse, pool, selection, clustered)
        release = _release(step, name, spec, pool, selection, pictures)
        decided, changed = (
            Expected((table, name), step.expected.fingerprint, step.expected.inputs)
            for table in ("decisions", "changes")
        )
        if not warehouse.lake.is_current(changed):  # after a crash the decisions may be new and the changes right
            warehouse.lake.write(changed, changes(_stored(warehouse, decided.key), selection.decisions))
        warehouse.lake.write(decided, selection.decisions)
        info = warehouse.lake.write(
            step.expected, selection.selected, meta={"release": f"{name}/{release.version}", "rows": release.rows}
        )
        return Built(
            info,
            selection.selected.height,
            metadata={
                **_metadata(warehouse, pool, selection, release, pictures),
                **_change_facts(warehouse.lake.scan(changed.key).collect()),
            },
            checks={
                "budget_respected": Check(selection.within_budget, selection.budget),
                "unique_ids": Check(selection.selected["row_id"].n_unique() == selection.selected.height),
                "no_evaluation_items": Check(
                    not selection.selected["row_id"].is_in(leaks.implode()).any(),
                    {"evaluations": ", ".join(sorted(registry.evaluations)) or "none", "rows_kept_out": len(leaks)},
                ),
                "ledger_complete": Check(
                    selection.decisions.height == pool.height
                    and selection.decisions["row_id"].n_unique() == pool.height
                    and int(selection.decisions["kept"].sum()) == selection.selected.height,
                    {"pool": pool.height, "decisions": selection.decisions.height},
                ),
            },
        )

    return Table(
        key=("selections", name),
        description=f"{spec.doc}\n\nSource: {spec.paper}",
        group="selections",
        reads=deps,
        expect=expect,
        build=build,
        checks={
            "budget_respected": "the selection is within its budget and the per-source limits",
            "unique_ids": "no row is selected twice",
            "no_evaluation_items": "no selected row holds an item of a registered evaluation, by the tiers that block",
            "ledger_complete": "every row of the pool has exactly one decision",
        },
        kinds=frozenset({"parquet", "polars"}),
        version=fingerprint(),
    )


def _check(selection: Selection, pool: pl.DataFrame) -> None:
    """Refuse to publish a selection that is not what the recipe asked for."""
    decided = selection.decisions["row_id"]
    if decided.len() != pool.height or decided.n_unique() != pool.height:
        raise ValueError(f"{decided.n_unique()} of {pool.height} rows have a decision; nothing was published")
    if not selection.within_budget:
        raise ValueError(f"the selection breaks its budget: {selection.budget}; nothing was published")
    leaks = selection.selected.join(pool.filter(pl.col("contaminated").is_not_null()), on="row_id", how="semi")
    if not leaks.is_empty():
        raise ValueError(f"{leaks.height} selected rows hold items of an evaluation; nothing was published")
    if selection.selected.is_empty():
        raise ValueError("no row is left after the drop rules; nothing was published")


def _release(
    step: Step,
    name: str,
    spec: RecipeSpec,
    pool: pl.DataFrame,
    selection: Selection,
    pictures: Sequence[tuple[bytes, str]],
) -> Release:
    """Export the selected conversations with report, card, manifest and trainer configs."""
    warehouse = step.warehouse
    rows = selection.selected.select("row_id", "rank", "score").join(
        pl.concat(
            warehouse.lake.scan(("corpus", source))
            .filter(pl.col("row_id").is_in(selection.selected["row_id"].implode()))
            .select(EXPORTED)
            for source in warehouse.active_sources()
        ).collect(),
        on="row_id",
        how="left",
    )
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
        inputs=step.expected.inputs,
        sources=sources,
        versions={package: metadata.version(package) for package in PACKAGES},
        reproduce="make run",
        pool_rows=pool.height,
        report_html=_report(warehouse, name, spec, pool, selection, rows, pictures).encode(),
    )


def _report(
    warehouse: Warehouse,
    name: str,
    spec: RecipeSpec,
    pool: pl.DataFrame,
    selection: Selection,
    rows: pl.DataFrame,
    pictures: Sequence[tuple[bytes, str]],
) -> str:
    """Return the HTML report of the release."""
    selected, decisions = selection.selected, selection.decisions
    dropped = decisions.filter(~pl.col("kept")).sort("score", "row_id", descending=[True, False], nulls_last=True)
    texts = pl.concat(
        warehouse.lake.scan(("corpus", source)).select("row_id", "prompt", "response")
        for source in warehouse.active_sources()
    )
    shown = dropped.group_by("stage", maintain_order=True).head(SAMPLE_ROWS // 2)
    near = shown.lazy().join(texts, on="row_id", how="left", maintain_order="left").collect()
    kept_columns = ["rank", "score", "source", "prompt", "response"]
    return html_report(
        title=name,
        summary=f"{spec.doc} Method: {spec.paper}",
        recipe=yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True),
        facts={
            "rows selected": selected.height,
            "rows in the pool": pool.height,
            "tokens": int(selected["n_tokens"].sum() or 0),
            "response tokens": int(selected["n_response_tokens"].sum() or 0),
            "budget": _budget(selection.budget),
        },
        stages=_stages(decisions),
        pictures=pictures,
        kept=rows.sort("rank").head(SAMPLE_ROWS).select(kept_columns),
        dropped=near.select("stage", "reason", "score", "source", "prompt", "response"),
        footer="Every row of the pool has a decision: query the view 'why' of datasel.duckdb.",
    )


def candidate_pool(warehouse: Warehouse, spec: RecipeSpec) -> pl.DataFrame:
    """Return the pool with the columns that a recipe reads, as the tables stand."""
    needs, registry = spec.requires(), warehouse.registry
    clustered = registry.clustered if needs.clusters else None
    pool = read_pool(
        warehouse,
        clusters=clustered,
        categories=needs.categories,
        scores=needs.scores,
        copies=needs.duplicates,
    )
    if registry.evaluations:
        return pool.join(blocked_rows(warehouse), on="row_id", how="left", maintain_order="left")
    return pool.with_columns(contaminated=pl.lit(None, pl.String))


def previous_rows(warehouse: Warehouse, name: str, spec: RecipeSpec) -> list[str] | None:
    """Return the row ids, by rank, that bounded churn holds on to; None where nothing bounds it."""
    before = _stored(warehouse, ("selections", name)) if spec.churn < 1 else None
    return None if before is None else before.sort("rank")["row_id"].to_list()


def _stored(warehouse: Warehouse, key: Key) -> pl.DataFrame | None:
    return warehouse.lake.scan(key).collect() if warehouse.lake.info(key) else None


def _change_facts(changed: pl.DataFrame) -> dict[str, Any]:
    """Return what the page of a recipe says about the step from the previous selection to this one."""
    shown = ["change", "source", "row_id", "reason_before", "reason_now"]
    both = pl.concat([changed.filter(pl.col("change") == kind).head(SAMPLE_ROWS) for kind in ("entered", "left")])
    return {
        "rows_entered": changed.filter(pl.col("change") == "entered").height,
        "rows_left": changed.filter(pl.col("change") == "left").height,
        "changes": sample_table(both, shown, rows=2 * SAMPLE_ROWS),
    }


def _budget(budget: dict[str, Any]) -> str:
    return f"{budget['used']:,} of {budget['allowed']:,} {budget['unit'].replace('_', ' ')} used"


def _stages(decisions: pl.DataFrame) -> pl.DataFrame:
    return decisions.group_by("kept", "stage").len("rows").sort("rows", "stage", descending=[True, False])


def _pictures(
    warehouse: Warehouse, pool: pl.DataFrame, selection: Selection, clustered: str | None
) -> list[tuple[bytes, str]]:
    chosen = pool.filter(pl.col("row_id").is_in(selection.selected["row_id"].implode()))

    def counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
        found = frame.drop_nulls(column).group_by(column).len().sort("len", column, descending=[True, False])
        return {str(key): count for key, count in found.iter_rows()}

    lengths = [frame["n_response_tokens"].cast(pl.Float64).to_numpy() for frame in (pool, chosen)]
    pictures = [
        (plots.source_shares(counts(pool, "source"), counts(chosen, "source")), "share of each source"),
        (plots.length_histogram(*lengths), "response tokens, pool and selection"),
    ]
    scores = selection.decisions.drop_nulls("score").sort("score", descending=True)["score"].to_numpy()
    if len(np.unique(scores)) > 1:
        pictures.append((plots.score_curve(scores, selection.selected.height), "score by rank, with the cut"))
    for column in sorted(name for name in pool.columns if name.startswith(category_column(""))):
        shares = plots.source_shares(counts(pool, column), counts(chosen, column))
        pictures.append((shares, f"share of each {column.replace('.', ' of ')}"))
    if clustered:
        titles = cluster_titles(warehouse, clustered)
        by_cluster = {
            titles[int(key)] if int(key) < len(titles) else key: count
            for key, count in counts(chosen, "cluster").items()
        }
        of_pool = {
            titles[int(key)] if int(key) < len(titles) else key: count for key, count in counts(pool, "cluster").items()
        }
        pictures.append((plots.source_shares(of_pool, by_cluster), "share of each cluster"))
    return pictures


def _metadata(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    selection: Selection,
    release: Release,
    pictures: Sequence[tuple[bytes, str]],
) -> dict[str, Any]:
    selected = selection.selected
    texts = pl.concat(
        warehouse.lake.scan(("corpus", source)).select("row_id", "prompt", "response")
        for source in warehouse.active_sources()
    )
    best = selected.sort("rank").head(SAMPLE_ROWS)
    shown = best.lazy().join(texts, on="row_id", how="left", maintain_order="left").collect()
    return {
        "pool_rows": pool.height,
        "selected_share": round(selected.height / pool.height, 5),
        "tokens": int(selected["n_tokens"].sum() or 0),
        "response_tokens": int(selected["n_response_tokens"].sum() or 0),
        **{f"plot: {caption}": picture(png, caption) for png, caption in pictures},
        "release": FilePath(release.path),
        "release_version": release.version,
        "release_is_new": release.created,
        "report": FilePath(release.path / "report.html"),
        "budget": _budget(selection.budget),
        "notes": " ".join(selection.notes) or "none",
        "decisions": sample_table(_stages(selection.decisions), ["stage", "kept", "rows"], rows=20),
        "selected": sample_table(shown, ["rank", "score", "source", "prompt", "response"], rows=SAMPLE_ROWS),
    }
