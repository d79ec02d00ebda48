"""Run the main job over a small data folder on a real instance."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import Outcome, run_main
from datasel_assets.defs.resources import Warehouse
from datasel_assets.settings import Settings
from datasel_assets_tests.pools import small_pool


class Project:
    """A data folder with its instance; ``run`` brings it up to date and tells which stages did work."""

    def __init__(self, data: Path, instance: dg.DagsterInstance) -> None:
        self.data = data
        self.instance = instance
        self.settings = Settings.at(data, device="cpu")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings)

    def run(self) -> tuple[Outcome, list[dict]]:
        before = len(self.warehouse.lake.runs())
        definitions, assets = assemble(self.warehouse)
        outcome = run_main(definitions, assets, lambda: Warehouse(self.settings), self.instance)
        return outcome, self.warehouse.lake.runs()[before:]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    return Project(small_pool(tmp_path / "data"), instance)
