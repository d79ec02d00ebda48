"""Run the main job over a small data folder on a real instance."""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from datasel_assets.definitions import assemble
from datasel_assets.defs.main_job import run_main
from datasel_assets.defs.partitions import SOURCES
from datasel_assets.diagnostics.plots import canvas
from datasel_assets.settings import Settings
from datasel_assets.tables import make
from datasel_assets.tables.graph import all_tables
from datasel_assets.tables.refresh import Outcome
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

    def run(self, pictures: Callable[[], AbstractContextManager[None]] | None = None) -> tuple[Outcome, list[dict]]:
        before = len(self.warehouse.lake.runs())
        definitions, assets = assemble(self.warehouse)
        with (pictures or undrawn_pictures)():
            outcome = run_main(definitions, assets, lambda: Warehouse(self.settings), self.instance)
        return outcome, self.warehouse.lake.runs()[before:]

    def update(self) -> list[dict]:
        """Make everything that is not current, without an orchestrator; return the log of what was made."""
        before = len(self.warehouse.lake.runs())
        for table in (table for table in all_tables(self.warehouse.registry) if not table.on_demand):
            for source in sorted(self.warehouse.registry.sources) if table.per_source else [None]:
                with undrawn_pictures():
                    made = make(self.warehouse, table, source)
                assert all(check.passed for check in made.built.checks.values())
        return self.warehouse.lake.runs()[before:]

    def refresh(self, wanted: Callable[[Table], bool]) -> dict[tuple[str, str | None], Built]:
        """Make what is not current of the ``wanted`` tables, without an orchestrator; return what was made."""
        warehouse = self.warehouse
        made = {}
        for asset in filter(wanted, all_tables(warehouse.registry)):
            for source in sorted(warehouse.registry.source_names) if asset.per_source else [None]:
                if not asset.is_current(warehouse, source):
                    step = Step(warehouse, asset.expect(warehouse, source), source, asset.name, None)
                    with undrawn_pictures():
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


@contextmanager
def undrawn_pictures() -> Iterator[None]:
    """Put every picture together and draw none, where the first run has drawn the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "to_png", _undrawn)
        yield


def _undrawn(figure: Any, *_: Any, **__: Any) -> bytes:
    dot = io.BytesIO()
    Image.new("P", (1, 1)).save(dot, "PNG")
    return dot.getvalue()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """A pool that has never been run."""
    return Project(small_pool(tmp_path / "data"), instance)


@dataclass(frozen=True)
class FirstRun:
    """What the main job did over a pool that had never been run.

    Attributes:
        data: the data folder; never run it again, copy it.
        outcome: what the job says.
        runs: the log of costs, a line for each table that was made.
        events: what Dagster recorded.
    """

    data: Path
    outcome: Outcome
    runs: list[dict]
    events: list[dg.DagsterEvent]


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """The main job, once for all tests: most of them begin where it ends."""
    data = small_pool(tmp_path_factory.mktemp("finished") / "data")
    with dg.DagsterInstance.ephemeral() as instance:
        outcome, runs = Project(data, instance).run(coarse_pictures)
        logged = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    return FirstRun(data, outcome, runs, [entry.dagster_event for entry in logged if entry.dagster_event])


@pytest.fixture(scope="session")
def finished(first_run: FirstRun) -> Path:
    """A data folder over which the main job has run; never run it again, copy it."""
    assert first_run.outcome.failures == []
    return first_run.data


@pytest.fixture
def settled(finished: Path, tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """A pool that is up to date (the copy needed a new catalog, nothing else)."""
    return copy_of(finished, tmp_path, instance)


def copy_of(data: Path, folder: Path, instance: dg.DagsterInstance) -> Project:
    """Copy a data folder that is up to date; only its catalog, which names files by their place, is made again."""
    shutil.copytree(data, folder / "data")
    project = Project(folder / "data", instance)
    assert [made["stage"] for made in project.update()] == ["catalog"]
    instance.add_dynamic_partitions(SOURCES, sorted(project.warehouse.registry.sources))
    return project


def changed_copy(data: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    """Copy a data folder, change it, bring it up to date once for several tests, and return where it lies."""
    with dg.DagsterInstance.ephemeral() as instance:
        project = copy_of(data, folder, instance)
        change(project.data)
        project.update()
    return project.data
