"""The asset ``registry``: every registry file, and what is wrong with those that cannot be used.

Belongs here: its events and its check, red where a file cannot be used. Not: what is said (``tables.registry_state``).
"""

from typing import Any

import dagster as dg

from datasel_assets.defs import display
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables import registry_state as state
from datasel_assets.tables.lineage import shown_group
from datasel_assets.tables.warehouse import Warehouse

REGISTRY = dg.AssetKey("registry")
CHECK = "every_file_can_be_used"
VERSION_TAG = "dagster/data_version"


def registry_asset(registry: Registry) -> dg.AssetsDefinition:
    """Return the asset; its description says what was wrong when the code location was loaded."""

    @dg.asset(
        key=REGISTRY,
        description=state.described(registry),
        group_name=shown_group("sources"),
        kinds={"yaml"},
        owners=["team:data-selection"],
        check_specs=[dg.AssetCheckSpec(CHECK, asset=REGISTRY, description="Red where a registry file cannot be used.")],
    )
    def registry_files(warehouse: WarehouseResource) -> dg.MaterializeResult:
        now = warehouse.open().registry
        return dg.MaterializeResult(
            metadata=display.metadata(state.shown(now)),
            data_version=dg.DataVersion(_version(now)),
            check_results=[dg.AssetCheckResult(check_name=CHECK, **_checked(now))],
        )

    return registry_files


def registry_events(warehouse: Warehouse) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return what the asset would record if it were materialised now, for those who look at the files anyway."""
    now = warehouse.registry
    return [
        dg.AssetMaterialization(
            REGISTRY, state.in_a_word(now), display.metadata(state.shown(now)), tags={VERSION_TAG: _version(now)}
        ),
        dg.AssetCheckEvaluation(asset_key=REGISTRY, check_name=CHECK, **_checked(now)),
    ]


def is_shown(instance: dg.DagsterInstance, registry: Registry) -> bool:
    """Tell whether what was recorded last, by whomever, is what the files say now."""
    last = instance.get_latest_materialization_event(REGISTRY)
    shown = last.asset_materialization if last else None
    return shown is not None and (shown.tags or {}).get(VERSION_TAG) == _version(registry)


def _version(registry: Registry) -> str:
    return digest(state.files(registry))


def _checked(registry: Registry) -> dict[str, Any]:
    wrong = display.metadata(state.wrong(registry))
    return {"passed": not registry.errors, "metadata": wrong, "description": state.in_a_word(registry)}
