"""Releases and reports in a browser: a small read-only server on the loopback interface, beside the UI.

Belongs here: what is served, and as what. Not: what stands in a report (``diagnostics``).

Nothing outside the served folders is reached, by dots or by links; hidden files are neither listed nor served. A text
is shown as text, so that a row with markup in it is never a page; only the reports at their own places are HTML, which
may load nothing, and run nothing but the one script that sorts the tables of a comparison, told by its hash.
"""

import html
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from datasel_assets.cli.loopback import HOST, LoopbackHandler, LoopbackServer, running

REPORTS = "reports/*.html"
PAGES = ("releases/*/*/report.html", REPORTS)
"""What is HTML of our own making; everything else is text, or is saved."""
TEXTS = {".html", ".htm", ".md", ".json", ".jsonl", ".yaml", ".yml", ".txt", ".csv", ""}
LATEST = "latest"
MAX_NAME = 64
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
PAGE_HEADERS = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}


class Refused(Exception):
    """What is asked for cannot be shown; says why in words that name no path outside."""


@contextmanager
def serve_files(folders: Mapping[str, Path], port: int) -> Iterator[str]:
    """Serve some folders while the block runs; gives the address.

    Args:
        folders: first part of an address -> the folder it stands for; it need not exist yet.
        port: the port to take; where another process has it, any that is free.
    """
    try:
        server = _Server((HOST, port), folders)
    except OSError:
        server = _Server((HOST, 0), folders)
    with running(server) as address:
        yield address


def find(folders: Mapping[str, Path], address: str) -> tuple[Path, str]:
    """Return the file or folder of an address, and the address without detours (``latest`` is the version it names).

    Raises:
        Refused: there is none, or it is not for showing.
    """
    parts = [part for part in unquote(urlsplit(address).path, errors="strict").split("/") if part]
    if any(part.startswith(".") or "\\" in part or not part.isprintable() for part in parts):
        raise Refused("no such file")
    if not parts or parts[0] not in folders:
        raise Refused("no such file")
    root = folders[parts[0]].resolve()
    path, walked = root, parts[:1]
    for part in parts[1:]:
        if part == LATEST and (path / part).is_file():
            with (path / part).open("rb") as file:
                part = file.read(MAX_NAME + 1).decode("ascii", "replace").strip()
            if not part.isalnum() or len(part) > MAX_NAME:
                raise Refused("no such file")
        path, walked = path / part, [*walked, part]
    resolved = path.resolve()
    inside = resolved.is_relative_to(root) and not any(p.startswith(".") for p in resolved.relative_to(root).parts)
    if not inside or not (resolved.is_file() or resolved.is_dir()):
        raise Refused("no such file")
    return resolved, "/".join([parts[0], *resolved.relative_to(root).parts])


def headers_of(address: str) -> Mapping[str, str]:
    """Return how a file is sent, from its address."""
    path = PurePosixPath(address)
    if any(path.match(page) and len(path.parts) == page.count("/") + 1 for page in PAGES):
        if not path.match(REPORTS):
            return PAGE_HEADERS
        from datasel_assets.diagnostics.page import script_source

        return {**PAGE_HEADERS, "Content-Security-Policy": f"{POLICY}; script-src '{script_source('tables.js')}'"}
    if path.suffix.lower() in TEXTS:
        return {"Content-Type": "text/plain; charset=utf-8", "Content-Security-Policy": "sandbox"}
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name, safe='')}",
    }


class _Server(LoopbackServer):
    def __init__(self, address: tuple[str, int], folders: Mapping[str, Path]) -> None:
        self.folders = dict(folders)
        super().__init__(address, _Handler)


class _Handler(LoopbackHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        if not self.is_meant():
            return
        try:
            if not urlsplit(self.path).path.strip("/"):
                self.send_content(HTTPStatus.OK, PAGE_HEADERS, _listing("", sorted(self.server.folders), []), body)
                return
            path, address = find(self.server.folders, self.path)
            file = None if path.is_dir() else path.open("rb")
        except (Refused, ValueError, OSError):
            self.send_error(HTTPStatus.NOT_FOUND, "no such file")
            return
        if file is None:
            shown = sorted(each for each in path.iterdir() if not each.name.startswith("."))
            folders = [each.name for each in shown if each.is_dir()]
            listing = _listing(address, folders, [each.name for each in shown if not each.is_dir()])
            self.send_content(HTTPStatus.OK, PAGE_HEADERS, listing, body)
            return
        with file, suppress(ConnectionError):  # who asked may leave before the end
            self.send_head(HTTPStatus.OK, headers_of(address), path.stat().st_size)
            if body:
                shutil.copyfileobj(file, self.wfile)


def _listing(address: str, folders: list[str], files: list[str]) -> bytes:
    """Return the page of a folder; names are links and text, never markup."""
    above = address.rpartition("/")[0]
    lines = [f'<li><a href="/{quote(above)}">..</a></li>'] if address else []
    for name in [*(f"{folder}/" for folder in folders), *files]:
        where = "/".join(part for part in (address, name.rstrip("/")) if part)
        lines.append(f'<li><a href="/{quote(where)}">{html.escape(name)}</a></li>')
    title = html.escape(address or "releases and reports")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<body style="font-family: sans-serif; margin: 2em"><h1>{title}</h1><ul>{"".join(lines)}</ul></body></html>'
    )
    return page.encode()
