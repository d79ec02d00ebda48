"""Take the pictures of the documentation: ``python docs/screenshots.py <data folder>`` after ``make run`` over it.

Starts the UI over the folder, opens it in headless Chromium and writes ``docs/images/*.png``.
"""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from datasel_assets.cli.explore_server import Rows, serve_rows
from datasel_assets.settings import Settings
from datasel_assets.tables.lineage import shown_group

REPOSITORY = Path(__file__).resolve().parent.parent
IMAGES = REPOSITORY / "docs" / "images"
RECIPE = "spectral_arithmetic"
SOURCE = "arithmetic"
COLOURS = 128
MAX_BYTES = 300_000


@contextmanager
def user_interface(data: Path) -> Iterator[str]:
    """Serve the UI over a data folder; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "datasel_assets", "ui", "--port", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "DATASEL_DATA": str(data)})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with suppress(OSError):
                urllib.request.urlopen(f"{address}/server_info", timeout=5)
                break
            time.sleep(1)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)


def open_page(page: Page, address: str, awaited: str) -> None:
    """Open a page and wait until the text ``awaited`` is drawn and the layout rests."""
    page.goto(address)
    page.get_by_text(awaited, exact=False).first.wait_for(timeout=90_000)
    page.wait_for_timeout(4_000)


def save(page: Page, name: str, folder: Path = IMAGES, **clip: int) -> None:
    """Write a palette PNG of the page, or of the part ``x y width height``."""
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip or None)))  # type: ignore[arg-type]
    path = folder / f"{name}.png"
    shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes, more than {MAX_BYTES:,}: take fewer colours or a smaller part")
    print(f"{path}  {shot.width} x {shot.height}  {size / 1e3:.0f} kB")


def main(data: Path) -> None:
    """Take all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    chromium = next(p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n)))
    with user_interface(data) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        lineage(page, address)
        graph(page, address)
        materialization(page, address)
        comparison(page, data)
        explored(page, data)
        report = next((data / "releases" / RECIPE).glob("*/report.html"))
        page.set_viewport_size({"width": 1100, "height": 1400})
        open_page(page, report.as_uri(), RECIPE)
        save(page, "report")
        browser.close()


def lineage(page: Page, address: str, folder: Path = IMAGES) -> None:
    """What stands under "Lineage" before anything is clicked."""
    page.set_viewport_size({"width": 1500, "height": 960})
    open_page(page, f"{address}/asset-groups", shown_group("comparison"))
    save(page, "lineage", folder)


def graph(page: Page, address: str) -> None:
    """What one selection is made from, but for the search for items of evaluations by their vectors."""
    page.set_viewport_size({"width": 1500, "height": 960})
    hidden = ('key:"evaluation_*"', 'key:"*/rds_plus"')
    query = " and not ".join([f'+key:"selections/{RECIPE}"', *hidden])
    open_page(page, f"{address}/asset-groups~{urllib.parse.quote(query, safe='')}/", "selections")
    page.get_by_text("Hide navigation").click()
    page.locator(".CodeMirror").first.click()
    page.keyboard.press("Escape")
    page.mouse.click(750, 900)
    page.keyboard.press("Alt+e")  # expand all groups
    page.wait_for_timeout(6_000)
    save(page, "asset_graph")


def materialization(page: Page, address: str) -> None:
    """One source after ingest."""
    page.set_viewport_size({"width": 1500, "height": 1000})
    open_page(page, f"{address}/assets/corpus?view=partitions&partition={SOURCE}", "rows_total")
    save(page, "materialization")


def comparison(page: Page, data: Path) -> None:
    """Which recipe to use, and how far from random rows all of them are."""
    page.set_viewport_size({"width": 1200, "height": 1100})
    open_page(page, (data / "warehouse" / "reports" / "comparison.html").as_uri(), "Which one should I use?")
    save(page, "comparison")


def explored(page: Page, data: Path) -> None:
    """Rows that one recipe keeps and another one does not, and the page of the first of them."""
    page.set_viewport_size({"width": 1500, "height": 950})
    asked = {
        "decisions": {"spectral_code": "kept", "longest": "dropped"},
        "show": {
            **{"column": "text.response_mtld", "beside": "random", "sort": "text.response_mtld"},
            "compare": ["spectral_code", "longest"],
        },
    }
    with serve_rows(Rows(Settings.at(data)), 0) as address:
        open_page(page, f"{address}/#{urllib.parse.quote(json.dumps(asked), safe='')}", "only spectral_code")
        save(page, "explore")
        page.locator("#rows tbody tr").first.click()
        page.get_by_text("What each recipe decided").wait_for()
        save(page, "explore_row", x=640, y=0, width=860, height=950)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
