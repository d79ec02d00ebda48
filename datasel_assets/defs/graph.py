"""Which assets a registry means. Belongs here: files to assets. Not: the assets themselves."""

from collections.abc import Sequence

from datasel_assets.defs.catalog import catalog_asset
from datasel_assets.defs.clusters import cluster_assets
from datasel_assets.defs.comparison import comparison_asset
from datasel_assets.defs.contamination import contamination_assets
from datasel_assets.defs.embeddings import embedding_assets
from datasel_assets.defs.language_models import language_model_assets
from datasel_assets.defs.near_duplicates import duplicate_assets
from datasel_assets.defs.neighbours import neighbours_asset
from datasel_assets.defs.proxy_eval import proxy_eval_asset
from datasel_assets.defs.representations import representation_assets
from datasel_assets.defs.scores import blend_asset, text_scores
from datasel_assets.defs.selections import selection_asset
from datasel_assets.defs.sources import source_assets, target_asset
from datasel_assets.defs.table_asset import TableAsset
from datasel_assets.registry.load import Registry
from datasel_assets.registry.score import blend_order


def table_assets(registry: Registry) -> list[TableAsset]:
    """Return every asset of a registry; only valid files have assets."""
    assets = source_assets()
    assets += [target_asset(name) for name in sorted(registry.targets)]
    encoders = [spec.encoder for spec in registry.representations.values()]
    assets += embedding_assets(encoders, sorted(registry.targets))
    for name, spec in sorted(registry.representations.items()):
        assets += representation_assets(name, spec)
        if spec.clusters:
            assets += cluster_assets(name, spec)
    assets += contamination_assets(registry.evaluations)
    if registry.duplicates:
        assets += duplicate_assets(registry.duplicates, registry.clustered)
    assets.append(text_scores())
    for name, spec in sorted(registry.language_models.items()):
        assets += language_model_assets(name, spec)
    if registry.neighboured:
        assets.append(neighbours_asset(registry.neighboured, registry))
    assets += [blend_asset(name, registry.scores[name], registry.score_keep()) for name in blend_order(registry.scores)]
    assets += [selection_asset(name, spec, registry) for name, spec in sorted(registry.recipes.items())]
    assets.append(comparison_asset(registry))
    if registry.proxy_eval and registry.proxy:
        targets = sorted(registry.targets)
        assets += [
            proxy_eval_asset(name, registry.proxy_eval, registry.proxy, targets) for name in sorted(registry.recipes)
        ]
    assets.append(catalog_asset([asset.key for asset in assets if not asset.on_demand]))
    return assets


def partitioned_keys(assets: Sequence[TableAsset]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the keys of the per-source assets and of the global ones."""
    return [a.key for a in assets if a.partitioned], [a.key for a in assets if not a.partitioned]
