"""Run the main job over a small data folder on a real instance."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import Outcome, run_main
from datasel_assets.diagnostics.plots import canvas
from datasel_assets.settings import Settings
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.table import Built, Step, Table
from datasel_assets.tables.warehouse import Warehouse
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
        with coarse_pictures():
            outcome = run_main(definitions, assets, lambda: Warehouse(self.settings), self.instance)
        return outcome, self.warehouse.lake.runs()[before:]

    def refresh(self, wanted: Callable[[Table], bool]) -> dict[tuple[str, str | None], Built]:
        """Make what is not current of the ``wanted`` tables, without an orchestrator; return what was made."""
        warehouse = self.warehouse
        made = {}
        for asset in filter(wanted, all_tables(warehouse.registry)):
            for source in sorted(warehouse.registry.source_names) if asset.per_source else [None]:
                if not asset.is_current(warehouse, source):
                    step = Step(warehouse, asset.expect(warehouse, source), source, asset.name, None)
                    with coarse_pictures():
                        built = made[asset.name, source] = asset.build(step)
                    assert all(check.passed for check in built.checks.values())
                    assert set(built.checks) == set(asset.checks)
        return made


@contextmanager
def coarse_pictures() -> Iterator[None]:
    """Draw every picture with few dots: drawing is most of what a small run costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "_DPI", 40)
        yield


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """A pool that has never been run."""
    return Project(small_pool(tmp_path / "data"), instance)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder over which the main job has run; never run it again, copy it."""
    data = small_pool(tmp_path_factory.mktemp("finished") / "data")
    with dg.DagsterInstance.ephemeral() as instance:
        assert Project(data, instance).run()[0].failures == []
    return data


@pytest.fixture
def settled(finished: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """A pool that is up to date (the copy needed a new catalog, nothing else)."""
    return copy_of(finished, tmp_path, instance)


def copy_of(data: Path, folder: Path, instance: dg.DagsterInstance) -> Project:
    """Copy a data folder that is up to date; only its catalog, which names files by their place, is made again."""
    shutil.copytree(data, folder / "data")
    project = Project(folder / "data", instance)
    outcome, runs = project.run()
    assert outcome.failures == []
    assert {run["stage"] for run in runs} == {"catalog"}
    return project


def changed_copy(data: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    """Copy a data folder, change it, bring it up to date once for several tests, and return where it lies."""
    with dg.DagsterInstance.ephemeral() as instance:
        project = copy_of(data, folder, instance)
        change(project.data)
        assert project.run()[0].failures == []
    return project.data
