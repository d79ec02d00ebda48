"""Remote files, against servers on this machine: fetched once, whole or not at all, and never silently old."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from datasel_assets.specs.source import SourceSpec
from datasel_assets.storage.readers import SourceError, locate, read_rows, snapshot
from datasel_assets.storage.readers.fetch import fetch, redacted

DATA = b'{"instruction": "a", "output": "b"}\n' * 3
LISTING = """<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>1</KeyCount>
<IsTruncated>false</IsTruncated><Contents><Key>d/a.jsonl</Key><LastModified>2015-10-21T07:28:00.000Z</LastModified>
<Size>{size}</Size><ETag>"1"</ETag></Contents></ListBucketResult>"""


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` (path -> content); what it was asked stands in ``log``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/d/a.jsonl": DATA, "/bucket/d/a.jsonl": DATA}
        self.etag: str | None = '"1"'
        self.log: list[str] = []
        self.head_status = 200
        self.promise_more = 0
        self.authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def gets(self) -> int:
        return sum(entry.startswith("GET") for entry in self.log)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path, _, query = self.path.partition("?")
        self.server.log.append(f"{self.command} {path}")
        self.server.authorization = self.headers.get("Authorization")
        data = self.server.files.get(path)
        if "list-type=2" in query:
            data = LISTING.format(size=len(DATA)).encode()
        status = 404 if data is None else 200 if body else self.server.head_status
        data = data or b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) + self.server.promise_more))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def read(uri: str, folder: Path) -> list[dict | None]:
    spec = SourceSpec(uri=uri)
    return [row.record for row in read_rows(snapshot(spec, "s", folder, folder / "cache"), spec)]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name.startswith(".")]


def test_a_file_is_fetched_once_and_again_only_when_the_server_has_another(server: Server, tmp_path: Path):
    uri = f"{server.url}/d/a.jsonl"
    assert len(read(uri, tmp_path)) == len(read(uri, tmp_path)) == 3
    assert server.gets == 1
    server.files["/d/a.jsonl"], server.etag = DATA * 2, '"2"'
    assert len(read(uri, tmp_path)) == 6
    assert server.gets == 2
    assert len(list(tmp_path.rglob("a.jsonl"))) == 1


def test_a_file_is_located_without_being_fetched_and_at_the_last_fetch_where_nobody_answers(server, tmp_path: Path):
    spec = SourceSpec(uri=f"{server.url}/d/a.jsonl?token=secret")

    def look() -> list[str]:
        return locate(spec, "s", tmp_path, tmp_path / "cache")

    assert look() == [f"{server.url}/d/a.jsonl"]
    assert server.log == ["HEAD /d/a.jsonl"]
    assert list(tmp_path.iterdir()) == []
    server.head_status = 503
    with pytest.raises(SourceError, match=r"/d/a.jsonl: cannot be reached \(HTTPError: Service Unavailable\)"):
        look()
    server.head_status = 200
    snapshot(spec, "s", tmp_path, tmp_path / "cache")
    server.head_status = 503
    assert look() == [f"{server.url}/d/a.jsonl"]
    server.files.clear()
    with pytest.raises(SourceError, match="nothing is there"):
        look()


@pytest.mark.parametrize("status", [403, 405])
def test_a_server_that_answers_no_head_request_is_asked_for_the_file_once(server: Server, tmp_path: Path, status: int):
    server.head_status, server.etag = status, None
    for _ in range(2):
        assert len(read(f"{server.url}/d/a.jsonl", tmp_path)) == 3
    assert server.gets == 1


def test_an_older_copy_stands_in_for_an_unreachable_place_and_says_so(server: Server, tmp_path: Path):
    uri = f"{server.url}/d/a.jsonl"
    (fresh,) = fetch(uri, tmp_path, 1000)
    server.head_status = 503
    (old,) = fetch(uri, tmp_path, 1000)
    assert (old.path, fresh.note) == (fresh.path, None)
    assert old.note is not None
    assert "could not be reached (HTTPError: Service Unavailable)" in old.note


def test_the_note_about_an_older_copy_is_in_the_snapshot(server: Server, tmp_path: Path):
    spec = SourceSpec(uri=f"{server.url}/d/a.jsonl")
    before = snapshot(spec, "s", tmp_path, tmp_path / "cache")
    server.head_status = 503
    after = snapshot(spec, "s", tmp_path, tmp_path / "cache")
    assert after.fingerprint == before.fingerprint
    assert [bool(file.note) for file in (*before.files, *after.files)] == [False, True]


def test_a_file_that_is_gone_is_an_error_even_with_a_copy(server: Server, tmp_path: Path):
    uri = f"{server.url}/d/a.jsonl"
    fetch(uri, tmp_path, 1000)
    del server.files["/d/a.jsonl"]
    with pytest.raises(SourceError, match="nothing is there"):
        fetch(uri, tmp_path, 1000)


def test_an_unreachable_place_without_a_copy_says_what_to_do(tmp_path: Path):
    with pytest.raises(SourceError, match=r"nowhere.invalid/a.jsonl: cannot be reached .* put a local copy"):
        fetch("https://user:secret@nowhere.invalid/a.jsonl?token=secret", tmp_path, 1000)
    with pytest.raises(SourceError) as caught:
        fetch("https://user:secret@nowhere.invalid/a.jsonl?token=secret", tmp_path, 1000)
    assert "secret" not in str(caught.value)


def test_credentials_reach_the_server_but_no_message(server: Server, tmp_path: Path):
    uri = f"http://user:pass@127.0.0.1:{server.server_port}/d/a.jsonl?signature=x"
    (file,) = fetch(uri, tmp_path, 1000)
    assert server.authorization == "Basic dXNlcjpwYXNz"
    assert file.uri == redacted(uri) == f"{server.url}/d/a.jsonl"
    assert "pass" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_a_download_over_the_limit_leaves_nothing_behind(server: Server, tmp_path: Path):
    with pytest.raises(SourceError, match=r"larger than limits.file_bytes = 50"):
        fetch(f"{server.url}/d/a.jsonl", tmp_path, 50)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_that_ends_early_is_not_taken_for_the_file(server: Server, tmp_path: Path):
    server.promise_more = 10
    with pytest.raises(SourceError, match=r"ended 10 bytes early"):
        fetch(f"{server.url}/d/a.jsonl", tmp_path, 1000)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_full_disk_is_named_and_leaves_nothing_behind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceError, match=r"failed .*No space left on device"):
        fetch(f"{server.url}/d/a.jsonl", tmp_path, 1000)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_failed_update_keeps_the_copy_there_was(server: Server, tmp_path: Path):
    (before,) = fetch(f"{server.url}/d/a.jsonl", tmp_path, 1000)
    server.etag, server.promise_more = '"2"', 10
    with pytest.raises(SourceError, match="bytes early"):
        fetch(f"{server.url}/d/a.jsonl", tmp_path, 1000)
    assert before.path.read_bytes() == DATA
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("pattern", ["d/a.jsonl", "d/*.jsonl"])
def test_s3_files_are_read_through_arrow(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str):
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("EC2_METADATA_DISABLED", "true")):
        monkeypatch.setenv(f"AWS_{name}", value)
    endpoint = f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
    assert len(read(f"s3://bucket/{pattern}?{endpoint}", tmp_path)) == 3


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """An fsspec file system: hf:// takes the same path."""
    fs = fsspec.filesystem("memory")
    for name in ("b", "a"):
        fs.pipe(f"/pool/{name}.jsonl", json.dumps({"text": name}).encode())
    yield fs
    fs.rm("/pool", recursive=True)


def test_a_remote_glob_is_sorted_and_follows_what_is_there(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    def contents() -> list[str]:
        return [file.path.read_text() for file in fetch("memory://pool/*.jsonl", tmp_path, 1000)]

    assert contents() == ['{"text": "a"}', '{"text": "b"}']
    memory.pipe("/pool/c.jsonl", b"{}")
    memory.rm("/pool/a.jsonl")
    assert contents() == ['{"text": "b"}', "{}"]
    assert sorted(path.name for path in tmp_path.rglob("*.jsonl")) == ["b.jsonl", "c.jsonl"]


def test_a_remote_pattern_without_a_match_is_an_error(memory: fsspec.AbstractFileSystem, tmp_path: Path):
    for uri in ("memory://pool/*.csv", "memory://pool/absent.jsonl"):
        with pytest.raises(SourceError, match="nothing is there, or the pattern matches no file"):
            fetch(uri, tmp_path, 1000)
