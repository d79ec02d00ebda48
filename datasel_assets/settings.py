"""Where things lie and which environment variables move them. Nothing here touches Dagster or the registry."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

DATA_VARIABLE = "DATASEL_DATA"
DAGSTER_VARIABLE = "DATASEL_DAGSTER_DIR"
DEVICE_VARIABLE = "DATASEL_DEVICE"


@dataclass(frozen=True)
class Settings:
    """The folders of one data folder.

    Attributes:
        data: holds ``sources targets evaluations representations recipes`` (read) and the two below (written).
        warehouse: tables, models and the DuckDB file.
        releases: exported subsets.
        dagster: run history of this data folder; it belongs to the data, because partitions are its sources.
        device: ``auto``, ``cpu`` or ``cuda:0`` for the models.
    """

    data: Path
    warehouse: Path
    releases: Path
    dagster: Path
    device: str = "auto"

    @classmethod
    def at(cls, data: Path, device: str = "auto") -> "Settings":
        """Return the settings of the data folder ``data``."""
        data = Path(data).resolve()
        warehouse = data / "warehouse"
        return cls(data, warehouse, data / "releases", warehouse / "_dagster", device)


def load_settings() -> Settings:
    """Return the settings named by the environment: ``DATASEL_DATA`` (default: the repository's ``data``)."""
    data = Path(os.environ.get(DATA_VARIABLE) or REPOSITORY / "data")
    settings = Settings.at(data, os.environ.get(DEVICE_VARIABLE) or "auto")
    if os.environ.get(DAGSTER_VARIABLE):
        return Settings(
            settings.data,
            settings.warehouse,
            settings.releases,
            Path(os.environ[DAGSTER_VARIABLE]),
            settings.device,
        )
    return settings
