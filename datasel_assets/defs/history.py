"""The run history of a data folder: where Dagster keeps runs, events and logs, named in ``dagster.yaml``.

Dagster's own classes take a folder from the file or from a variable, and every command of Dagster ends with a traceback
where the variable is not set. These ask the settings, which have a default. Belongs here: the folder, and nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from datasel_assets.settings import load_settings


class _OfTheDataFolder:
    @classmethod
    def config_type(cls) -> dict:
        """Take no settings."""
        return {}


class History(_OfTheDataFolder, DagsterSqliteStorage):
    """Runs, events and ticks, in SQLite."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "History":
        """Open the history of the data folder."""
        return cls.from_local(str(_folder()), inst_data)


class Logs(_OfTheDataFolder, LocalComputeLogManager):
    """What steps print."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Logs":
        """Open the logs beside the history."""
        return cls(str(_folder()), inst_data=inst_data)


class Artifacts(_OfTheDataFolder, LocalArtifactStorage):
    """Files that Dagster itself keeps."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Artifacts":
        """Keep them beside the history."""
        return cls(str(_folder()), inst_data=inst_data)


def _folder() -> Path:
    return load_settings().dagster
