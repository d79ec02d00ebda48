"""The asset ``registry``: every registry file, and what is wrong with those that cannot be used.

Belongs here: its page and its check, red where a file cannot be used. Not: reading the files (``registry``).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from datasel_assets.defs import display
from datasel_assets.defs.resources import WarehouseResource
from datasel_assets.diagnostics.text import clean, plain
from datasel_assets.registry.load import FILES, FOLDERS
from datasel_assets.registry.registry import Registry
from datasel_assets.storage.fingerprint import digest
from datasel_assets.tables.lineage import shown_group
from datasel_assets.tables.shown import Rows
from datasel_assets.tables.warehouse import Warehouse

REGISTRY = dg.AssetKey("registry")
CHECK = "every_file_can_be_used"
MESSAGE_CHARS = 500
USABLE = "can be used"
VERSION_TAG = "dagster/data_version"


def registry_asset(registry: Registry) -> dg.AssetsDefinition:
    """Return the asset; its description says what was wrong when the code location was loaded."""

    @dg.asset(
        key=REGISTRY,
        description=_described(registry),
        group_name=shown_group("sources"),
        kinds={"yaml"},
        owners=["team:data-selection"],
        check_specs=[dg.AssetCheckSpec(CHECK, asset=REGISTRY, description="Red where a registry file cannot be used.")],
    )
    def registry_files(warehouse: WarehouseResource) -> dg.MaterializeResult:
        now = warehouse.open().registry
        return dg.MaterializeResult(
            metadata=_shown(now),
            data_version=dg.DataVersion(digest(files(now))),
            check_results=[
                dg.AssetCheckResult(
                    passed=not now.errors, check_name=CHECK, metadata=_wrong(now), description=_say(now)
                )
            ],
        )

    return registry_files


def registry_events(warehouse: Warehouse) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return what the asset would record if it were materialised now, for those who look at the files anyway."""
    now = warehouse.registry
    return [
        dg.AssetMaterialization(
            REGISTRY, metadata=_shown(now), tags={VERSION_TAG: digest(files(now))}, description=_say(now)
        ),
        dg.AssetCheckEvaluation(
            asset_key=REGISTRY, check_name=CHECK, passed=not now.errors, metadata=_wrong(now), description=_say(now)
        ),
    ]


def is_shown(instance: dg.DagsterInstance, registry: Registry) -> bool:
    """Tell whether what was recorded last, by whomever, is what the files say now."""
    last = instance.get_latest_materialization_event(REGISTRY)
    shown = last.asset_materialization if last else None
    return shown is not None and (shown.tags or {}).get(VERSION_TAG) == digest(files(registry))


def files(registry: Registry) -> dict[str, str]:
    """Return every registry file, relative to the data folder -> what is wrong with it, or that it can be used."""
    named = [(folder, name) for folder in FOLDERS for name in getattr(registry, folder)]
    usable = [
        registry.file_of_labels(name) if folder == "labels" else f"{folder}/{name}.yaml" for folder, name in named
    ]
    usable += [file for file in FILES if getattr(registry, file.removesuffix(".yaml")) is not None]
    wrong = {file: _bare(file, message) for file, message in registry.errors.items()}
    return {**dict.fromkeys(sorted(set(usable) - set(wrong)), USABLE), **dict(sorted(wrong.items()))}


def _bare(file: str, message: str) -> str:
    """Leave out the name of the file, which stands beside the message, and say in one line what a list says."""
    lines = message.removeprefix(f"{file}:").splitlines()
    return "; ".join(said for line in lines if (said := line.strip().removeprefix("- ")))


def _say(registry: Registry) -> str:
    wrong = len(registry.errors)
    return f"{wrong} file{'s' * (wrong > 1)} cannot be used" if wrong else "every file can be used"


def _shown(registry: Registry) -> dict[str, Any]:
    cells = [[clean(file, 200), clean(said, MESSAGE_CHARS)] for file, said in files(registry).items()]
    cells.sort(key=lambda row: row[1] == USABLE)  # what is wrong stands first
    rows = Rows({"file": "relative to the data folder", "state": "what is wrong with it, if anything"}, cells)
    return display.metadata(
        {"files": rows, "dagster/row_count": len(cells), "files that cannot be used": len(registry.errors)}
    )


def _wrong(registry: Registry) -> Mapping[str, Any]:
    cells = [
        [clean(file, 200), clean(_bare(file, said), MESSAGE_CHARS)] for file, said in sorted(registry.errors.items())
    ]
    return display.metadata({"files": Rows({"file": None, "what is wrong": None}, cells)}) if cells else {}


def _described(registry: Registry) -> str:
    about = (
        "Every file of the data folder that says what is to be done: sources, targets, representations, recipes and "
        "the others. A file that cannot be used has no assets; it stands here with what is wrong with it."
    )
    if not registry.errors:
        return f"{about}\n\nWhen the definitions were loaded, every file could be used."
    wrong = "\n".join(
        f"- {plain(file)}: {plain(_bare(file, said), MESSAGE_CHARS)}" for file, said in sorted(registry.errors.items())
    )
    return f"{about}\n\n**When the definitions were loaded, {_say(registry)}:**\n\n{wrong}"
