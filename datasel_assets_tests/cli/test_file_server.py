"""Releases and reports in a browser: what is served, as what, and that nothing else is."""

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasel_assets.cli.file_server import serve_files
from datasel_assets.diagnostics.page import script_source

VERSION = "ae97ecc672c4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    release = data / "releases" / "random" / VERSION
    (release / "configs").mkdir(parents=True)
    (release / "report.html").write_text("<h1>our page</h1>")
    (release / "configs" / "report.html").write_text("<script>steal()</script>")
    (release / "train.jsonl").write_text('{"text": "<script>steal()</script>"}\n')
    (release / "train.parquet").write_bytes(b"PAR1")
    (release / "README.md").write_text("<img src=x onerror=steal()>")
    (release / ".hidden").write_text("secret")
    (release / "<b>&\"'.txt").write_text("odd name")
    (release.parent / "latest").write_text(VERSION + "\n")
    (data / "releases" / "other").mkdir()
    (data / "releases" / "other" / "latest").write_text("../../secret.txt")
    (data / "releases" / "linked" / VERSION).mkdir(parents=True)
    (data / "releases" / "linked" / VERSION / "report.html").write_text("<h1>linked page</h1>")
    (data / "releases" / "linked" / "latest").symlink_to(VERSION)
    (data / "warehouse" / "reports").mkdir(parents=True)
    (data / "warehouse" / "reports" / "comparison.html").write_text("<h1>comparison</h1>")
    (data / "secret.txt").write_text("secret")
    (data / "releases" / "out.txt").symlink_to(data / "secret.txt")
    (data / "releases" / "away").symlink_to(data)
    (data / "releases" / "peek").symlink_to(release / ".hidden")
    return data


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    served = {"releases": folder / "releases", "reports": folder / "warehouse" / "reports"}
    with serve_files(served, 0) as address:
        yield int(address.rpartition(":")[2])


def ask(port: int, path: str, method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (f"/releases/random/{VERSION}/report.html", b"our page"),
        ("/releases/random/latest/report.html", b"our page"),
        ("/releases/linked/latest/report.html", b"linked page"),
    ],
)
def test_our_own_pages_are_html_that_may_load_and_run_nothing(port: int, path: str, content: bytes):
    status, headers, body = ask(port, path)
    assert status == 200
    assert content in body
    assert headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]


def test_a_comparison_may_load_nothing_and_run_only_the_script_whose_hash_is_named(port: int):
    status, headers, body = ask(port, "/reports/comparison.html")
    assert status == 200
    assert b"comparison" in body
    assert headers["Content-Type"].startswith("text/html")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert re.findall(r"script-src ([^;]*)", policy) == [f"'{script_source('tables.js')}'"]


@pytest.mark.parametrize("name", ["train.jsonl", "README.md", "configs/report.html"])
def test_text_is_text_whatever_it_says(port: int, name: str):
    status, headers, body = ask(port, f"/releases/random/{VERSION}/{name}")
    assert status == 200
    assert body
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_table_is_saved_and_not_shown(port: int):
    _, headers, body = ask(port, f"/releases/random/{VERSION}/train.parquet")
    assert body == b"PAR1"
    assert headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/warehouse/reports/comparison.html",
        "/releases/../secret.txt",
        "/releases/%2e%2e/secret.txt",
        "/releases/..%2fsecret.txt",
        "/releases/random/..%5c..%5csecret.txt",
        "/releases//../../secret.txt",
        "//releases/../secret.txt",
        "/releases/out.txt",
        "/releases/away/secret.txt",
        "/releases/away",
        "/releases/peek",
        "/releases/other/latest",
        "/releases/other/latest/secret.txt",
        f"/releases/random/{VERSION}/.hidden",
        f"/releases/random/{VERSION}/%2ehidden",
        "/releases/random/%00",
        "/releases/random/%ff",
        "/releases/absent",
        "/reports/" + "a" * 5000,
        "http://[",
    ],
)
def test_nothing_else_is_reached_by_dots_links_or_odd_names(port: int, path: str):
    status, headers, body = ask(port, path)
    assert status == 404
    assert b"secret" not in body
    assert headers["Content-Type"].startswith("text/plain")


def test_a_folder_lists_what_can_be_opened_and_names_are_text(port: int):
    status, headers, body = ask(port, f"/releases/random/{VERSION}/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b"report.html" in body
    assert b"&lt;b&gt;&amp;&quot;&#x27;.txt" in body
    assert b"<b>" not in body
    assert b"hidden" not in body
    assert ask(port, f"/releases/random/{VERSION}/%3Cb%3E%26%22%27.txt")[2] == b"odd name"
    front = ask(port, "/")[2]
    assert b'href="/releases"' in front
    assert b'href="/reports"' in front


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(port: int, method: str):
    status, headers, _ = ask(port, "/releases/random/latest/report.html", method)
    assert status == 501
    assert headers["Content-Type"].startswith("text/plain")


def test_the_head_of_a_file_has_its_size_and_no_content(port: int):
    status, headers, body = ask(port, "/reports/comparison.html", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "19", b"")


def test_a_foreign_name_that_points_here_is_refused(port: int):
    status, _, body = ask(port, "/reports/comparison.html", host=f"evil.example:{port}")
    assert status == 403
    assert b"comparison" not in body


def test_a_port_that_is_taken_is_replaced_by_a_free_one(folder: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve_files({"reports": folder / "warehouse" / "reports"}, port) as address:
            other = int(address.rpartition(":")[2])
            assert other != port
            assert ask(other, "/reports/comparison.html")[0] == 200


def test_folders_that_are_not_there_yet_are_no_failure(tmp_path: Path):
    with serve_files({"releases": tmp_path / "releases"}, 0) as address:
        assert ask(int(address.rpartition(":")[2]), "/releases")[0] == 404
