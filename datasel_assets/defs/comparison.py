"""The asset that puts all recipes side by side; the random and the longest arm are always among them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from datasel_assets.defs import versions
from datasel_assets.defs.clusters import cluster_titles
from datasel_assets.defs.comparison_figures import (
    EXTRA,
    Measured,
    contaminated_rows,
    known_quality,
    measure,
    target_measure,
)
from datasel_assets.defs.display import picture, sample_table
from datasel_assets.defs.pool import read_pool
from datasel_assets.defs.resources import Warehouse
from datasel_assets.defs.scores import score_deps, score_inputs
from datasel_assets.defs.table_asset import Built, Check, Step, TableAsset
from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.churn import Churn
from datasel_assets.diagnostics.comparison import compare
from datasel_assets.diagnostics.comparison_report import comparison_html
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.overlap import jaccard_matrix
from datasel_assets.diagnostics.verdict import against_random
from datasel_assets.registry.load import Registry
from datasel_assets.storage.atomic import write_text
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected

SHOWN = {
    "recipe": "recipe",
    "rows": "rows",
    "tokens": "tokens",
    "mean_response_tokens": "mean response",
    "effective_sources": "eff. sources",
    "effective_clusters": "eff. clusters",
    "vendi": "Vendi",
    "mean_nearest": "spread",
    "facility_location": "coverage",
    "overlap_with_random": "overlap random",
    "overlap_with_longest": "overlap longest",
    "top_source": "top source",
    "cpu_seconds": "CPU s",
}
"""Columns of the table in the UI with headings short enough to stand side by side."""

PAGE = (
    *("recipe", "rows", "tokens", "mean_response_tokens", "sources_covered", "clusters_covered", "duplicates_left"),
    *("overlap_with_random", "overlap_with_longest", "possible_leaks", "cpu_seconds", "top_source"),
)
"""Columns of the first table of the page; the measures follow in tables of their own."""

REPORT = "comparison.html"
EXAMPLES = 12


def report_path(warehouse: Warehouse) -> Path:
    """Return where the page lies that shows all recipes side by side."""
    return warehouse.settings.warehouse / "reports" / REPORT


def comparison_asset(registry: Registry) -> TableAsset:
    """Return the comparison of every recipe that has a selection."""
    recipes = sorted(registry.recipes)
    clustered = registry.clustered
    quality = registry.quality
    selections = [("selections", name) for name in recipes]
    deps: list[tuple[str, ...]] = [("duplicates",), *selections]
    if clustered:
        encoder = registry.representations[clustered].encoder.slug
        deps += [("clusters", clustered), ("cluster_models", clustered), ("representation_basis", clustered)]
        deps += [("representations", clustered), *(("target_embeddings", encoder, name) for name in registry.aims)]
    deps += score_deps([quality]) if quality else []
    deps += [("tags", registry.tagged), ("tag_vocabulary", registry.tagged)] if registry.tagged else []
    deps += [("contamination",)] if registry.evaluations else []

    def made(warehouse: Warehouse) -> list[str]:
        return [name for name in recipes if warehouse.lake.info(("selections", name))]

    def pool_inputs(warehouse: Warehouse) -> dict[str, str]:
        """Return what every figure of every recipe depends on."""
        found = score_inputs(warehouse, known_quality(warehouse))
        partitioned = {"clusters", "representations", "tags", "contamination"}
        for key in deps:
            if key[0] in partitioned:
                found |= warehouse.versions(*key)
            elif key[0] not in ("selections", "scores", "blend"):
                found["/".join(key)] = warehouse.lake.version(key)
        return found

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {f"selections/{name}": warehouse.lake.version(("selections", name)) for name in made(warehouse)}
        fingerprint = digest([versions.COMPARISON, clustered, quality, registry.tagged])
        there = "yes" if report_path(warehouse).is_file() else "no"
        return Expected(("comparison",), fingerprint, {**inputs, **pool_inputs(warehouse), "report": there})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        names = made(warehouse)
        pool = read_pool(warehouse, clusters=clustered, scores=known_quality(warehouse))
        if "cluster" not in pool.columns:
            pool = pool.with_columns(cluster=pl.lit(None, pl.Int32))
        chosen = {
            name: warehouse.lake.scan(("selections", name)).sort("rank").collect()["row_id"].to_numpy()
            for name in names
        }
        basis = {
            name: digest([versions.COMPARISON, step.expected.inputs[f"selections/{name}"], pool_inputs(warehouse)])
            for name in names
        }
        found = measure(step, pool, chosen, basis)
        # Seconds differ from run to run and belong to the run log, not to a table made of content.
        table = compare(pool, chosen).drop("seconds").join(found.table, on="recipe", how="left", maintain_order="left")
        figures = table.drop("basis").join(_costs(warehouse, names), on="recipe", how="left", maintain_order="left")
        pictures = _pictures(warehouse, pool, chosen, figures, found, clustered)
        page = _page(warehouse, pool, chosen, figures, pictures)
        report_path(warehouse).parent.mkdir(parents=True, exist_ok=True)
        write_text(report_path(warehouse), page)
        made_from = Expected(step.expected.key, step.expected.fingerprint, {**step.expected.inputs, "report": "yes"})
        info = warehouse.lake.write(made_from, table)
        shown = figures.with_columns(top_source=pl.col("top_sources").str.split(", ").list.first())
        verdicts = against_random(figures)
        return Built(
            info,
            len(names),
            metadata={
                "report": dg.MetadataValue.path(str(report_path(warehouse))),
                "beaten by random": ", ".join(v.recipe for v in verdicts if v.behind and not v.beats) or "none",
                **{f"plot: {caption}": picture(png, caption) for png, caption in pictures},
                "recipes": sample_table(shown, SHOWN, rows=len(names)),
                "pool_rows": pool.height,
                "recipes_measured_anew": found.computed,
            },
            checks={
                "control_arms": Check(
                    {"random", "longest"} <= set(names),
                    {"recipes": ", ".join(names)},
                )
            },
        )

    return TableAsset(
        key=("comparison",),
        description=(
            "Every recipe side by side: size, tokens, sources, diversity, coverage of the pool, shift, words, overlap, "
            "cost. Judge a recipe against `random` and `longest`, which cost nothing. The page linked below holds "
            "everything in one file."
        ),
        group="selections",
        deps=deps,
        expect=expect,
        build=build,
        checks={"control_arms": "the recipes random and longest are among those compared"},
        kinds=frozenset({"parquet", "polars"}),
        code_version=versions.COMPARISON,
        columns={found.name: found.doc for found in (*MEASURES.values(), *EXTRA.values())}
        | {"basis": "what the figures are made from"},
    )


def _costs(warehouse: Warehouse, names: list[str]) -> pl.DataFrame:
    """Return the CPU seconds that each selection took when it was last made."""
    spent = {str(run["stage"]): run.get("cpu_seconds") for run in warehouse.lake.runs()}
    return pl.DataFrame(
        {"recipe": names, "cpu_seconds": [spent.get(f"selections/{name}") for name in names]},
        schema={"recipe": pl.String, "cpu_seconds": pl.Float64},
    )


def _pictures(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    figures: pl.DataFrame,
    found: Measured,
    clustered: str | None,
) -> list[tuple[bytes, str]]:
    names = list(chosen)
    parts = {name: pool.filter(pl.col("row_id").is_in(pl.Series(ids).implode())) for name, ids in chosen.items()}
    pictures = []
    across = next((name for name in ("quality", *found.targets) if figures[name].count()), None)
    if across:
        colour = next((name for name in found.targets if name != across), None)
        pictures.append(
            (
                plots.recipe_scatter(
                    names,
                    _floats(figures[across]),
                    _floats(figures["vendi"]),
                    x_title=found.titles[across],
                    y_title="Vendi: effective number of different rows",
                    colour=_floats(figures[colour]) if colour else None,
                    colour_title=found.titles[colour] if colour else "",
                ),
                "quality, diversity and target",
            )
        )
    pictures.append((plots.overlap_heatmap(names, jaccard_matrix(chosen)), "overlap of the recipes"))
    if clustered:
        titles = cluster_titles(warehouse, clustered)
        counts = {name: _cluster_counts(part, len(titles)) for name, part in parts.items()}
        pictures.append((plots.cluster_occupancy(_cluster_counts(pool, len(titles)), counts, titles), "clusters"))
    mix = {name: _counts(part, "source") for name, part in parts.items()}
    pictures.append((plots.source_mix(_counts(pool, "source"), mix), "mix of sources"))
    lengths = {name: _floats(part["n_response_tokens"]) for name, part in parts.items()}
    pictures.append((plots.length_profiles(lengths, _floats(pool["n_response_tokens"])), "response tokens"))
    costs = {name: value for name, value in figures.select("recipe", "cpu_seconds").iter_rows() if value is not None}
    return [*pictures, (plots.cost_bars(costs), "cost of the selections")]


def _page(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    figures: pl.DataFrame,
    pictures: list[tuple[bytes, str]],
) -> str:
    churns, examples = {}, {}
    for name, ids in chosen.items():
        changed = warehouse.lake.scan(("changes", name)).collect() if warehouse.lake.info(("changes", name)) else None
        if changed is None or changed.is_empty():
            continue
        entered, left = (changed.filter(pl.col("change") == kind)["row_id"].to_numpy() for kind in ("entered", "left"))
        churns[name] = Churn(len(ids) - len(entered), entered, left)
        examples[name] = changed.select("change", "source", "reason_before", "reason_now").head(EXAMPLES)
    facts: dict[str, Any] = {"rows in the pool": pool.height, "sources": pool["source"].n_unique()}
    leaks = contaminated_rows(warehouse)
    hits = {name: int(np.isin(ids, leaks).sum()) for name, ids in chosen.items()}
    targets = [found for name in warehouse.registry.aims if (found := target_measure(name)).name in figures.columns]
    extra = [*EXTRA.values(), *targets]
    shown = figures.with_columns(
        possible_leaks=pl.col("recipe").replace_strict(hits, return_dtype=pl.Int64),
        top_source=pl.col("top_sources").str.split(", ").list.first(),
    ).select(*PAGE, *MEASURES, *(found.name for found in extra))
    return comparison_html(
        title="Recipes side by side",
        summary=(
            f"Selections from a pool of {pool.height:,} rows; every recipe is held against rows drawn at random. "
            "A recipe aimed at a target gives up diversity for it: look at how near it comes under Aims."
        ),
        figures=shown,
        facts=facts,
        extra=extra,
        overlap=(list(chosen), jaccard_matrix(chosen)),
        pictures=pictures,
        churns=churns,
        examples=examples,
        footer="Every row of the pool has a decision of every recipe: query the view 'why' of datasel.duckdb.",
    )


def _cluster_counts(part: pl.DataFrame, k: int) -> np.ndarray:
    labels = part["cluster"].drop_nulls().to_numpy()
    return np.bincount(labels[labels >= 0], minlength=k)


def _counts(part: pl.DataFrame, column: str) -> dict[str, float]:
    return {str(key): float(count) for key, count in part.group_by(column).len().sort(column).iter_rows()}


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
