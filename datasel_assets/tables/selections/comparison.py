"""The table that puts all recipes side by side; the random and the longest arm are always among them.

Belongs here: what the comparison is made from, its page and what is shown of it. Does not belong here: figures
(``comparison_figures``), earlier versions (``release_versions``), any formula (``diagnostics``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasel_assets.diagnostics.aims import QUALITY, target_measure
from datasel_assets.diagnostics.comparison import compare
from datasel_assets.diagnostics.comparison_report import comparison_html
from datasel_assets.diagnostics.measured import Measured
from datasel_assets.diagnostics.measures import MEASURES
from datasel_assets.diagnostics.overlap import jaccard_matrix
from datasel_assets.diagnostics.pictures import Captioned, comparison_pictures
from datasel_assets.diagnostics.spread import Spread
from datasel_assets.diagnostics.verdict import against_random
from datasel_assets.diagnostics.versions import VersionPairs
from datasel_assets.registry.aims import targets_of
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.atomic import write_text
from datasel_assets.storage.fingerprint import digest
from datasel_assets.storage.lake import Expected, Key
from datasel_assets.tables.inputs import input_versions
from datasel_assets.tables.score_names import score_deps, score_inputs
from datasel_assets.tables.selections.comparison_advice import DRAWS, advice, further_draws, trained_keys
from datasel_assets.tables.selections.comparison_figures import (
    aim_measures,
    comparison_pool,
    contaminated_rows,
    known_quality,
    measure,
)
from datasel_assets.tables.selections.recipe_inputs import stored, target_key
from datasel_assets.tables.selections.release_versions import read_versions, titles, versions_before
from datasel_assets.tables.shown import FilePath, picture, sample_table
from datasel_assets.tables.table import Built, Check, Graph, Kind, Step, Table
from datasel_assets.tables.vectors.clusters import cluster_titles
from datasel_assets.tables.warehouse import Warehouse

COMPARISON = Kind("comparison", version="4", companions=("versions", "random_draws"))

FIGURES_VERSION = "3"
"""Of the figures of a set of rows, which are kept where the page alone changes."""

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


def comparison_table(registry: Registry, graph: Graph) -> Table:
    """Return the comparison of every recipe that has a selection."""
    recipes = sorted(registry.recipes)
    scored = score_deps([registry.quality]) if registry.quality else []
    shared = _shared_reads(registry)

    def made(warehouse: Warehouse) -> list[str]:
        return [name for name in recipes if warehouse.lake.info(("selections", name))]

    def pool_inputs(warehouse: Warehouse) -> dict[str, str]:
        """Return what every figure of every recipe depends on."""
        return score_inputs(warehouse, known_quality(warehouse)) | input_versions(warehouse, shared, graph)

    def expect(warehouse: Warehouse, source: str | None) -> Expected:
        inputs = {f"selections/{name}": warehouse.lake.version(("selections", name)) for name in made(warehouse)}
        inputs |= {f"before/{name}": old.version for name, (old, _) in versions_before(warehouse).items()}
        inputs |= {"/".join(key): warehouse.lake.version(key) for key in trained_keys(warehouse, made(warehouse))}
        fingerprint = digest([COMPARISON.version, registry.clustered, registry.quality, registry.tagged])
        there = "yes" if report_path(warehouse).is_file() else "no"
        return Expected((COMPARISON.name,), fingerprint, {**inputs, **pool_inputs(warehouse), "report": there})

    def build(step: Step) -> Built:
        warehouse = step.warehouse
        pool = comparison_pool(warehouse)
        chosen = _selected(warehouse, made(warehouse), pool)
        versions, unread = read_versions(versions_before(warehouse))
        for reason in unread.values():
            step.log.warning(f"left out of the versions: {reason}")
        pairs = VersionPairs(versions, pool)
        draws = further_draws(warehouse, chosen)
        arms, inputs = chosen | pairs.chosen | draws, pool_inputs(warehouse)
        basis = {name: digest([FIGURES_VERSION, sorted(ids.tolist()), inputs]) for name, ids in arms.items()}
        found = measure(warehouse, pool, arms, basis, step.progress)
        # Seconds differ from run to run and belong to the run log, not to a table made of content.
        table = compare(pool, chosen).drop("seconds").join(found.table, on="recipe", how="left", maintain_order="left")
        sides = pairs.table(pool, found.table)
        figures = table.drop("basis").join(_costs(warehouse, chosen), on="recipe", how="left", maintain_order="left")
        drawn = found.table.filter(pl.col("recipe").is_in(list(draws))).rename({"recipe": "draw"})
        pictures = _pictures(warehouse, pool, chosen, figures)
        report_path(warehouse).parent.mkdir(parents=True, exist_ok=True)
        write_text(report_path(warehouse), _page(warehouse, pool, chosen, figures, drawn, pictures, pairs, sides))
        made_from = Expected(step.expected.key, step.expected.fingerprint, {**step.expected.inputs, "report": "yes"})
        warehouse.lake.write(replace(made_from, key=("versions",)), sides)
        warehouse.lake.write(replace(made_from, key=DRAWS), drawn)
        info = warehouse.lake.write(made_from, table)
        control_arms = Check({"random", "longest"} <= set(chosen), {"recipes": ", ".join(chosen)})
        return Built(
            info,
            len(chosen),
            metadata=_shown(warehouse, pool, figures, found, pictures, sides),
            observed=_observed(registry, figures, found),
            checks={"control_arms": control_arms},
        )

    return Table(
        kind=COMPARISON,
        key=(COMPARISON.name,),
        description=(
            "Every recipe side by side: size, tokens, sources, diversity, coverage of the pool, shift, words, overlap, "
            "cost. Judge a recipe against `random` and `longest`, which cost nothing. The page linked below holds "
            "everything in one file."
        ),
        group="comparison",
        reads=[*(("selections", name) for name in recipes), *shared, *scored],
        expect=expect,
        build=build,
        checks={"control_arms": "the recipes random and longest are among those compared"},
        lenient=True,
        kinds=frozenset({"parquet", "polars"}),
        version=COMPARISON.version,
        columns={m.name: m.doc for m in (*MEASURES.values(), QUALITY, *map(target_measure, registry.aims))}
        | {"basis": "what the figures are made from", "draw": "a further draw of random rows, and its seed"},
    )


def _shared_reads(registry: Registry) -> list[Key]:
    """Return the keys of what all figures are made from besides the selections and the score of quality."""
    clustered, tagged = registry.clustered, registry.tagged
    keys: list[Key] = [("duplicates",)]
    if clustered:
        keys += [("clusters", clustered), ("cluster_models", clustered), ("representation_basis", clustered)]
        keys += [("representations", clustered), *(target_key(registry, clustered, name) for name in registry.aims)]
    keys += [("tags", tagged), ("tag_vocabulary", tagged)] if tagged else []
    return keys + ([("contamination",)] if registry.evaluations else [])


def _selected(warehouse: Warehouse, recipes: Iterable[str], pool: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return the ids of each recipe's rows, best first.

    A selection that could not be made again may hold rows that have left the pool: it must not stop the others.
    """
    known = pool["row_id"].implode()
    ranked = {name: warehouse.lake.scan(("selections", name)).sort("rank").collect()["row_id"] for name in recipes}
    return {name: ids.to_numpy() for name, ids in ranked.items() if ids.is_in(known).all()}


def _left_out(registry: Registry, chosen: Iterable[str]) -> list[str]:
    """Return the recipes that no selection from the present pool is there of."""
    return sorted(set(registry.recipes) - set(chosen))


def _headings(registry: Registry) -> dict[str, str]:
    """Return the columns of ``VERSIONS`` with their headings."""
    words = {name: name.replace("_", " ") for name in VERSIONS}
    return {name: {**words, **titles(registry)}[name] for name in VERSIONS}


def _aims(registry: Registry, recipes: Iterable[str]) -> dict[str, set[str]]:
    """Return, by recipe, the measures of closeness to what it selects for."""
    targets = {name: targets_of(registry.recipes[name], registry.scores) for name in recipes}
    return {name: {target_measure(target).name for target in found} for name, found in targets.items()}


def _observed(registry: Registry, figures: pl.DataFrame, found: Measured) -> dict[Key, dict[str, float]]:
    """Return what is to be plotted of each selection that was measured anew, under the names of the comparison."""
    columns = [*OBSERVED, *(aim.name for aim in aim_measures(registry) if aim != QUALITY)]
    return {
        ("selections", row["recipe"]): {name: row[name] for name in columns if row[name] is not None}
        for row in figures.filter(pl.col("recipe").is_in(found.computed)).iter_rows(named=True)
    }


def _costs(warehouse: Warehouse, recipes: Iterable[str]) -> pl.DataFrame:
    """Return the CPU seconds that each selection took when it was last made."""
    spent = {str(run["stage"]): run.get("cpu_seconds") for run in warehouse.lake.runs()}
    costs = [(name, spent.get(f"selections/{name}")) for name in recipes]
    return pl.DataFrame(costs, schema={"recipe": pl.String, "cpu_seconds": pl.Float64}, orient="row")


def _pictures(
    warehouse: Warehouse, pool: pl.DataFrame, chosen: Mapping[str, np.ndarray], figures: pl.DataFrame
) -> list[Captioned]:
    clustered = warehouse.registry.clustered
    clusters = cluster_titles(warehouse, clustered) if clustered else None
    return comparison_pictures(pool, chosen, figures, aim_measures(warehouse.registry), clusters)


def _shown(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    figures: pl.DataFrame,
    found: Measured,
    pictures: Sequence[Captioned],
    sides: pl.DataFrame,
) -> dict[str, Any]:
    """Return what the page of the table shows."""
    registry, names = warehouse.registry, figures["recipe"].to_list()
    measures = MEASURES | {one.name: one for one in map(target_measure, registry.aims)}
    verdicts = against_random(figures, measures, aims=_aims(registry, names))
    side_by_side = figures.with_columns(top_source=pl.col("top_sources").str.split(", ").list.first())
    return {
        "report": FilePath(report_path(warehouse)),
        "beaten by random": ", ".join(v.recipe for v in verdicts if v.behind and not v.beats) or "none",
        **{f"plot: {caption}": picture(png, caption) for png, caption in pictures},
        "recipes": sample_table(side_by_side, SHOWN, rows=len(names)),
        "versions": sample_table(sides, _headings(registry), rows=sides.height),
        "pool_rows": pool.height,
        "left_out": ", ".join(_left_out(registry, names)) or "none",
        "recipes_measured_anew": len(set(names) & set(found.computed)),
    }


def _page(
    warehouse: Warehouse,
    pool: pl.DataFrame,
    chosen: Mapping[str, np.ndarray],
    figures: pl.DataFrame,
    drawn: pl.DataFrame,
    pictures: Sequence[Captioned],
    pairs: VersionPairs,
    sides: pl.DataFrame,
) -> str:
    registry = warehouse.registry
    changes = {name: stored(warehouse, ("changes", name)) for name in pairs.pairs}
    columns = ["change", "source", "reason_before", "reason_now"]
    facts: dict[str, Any] = {"rows in the pool": pool.height, "sources": pool["source"].n_unique()}
    if left_out := _left_out(registry, chosen):
        facts["left out, not selected from the pool as it is now"] = ", ".join(left_out)
    leaks = contaminated_rows(warehouse)
    hits = {name: int(np.isin(ids, leaks).sum()) for name, ids in chosen.items()}
    extra = [aim for aim in (QUALITY, *map(target_measure, registry.aims)) if aim.name in figures.columns]
    shown = figures.with_columns(
        possible_leaks=pl.col("recipe").replace_strict(hits, return_dtype=pl.Int64),
        top_source=pl.col("top_sources").str.split(", ").list.first(),
    ).select(*PAGE, *MEASURES, *(aim.name for aim in extra))
    measures = MEASURES | {aim.name: aim for aim in extra}
    spread = Spread.of(drawn, list(measures))
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
        versions=sides.select(VERSIONS).rename(_headings(registry)),
        examples={
            name: changed.select(columns).head(EXAMPLES)
            for name, changed in changes.items()
            if changed is not None and not changed.is_empty()
        },
        aims=_aims(registry, chosen),
        advice=advice(warehouse, figures, spread, measures),
        spread=spread,
        footer="Every row of the pool has a decision of every recipe: query the view 'why' of datasel.duckdb.",
    )
