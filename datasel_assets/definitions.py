"""The code location: assembles assets, jobs, sensors and resources. Nothing else belongs here."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel

from datasel_assets.compute import chosen
from datasel_assets.defs.assets import to_asset
from datasel_assets.defs.jobs import asset_jobs, main_job
from datasel_assets.defs.registry_page import registry_asset
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.defs.sensors import catalog_sensor, daily_refresh, sources_sensor
from datasel_assets.launching.executors import executor, executor_name
from datasel_assets.registry.load import FILES, FOLDERS, SOURCES
from datasel_assets.registry.registry import Registry
from datasel_assets.settings import Settings, load_settings
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.lineage import drawn
from datasel_assets.tables.planning import EVERYTHING, Only
from datasel_assets.tables.refresh import NOBODY, Told
from datasel_assets.tables.table import Table
from datasel_assets.tables.warehouse import Warehouse

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """Return fresh definitions for one data folder (default: the one that the environment names)."""
    return assemble(Warehouse(settings or load_settings()))[0]


def assemble(
    warehouse: Warehouse, told: Told = NOBODY, only: Only = EVERYTHING
) -> tuple[dg.Definitions, Sequence[Table]]:
    """Return the definitions for an opened data folder, and the table assets they were made from, upstream first.

    Args:
        warehouse: the opened data folder.
        told: who is told what the main job does.
        only: what of it is carried out.
    """
    settings, registry = warehouse.settings, warehouse.registry
    assets = all_tables(registry)
    name = executor_name()
    place = {"device": settings.device, "backend": chosen(registry.compute).backend, "executor": name}
    arrows = drawn(assets)
    main = main_job(assemble, told, only)
    definitions = dg.Definitions(
        assets=[registry_asset(registry), *(to_asset(asset, drawn=arrows[asset.key], **place) for asset in assets)],
        jobs=[*asset_jobs(assets), main],
        sensors=[
            sources_sensor(assets, fingerprint_of(registry, assets), main),
            *(catalog_sensor(table) for table in assets if table.comes_last),
        ],
        schedules=[daily_refresh],
        resources={"warehouse": WarehouseResource(data=str(settings.data), device=settings.device)},
        executor=executor(name),
    )
    return definitions, assets


def fingerprint_of(registry: Registry, tables: Sequence[Table]) -> str:
    """Return what changes where registry files other than sources do, or the code of tables."""
    fields = [*(folder for folder in FOLDERS if folder != SOURCES), *(file.removesuffix(".yaml") for file in FILES)]
    said = {field: _plain(getattr(registry, field)) for field in fields}
    return digest([said, {table.name: table.version for table in tables}])


def _plain(value: Mapping[str, BaseModel] | BaseModel | None) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(spec) for name, spec in value.items()}
    return value.model_dump(mode="json") if value is not None else None


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions that Dagster loads."""
    return build_defs()
