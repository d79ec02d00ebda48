import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datasel_assets.diagnostics.text import clean, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://example.org/pixel.png)",
    "**bold** _it_ ~~gone~~ `code` $x^2$",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "# head",
    "- item",
    "1. item",
    "> quote",
    "--- rule",
    "***",
    "    indented code",
    "```\nfence\n```",
    "see https://example.org/a?b=c&d or www.example.org or me@example.org",
    "&lt;b&gt; &amp; &#60;",
    "a\\*b\\",
    "\"quotes\" and 'quotes'",
    "right \u202eto left\u202c \u2066iso\u2069 \ufeff \x00\x1b[31m",
    "[ref]: https://example.org",
    "x\n===",
]


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


@given(st.text(max_size=80))
@example("1)")
@example("12. x")
@example("a\u2028b")
def test_markdown_shows_the_characters_and_nothing_else(text):
    shown = clean(text, 60)
    page = rendered(plain(text, 60))
    if shown:
        assert page.startswith("<p>")
        assert page.endswith("</p>\n")
    inner = page.removeprefix("<p>").removesuffix("</p>\n")
    assert "<" not in inner
    assert html.unescape(inner).replace("\u2060", "") == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text_to_markdown_and_html(text):
    assert re.fullmatch(r"<p>[^<>]*</p>\n", rendered(plain(text)))
    assert html.unescape(plain(text)).replace("\u2060", "") == clean(text)
    assert not set(plain(text)) & set("<>*_[]`|\\\"'\n")


def test_addresses_do_not_become_links():
    shown = plain("https://a.b, HTTP://c.d, www.e.f, g@h.i, javascript:x")
    assert not re.search(r"(?i)https?://|www\.|\w@\w|javascript:x", shown)


@given(st.text())
def test_clean_text_is_one_line_of_showing_characters(text):
    shown = clean(text, 30)
    assert len(shown) <= 30
    assert shown == " ".join(shown.split())
    assert all(unicodedata.category(c)[0] != "C" or c in "\u200c\u200d" for c in shown)
    assert clean(shown, 30) == shown


def test_a_cut_text_says_so():
    assert clean("word " * 10, 12) == "word word w…"
    assert clean("x" * 5, 5) == "xxxxx"
    assert clean("ab" + "\n" * 10**6 + "c", 10) == "ab…"


def test_a_huge_text_is_not_read_whole():
    import time

    started = time.process_time()
    assert clean("x" * 50_000_000, 40).endswith("x…")
    assert time.process_time() - started < 5  # It reads 400 characters; reading all takes far longer than a copy.


def test_bidirectional_overrides_and_stacks_of_marks_are_dropped():
    assert clean("safe\u202eexe.txt") == "safeexe.txt"
    assert clean("a" + "\u0301" * 50 + "b") == "a" + "\u0301" * 3 + "b"
    assert clean("क्‍ष") == "क्‍ष"


def test_anything_can_be_shown():
    assert clean(None) == "None"
    assert clean(3.5) == "3.5"
    with pytest.raises(ValueError, match="limit is 0"):
        clean("a", 0)
