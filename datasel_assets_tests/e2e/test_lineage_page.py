"""The lineage of the shipped files in a real browser: read in one look, and as its picture in the docs shows it."""

import runpy
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasel_assets.tables.lineage import GROUPS, shown_group
from datasel_assets_tests.conftest import REPOSITORY
from datasel_assets_tests.e2e.conftest import LOADED, Product

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

OTHER_PIXELS = 0.02
"""Share of pixels that may differ: another version of Chromium smooths letters in its own way."""


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Product]:
    """The shipped files, never run, in the webserver alone: a daemon would begin to work on them."""
    written = shutil.ignore_patterns("warehouse", "releases")
    shutil.copytree(REPOSITORY / "data", tmp_path / "data", ignore=written)
    product = Product(tmp_path / "data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        product.port = free.getsockname()[1]
    place = ["-h", "127.0.0.1", "-p", str(product.port), "-w", str(REPOSITORY / "workspace.yaml")]
    command = [str(Path(sys.executable).parent / "dagster-webserver"), *place]
    environment = {**product.environment, "DAGSTER_HOME": str(tmp_path)}
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)

    def up() -> bool:
        try:
            found = product.query(LOADED)["workspaceOrError"]["locationEntries"]
        except OSError:
            return False
        return [(entry["locationOrLoadError"] or {}).get("__typename") for entry in found] == ["RepositoryLocation"]

    with product.log.open("ab") as log:
        server = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        product.wait_for("the webserver", up, seconds=180)
        yield product
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_the_lineage_opens_on_groups_with_readable_names_and_looks_as_in_the_docs(shipped, page, tmp_path):
    image = pytest.importorskip("PIL.Image")
    screenshots = runpy.run_path(str(REPOSITORY / "docs" / "screenshots.py"))
    screenshots["lineage"](page, f"http://127.0.0.1:{shipped.port}", tmp_path)
    for name in map(shown_group, GROUPS):
        found = [one.bounding_box() for one in page.get_by_text(name, exact=True).all()]
        inside = [box for box in found if box and box["width"] and _is_inside(box)]
        assert len(inside) >= 2, f"{name}: once in the list and, not cut short, once in the picture"
    taken, kept = (
        np.asarray(image.open(folder / "lineage.png").convert("L"), np.int16)
        for folder in (tmp_path, screenshots["IMAGES"])
    )
    assert taken.shape == kept.shape
    again = "take it anew: python docs/screenshots.py <data folder>"
    assert (np.abs(taken - kept) > 64).mean() < OTHER_PIXELS, f"docs/images/lineage.png shows another lineage; {again}"


def _is_inside(box: dict[str, float]) -> bool:
    return 0 <= box["x"] <= 1500 - box["width"] and 0 <= box["y"] <= 960 - box["height"]
