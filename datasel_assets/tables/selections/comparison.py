"""The asset that puts all recipes side by side; the random and the longest arm are always among them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.comparison import compare
from datasel_assets.diagnostics.comparison_report import comparison_html
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.overlap import jaccard_matrix
from datasel_assets.diagnostics.verdict import against_random
from datasel_assets.indicators.declared import DSIR
from datasel_assets.registry.load import Registry
from datasel_assets.specs.score import DsirSpec
from datasel_assets.storage.atomic import write_text
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected
from datasel_assets.tables import versions
from datasel_assets.tables.scores.scores import score_deps, score_inputs
from datasel_assets.tables.selections.comparison_figures import (
    EXTRA,
    Measured,
    comparison_pool,
    contaminated_rows,
    known_quality,
    measure,
    target_measure,
)
from datasel_assets.tables.selections.release_versions import Versions, titles, versions_before
from datasel_assets.tables.shown import FilePath, picture, sample_table
from datasel_assets.tables.table import Built, Check, Step, Table
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.warehouse import Warehouse

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

VERSIONS = (
    *("recipe", "version", "rows", "rows_gone", "entered", "left", "overlap", "differs", "tokens"),
    *("mean_response_tokens", "top_sources", "clusters_covered", "mean_score"),
    *("vendi", "mean_nearest", "facility_location", "cluster_effective", "cluster_js", "self_bleu", "quality"),
)
"""What the page and the UI show of two versions of one recipe; the table ``versions`` holds every measure."""

OBSERVED = (
    *("vendi", "cluster_effective", "mean_nearest", "pair_distance", "facility_location", "cover_radius"),
    *("cluster_js", "self_bleu", "mmd2_rbf", "quality"),
)
"""Measures that stand on the page of each selection, so that Dagster plots them over time."""

REPORT = "comparison.html"
EXAMPLES = 12


def report_path(warehouse: Warehouse) -> Path:
    """Return where the page lies that shows all recipes side by side."""
    return warehouse.settings.warehouse / "reports" / REPORT


def comparison_asset(registry: Registry) -> Table:
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
        inputs |= {f"before/{name}": old.version for name, (old, _) in versions_before(warehouse).items()}
        fingerprint = digest([versions.COMPARISON, clustered, quality, registry.tagged])
        there = "yes" if report_path(warehouse).is_file() else "no"
        return Expected(("comparison",), fingerprint, {**inputs, **pool_inputs(warehouse), "report": there})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = comparison_pool(warehouse)
        ranked = {name: warehouse.lake.scan(("selections", name)).sort("rank").collect() for name in made(warehouse)}
        # A selection that could not be made again may hold rows that have left the pool: it must not stop the others.
        known = pool["row_id"].implode()
        chosen = {name: rows["row_id"].to_numpy() for name, rows in ranked.items() if rows["row_id"].is_in(known).all()}
        names = list(chosen)
        pairs = Versions(versions_before(warehouse), pool)
        for reason in pairs.unread.values():
            step.log.warning(f"left out of the versions: {reason}")
        arms = chosen | pairs.chosen
        shared = pool_inputs(warehouse)
        basis = {name: digest([versions.COMPARISON, sorted(ids.tolist()), shared]) for name, ids in arms.items()}
        found = measure(warehouse, pool, arms, basis, step.progress)
        # Seconds differ from run to run and belong to the run log, not to a table made of content.
        table = compare(pool, chosen).drop("seconds").join(found.table, on="recipe", how="left", maintain_order="left")
        figures = table.drop("basis").join(_costs(warehouse, names), on="recipe", how="left", maintain_order="left")
        pictures = _pictures(warehouse, pool, chosen, figures, found, clustered)
        sides = pairs.table(pool, found.table)
        page = _page(warehouse, pool, chosen, figures, pictures, pairs, sides)
        report_path(warehouse).parent.mkdir(parents=True, exist_ok=True)
        write_text(report_path(warehouse), page)
        made_from = Expected(step.expected.key, step.expected.fingerprint, {**step.expected.inputs, "report": "yes"})
        warehouse.lake.write(replace(made_from, key=("versions",)), sides)
        info = warehouse.lake.write(made_from, table)
        shown = figures.with_columns(top_source=pl.col("top_sources").str.split(", ").list.first())
        judged = MEASURES | {found.name: found for found in map(target_measure, registry.aims)}
        verdicts = against_random(figures, judged, aims=_aims(registry, names))
        return Built(
            info,
            len(names),
            metadata={
                "report": FilePath(report_path(warehouse)),
                "beaten by random": ", ".join(v.recipe for v in verdicts if v.behind and not v.beats) or "none",
                **{f"plot: {caption}": picture(png, caption) for png, caption in pictures},
                "recipes": sample_table(shown, SHOWN, rows=len(names)),
                "versions": sample_table(sides, _shown_versions(registry), rows=sides.height),
                "pool_rows": pool.height,
                "left_out": ", ".join(_left_out(registry, chosen)) or "none",
                "recipes_measured_anew": sum(name in chosen for name in found.computed),
            },
            observed=_observed(figures, found, names),
            checks={
                "control_arms": Check(
                    {"random", "longest"} <= set(names),
                    {"recipes": ", ".join(names)},
                )
            },
        )

    return Table(
        key=("comparison",),
        description=(
            "Every recipe side by side: size, tokens, sources, diversity, coverage of the pool, shift, words, overlap, "
            "cost. Judge a recipe against `random` and `longest`, which cost nothing. The page linked below holds "
            "everything in one file."
        ),
        group="selections",
        reads=deps,
        expect=expect,
        build=build,
        checks={"control_arms": "the recipes random and longest are among those compared"},
        lenient=True,
        kinds=frozenset({"parquet", "polars"}),
        version=versions.COMPARISON,
        columns={found.name: found.doc for found in (*MEASURES.values(), *EXTRA.values())}
        | {"basis": "what the figures are made from"},
    )


def _left_out(registry: Registry, chosen: Mapping[str, np.ndarray]) -> list[str]:
    """Return the recipes that no selection from the present pool is there of."""
    return sorted(set(registry.recipes) - set(chosen))


def _shown_versions(registry: Registry) -> dict[str, str]:
    """Return the columns of ``VERSIONS`` with their headings."""
    words = {name: name.replace("_", " ") for name in VERSIONS}
    return {name: {**words, **titles(registry)}[name] for name in VERSIONS}


def _observed(figures: pl.DataFrame, found: Measured, names: Sequence[str]) -> dict[tuple[str, str], dict[str, float]]:
    """Return what is to be plotted of each selection that was measured anew, under the names of the comparison."""
    columns = [*OBSERVED, *found.targets]
    measured = figures.filter(pl.col("recipe").is_in([name for name in found.computed if name in names]))
    return {
        ("selections", row["recipe"]): {name: row[name] for name in columns if row[name] is not None}
        for row in measured.iter_rows(named=True)
    }


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
    pairs: Versions,
    sides: pl.DataFrame,
) -> str:
    examples = {}
    for name in pairs.pairs:
        changed = warehouse.lake.scan(("changes", name)).collect() if warehouse.lake.info(("changes", name)) else None
        if changed is not None and not changed.is_empty():
            examples[name] = changed.select("change", "source", "reason_before", "reason_now").head(EXAMPLES)
    facts: dict[str, Any] = {"rows in the pool": pool.height, "sources": pool["source"].n_unique()}
    if left_out := _left_out(warehouse.registry, chosen):
        facts["left out, not selected from the pool as it is now"] = ", ".join(left_out)
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
            "A recipe aimed at a target gives up diversity for it; how near it comes to its target is judged first."
        ),
        figures=shown,
        facts=facts,
        extra=extra,
        overlap=(list(chosen), jaccard_matrix(chosen)),
        pictures=pictures,
        churns=pairs.churns,
        versions=sides.select(VERSIONS).rename(_shown_versions(warehouse.registry)),
        examples=examples,
        aims=_aims(warehouse.registry, chosen),
        footer="Every row of the pool has a decision of every recipe: query the view 'why' of datasel.duckdb.",
    )


def _aims(registry: Registry, recipes: Iterable[str]) -> dict[str, set[str]]:
    """Return, by recipe, the measures of closeness to what it selects for: targets of samplers and of DSIR scores."""
    found = {}
    for name in recipes:
        needs = registry.recipes[name].requires()
        declared = (registry.scores.get(s.removeprefix(f"{DSIR}.")) for s in needs.scores if s.startswith(f"{DSIR}."))
        targets = {target for _, target in needs.targets} | {s.target for s in declared if isinstance(s, DsirSpec)}
        found[name] = {target_measure(target).name for target in targets}
    return found


def _cluster_counts(part: pl.DataFrame, k: int) -> np.ndarray:
    labels = part["cluster"].drop_nulls().to_numpy()
    return np.bincount(labels[labels >= 0], minlength=k)


def _counts(part: pl.DataFrame, column: str) -> dict[str, float]:
    return {str(key): float(count) for key, count in part.group_by(column).len().sort(column).iter_rows()}


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
