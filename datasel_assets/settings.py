"""Where things lie and which environment variables move them. Nothing here touches Dagster or the registry."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_DATA = REPOSITORY / "data"

DATA_VARIABLE = "DATASEL_DATA"
DAGSTER_VARIABLE = "DATASEL_DAGSTER_DIR"
DEVICE_VARIABLE = "DATASEL_DEVICE"
COMPUTE_VARIABLE = "DATASEL_COMPUTE"
"""Where units of work are carried out: ``local``, ``ray`` or ``ray:<address>``; overrides ``compute.yaml``."""
EXECUTOR_VARIABLE = "DATASEL_EXECUTOR"
"""What carries out the steps of a run; see ``launching.executors``."""
FILES_VARIABLE = "DATASEL_FILES_URL"
"""Where releases and reports are served while the UI runs; set by ``datasel ui`` for the processes it starts."""

EXPLORE_VARIABLE = "DATASEL_EXPLORE_URL"
"""Where rows are shown while the UI runs; set like the one above."""
EXPLORE_PORT = 3200
"""Where ``datasel explore`` shows rows by itself."""


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

    @property
    def served(self) -> dict[str, Path]:
        """Return the folders that are shown in a browser, by the first part of their address."""
        return {"releases": self.releases, "reports": self.warehouse / "reports"}

    @classmethod
    def at(cls, data: Path, device: str = "auto") -> "Settings":
        """Return the settings of the data folder ``data``."""
        data = Path(data).resolve()
        warehouse = data / "warehouse"
        return cls(data, warehouse, data / "releases", warehouse / "_dagster", device)


def load_settings(data: Path | None = None) -> Settings:
    """Return the settings of a data folder.

    Args:
        data: the folder; None for the one that ``DATASEL_DATA`` names (default: the repository's ``data``), with the
            run history that ``DATASEL_DAGSTER_DIR`` names. A history belongs to one data folder, so a folder that is
            given keeps its own.
    """
    device = os.environ.get(DEVICE_VARIABLE) or "auto"
    if data is not None:
        return Settings.at(data, device)
    settings = Settings.at(Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA), device)
    history = os.environ.get(DAGSTER_VARIABLE)
    return replace(settings, dagster=Path(history).resolve()) if history else settings
