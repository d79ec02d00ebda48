"""Fixtures that several test folders share."""

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Every core has a worker of its own: threads of theirs would only wait for each other. Read when libraries load.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from datasel_assets_tests.project import finished, first_run, instance, project, settled

__all__ = ["finished", "first_run", "instance", "project", "settled", "shared_data"]

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development datasets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("DATASEL_SHARED", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "manifest.json").is_file():
        pytest.skip("development datasets are absent: set DATASEL_SHARED to their folder to run this test")
    return folder


@pytest.fixture(scope="module", autouse=True)
def what_is_loaded_is_not_searched_again() -> Iterator[None]:
    """Take what lives when a module's tests are over out of later searches for garbage.

    Closing a model looks for circles among all objects of the process: a second each time, with every library loaded.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let what libraries made be given back: some complain at the end of the process otherwise."""
    gc.unfreeze()
