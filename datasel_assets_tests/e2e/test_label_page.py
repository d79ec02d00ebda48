"""The labelling page in a real browser."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from datasel_assets.cli.label_queue import LabelQueue, Task
from datasel_assets.cli.label_server import serve_labels
from datasel_assets.storage.label_files import append_answer

pytestmark = pytest.mark.e2e

LATE_ANSWERS = """
const ask = window.fetch;
const later = (...all) => new Promise(go => setTimeout(() => go(ask(...all)), 700));
window.fetch = (path, ...rest) => path === "/about" ? later(path, ...rest) : ask(path, ...rest);
"""
MARKUP = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    path = tmp_path / "quality.answers.jsonl"
    tasks = [Task(f"r{i}", f"c{i}", f"Prompt {i} {MARKUP}", f"Response {i}\nline two {MARKUP}") for i in range(3)]
    queue = LabelQueue(tasks, ("bad", "good"), 2, 0.0, partial(append_answer, path))
    about = {"name": "quality", "question": f"Good? {MARKUP}", "guidelines": f"Be fair. {MARKUP}"}
    with serve_labels(queue, about, 0) as address:
        yield address, path


def answers(path: Path) -> list[tuple[str, str, str | None]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["worker"], line["content_hash"], line["answer"]) for line in lines]


def begin(page, address: str, worker: str) -> None:
    page.goto(address)
    page.get_by_label("Your name").fill(worker)
    page.keyboard.press("Enter")
    page.wait_for_selector("#main:not([hidden])")


def seen(page, text: str) -> None:
    # By locator: the page's Content-Security-Policy forbids the evaluation that wait_for_function needs.
    page.locator("#count", has_text=re.compile("^" + re.escape(text))).wait_for(state="attached")


def test_a_worker_answers_by_keys_takes_one_back_and_finishes(page, asked: tuple[str, Path]):
    address, path = asked
    begin(page, address, "Ada")
    assert page.locator("#response").inner_text().startswith("Response 0\nline two <img")
    page.keyboard.press("2")
    seen(page, "1 answered, 2 left, as Ada")
    page.keyboard.press("1")
    seen(page, "2 answered")
    page.keyboard.press("u")
    seen(page, "1 answered")
    assert page.locator("#prompt").inner_text().startswith("Prompt 1")
    page.keyboard.press("9")
    page.get_by_role("button", name="good").click()
    seen(page, "2 answered")
    page.keyboard.press("2")
    seen(page, "3 answered, 0 left")
    assert page.locator("#done").is_visible()
    assert not page.locator("#task").is_visible()
    assert answers(path) == [
        ("Ada", "c0", "good"),
        ("Ada", "c1", "bad"),
        ("Ada", "c1", None),
        ("Ada", "c1", "good"),
        ("Ada", "c2", "good"),
    ]


def test_a_name_that_is_given_before_the_page_knows_its_answers_counts(page, asked: tuple[str, Path]):
    address, path = asked
    page.add_init_script(LATE_ANSWERS)
    begin(page, address, "Ada")
    page.keyboard.press("2")
    seen(page, "1 answered")
    assert answers(path) == [("Ada", "c0", "good")]


def test_markup_in_a_row_is_text_and_nothing_outside_is_asked_for(page, asked: tuple[str, Path]):
    address, _ = asked
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(address) else None)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    begin(page, address, "Ada")
    page.keyboard.press("g")
    assert page.locator("#guide").inner_text() == f"Be fair. {MARKUP}"
    assert MARKUP in page.locator("#question").inner_text()
    assert page.title() == "quality"
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert (elsewhere, [text for text in complaints if "favicon" not in text and "404" not in text]) == ([], [])


def test_two_workers_share_the_rows_and_a_server_that_is_gone_is_said(page, asked: tuple[str, Path]):
    address, path = asked
    begin(page, address, "Ada")
    other = page.context.browser.new_page()
    begin(other, address, "Ben")
    assert other.locator("#prompt").inner_text().startswith("Prompt 1")
    other.keyboard.press("1")
    seen(other, "1 answered")
    page.keyboard.press("2")
    seen(page, "1 answered")
    assert sorted(answers(path)) == [("Ada", "c0", "good"), ("Ben", "c1", "bad")]
    page.route("**/answer", lambda route: route.abort())
    page.keyboard.press("2")
    page.locator("#said", has_text="still running").wait_for(state="attached")
    other.close()
