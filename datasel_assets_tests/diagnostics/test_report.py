from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from datasel_assets.diagnostics import plots
from datasel_assets.diagnostics.report import html_report
from datasel_assets_tests.diagnostics.test_text import HOSTILE

VOID = {"meta", "img"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "dl", "div", "dt", "dd", "table", "thead"),
    *("tbody", "tr", "th", "td", "figure", "img", "figcaption", "pre", "footer"),
}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def report(**changes) -> str:
    given = {
        "title": "crds_w_math",
        "summary": "rows closest to maths",
        "recipe": "select:\n  sampler: round_robin\n",
        "facts": {"rows": 4000, "share": 0.0351, "hash": "abc", "final": True, "none": None},
        "stages": pl.DataFrame(
            {"stage": ["kept", "budget"], "reason": ["chosen", "rank too low"], "rows": [4000, 96000]}
        ),
    }
    return html_report(**{**given, **changes})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_any_place_adds_no_tag_and_no_attribute(text):
    png = plots.cluster_sizes(np.array([1]), ["a"])
    frame = pl.DataFrame({"recipe": [text], "prompt": [text * 3], "rows": [1]}).rename({"prompt": f"p{text[:9]}"})
    places = {
        "title": text,
        "summary": text,
        "recipe": text,
        "facts": {text: text},
        "stages": frame,
        "pictures": [(png, text)],
        "kept": frame,
        "dropped": frame,
        "comparison": frame,
        "highlight": text,
        "footer": text,
    }
    harmless = pl.DataFrame({"recipe": ["t"], "prompt": ["t"], "rows": [1]})
    same = {**dict.fromkeys(places, "t"), "facts": {"t": "t"}, "pictures": [(png, "t")]}
    same |= dict.fromkeys(("stages", "kept", "dropped", "comparison"), harmless)
    page, oracle = Page(html_report(**places)), Page(html_report(**same))
    assert page.tags == oracle.tags
    assert page.open == oracle.open == []
    assert {name for name, _ in page.attributes} <= {name for name, _ in oracle.attributes}
    assert {value for name, value in page.attributes if name == "src"} == {
        value for name, value in oracle.attributes if name == "src"
    }


def test_the_page_needs_nothing_else():
    page = Page(report(pictures=[(b"png", "a picture")]))
    assert set(page.tags) <= ALLOWED
    assert "script" not in page.tags
    assert not any(name.startswith("on") or name == "href" for name, _ in page.attributes)
    assert all(value.startswith("data:image/png;base64,") for name, value in page.attributes if name == "src")
    assert "url(" not in report()
    assert "default-src 'none'" in dict(page.attributes)["content"] or "default-src &#x27;none&#x27;" in report()


def test_the_page_says_what_was_selected_and_why():
    kept = pl.DataFrame({"rank": [1], "prompt": ["def f(x):\n    return x"], "score": [0.12345678]})
    dropped = pl.DataFrame({"stage": ["budget"], "reason": ["rank 4,123 of 4,000"], "margin": [None]})
    text = report(kept=kept, dropped=dropped, footer="version 1")
    shown = "|".join(Page(text).texts)
    for expected in ("crds_w_math", "rows closest to maths", "4,000", "96,000", "rank too low", "0.0351", "yes", "–"):
        assert expected in shown
    assert "def f(x):\n    return x" in shown
    assert "0.1235" in shown
    assert "sampler: round_robin" in shown
    assert shown.index("Rows kept") < shown.index("Rows dropped") < shown.index("Recipe|")


def test_its_own_row_of_the_comparison_stands_out():
    comparison = pl.DataFrame({"recipe": ["random", "crds_w_math"], "rows": [1, 2]})
    text = report(comparison=comparison, highlight="crds_w_math")
    assert text.count('<tr class="this">') == 1
    assert '<tr class="this"><td>crds_w_math' in text
    assert '<tr class="this">' not in report(comparison=comparison)


def test_sections_without_data_are_left_out():
    text = report()
    assert "Rows kept" not in text
    assert "Pictures" not in text
    assert "side by side" not in text


def test_long_cells_are_cut_and_lines_are_kept():
    long = pl.DataFrame({"prompt": ["x" * 100_000, "line\n" * 500, "   \n\tindented"]})
    shown = Page(report(kept=long)).texts
    assert "x" * 400 + " …" in shown
    assert any(text.startswith("line\nline") and text.count("line") == 14 and text.endswith("…") for text in shown)
    assert "\n indented" in shown


def test_the_same_inputs_give_the_same_bytes():
    assert report() == report()
