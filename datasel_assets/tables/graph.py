"""Which assets a registry means. Belongs here: files to assets. Not: the assets themselves."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from datasel_assets.registry.load import Registry
from datasel_assets.registry.score import score_order
from datasel_assets.tables.catalog import catalog_asset
from datasel_assets.tables.contamination.contamination import contamination_tables
from datasel_assets.tables.corpus.conversations import corpus_table
from datasel_assets.tables.corpus.exact_duplicates import duplicates_table
from datasel_assets.tables.corpus.near_duplicates import duplicate_tables
from datasel_assets.tables.corpus.raw_corpus import raw_corpus_table
from datasel_assets.tables.corpus.targets import target_table
from datasel_assets.tables.language_models.language_models import language_model_assets
from datasel_assets.tables.scores.declared_scores import declared_assets
from datasel_assets.tables.scores.frequency import frequency_assets
from datasel_assets.tables.scores.neighbours import neighbours_asset
from datasel_assets.tables.scores.scores import text_scores
from datasel_assets.tables.scores.tag_scores import tag_scores
from datasel_assets.tables.selections.comparison import comparison_asset
from datasel_assets.tables.selections.proxy_eval import proxy_eval_asset
from datasel_assets.tables.selections.selections import selection_asset
from datasel_assets.tables.table import Table
from datasel_assets.tables.tags.tags import tag_assets
from datasel_assets.tables.vectors.categories import category_assets
from datasel_assets.tables.vectors.clusters import cluster_tables
from datasel_assets.tables.vectors.embeddings import embedding_tables
from datasel_assets.tables.vectors.representations import representation_tables


def all_tables(registry: Registry) -> list[Table]:
    """Return every asset of a registry; only valid files have assets."""
    assets = [raw_corpus_table(), corpus_table(), duplicates_table()]
    assets += [target_table(name) for name in sorted(registry.targets)]
    encoders = [spec.encoder for spec in registry.representations.values()]
    compared = [
        (name, registry.representations[spec.embedding.representation].encoder)
        for name, spec in sorted(registry.evaluations.items())
        if spec.embedding
    ]
    assets += embedding_tables(encoders, sorted(registry.targets), compared)
    for name, spec in sorted(registry.representations.items()):
        assets += representation_tables(name, spec)
        if spec.clusters:
            assets += cluster_tables(name, spec)
    assets += contamination_tables(registry)
    if registry.duplicates:
        assets += duplicate_tables(registry.duplicates, registry.clustered, registry.score_keep())
    assets.append(text_scores())
    assets += frequency_assets()
    for name, spec in sorted(registry.language_models.items()):
        assets += language_model_assets(name, spec)
    if registry.neighboured:
        assets.append(neighbours_asset(registry.neighboured, registry))
    for name, spec in sorted(registry.tags.items()):
        assets += tag_assets(name, spec)
    if registry.tags:
        assets.append(tag_scores(registry.tags))
    for name, spec in sorted(registry.categories.items()):
        assets += category_assets(name, spec, registry.representations[spec.representation])
    for name in score_order(registry.scores):
        assets += declared_assets(name, registry)
    assets += [selection_asset(name, spec, registry) for name, spec in sorted(registry.recipes.items())]
    assets.append(comparison_asset(registry))
    if registry.proxy_eval and registry.proxy:
        targets = registry.aims
        assets += [
            proxy_eval_asset(name, registry.proxy_eval, registry.proxy, targets) for name in sorted(registry.recipes)
        ]
    assets.append(catalog_asset([asset.key for asset in assets if not asset.on_demand]))
    refuse_circles(assets)
    return assets


def refuse_circles(assets: Sequence[Table]) -> None:
    """Refuse assets that need each other, such as near duplicates ranked by a score that is made from them.

    Raises:
        ValueError: with the assets of the circle, and what to change.
    """
    try:
        TopologicalSorter({asset.key: asset.reads for asset in assets}).prepare()
    except CycleError as error:
        keys = ["/".join(key) for key in reversed(error.args[1])]
        by_score = "near_duplicates" in keys
        hint = "name another near.score in duplicates.yaml: this one" if by_score else "change one: each"
        raise ValueError(f"{hint} is made from itself ({' needs '.join(keys)})") from None


def partitioned_keys(assets: Sequence[Table]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the keys of the per-source assets and of the global ones."""
    return [a.key for a in assets if a.per_source], [a.key for a in assets if not a.per_source]
